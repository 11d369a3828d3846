"""Where credentials and endpoints come from."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from oms_engine.errors import ConfigError
from oms_engine.model import Credentials, Secret
from openoms.plan import build_run
from openoms.settings import SideOptions, check_endpoint, load_settings
from openoms.urls import parse_url

CONFIG = """
[profiles.work]
access_key = "FILEAK"
secret_key = "file-secret"
endpoint = "https://profile.example"
region = "profile-region"

[endpoints.HuaweiCloud]
north = "https://obs.north.example:8443"

[defaults]
connections = 7
"""

SOURCES = {
    "option": ({}, {"credentials": Credentials("CALLERAK", Secret("s"))}, "CALLERAK"),
    "ours": ({"OPENOMS_SOURCE_AK": "OURAK", "OPENOMS_SOURCE_SK": "s"}, {}, "OURAK"),
    "vendor": ({"AWS_ACCESS_KEY_ID": "AWSAK", "AWS_SECRET_ACCESS_KEY": "s"}, {}, "AWSAK"),
    "profile": ({}, {"profile": "work"}, "FILEAK"),
}
ORDER = list(SOURCES)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration file as a user would have it."""
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    path.chmod(0o600)
    return path


def settle(config, environ, scheme="s3", name="source", **options):
    """Settle one side."""
    settings = load_settings(config, {"HOME": "/nonexistent", **environ})
    return settings.side(name, parse_url(f"{scheme}://bucket"), SideOptions(**options))


@pytest.mark.parametrize(
    "given", [set(items) for size in (1, 2, 3, 4) for items in itertools.combinations(ORDER, size)], ids=sorted
)
def test_the_nearest_origin_of_credentials_wins(config, given):
    """Whatever is given together: caller over OPENOMS_ variables over the vendor's over the profile."""
    environ, options = {}, {}
    for origin in given:
        environ.update(SOURCES[origin][0])
        options.update(SOURCES[origin][1])
    winner = next(origin for origin in ORDER if origin in given)
    assert settle(config, environ, **options).credentials.access_key == SOURCES[winner][2]


@pytest.mark.parametrize(("scheme", "variable"), [("s3", "OBS"), ("obs", "AWS")])
def test_another_vendors_variables_are_never_used(config, scheme, variable):
    """An AWS key is not sent to OBS, nor the other way round."""
    environ = {f"{variable}_ACCESS_KEY_ID": "x", f"{variable}_SECRET_ACCESS_KEY": "y"}
    with pytest.raises(ConfigError, match="no credentials"):
        settle(config, environ, scheme)


@pytest.mark.parametrize("have", ["AK", "SK"])
def test_half_a_credential_is_refused_and_names_the_missing_half(config, have):
    """An access key is never joined with a secret from elsewhere."""
    other = "SK" if have == "AK" else "AK"
    environ = {f"OPENOMS_SOURCE_{have}": "x", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    with pytest.raises(ConfigError, match=f"OPENOMS_SOURCE_{other} is not"):
        settle(config, environ)


def test_a_vendors_token_does_not_join_our_key(config):
    """A session token belongs to the key it came with."""
    environ = {"OPENOMS_SOURCE_AK": "x", "OPENOMS_SOURCE_SK": "y", "AWS_SESSION_TOKEN": "stale"}
    assert settle(config, environ).credentials.token is None


@pytest.mark.parametrize("what", ["AK", "SK", "TOKEN"])
@pytest.mark.parametrize("spoil", ["{}\n", " {}", "{}\r\n", "ab\n{}", "{}\x00"])
def test_a_key_that_was_copied_badly_is_refused_before_a_store_refuses_it(config, what, spoil):
    """A file's last line feed is the usual guest; the sentence names the variable and not the secret."""
    environ = {f"OPENOMS_SOURCE_{name}": f"hush-{name}" for name in ("AK", "SK", "TOKEN")}
    environ[f"OPENOMS_SOURCE_{what}"] = spoil.format(environ[f"OPENOMS_SOURCE_{what}"])
    with pytest.raises(ConfigError, match=r"OPENOMS_SOURCE_AK.* white space") as caught:
        settle(config, environ)
    assert "hush" not in str(caught.value)


def test_a_secret_that_is_a_whole_file_may_have_lines(config):
    """The text of a service account's key file, given without an access key."""
    text = '{\n  "type": "service_account"\n}\n'
    given = Credentials("", Secret(text))
    assert settle(config, {}, scheme="gs", credentials=given).credentials.secret_key.reveal() == text


@pytest.mark.parametrize("name", ["processes", "connections"])
def test_a_number_out_of_range_is_blamed_on_the_file_that_holds_it(config, name):
    """An option that was never given is not named."""
    config.write_text(f"[defaults]\n{name} = -4\n")
    with pytest.raises(ConfigError, match=rf"defaults\.{name} = -4 in .*config\.toml is out of range"):
        build_run(load_settings(config, {}), {})


def test_the_two_sides_have_variables_of_their_own(config):
    """The destination never takes the source's key."""
    with pytest.raises(ConfigError, match="OPENOMS_DESTINATION_AK"):
        settle(config, {"OPENOMS_SOURCE_AK": "x", "OPENOMS_SOURCE_SK": "y"}, "obs", "destination")


def test_endpoint_and_region_follow_the_same_order(config):
    """Option over OPENOMS_ variable over vendor's variable over profile."""
    environ = {"AWS_REGION": "vendor-region", "OPENOMS_SOURCE_ENDPOINT": "http://127.0.0.1:9000"}
    side = settle(config, environ, profile="work")
    assert (side.endpoint, side.region) == ("http://127.0.0.1:9000", "vendor-region")
    side = settle(config, environ, profile="work", endpoint="minio.example:9000", region="r")
    assert (side.endpoint, side.region) == ("https://minio.example:9000", "r")
    side = settle(config, {}, profile="work")
    assert (side.endpoint, side.region) == ("https://profile.example", "profile-region")


def test_a_region_of_the_file_has_its_endpoint(config):
    """Private clouds: the file names the endpoint of a region."""
    environ = {"OBS_ACCESS_KEY_ID": "x", "OBS_SECRET_ACCESS_KEY": "y"}
    assert settle(config, environ, "obs", region="north").endpoint == "https://obs.north.example:8443"
    assert settle(config, environ, "obs", region="south").endpoint is None


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("[profile.x]", "profiles"),
        ('[profiles.x]\nacess_key = "a"', "access_key"),
        ('[endpoints.HuaweCloud]\nx = "y"', "HuaweiCloud"),
        ("[defaults]\nconections = 5", "connections"),
        ('[defaults]\nconnections = "5"', "whole number"),
        ("[defaults]\nconnections = true", "whole number"),
        ("[profiles.x]\nregion = 5", "text in quotes"),
        ("profiles = 3", "table"),
        ('[profiles.x]\naccess_key = "only-half"', "both"),
        ("profiles = [", "TOML"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_remedy(tmp_path, text, hint):
    """Unknown keys and wrong types are errors, never ignored; the nearest known word is offered."""
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(path, {})
    assert hint in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_with_secrets_that_others_can_read_is_refused(config):
    """The remedy is the chmod to run."""
    config.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_settings(config, {})


def test_a_named_file_must_exist_and_the_default_one_need_not(tmp_path):
    """A mistyped --config is not passed over in silence."""
    with pytest.raises(ConfigError, match="does not exist"):
        load_settings(tmp_path / "none.toml", {})
    with pytest.raises(ConfigError, match="does not exist"):
        load_settings(None, {"OPENOMS_CONFIG": str(tmp_path / "none.toml")})
    assert load_settings(None, {"XDG_CONFIG_HOME": str(tmp_path)}).file.profiles == {}


@pytest.mark.parametrize("environ", [{}, {"HOME": ""}, {"HOME": "relative"}, {"XDG_STATE_HOME": "relative"}])
def test_a_user_without_a_home_is_told_to_name_the_state(environ):
    """Containers run under ids that have none; there is simply no configuration file then."""
    settings = load_settings(None, environ)
    assert settings.file.profiles == {}
    with pytest.raises(ConfigError, match="--state"):
        settings.state_dir()


def test_the_xdg_folders_are_honoured(tmp_path):
    """State and configuration lie where the variables say."""
    (tmp_path / "openoms").mkdir()
    (tmp_path / "openoms" / "config.toml").write_text("[defaults]\nconnections = 7\n")
    settings = load_settings(None, {"XDG_CONFIG_HOME": str(tmp_path), "XDG_STATE_HOME": "/s", "HOME": "/h"})
    assert settings.file.defaults.connections == 7
    assert settings.state_dir() == Path("/s/openoms")
    assert load_settings(None, {"HOME": "/h"}).state_dir() == Path("/h/.local/state/openoms")


def test_an_unknown_profile_offers_the_nearest(config):
    """``wrok`` is answered with ``work``."""
    with pytest.raises(ConfigError, match="did you mean 'work'"):
        settle(config, {}, profile="wrok")


def test_an_unknown_addressing_is_refused(config):
    """Only path, virtual and auto are known."""
    environ = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
    with pytest.raises(ConfigError, match="virtual"):
        settle(config, environ, addressing="virtul")


@pytest.mark.parametrize("text", ["ftp://host", "https://", "https://host/path", "https://host:99999", "http://a b"])
def test_an_endpoint_that_is_none_is_refused_with_its_option(text):
    """The message names the option to mend."""
    with pytest.raises(ConfigError, match="--source-endpoint"):
        check_endpoint(text, "--source-endpoint")


def test_no_secret_is_ever_shown(config):
    """Neither settings nor a side shows a secret in its repr."""
    environ = {"OPENOMS_SOURCE_AK": "x", "OPENOMS_SOURCE_SK": "very-secret", "OPENOMS_SOURCE_TOKEN": "token-secret"}
    settings = load_settings(config, environ)
    side = settings.side("source", parse_url("s3://bucket"), SideOptions())
    shown = repr(settings) + repr(side) + repr(settings.file)
    assert not any(secret in shown for secret in ("very-secret", "token-secret", "file-secret"))


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, (None, None)),
        ({"HTTPS_PROXY": "http://p:1"}, (None, "http://p:1")),
        ({"https_proxy": "http://small:1", "HTTPS_PROXY": "http://big:1"}, (None, "http://small:1")),
        ({"ALL_PROXY": "http://all:1", "http_proxy": "http://h:1"}, ("http://h:1", "http://all:1")),
    ],
)
def test_proxies_come_from_the_usual_variables(environ, expected):
    """Lower case wins, ALL_PROXY fills what is left, as in curl."""
    proxies = load_settings(None, {"HOME": "/nonexistent", **environ}).proxies()
    assert (proxies.http, proxies.https) == expected
