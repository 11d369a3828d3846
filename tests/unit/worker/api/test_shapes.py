"""Bodies: whatever arrives is read or refused with a code; secrets stay apart."""

import json
from contextlib import suppress

import pytest
from huaweicloudsdkoms import v2 as sdk
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.errors import ConfigError
from oms_worker.db.tasks import TaskRow
from oms_worker.shapes import buckets
from oms_worker.shapes.base import read_body, read_json
from oms_worker.shapes.create import check_create, public_part
from oms_worker.shapes.credentials import secrets_of
from oms_worker.shapes.task import CREATE_EXAMPLE, BatchUpdate, CreateTask, StartTask
from oms_worker.shapes.task_response import TaskShape, task_response
from oms_worker.shapes.words import CLOUD_TYPES, OVERWRITE_MODES

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
TOLD = ("OMS.0", "OMS.1", "TRF.0")


def outcome(call):
    """Return the code that a call is refused with, and its value."""
    try:
        return None, call()
    except ConfigError as error:
        return str(error.code), None


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_json_is_read_as_python_does_or_refused(raw):
    """Whatever is taken is what Python's own reader takes; the rest has a code."""
    code, found = outcome(lambda: read_json(raw))
    assert code in {None, "OMS.0004", "OMS.0067"}
    if code is None:
        assert found == json.loads(raw if isinstance(raw, str) else raw.decode("utf-8-sig"))


@given(st.sampled_from(sorted(CreateTask.model_fields)), ANY)
def test_any_value_of_any_field_is_read_or_refused(name, value):
    """A hostile body ends in a coded refusal, never another exception."""
    text = json.dumps({**CREATE_EXAMPLE, name: value})
    code, _ = outcome(lambda: check_create(read_body(CreateTask, text)))
    assert code is None or code.startswith(TOLD)


@given(st.sampled_from(["src_node", "dst_node"]), st.text(max_size=12), ANY)
def test_any_field_of_a_node_is_read_or_refused(node, name, value):
    """The same for what lies deeper."""
    with suppress(ConfigError):
        check_create(read_body(CreateTask, json.dumps({**CREATE_EXAMPLE, node: {**CREATE_EXAMPLE[node], name: value}})))


secret = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=12, max_size=30)


@given(secret, secret, secret)
def test_what_is_stored_holds_no_secret(source, destination, token):
    """Every credential of a body is in its secrets, none in what is stored, none in a repr."""
    source, destination, token = f"s<{source}", f"d<{destination}", f"t<{token}"
    body = json.loads(json.dumps(CREATE_EXAMPLE))
    body["src_node"] |= {"sk": source, "security_token": token}
    body["dst_node"] |= {"sk": destination}
    read = read_body(CreateTask, json.dumps(body))
    found = {path: value.reveal() for path, value in secrets_of(read).items()}
    assert (found["src_node.sk"], found["src_node.security_token"], found["dst_node.sk"]) == (
        source,
        token,
        destination,
    )
    for text in (repr(public_part(read)), repr(read), str(secrets_of(read))):
        assert not any(value in text for value in found.values())


@pytest.mark.parametrize("word", CLOUD_TYPES)
def test_words_are_taken_in_any_case_and_kept_in_omss(word):
    """``AWS``, ``aws`` and ``Aws`` are one cloud."""
    for spelled in (word, word.lower(), word.upper()):
        body = {**CREATE_EXAMPLE, "src_node": {**CREATE_EXAMPLE["src_node"], "cloud_type": spelled}}
        assert read_body(CreateTask, json.dumps(body)).src_node.cloud_type == word


def test_every_field_of_the_official_sdk_is_known():
    """What the SDK may send is taken, in each request that there is."""
    pairs = [(CreateTask, sdk.CreateTaskReq), (StartTask, sdk.StartTaskReq), (BatchUpdate, sdk.BatchUpdateTasksReq),
             (buckets.ListBuckets, sdk.ListBucketsReq), (buckets.ListObjects, sdk.ShowBucketReq),
             (buckets.BucketRegion, sdk.ShowBucketRegionReq), (buckets.CheckPrefix, sdk.CheckPrefixReq),
             (buckets.CheckCdn, sdk.ShowCdnInfoReq), (buckets.CheckUrlList, sdk.CheckUrlSourceListFileFormatReq)]  # fmt: skip
    for ours, theirs in pairs:
        assert set(theirs.openapi_types) <= set(ours.model_fields), ours
    nodes = CreateTask.model_fields
    assert set(sdk.SrcNodeReq.openapi_types) <= set(nodes["src_node"].annotation.model_fields)
    assert set(sdk.DstNodeReq.openapi_types) <= set(nodes["dst_node"].annotation.model_fields)


COUNT = st.integers(0, 2**62)
ROWS = st.builds(
    TaskRow, id=COUNT, project_id=st.just("p"), name=st.text(), status=st.sampled_from([1, 2, 3, 4, 5, 7]),
    request=st.builds(
        lambda mode, text: {**public_part(read_body(CreateTask, json.dumps(CREATE_EXAMPLE))), "object_overwrite_mode": mode, "description": text},
        st.sampled_from(OVERWRITE_MODES), st.text(),
    ),
    created_at=st.just(0.0), queued_at=st.just(0.0), started_at=st.none() | st.floats(0, 1e10), total_num=COUNT,
    progress=st.floats(0, 1), error_code=st.none() | st.just("TRF.0001"), error_msg=st.none() | st.text(),
    records=st.none() | st.just({"failed": "oms/x"}), record_errors=st.none() | st.just({"skip": "OMS.0307"}),
)  # fmt: skip


@given(ROWS, st.floats(0, 1e10))
def test_any_row_is_told_in_the_documented_shape(row, now):
    """Every row has every field of the shape, nothing else; a task that succeeded is whole."""
    told = task_response(row, now)
    shape = TaskShape.model_validate(json.loads(json.dumps(told))).model_dump()
    assert shape["dst_node"].pop("cloud_type") is None  # only a destination that is not Huawei Cloud states its cloud
    assert shape == told
    assert told["total_time"] >= 0
    assert (told["progress"] == 1.0) or row.status != 5
    assert (told["error_reason"] is None) == (row.error_code is None)


@pytest.mark.parametrize(
    ("size", "text"),
    [(None, "--"), (0, "0 B"), (1023, "1023 B"), (1024, "1.00 KB"), (77_165_757, "73.59 MB"), (2**60, "1048576.00 TB")],
)
def test_sizes_for_people(size, text):
    """Two digits and a unit, as the service writes them."""
    assert buckets.render_size(size) == text
