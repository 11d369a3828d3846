"""The command line, without running anything."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import get_type_hints

import pytest

from oms_engine.errors import ConfigError
from openoms import options
from openoms.cli import COMMANDS, invoke
from openoms.extras import EXTRAS
from openoms.plan import MigrateOptions


def parser_of(name: str) -> options.Parser:
    """Return a command's parser."""
    parser = options.command_parser(f"openoms {name}", "", "")
    COMMANDS[name].declare(parser)
    return parser


def test_every_option_of_the_python_face_is_an_option_of_the_command():
    """Only credentials (which are never options) and record_failed (always on) are Python's alone."""
    said = parser_of("migrate").parse_args(["s3://abc", "obs://abc"])
    missing = set(get_type_hints(MigrateOptions)) - set(vars(said))
    assert missing == {"source_credentials", "destination_credentials", "record_failed"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_help_text(name):
    """``--help`` leaves nothing unexplained."""
    assert all(action.help for action in parser_of(name)._actions)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_exits_with_0(name, capsys):
    """And names the command."""
    assert invoke([name, "--help"]) == 0
    assert f"openoms {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--bandwith", "--bandwidth"),
        ("--overwite=x", "--overwrite"),
        ("--dryrun", "--dry-run"),
        ("--conections", "--connections"),
    ],
)
def test_a_mistyped_option_gets_its_neighbour(typed, meant):
    """Before anything else about the arguments is judged."""
    with pytest.raises(ConfigError, match=f"did you mean '{meant}'"):
        parser_of("migrate").refuse_unknown(["s3://a", typed])


def test_what_follows_two_dashes_is_no_option():
    """``--`` ends the options, as everywhere."""
    parser_of("migrate").refuse_unknown(["--", "--odd-bucket"])


def test_options_are_never_abbreviated():
    """A script that says --meta would change its meaning with the next option that begins so."""
    with pytest.raises(ConfigError):
        parser_of("migrate").parse_args(["s3://abc", "obs://abc", "--meta"])


def test_the_command_starts_without_the_engine_and_rich():
    """A usage error, or --help, costs a tenth of a second: nothing heavy is imported for it."""
    code = (
        "import sys\nfrom openoms.cli import invoke\n"
        "assert invoke(['migrate', 's3://abc', 'obs://abc']) == 2\n"
        "heavy = ('rich', 'pydantic', 'asyncio', 'uvloop', 'sqlite3', 'oms_engine.migration', 'boto3')\n"
        "found = [name for name in heavy if name in sys.modules]\n"
        "assert not found, found\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env={"PATH": ""}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("debug", ["", "1"])
def test_a_defect_is_said_as_one_and_shown_only_on_request(debug, monkeypatch, capsys):
    """OPENOMS_DEBUG=1 lets the traceback through."""

    def broken(_said):
        raise ZeroDivisionError("oops")

    monkeypatch.setitem(COMMANDS, "version", COMMANDS["version"].__class__("", lambda _parser: None, broken))
    monkeypatch.setenv("OPENOMS_DEBUG", debug)
    if debug:
        with pytest.raises(ZeroDivisionError):
            invoke(["version"])
        return
    assert invoke(["version"]) == 3
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("module", "arguments", "extra"),
    [
        ("uvicorn", ["serve"], "service"),
        ("pydantic_settings", ["user", "list"], "service"),
        ("pydantic_settings", ["config"], "service"),
        ("pydantic_settings", ["keys", "rotate"], "service"),
    ],
)
def test_a_command_of_an_extra_that_is_not_installed_names_it(module, arguments, extra, tmp_path):
    """A plain installation runs migrations; the rest says what to install, and calls nothing a defect."""
    blind = f"import sys; sys.modules[{module!r}] = None; from openoms.cli import main; main({arguments!r})"
    done = subprocess.run(
        [sys.executable, "-c", blind], capture_output=True, text=True, check=False, env={"HOME": str(tmp_path)}
    )
    assert done.returncode == 2
    assert done.stderr == (
        f"openoms: {module} is not installed, which this command needs; run: pip install 'openoms[{extra}]'\n"
    )


def test_every_package_of_the_service_extra_is_known():
    """The table of extras and the project's own list do not drift apart."""
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    listed = project["optional-dependencies"]["service"] + project["optional-dependencies"]["postgres"]
    names = {re.split(r"[\[>]", line)[0].replace("-", "_") for line in listed}
    assert names <= {package for packages in EXTRAS.values() for package in packages}
