"""The body of OMS's *Create a migration task*."""

from __future__ import annotations

import copy
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.errors import ConfigError
from oms_engine.model import ConsistencyCheck, OverwriteMode, StoragePolicy, TaskType
from openoms.configfile import parse_config
from openoms.settings import Settings
from openoms.taskjson import parse_task

BODY = {
    "task_type": "prefix",
    "src_node": {
        "cloud_type": "HuaweiCloud",
        "region": "cn-north-1",
        "bucket": "src-bucket",
        "ak": "src-ak-value",
        "sk": "src-sk-value",
        "object_key": ["abc", "123", "prefix3", "path/prefix4"],
    },
    "dst_node": {"region": "north", "ak": "dst-ak-value", "sk": "dst-sk-value", "bucket": "dst-bucket"},
    "enable_kms": False,
    "enable_failed_object_recording": True,
    "description": "xxx",
}
FILE = parse_config({"endpoints": {"HuaweiCloud": {"north": "https://obs.north.example"}}})
SETTINGS = Settings({}, FILE)


def changed(**changes):
    """Return the body with dotted paths set; ``...`` removes."""
    body = copy.deepcopy(BODY)
    for path, value in changes.items():
        *parents, name = path.split("__")
        place = body
        for parent in parents:
            place = place.setdefault(parent, {})
        if value is ...:
            place.pop(name, None)
        else:
            place[name] = value
    return body


def parse(**changes):
    """Parse the body with changes."""
    return parse_task(json.dumps(changed(**changes)), SETTINGS)


def refused(**changes):
    """Return the error a changed body is refused with."""
    with pytest.raises(ConfigError) as caught:
        parse(**changes)
    return caught.value


def test_the_documented_example_becomes_its_plan():
    """Prefixes, sides, regions and credentials of the reference's example."""
    plan = parse()
    assert plan.spec.scope.task_type is TaskType.PREFIX
    assert plan.spec.scope.keys == ("abc", "123", "prefix3", "path/prefix4")
    assert plan.source.credentials.access_key == "src-ak-value"
    assert plan.source.credentials.secret_key.reveal() == "src-sk-value"
    assert plan.destination.region == "north"
    assert plan.spec.record_failed
    assert plan.description == "xxx"


def test_defaults_are_those_of_the_api():
    """A minimal body has OMS's defaults: type object, standard class, size and time."""
    plan = parse(
        task_type=..., description=..., enable_kms=..., enable_failed_object_recording=..., src_node__object_key=["a"]
    )
    spec = plan.spec
    assert spec.scope.task_type is TaskType.OBJECT
    assert spec.storage is StoragePolicy.STANDARD
    assert spec.overwrite is OverwriteMode.SIZE_LAST_MODIFIED
    assert spec.check is ConsistencyCheck.SIZE_LAST_MODIFIED
    assert spec.migrate_since is None
    assert spec.record_failed


def test_every_switch_reaches_the_specification():
    """No field is accepted and then forgotten."""
    plan = parse(
        enable_kms=True, enable_metadata_migration=True, enable_restore=True, enable_failed_object_recording=False,
        object_overwrite_mode="full_overwrite", dst_storage_policy="SRC_STORAGE_MAPPING", consistency_check="crc64",
        enable_requester_pays=True, migrate_since=123456789, dst_node__save_prefix="pre/",
        src_node__security_token="st", bandwidth_policy=[{"start": "00:00", "end": "23:59", "max_bandwidth": 50000000}],
    )  # fmt: skip
    spec = plan.spec
    assert spec.kms
    assert spec.metadata
    assert spec.restore is not None
    assert not spec.record_failed
    assert spec.overwrite is OverwriteMode.FULL_OVERWRITE
    assert spec.storage is StoragePolicy.SRC_STORAGE_MAPPING
    assert spec.check is ConsistencyCheck.CRC64
    assert plan.requester_pays
    assert spec.migrate_since == 123456789
    assert spec.save_prefix == "pre/"
    assert plan.source.credentials.token is not None
    assert [(w.start, w.end, w.rate) for w in spec.bandwidth.windows] == [(0, 1439, 50000000)]


def test_the_whole_bucket_is_asked_for_by_one_empty_key():
    """``[""]`` means everything for prefixes and for objects."""
    for kind in ("prefix", "object"):
        plan = parse(task_type=kind, src_node__object_key=[""])
        assert (plan.spec.scope.task_type, plan.spec.scope.keys) == (TaskType.PREFIX, ("",))


def test_a_list_task_reads_its_file_with_the_destinations_account():
    """The bucket and key of the list file are kept."""
    plan = parse(
        task_type="list",
        src_node__object_key=...,
        src_node__list_file={"list_file_key": "l.txt", "obs_bucket": "lists"},
    )
    assert (plan.spec.scope.list_key, plan.list_bucket) == ("l.txt", "lists")


def test_a_regions_endpoint_comes_from_the_configuration():
    """Private clouds name theirs; other regions are left to the adapter."""
    plan = parse()
    assert (plan.destination.endpoint, plan.source.endpoint) == ("https://obs.north.example", None)


def test_credentials_left_out_come_from_the_environment():
    """A job file in a repository need not hold secrets."""
    settings = Settings({"OPENOMS_SOURCE_AK": "envak", "OPENOMS_SOURCE_SK": "envsk"}, FILE)
    plan = parse_task(json.dumps(changed(src_node__ak=..., src_node__sk=...)), settings)
    assert plan.source.credentials.access_key == "envak"


@pytest.mark.parametrize(
    ("changes", "code", "hint"),
    [
        ({"src_node": ...}, "OMS.1004", "src_node"),
        ({"src_node__bucket": ...}, "OMS.1004", "src_node.bucket"),
        ({"src_node__bucket": "no bucket"}, "OMS.0057", "no bucket"),
        ({"dst_node__bucket": "x/y"}, "OMS.0058", "x/y"),
        ({"dst_node__region": ...}, "OMS.1004", "dst_node.region"),
        ({"src_node__sk": ...}, "OMS.1004", "src_node.sk"),
        ({"src_node__object_key": ...}, "OMS.1004", '[""]'),
        ({"task_type": "list"}, "OMS.1004", "list_file"),
        ({"src_node__ak": ..., "src_node__sk": ...}, "OMS.0057", "OPENOMS_SOURCE_AK"),
        ({"dst_node__ak": ..., "dst_node__sk": ...}, "OMS.0058", "OPENOMS_DESTINATION_AK"),
        ({"src_node__cloud_type": ...}, "OMS.0079", "OMS's default is Aliyun"),
        ({"src_node__cloud_type": "HuaweCloud"}, "OMS.0057", "'HuaweiCloud'"),
        ({"src_node__buket": "x"}, "OMS.0074", "'bucket'"),
        ({"enable_restores": True}, "OMS.0074", "'enable_restore'"),
        ({"src_node__list_file": {"list_file_key": "x", "obs_buckt": "y"}}, "OMS.10", "list_file"),
        ({"enable_kms": "yes"}, "OMS.1002", "enable_kms"),
        ({"migrate_since": "soon"}, "OMS.1002", "migrate_since"),
        ({"migrate_since": -1}, "OMS.1003", "migrate_since"),
        ({"migrate_since": 1_700_000_000_000}, "OMS.1003", "not in milliseconds"),
        ({"src_node__object_key": "abc"}, "OMS.1002", "object_key"),
        ({"src_node__object_key": ["x"] * 501}, "OMS.1003", "500"),
        ({"description": "x" * 256}, "OMS.1003", "description"),
        ({"description": "a<b"}, "OMS.0078", "<"),
        ({"object_overwrite_mode": "SOMETIMES"}, "OMS.1003", "NO_OVERWRITE"),
        ({"task_priority": "URGENT"}, "OMS.1003", "HIGH"),
        ({"task_type": "url_list"}, "OMS.0057", "URLSource"),
        ({"src_node__cloud_type": "URLSource"}, "OMS.0057", "url_list"),
        ({"task_type": "url_list", "src_node__cloud_type": "URLSource"}, "OMS.1004", "list_file"),
        ({"smn_config": {"topic_urn": "u", "trigger_conditions": ["SUCCESS"]}}, "OMS.0001", "smn_config"),
        ({"source_cdn": {"domain": "d/x", "protocol": "https"}}, "OMS.0081", "source_cdn"),
        ({"source_cdn": {"domain": "d", "protocol": "ftp"}}, "OMS.0081", "protocol"),
        ({"source_cdn": {"domain": "d", "protocol": "http", "authentication_type": "X"}}, "OMS.1003", "QINIU"),
        (
            {"source_cdn": {"domain": "d", "protocol": "http", "authentication_type": "ALIYUN_OSS_A"}},
            "OMS.1032",
            "OPENOMS_SOURCE_CDN_KEY",
        ),
        ({"src_node__crypto_type": "KMS"}, "OMS.0057", "crypto_type"),
        ({"dst_node__save_prefix": "x" * 1025}, "OMS.1003", "save_prefix"),
        ({"bandwidth_policy": [{"start": "0:0", "end": "23:59", "max_bandwidth": 5000000}]}, "OMS.0087", "hh:mm"),
        ({"bandwidth_policy": [{"start": "00:00", "end": "23:59", "max_bandwidth": -5}]}, "OMS.0084", "-5"),
        ({"bandwidth_policy": [{"start": "00:00", "end": "00:01", "max_bandwidth": 5000000}] * 6}, "OMS.0083", "5"),
        ({"bandwidth_policy": [{"start": "00:00", "end": "00:01", "max_bandwidth": 5000000}] * 2}, "OMS.0085", ""),
    ],
)
def test_a_mistake_has_omss_code_and_names_the_field(changes, code, hint):
    """Each refusal is one sentence that says where and how to mend it."""
    error = refused(**changes)
    assert (error.code or "").startswith(code)
    assert hint in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("text", "code"),
    [("", "OMS.0004"), ("{", "OMS.0067"), ("{'a': 1}", "OMS.0067"), ("[" * 100_000, "OMS.0067"), ("[]", "OMS.1006"),
     ("null", "OMS.1006"), ('"text"', "OMS.1006")],
)  # fmt: skip
def test_what_is_not_a_json_object_is_refused_as_such(text, code):
    """Nothing, no JSON, and JSON that is no object, each with its own code, as the service answers."""
    with pytest.raises(ConfigError) as caught:
        parse_task(text, SETTINGS)
    assert caught.value.code == code


@given(
    st.sampled_from(
        ["src_node__ak", "src_node__sk", "dst_node__sk", "src_node__security_token", "src_node__json_auth_file"]
    ),
    st.sampled_from(["enable_kms", "src_node__unknown", "migrate_since", "src_node__object_key", "description"]),
)
def test_no_error_repeats_a_secret(place, broken):
    """Whatever is wrong with a body, the sentence never shows a credential in it."""
    with pytest.raises(ConfigError) as caught:
        parse(**{place: "very-secret-value", broken: {"very-secret-value": "very-secret-value"}})
    chain = "".join(map(str, (repr(caught.value), caught.value, caught.value.__cause__, caught.value.__context__)))
    assert "very-secret" not in chain


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.sampled_from(["src_node", "dst_node", "bandwidth_policy", "smn_config", *BODY]), JSON)
def test_any_json_value_in_any_field_is_taken_or_refused_never_a_crash(name, value):
    """Hostile bodies end in a ConfigError."""
    with suppress(ConfigError):
        parse_task(json.dumps({**BODY, name: value}), SETTINGS)


def test_a_url_list_needs_no_source_bucket():
    """A URL list names its URLs by a list file; the leave for private addresses comes from the operator alone."""
    node = {"cloud_type": "urlsource", "list_file": {"list_file_key": "lists/", "obs_bucket": "lists"}}
    plan = parse(task_type="URL_LIST", src_node=node, consistency_check="transmission")
    assert (plan.spec.scope.task_type, plan.spec.scope.list_key, plan.list_bucket) == ("url_list", "lists/", "lists")
    assert plan.spec.check == "no_check"
    assert plan.source.store_config().extra == {}


def test_a_cdn_is_part_of_the_source():
    """The words of source_cdn are taken in any case; its key never shows."""
    cdn = {
        "domain": "cdn.example.com",
        "protocol": "HTTP",
        "authentication_type": "aliyun_oss_b",
        "authentication_key": "hush-hush",
    }
    plan = parse(source_cdn=cdn)
    config = plan.source.store_config()
    assert (config.cdn.endpoint.host, config.cdn.endpoint.scheme) == ("cdn.example.com", "http")
    assert config.cdn.key.reveal() == "hush-hush"
    assert "hush-hush" not in repr(plan)
