"""Bodies of create and start: credentials of the environment where, and only where, the body has none."""

from __future__ import annotations

import io
from argparse import Namespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.errors import ConfigError
from oms_worker.shapes.create import check_create
from oms_worker.shapes.credentials import check_secrets
from oms_worker.shapes.group import CreateGroup
from oms_worker.shapes.sync import CreateSync, StartSync, check_sync
from oms_worker.shapes.task import CreateTask, StartTask
from openoms import options
from openoms.client_bodies import Keys, complete_nodes, complete_sync, sync_keys, task_keys
from openoms.client_events import batches, read_keys
from openoms.client_places import add_create, add_profiles, create_body
from openoms.settings import load_settings

PLAIN = {
    "OPENOMS_SOURCE_AK": "SAK", "OPENOMS_SOURCE_SK": "ssk", "OPENOMS_DESTINATION_AK": "DAK",
    "OPENOMS_DESTINATION_SK": "dsk", "HOME": "/nonexistent",
}  # fmt: skip
AZURE = {"OPENOMS_SOURCE_CONNECTION_STRING": "AccountName=a;AccountKey=aw==", **PLAIN}


def keys(environ=PLAIN, **said):
    """The keys that an environment has."""
    return Keys(load_settings(None, environ), Namespace(**said))


def body(cloud="AWS", **node):
    """A create body without credentials."""
    source = {"cloud_type": cloud, "region": "r", "bucket": "bbb", "object_key": [""], **node}
    return {"task_type": "prefix", "src_node": source, "dst_node": {"region": "r", "bucket": "ccc"}}


def test_missing_keys_are_added_and_given_ones_kept():
    """A node with any credential of its own is left alone; the other one is completed."""
    assert complete_nodes(body(), keys())["src_node"]["ak"] == "SAK"
    own = complete_nodes(body(ak="MINE", sk="mine"), keys())
    assert (own["src_node"]["ak"], own["src_node"]["sk"]) == ("MINE", "mine")
    assert (own["dst_node"]["ak"], own["dst_node"]["sk"]) == ("DAK", "dsk")
    with pytest.raises(ConfigError, match="OPENOMS_SOURCE_AK"):
        complete_nodes(body(), keys({"HOME": "/nonexistent"}))


def test_forms_of_credentials_by_cloud(tmp_path):
    """Azure's connection string and Google's key file have fields of their own; a URL list has no keys at all."""
    assert complete_nodes(body("Azure"), keys(AZURE))["src_node"]["connection_string"].startswith("AccountName")
    file = tmp_path / "key.json"
    file.write_text("{}")
    google = keys({**PLAIN, "OPENOMS_SOURCE_JSON_AUTH_FILE": str(file)})
    assert complete_nodes(body("Google"), google)["src_node"]["json_auth_file"] == "{}"
    urls = {"task_type": "url_list", "src_node": {"list_file": {}}, "dst_node": {"bucket": "ccc"}}
    assert complete_nodes(urls, keys())["src_node"] == {"list_file": {}}


@pytest.mark.parametrize("environ", [PLAIN, {**PLAIN, "OPENOMS_SOURCE_TOKEN": "t"}, AZURE])
def test_what_start_is_given_is_what_the_service_asks_for(environ):
    """For each form of credentials the service's own shape and check accept the body."""
    cloud = "Azure" if environ is AZURE else "AWS"
    shown = {**body(cloud), "source_cdn": {"authentication_type": "ALIYUN_OSS_A"}}
    found = keys({**environ, "OPENOMS_SOURCE_CDN_KEY": "cdn"})
    check_secrets(StartTask.model_validate(task_keys(shown, found)).secrets(), shown)
    with pytest.raises(ConfigError, match="source_cdn_authentication_key"):
        check_secrets(StartTask.model_validate(task_keys(shown, keys(environ))).secrets(), shown)


def test_the_key_of_a_cdn_is_added_where_it_is_left_out():
    """From the environment, to a task as to a sync task; one that is given is kept, and no CDN gets none."""
    found = keys({**PLAIN, "OPENOMS_SOURCE_CDN_KEY": "cdn"})
    for complete in (complete_nodes, complete_sync):
        assert complete({**body(), "source_cdn": {"domain": "d"}}, found)["source_cdn"]["authentication_key"] == "cdn"
        own = {"domain": "d", "authentication_key": "own"}
        assert complete({**body(), "source_cdn": own}, found)["source_cdn"] == own
        assert "source_cdn" not in complete(body(), found)


def test_sync_tasks_name_their_keys_by_side():
    """Create and start take all four; the start's body holds nothing else."""
    shown = {"src_cloud_type": "AWS", "src_bucket": "bbb", "dst_bucket": "ccc", "status": "STOPPED", "app_id": None}
    four = {"src_ak": "SAK", "src_sk": "ssk", "dst_ak": "DAK", "dst_sk": "dsk"}
    assert sync_keys(shown, keys()) == four
    StartSync.model_validate(sync_keys(shown, keys()))
    assert complete_sync({**shown, "src_ak": "MINE", "src_sk": "m"}, keys())["src_ak"] == "MINE"


def said(kind, *words):
    """Parse the words of a create command."""
    parser = options.command_parser("openoms create", "", "")
    add_create(parser, kind=kind)
    add_profiles(parser)
    return parser.parse_args([*words, "--source-region", "r", "--destination-region", "r"])


def created(kind, *words, environ=PLAIN):
    """The body of a create command."""
    return create_body(said(kind, *words), load_settings(None, environ), kind=kind)


TASKS = {
    "a bucket": ["s3://bbb", "obs://ccc"],
    "prefixes": ["s3://bbb", "obs://ccc/p", "--prefix", "a", "--prefix", "b"],
    "a list": ["s3://bbb", "obs://ccc", "--list-file", "obs://ccc/list.txt"],
    "rules": ["oss://bbb", "obs://ccc", "--overwrite", "crc64", "--check", "crc64", "--restore", "--kms", "--metadata"],
    "storage": ["s3://bbb", "obs://ccc", "--storage-class", "source", "--requester-pays", "--since", "1000"],
    "Tencent": ["cos://bbb", "obs://ccc", "--source-app-id", "125"],
    "a CDN": ["s3://bbb", "obs://ccc", "--source-cdn", "https://c.example", "--source-cdn-auth", "ALIYUN_OSS_A"],
}


@pytest.mark.parametrize("words", TASKS.values(), ids=TASKS)
def test_bodies_of_two_places_are_the_services(words):
    """The service's own shapes and checks accept what the options say, as a task and as a group."""
    environ = {**PLAIN, "OPENOMS_SOURCE_CDN_KEY": "cdn"}
    check_create(CreateTask.model_validate(created("task", *words, "--priority", "low", environ=environ)))
    check_create(CreateGroup.model_validate(created("group", *words, environ=environ)))


def test_a_url_list_has_no_source():
    """Only DST is named; the service accepts the body."""
    parser = options.command_parser("openoms create", "", "")
    add_create(parser, kind="task")
    add_profiles(parser)
    words = ["obs://ccc", "--url-list", "obs://ccc/urls.txt", "--destination-region", "r"]
    made = create_body(parser.parse_args(words), load_settings(None, PLAIN), kind="task")
    check_create(CreateTask.model_validate(made))
    assert (made["task_type"], made["src_node"]["cloud_type"]) == ("url_list", "URLSource")


def test_a_sync_task_of_two_places():
    """The service's own shape and check accept it; folders are refused."""
    check_sync(CreateSync.model_validate(created("sync", "s3://bbb", "obs://ccc", "--metadata", "--description", "x")))
    with pytest.raises(ConfigError, match="without a folder"):
        created("sync", "s3://bbb", "obs://ccc/folder")


@given(
    st.lists(st.binary(min_size=1, max_size=9).filter(lambda key: not set(key) & set(b"\n\0")), max_size=30),
    st.booleans(),
)
def test_keys_of_a_stream_arrive_as_they_are(found, null):
    """Byte for byte, with or without an end at the end, whatever the block size cuts."""
    end = b"\0" if null else b"\n"
    for text in (end.join(found), b"".join(key + end for key in found)):
        assert list(read_keys(io.BytesIO(text), null=null)) == found


@given(st.lists(st.integers()), st.integers(1, 9))
def test_batches_are_full_but_the_last(items, size):
    """Joined they are the items; none is empty."""
    found = list(batches(items, size))
    assert [item for batch in found for item in batch] == items
    assert all(len(batch) == size for batch in found[:-1])
    assert all(found)
