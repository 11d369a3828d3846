"""Months and statistics of sync tasks, and what their bodies mean: the pure parts."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.errors import ConfigError
from oms_worker.errors import Refused
from oms_worker.services.syncs import month_of, series_of
from oms_worker.shapes.base import judge
from oms_worker.shapes.sync import (
    CREATE_EXAMPLE,
    CreateSync,
    StartSync,
    SyncEvents,
    check_sync,
    check_sync_start,
    request_of,
)

ZONES = st.sampled_from(["UTC", "Asia/Shanghai", "America/New_York", "Pacific/Apia", "Asia/Kolkata"])
INSTANTS = st.floats(0, datetime(2200, 1, 1, tzinfo=UTC).timestamp())


@given(INSTANTS, ZONES)
def test_a_month_holds_its_instants_and_ends_where_the_next_begins(instant, zone):
    """Every instant lies in one month, which begins at 00:00 of a first day, and months follow without a gap."""
    begin, end = month_of(instant, zone)
    assert begin <= instant < end
    first, local = datetime.fromtimestamp(begin, ZoneInfo(zone)), datetime.fromtimestamp(instant, ZoneInfo(zone))
    assert (first.day, first.year, first.month) == (1, local.year, local.month)
    assert month_of(end, zone)[0] == end
    assert month_of(begin, zone) == month_of(end - 1, zone) == (begin, end)
    assert timedelta(days=27) < timedelta(seconds=end - begin) < timedelta(days=32)


@pytest.mark.parametrize("instant", [float(10**20), 9.3e15, -1e20, float("inf")])
def test_what_is_no_time_is_refused(instant):
    """A ``query_time`` beyond all calendars is OMS.1003, not a failure of the service."""
    with pytest.raises(Refused) as refused:
        month_of(instant, "UTC")
    assert refused.value.code == "OMS.1003"


VALUES = st.lists(st.tuples(st.integers(0, 10_000).map(lambda number: number * 300), st.integers(0, 9)), max_size=40)


@given(VALUES, st.sampled_from([300, 3600]))
def test_a_series_sums_up_and_leaves_the_empty_out(values, step):
    """Points ascend, lie on their grid, are never 0, and sum up to what happened."""
    found = series_of(values, step)
    assert [point.at for point in found] == sorted({point.at for point in found})
    assert all(point.at % step == 0 and point.value for point in found)
    assert sum(point.value for point in found) == sum(value for _, value in values)
    for point in found:
        assert point.value == sum(value for at, value in values if point.at <= at < point.at + step)


def test_keys_are_decoded_as_forms_are():
    """``+`` is a space and ``%2B`` a plus; any byte may be written; what is no encoding stays as it is."""
    events = judge(SyncEvents, {"object_keys": ["a+b", "a%2Bb", "%FF", "%zz", "d/"]})
    assert events.decoded() == [b"a b", b"a+b", b"\xff", b"%zz", b"d/"]


@pytest.mark.parametrize(("keys", "code"), [
    ([], "OMS.1003"), (["k"] * 101, "OMS.1003"), ([""], "OMS.1003"), (["é" * 513], "OMS.1003"), ([1], "OMS.1002"),
    ("k", "OMS.1002"), (["k" * 16_385], "OMS.1003"),
])  # fmt: skip
def test_events_beyond_their_limits_are_refused(keys, code):
    """None, more than 100, an empty key, one of more than 1,024 bytes, other types."""
    with pytest.raises(ConfigError) as refused:
        judge(SyncEvents, {"object_keys": keys}).decoded()
    assert refused.value.code == code


@pytest.mark.parametrize(("change", "code"), [
    ({"src_cloud_type": "Tencent"}, "OMS.1004"), ({"src_cloud_type": "Google"}, "OMS.0057"),
    ({"src_ak": ""}, "OMS.1004"), ({"src_cloud_type": "AWS", "consistency_check": "crc64"}, "OMS.1003"),
    ({"consistency_check": "transmission"}, "OMS.1003"), ({"src_crypto_type": "KMS"}, "OMS.1003"),
    ({"source_cdn": {"domain": "a/b", "protocol": "http"}}, "OMS.0081"),
    ({"source_cdn": {"domain": "a", "protocol": "http", "authentication_type": "ALIYUN_OSS_A"}}, "OMS.1032"),
    ({"description": "<b>"}, "OMS.0078"), ({"object_overwrite_mode": "FULL_OVERWRITE"}, "OMS.0074"),
])  # fmt: skip
def test_bodies_that_do_not_fit_together_are_refused(change, code):
    """Each with OMS's code; the overwrite mode of a sync task cannot be chosen."""
    with pytest.raises(ConfigError) as refused:
        check_sync(judge(CreateSync, {**CREATE_EXAMPLE, **change}))
    assert refused.value.code == code


def test_what_is_stored_has_no_secret():
    """A sync task's request is in a task's spelling; its keys, and the CDN's, stand apart."""
    cdn = {
        "domain": "cdn.example",
        "protocol": "https",
        "authentication_type": "ALIYUN_OSS_A",
        "authentication_key": "hush",
    }
    body = judge(CreateSync, {**CREATE_EXAMPLE, "source_cdn": cdn})
    check_sync(body)
    stored, secrets = request_of(body), body.secrets()
    assert "hush" not in repr(stored) + repr(body) + repr(secrets)
    assert not [value for value in secrets.values() if value.reveal() in repr(stored)]
    assert set(secrets) == {"src_node.ak", "src_node.sk", "dst_node.ak", "dst_node.sk", "source_cdn.authentication_key"}
    assert stored["src_node"]["cloud_type"] == "Aliyun"


def test_a_start_needs_the_key_of_the_cdn_again():
    """It is wiped with the others when a sync task stops: OMS.1032 without it."""
    keys = dict.fromkeys(("src_ak", "src_sk", "dst_ak", "dst_sk"), "x")
    request = {"source_cdn": {"domain": "a", "protocol": "http", "authentication_type": "ALIYUN_OSS_A"}}
    with pytest.raises(ConfigError) as refused:
        check_sync_start(judge(StartSync, keys), request)
    assert refused.value.code == "OMS.1032"
    check_sync_start(judge(StartSync, {**keys, "source_cdn_authentication_key": "k"}), request)
    check_sync_start(judge(StartSync, keys), {})


@pytest.mark.parametrize("name", ["src_ak", "src_sk", "dst_ak", "dst_sk"])
def test_a_start_with_an_empty_key_is_refused(name):
    """An empty text is no key: OMS.1004 at the start, not a failure of every sub-task later."""
    keys = dict.fromkeys(("src_ak", "src_sk", "dst_ak", "dst_sk"), "x")
    with pytest.raises(ConfigError) as refused:
        check_sync_start(judge(StartSync, {**keys, name: ""}), {})
    assert refused.value.code == "OMS.1004"
