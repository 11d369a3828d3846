"""The wiring: what reaches the engine, the adapters and the wire."""

from __future__ import annotations

import importlib.metadata
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import openoms
from oms_engine.errors import ConfigError
from openoms.compose import choose_proxy, engine_settings, openers, state_path, wire_settings
from openoms.plan import RunOptions, build_plan
from openoms.settings import Proxies, Settings

ENVIRON = {
    "XDG_STATE_HOME": "/state",
    **{f"OPENOMS_{side}_{part}": "secret" for side in ("SOURCE", "DESTINATION") for part in ("AK", "SK")},
}
SETTINGS = Settings(ENVIRON)


def plan(source="s3://src-bucket", destination="obs://dst-bucket", **options):
    """Build a plan between two buckets."""
    return build_plan(
        source, destination, SETTINGS, {"source_region": "eu-central-1", "destination_region": "cn-north-4", **options}
    )


CHANGES = [
    {"destination": "obs://dst-bucket/x"},
    {"destination": "obs://dst-other"},
    {"source": "s3://src-bucket/x"},
    {"source": "obs://src-bucket"},
    {"source_endpoint": "https://other.example"},
    {"destination_region": "cn-north-1"},
    {"prefixes": ["x"]},
    {"objects": ["x"]},
    {"list_file": "obs://lists/x.txt"},
    {"list_file": "obs://other/x.txt"},
    {"save_prefix": "x"},
]
ACCOUNTS = {
    "cos": [{"source_app_id": "1250000001"}, {"source_app_id": "1250000002"}],
    "az": [{"source_credentials": openoms.Credentials(name, openoms.Secret("k"))} for name in ("one", "two")]
    + [
        {"source_credentials": openoms.Credentials("", openoms.Secret(f"AccountName={name};AccountKey=k"))}
        for name in ("three", "four")
    ],
}


def test_each_migration_has_a_state_file_of_its_own():
    """Other places, another scope: another file."""
    paths = [state_path(plan(**change), SETTINGS) for change in [{}, *CHANGES]]
    assert len(set(paths)) == len(paths)
    assert all(path.parent == Path("/state/openoms") for path in paths)


@pytest.mark.parametrize("scheme", ACCOUNTS)
def test_buckets_of_one_name_in_two_accounts_have_files_of_their_own(scheme):
    """Where the URL does not tell whose bucket it is, the account does."""
    changes = ACCOUNTS[scheme]
    assert len({state_path(plan(source=f"{scheme}://photos", **change), SETTINGS) for change in changes}) == len(
        changes
    )


@pytest.mark.parametrize(
    "change",
    [
        {"overwrite": "always"}, {"metadata": True}, {"connections": 5}, {"bandwidth": ["08:00-09:00=5M"]},
        {"retry_failed": True}, {"source_credentials": openoms.Credentials("other", openoms.Secret("other"))},
    ],
)  # fmt: skip
def test_rules_pace_and_keys_may_change_without_losing_the_state(change):
    """The same command with other rules or credentials finds its file again."""
    assert state_path(plan(**change), SETTINGS) == state_path(plan(), SETTINGS)


def test_a_state_that_is_a_folder_is_refused(tmp_path):
    """A file is wanted."""
    with pytest.raises(ConfigError, match="folder"):
        state_path(plan(state=tmp_path), SETTINGS)


def test_openers_reach_other_processes_and_show_no_secret():
    """They are pickled to worker processes; a repr of them tells no key."""
    source, destination, listing = openers(plan(list_file="obs://lists/x.txt", requester_pays=True))
    again = pickle.loads(pickle.dumps(source))()
    assert (again.label, destination().label) == ("s3://src-bucket", "obs://dst-bucket")
    assert listing is not None
    assert listing().bucket == "lists"
    assert listing().endpoint.host == "lists.obs.cn-north-4.myhuaweicloud.com"
    assert "secret_key='secret'" not in repr(source)
    assert "Secret('secret')" not in repr(source)


def test_run_options_reach_the_engine_and_the_wire():
    """Processes, connections, trust."""
    made = plan(processes=3, connections=77, verify_tls=False, ca_file=__file__)
    settings = engine_settings(made, SETTINGS)
    assert (settings.processes, settings.connections) == (3, 77)
    assert (settings.wire.max_connections, settings.wire.verify, settings.wire.ca_file) == (77, False, __file__)


HTTP, HTTPS = "http://a.example:1", "https://b.example:2"
PROXY = st.sampled_from([None, "http://p:1", "http://q:2"])


@given(st.sampled_from([HTTP, HTTPS]), st.sampled_from([HTTP, HTTPS]), PROXY, PROXY)
def test_each_side_goes_through_the_proxy_of_its_scheme_or_directly(ours, theirs, http, https):
    """The wire has one proxy: a side whose scheme names none is exempt; two different ones are refused."""
    made = plan(source_endpoint=ours, destination_endpoint=theirs)
    sides = [made.source, made.destination]
    wanted = [http if side.endpoint.startswith("http:") else https for side in sides]
    proxies = Proxies(http, https, "localhost, .internal ,")
    if len({proxy for proxy in wanted if proxy}) > 1:
        with pytest.raises(ConfigError, match="HTTPS_PROXY"):
            choose_proxy(sides, proxies)
        return
    proxy, direct = choose_proxy(sides, proxies)
    if proxy is None:
        assert not any(wanted)
        return
    assert {"localhost", ".internal"} <= set(direct)
    for side, want in zip(sides, wanted, strict=True):
        host = side.endpoint.split("/")[2].split(":")[0]
        assert (host in direct) == (want is None)
        assert want in {None, proxy}


def test_a_proxys_password_is_not_shown():
    """Neither in the settings' repr nor in the wire's."""
    made = plan()
    wire = wire_settings(RunOptions(), [made.source, made.destination], Proxies(None, "http://u:passw@p:1"))
    assert wire.proxy == "http://u:passw@p:1"
    assert "passw" not in repr(wire)


def test_the_version_is_the_distributions():
    """``openoms version`` and the package index agree."""
    assert importlib.metadata.version("openoms") == openoms.__version__
