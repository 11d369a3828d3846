"""Classes whose objects sink into archive tiers by themselves, and dispositions that vendors force on downloads."""

import pytest

from oms_adapters.config import StoreConfig
from oms_adapters.registry import open_store
from oms_engine.model import ArchiveState, Credentials, RestoreTier, Secret
from oms_engine.store import Reply

KEYS = Credentials("AK", Secret("SK"))
S3 = open_store(StoreConfig("AWS", "photos", region="eu-west-1", credentials=KEYS))
COS = open_store(
    StoreConfig("Tencent", "photos", region="ap-guangzhou", credentials=KEYS, extra={"app_id": "1250000000"})
)
OSS = open_store(StoreConfig("Aliyun", "photos", region="cn-hangzhou", credentials=KEYS))


def archive(store, **headers):
    """Return how a HEAD with these headers says the object lies."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return store.head("k").read(Reply(200, {"content-length": "1", **names}, b"")).archive


@pytest.mark.parametrize(
    ("store", "word"),
    [(S3, "INTELLIGENT_TIERING"), (COS, "INTELLIGENT_TIERING"), (COS, "MAZ_INTELLIGENT_TIERING")],
)
def test_what_sinks_by_itself_is_restored_for_good(store, word):
    """AWS and COS refuse a restore of such a class that names Days; other archived classes must name them."""
    body = store.restore("k", days=3, tier=RestoreTier.STANDARD, storage_class=word).request.body
    assert b"<Days>" not in body
    assert b"<Tier>Standard</Tier>" in body
    assert b"<Days>3</Days>" in store.restore("k", days=3, tier=RestoreTier.BULK, storage_class="ARCHIVE").request.body


def test_an_object_is_archived_while_its_tier_is():
    """The tier decides, also after an earlier restore; a restore under way is one."""
    word = {"x_amz_storage_class": "INTELLIGENT_TIERING"}
    status = {"x_amz_archive_status": "DEEP_ARCHIVE_ACCESS"}
    assert archive(S3, **word) is ArchiveState.READABLE
    assert archive(S3, **word, **status) is ArchiveState.ARCHIVED
    assert archive(S3, **word, **status, x_amz_restore='ongoing-request="true"') is ArchiveState.RESTORING
    assert archive(S3, **word, **status, x_amz_restore='ongoing-request="false"') is ArchiveState.ARCHIVED
    assert archive(S3, **word, x_amz_restore='ongoing-request="false"') is ArchiveState.READABLE
    glacier = {"x_amz_storage_class": "GLACIER"}
    assert archive(S3, **glacier, x_amz_restore='ongoing-request="false", expiry-date="…"') is ArchiveState.READABLE


@pytest.mark.parametrize(
    ("tier", "state"),
    [
        ("FREQUENT", ArchiveState.READABLE),
        ("INFREQUENT", ArchiveState.READABLE),
        ("ARCHIVE", ArchiveState.ARCHIVED),
        ("DEEP_ARCHIVE", ArchiveState.ARCHIVED),
    ],
)
def test_cos_states_the_tier_of_an_object(tier, state):
    """Its header names the tier an object of intelligent tiering lies in."""
    assert archive(COS, x_cos_storage_class="INTELLIGENT_TIERING", x_cos_storage_tier=tier) is state


@pytest.mark.parametrize(("store", "prefix"), [(COS, "x-cos-"), (OSS, "x-oss-"), (S3, "x-amz-")])
def test_a_forced_disposition_is_not_the_objects(store, prefix):
    """What a vendor forces on a download is known by its header; anything else it states is the object's own."""

    def stated(**headers):
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        found = store.read("k").read(Reply(200, {"content-length": "1", **names}, b"")).attributes
        return found.content_disposition, found.forced_download

    forced = {f"{prefix}force-download": "true"}
    assert stated(content_disposition="attachment", **forced) == (None, True)
    assert stated(content_disposition="inline; filename=a", **forced) == ("inline; filename=a", True)
    assert stated(content_disposition="attachment") == ("attachment", False)
    assert stated(content_disposition="attachment", **{f"{prefix}force-download": "false"}) == ("attachment", False)
