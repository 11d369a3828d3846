"""``openoms config --explain``: meaning, default, value and origin of each setting; no secret; one file for both."""

import json
import os

import pytest

from oms_engine.errors import ConfigError
from oms_worker.setting_explain import explain_settings
from oms_worker.setting_words import words_of
from oms_worker.settings import ServiceSettings, load_service_settings
from openoms.cli import run
from openoms.configfile import read_config_file

WHOLE = """
port = 9000

[endpoints.hec.rack]
endpoint = "https://minio.example:9000"
dialect = "S3"
addressing = "path"
region = "us-east-1"

[channels.ops]
kind = "webhook"
url = "https://hooks.example/hush-path"
secret = "hush-hook"

[templates]
short = "{Task_Name}"

[profiles.production]
access_key = "AK"
secret_key = "hush-profile"

[service]
url = "https://oms.example"
access_key = "AK"
secret_key = "hush-service"

[defaults]
connections = 128
"""


@pytest.fixture(autouse=True)
def _plain(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith("OPENOMS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def write(tmp_path, text, mode=0o600):
    """Write a settings file; return its path."""
    path = tmp_path / "openoms.toml"
    path.write_text(text)
    path.chmod(mode)
    return path


def explained(capsys, path, *words):
    """Run the command; return what it says of each setting, by name, and all that it printed."""
    assert run(["config", "--explain", "--json", "--config", str(path), *words]) == 0
    printed = capsys.readouterr().out
    return {item["name"]: item for item in json.loads(printed)}, printed


def test_each_value_has_its_origin(tmp_path, monkeypatch, capsys):
    """Option, variable (plain, nested or JSON), file and default are distinguished, setting by setting."""
    path = write(tmp_path, WHOLE)
    monkeypatch.setenv("OPENOMS_ZONE", "Asia/Shanghai")
    monkeypatch.setenv("OPENOMS_QUOTAS__WAITING_TASKS", "3")
    monkeypatch.setenv("OPENOMS_WORK", '{"tasks": 9}')
    found, _ = explained(capsys, path, "--host", "0.0.0.0")
    wanted = {
        "host": ("0.0.0.0", "127.0.0.1", "option --host"),
        "port": ("9000", "8080", f"file {path}"),
        "zone": ("Asia/Shanghai", "UTC", "variable OPENOMS_ZONE"),
        "quotas.waiting_tasks": ("3", "1500", "variable OPENOMS_QUOTAS__WAITING_TASKS"),
        "quotas.running_tasks": ("5", "5", "default"),
        "work.tasks": ("9", "200", "variable OPENOMS_WORK"),
        "work.hosts": ("0", "0", "default"),
        "endpoints.HuaweiCloud.rack.dialect": ("s3", "(none)", f"file {path}"),
        "endpoints.HuaweiCloud.rack.kms": ("(none)", "(none)", "default"),
        "channels.ops.attempts": ("3", "3", "default"),
        "channels.ops.secret": ("***", "(none)", f"file {path}"),
        "channels.ops.url": ("https://hooks.example/***", "(must be given)", f"file {path}"),
        "templates.short": ("{Task_Name}", "(none)", f"file {path}"),
        "defaults.connections": ("128", "(none)", f"file {path}"),
        "defaults.patience": ("(none)", "(none)", "default"),
        "service.secret_key": ("***", "(none)", f"file {path}"),
        "profiles.production.secret_key": ("***", "(none)", f"file {path}"),
    }
    shown = {name: (found[name]["value"], found[name]["default"], found[name]["origin"]) for name in wanted}
    assert shown == wanted


@pytest.mark.parametrize("words", [["--explain"], ["--explain", "--json"], []], ids=str)
def test_no_secret_is_shown(tmp_path, monkeypatch, capsys, words):
    """Passwords in URLs, channels, profiles, variables: none is printed, in no form."""
    path = write(tmp_path, WHOLE + '[work]\nproxy = "http://user:hush-proxy@proxy:3128"\n')
    url = {"--explain": "oms:hush-db@host/oms", "--json": "host/oms?user=u&password=hush-db"}.get((words or [""])[-1],
          "oms:hush@hush@host/oms")  # fmt: skip
    monkeypatch.setenv("OPENOMS_DATABASE", f"postgresql+asyncpg://{url}")
    monkeypatch.setenv("OPENOMS_CHANNELS__MAIL", json.dumps({"kind": "email", "host": "r.example", "sender": "a@b.c",
        "recipients": ["d@e.f"], "user": "u", "password": "hush-mail", "tls": True}))  # fmt: skip
    assert run(["config", *words, "--config", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "hush" not in printed
    assert "***" in printed


def test_every_setting_has_a_meaning():
    """No setting of any table is without a sentence that says what it is for."""
    tables = ("ServiceSettings", "Quotas", "Queue", "Work", "Limits", "Groups", "Syncs", "EndpointSettings", "Webhook",
              "Email")  # fmt: skip
    assert [f"{table}.{word.name}" for table in tables for word in words_of(table) if not word.meaning] == []


def test_every_setting_is_explained():
    """What is explained are all settings: no table is left out."""
    names = {item.name.partition(".")[0] for item in explain_settings(load_service_settings(), None, {})}
    assert names == set(ServiceSettings.model_fields)


def test_one_file_serves_both(tmp_path, capsys):
    """The command reads its tables and the endpoints, the service its settings, of one file."""
    path = write(tmp_path, WHOLE)
    command, service = read_config_file(path, required=True), load_service_settings(path)
    place = command.endpoints["HuaweiCloud"]["rack"]
    assert (place.endpoint, place.dialect) == ("https://minio.example:9000", "s3")
    assert service.endpoints["HuaweiCloud"]["rack"].dialect == "s3"
    assert (command.defaults.connections, service.port) == (128, 9000)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("prot = 1", "prot"),
        ("[defaults]\nconections = 1", "did you mean 'connections'"),
        ("[profiles.x]\nacces_key = 'a'", "did you mean 'access_key'"),
        ("[endpoints.Mars]\nr = 'https://x'", "Mars.*AWS.*HuaweiCloud"),
        ("[endpoints.AWS]\nr = 'ftp://x'", "endpoints.AWS.r.*must start with http:// or https://"),
        ("[endpoints.AWS.r]\nendpoint = 'https://x'\ndialect = 'swift'", "swift.*endpoints.AWS.r.*obs, s3"),
        ("[endpoints.AWS.r]\nendpont = 'https://x'", "endpont"),
        ("[endpoints.AWS]\na = 'https://x'\n[endpoints.s3]\nb = 'https://y'", "AWS is named twice"),
        ("[endpoints.URLSource]\nr = 'https://x'", "URLSource"),
        ("[endpoints.AWS.r]\nendpoint = 'https://x'\n[endpoints.AWS.r.extra]\nfoo = 'x'", "foo.*etag_is_md5"),
        ("[endpoints.AWS.r]\nendpoint = 'https://x'\nstorage_classes = ['COLD']", "COLD.*STANDARD, IA, ARCHIVE"),
        ("[endpoints.AWS.r]\nendpoint = 'https://x'\nkms = 3", "endpoints.AWS.r.kms.*true or false"),
        ("[endpoints.AWS.r]\ndialect = 's3'", "endpoints.AWS.r.*lacks its endpoint"),
        ("[endpoints.QingCloud]\nmars = 'https://x'", "mars.*pek3a"),
        ("[endpoints.AWS]\nr = 'ftp://user:hush@x'", "endpoints.AWS.r.*must start with http:// or https://"),
        ("[endpoints.AWS]\nr = 'https://user:hush@x:port'", "endpoints.AWS.r"),
        ("[endpoints.AWS]\nr = 'https://user:hush@x'", "endpoints.AWS.r.*no user name or password"),
        ("[work]\nproxy = 'socks5://hush@x'", "work.proxy.*http:// URL"),
        ("[work]\ninvalid_metadata = 'keep'", "work.invalid_metadata.*'fail', 'drop' or 'encode'"),
        ("[channels.x]\nkind = 'webhook'\nurl = 'ftp://x'", "channels.x.webhook.url"),
        ("database = 'mysql://x'", "sqlite.aiosqlite, postgresql.asyncpg"),
    ],
)
def test_unknown_names_clouds_and_schemes_end_the_start(tmp_path, capsys, text, words):
    """What nobody knows is refused by every command that reads the file, with the setting's name and what is known."""
    import re

    path = write(tmp_path, text)
    assert run(["config", "--config", str(path)]) == 2
    printed = capsys.readouterr().err
    assert re.search(words, printed), printed
    assert "hush" not in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    "text",
    [
        "[channels.x]\nkind = 'webhook'\nurl = 'https://x'\nsecret = 'hush'",
        "[profiles.x]\naccess_key = 'a'\nsecret_key = 'hush'",
        "[service]\naccess_key = 'a'\nsecret_key = 'hush'",
        "[work]\nproxy = 'http://u:hush@x'",
        "database = 'postgresql+asyncpg://host/oms?user=u&password=hush'",
    ],
)
def test_secrets_that_others_can_read_are_refused_by_both(tmp_path, text):
    """A shared file with a secret of either must be its owner's alone, whoever reads it."""
    path = write(tmp_path, text, 0o604)
    for read in (load_service_settings, lambda named: read_config_file(named, required=True)):
        with pytest.raises(ConfigError, match="chmod 600") as refused:
            read(path)
        assert "hush" not in str(refused.value)
    path.chmod(0o600)
    load_service_settings(path)
    read_config_file(path, required=True)
