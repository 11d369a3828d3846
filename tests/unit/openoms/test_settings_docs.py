"""docs/settings.md: every example of it is read by those who would read it, and every table has one."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from oms_worker.setting_words import COMMANDS_OWN, service_names
from oms_worker.settings import ServiceSettings, load_service_settings
from openoms.cli import run
from openoms.configfile import read_config_file

ROOT = Path(__file__).parents[3]
DOCS = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```", DOCS, re.DOTALL)
COMMANDS = [
    line.partition("#")[0] for block in re.findall(r"```sh\n(.*?)```", DOCS, re.DOTALL) for line in block.splitlines()
]


@pytest.fixture(autouse=True)
def _plain(monkeypatch):
    import os

    for name in list(os.environ):
        if name.startswith("OPENOMS_"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize("text", EXAMPLES, ids=range(len(EXAMPLES)))
def test_examples_are_read_by_both(tmp_path, text):
    """Each example is a file that the service and the command take, and its values arrive."""
    path = tmp_path / "openoms.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    settings = load_service_settings(path)
    read_config_file(path, required=True)
    for name, value in tomllib.loads(text).items():
        if isinstance(value, str | int | float):
            assert str(getattr(settings, name)) in {str(value), f"{value}.0"}


@pytest.mark.parametrize("text", re.findall(r"```toml\n(.*?)```", README, re.DOTALL))
def test_examples_of_the_readme_are_read_by_both(tmp_path, text):
    """So is each example of README."""
    path = tmp_path / "openoms.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    load_service_settings(path)
    found = read_config_file(path, required=True)
    assert found.profiles or found.service.url or found.endpoints


def test_every_table_has_an_example():
    """Whatever is a table of the settings stands in an example, and so does each of the command's."""
    shown = {name for text in EXAMPLES for name, value in tomllib.loads(text).items() if isinstance(value, dict)}
    tables = {name for name, field in ServiceSettings.model_fields.items() if _is_table(field.annotation)}
    assert shown >= tables
    assert shown >= {"service", "defaults"}


def _is_table(annotation):
    return "dict" in str(annotation) or hasattr(annotation, "model_fields")


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_run(line, tmp_path, monkeypatch, capsys):
    """Each command line of the text does what it says."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "openoms.toml").write_text(EXAMPLES[0], encoding="utf-8")
    words = [word.replace("/etc", str(tmp_path)) for word in shlex.split(line)]
    assert words[0] == "openoms"
    assert run(words[1:]) == 0
    assert "running_tasks" in capsys.readouterr().out


def test_names_of_the_service_are_those_of_its_settings():
    """What the command knows of the service's settings, without reading them, are their very names."""
    assert service_names() == tuple(ServiceSettings.model_fields)
    assert not set(COMMANDS_OWN) & set(service_names())


def test_the_readme_leads_here():
    """README names the text, and no setting of it that does not exist."""
    assert "(docs/settings.md)" in README
