"""Settings of the service: file, variables, options; what is refused, and what is never shown."""

import pytest

from oms_engine.errors import ConfigError
from oms_worker.settings import CONFIG_VARIABLE, load_service_settings, render_settings

FILE = """
data_dir = "/var/lib/openoms"
port = 9000
zone = "Asia/Shanghai"

[quotas]
running_tasks = 7

[endpoints.AWS]
eu-west-1 = "http://127.0.0.1:9001"

[endpoints.HuaweiCloud.cn-north-4]
endpoint = "https://obs.example"
addressing = "path"

[channels.ops]
kind = "webhook"
url = "https://hooks.example/hush-path"
secret = "hush-hook"

[channels.mail]
kind = "email"
host = "relay.example"
sender = "oms@example.org"
recipients = ["ops@example.org"]
user = "oms"
password = "hush-mail"
starttls = true
"""


MAIL = """[channels.x]
kind = "email"
host = "relay.example"
sender = "oms@example.org"
recipients = ["ops@example.org"]
"""


@pytest.fixture(autouse=True)
def _plain(monkeypatch):
    import os

    for name in list(os.environ):
        if name.startswith("OPENOMS_"):
            monkeypatch.delenv(name)


@pytest.fixture
def path(tmp_path):
    """A settings file."""
    made = tmp_path / "serve.toml"
    made.write_text(FILE)
    made.chmod(0o600)
    return made


def test_the_file(path):
    """Everything of the file arrives with its type; a plain endpoint is one without options."""
    settings = load_service_settings(path)
    assert (settings.port, settings.quotas.running_tasks, settings.zone) == (9000, 7, "Asia/Shanghai")
    assert settings.endpoints["AWS"]["eu-west-1"].endpoint == "http://127.0.0.1:9001"
    assert settings.endpoints["HuaweiCloud"]["cn-north-4"].addressing == "path"
    assert (settings.channels["ops"].kind, settings.channels["mail"].port) == ("webhook", 25)
    assert settings.database_url == "sqlite+aiosqlite:////var/lib/openoms/openoms.db"


def test_who_wins(path, monkeypatch):
    """Options win over variables, variables over the file, each setting by itself."""
    monkeypatch.setenv("OPENOMS_PORT", "9100")
    monkeypatch.setenv("OPENOMS_QUOTAS__WAITING_TASKS", "3")
    settings = load_service_settings(path, host="0.0.0.0", region=None)
    assert (settings.port, settings.host, settings.region) == (9100, "0.0.0.0", "local")
    assert (settings.quotas.running_tasks, settings.quotas.waiting_tasks) == (7, 3)
    assert load_service_settings(path, port=9200).port == 9200


def test_the_file_by_variable(path, monkeypatch):
    """A variable names the file when no option does; without either the defaults hold."""
    assert load_service_settings().port == 8080
    monkeypatch.setenv(CONFIG_VARIABLE, str(path))
    assert load_service_settings().port == 9000


def test_rendered_without_secrets(path, monkeypatch):
    """The rendering shows every setting, and no secret of any of them."""
    monkeypatch.setenv("OPENOMS_DATABASE", "postgresql+asyncpg://oms:hush-db@host/oms")
    monkeypatch.setenv("OPENOMS_WORK__PROXY", "http://user:hush-proxy@proxy:3128")
    settings = load_service_settings(path)
    shown = render_settings(settings)
    assert "hush" not in shown
    assert "hush" not in repr(settings)
    for line in (
        "port = 9000",
        "quotas.running_tasks = 7",
        "database = postgresql+asyncpg://oms:***@host/oms",
        "channels.ops.secret = ***",
    ):
        assert line in shown.splitlines()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("prot = 1", "unknown setting prot"),
        ("port = 70000", "port"),
        ('port = "many"', "port"),
        ("[quotas]\nrunning = 1", "unknown setting quotas.running"),
        ("[quotas]\nrunning_tasks = -1", "quotas.running_tasks"),
        ('zone = "Mars"', "zone.*IANA"),
        ('database = "mysql://x"', "database.*driver must be one of"),
        ('database = "hush"', "database"),
        ('tls_key = "a.pem"', "belong together"),
        ('[channels.x]\nkind = "pigeon"', "channels.x"),
        ('[channels.x]\nkind = "webhook"\nurl = "hush"', "channels.x.*url"),
        (f'{MAIL}password = "hush"', "user and password belong together"),
        (f'{MAIL}user = "u"\npassword = "hush"', "only over starttls or tls"),
        (f"{MAIL}tls = true\nstarttls = true", "exclude each other"),
        ("port = ", "not TOML"),
        ('minimum_task_seconds = "hush"', "minimum_task_seconds"),
    ],
)
def test_what_is_refused(tmp_path, text, words):
    """What is wrong is named with the file, and its value, which may be a secret, is not repeated."""
    path = tmp_path / "serve.toml"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=words) as refused:
        load_service_settings(path)
    assert "serve.toml" in str(refused.value)
    assert "hush" not in str(refused.value)


def test_a_variable_that_is_no_json(monkeypatch):
    """A nested variable that must be JSON and is none is named; its content is not shown."""
    monkeypatch.setenv("OPENOMS_CHANNELS", "hush")
    with pytest.raises(ConfigError, match="OPENOMS_CHANNELS must be JSON") as refused:
        load_service_settings()
    assert "hush" not in str(refused.value)


def test_a_file_that_is_not_there(tmp_path):
    """A missing file is an error, not an empty one."""
    with pytest.raises(ConfigError, match="cannot be read"):
        load_service_settings(tmp_path / "none.toml")


def test_a_file_with_secrets_that_others_read_is_refused(tmp_path):
    """A settings file that holds a secret is refused while others can read it; one without is taken."""
    path = tmp_path / "service.toml"
    path.write_text('[channels.ops]\nkind = "webhook"\nurl = "https://hook.test/"\nsecret = "s"\n')
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_service_settings(path)
    path.chmod(0o600)
    load_service_settings(path)
    path.write_text('zone = "Asia/Shanghai"\n')
    path.chmod(0o644)
    load_service_settings(path)
