"""KS3 passes the suite against a loopback gateway with its quirks, and against moto; what it does otherwise is declared."""

import pytest
from fastcrc import crc64

from oms_adapters.config import StoreConfig
from oms_adapters.conformance import open_harness, run_case, select_cases
from oms_adapters.conformance.deviations import DEVIATIONS
from oms_adapters.kingsoftcloud import ADAPTER
from oms_adapters.sandbox import Sandbox
from oms_engine.errors import InvalidRequest
from oms_engine.model import ArchiveState, Restore, RestoreTier
from support.gateways import MOTO, gateway_harness, moto_harness

CONFIG = StoreConfig("ks3", "bucket", region="BEIJING")
CASES = select_cases(ADAPTER.profile.capabilities)
NO_ARCHIVE = "moto knows S3's storage classes only, and KS3's archived one is none of them"
NO_CRC64 = "moto states no CRC-64 of this name"
SMALL = "moto wants parts of 5 MiB, KS3 takes them from 100 KB on"
OWN = {
    **dict.fromkeys(["restore", "archived_is_refused", "storage_classes"], NO_ARCHIVE),
    **dict.fromkeys(["crc64", "multipart_crc64"], NO_CRC64),
    **dict.fromkeys(["multipart", "resume", "gaps_between_parts"], SMALL),
}


@pytest.fixture(scope="module")
def gateway():
    """A bucket of the gateway."""
    with gateway_harness("KingsoftCloud", "ks3") as harness:
        yield harness


@pytest.fixture(scope="module")
def moto():
    """A bucket of moto."""
    with moto_harness("KingsoftCloud") as harness:
        yield harness


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gateway(case, gateway):
    """The adapter and the gateway behave as every store owes, but for the declared deviations."""
    run_case(case, gateway, DEVIATIONS["KingsoftCloud"])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_moto(case, moto):
    """The adapter and moto behave as every store owes, but for the declared deviations."""
    run_case(case, moto, {**MOTO, **OWN})


def test_a_bucket_of_another_region_is_followed():
    """The wrong region's host answers 307 with the right one; the call goes there, signed for that region."""
    with Sandbox(clouds=["ks3"]) as sandbox:
        cloud = sandbox.clouds["ks3"]
        cloud.create_bucket("far").put("k", b"x")
        cloud.domains = ("ks3-cn-beijing.localhost", "ks3-cn-shanghai.localhost")
        wrong = f"http://ks3-cn-shanghai.localhost:{cloud.endpoint.port}"
        config = StoreConfig("ks3", "far", endpoint=wrong, region="SHANGHAI", credentials=cloud.credentials)
        with open_harness(config) as harness:
            assert harness.keys("") == ["k"]
            assert harness.body("k") == b"x"
        assert [entry.status for entry in cloud.log][:2] == [307, 200]


def test_the_bucket_is_in_the_host():
    """KS3 refuses a bucket in the path; the adapter puts it in front unless it is told otherwise."""
    with gateway_harness("KingsoftCloud", "ks3") as harness:
        assert harness.store.endpoint.host == "conformance.localhost"
        with pytest.raises(InvalidRequest, match="Name the bucket in the host"):
            harness.perform(harness.variant(addressing="path").list_page(""))


def test_a_copy_restored_from_the_archive_lives_seven_days_at_most():
    """A longer life is cut to what KS3 grants, and no tier is sent."""
    body = ADAPTER.open(CONFIG).restore("k", days=30, tier=RestoreTier.STANDARD, storage_class="ARCHIVE").request.body
    assert body == b"<RestoreRequest><Days>7</Days></RestoreRequest>"


@pytest.mark.parametrize("word", ["COLD_ARCHIVE", "DEEP_COLD_ARCHIVE"])
def test_objects_of_the_cold_archives_are_restored(word):
    """They are known as archived, are restored with a speed and for up to a year, and are read then."""
    with Sandbox(clouds=["ks3"]) as sandbox:
        cloud = sandbox.clouds["ks3"]
        cloud.restore_seconds = 0.0
        cloud.create_bucket("cold").put("k", b"bytes", storage_class=word)
        config = StoreConfig("KingsoftCloud", "cold", endpoint=cloud.url, credentials=cloud.credentials)
        with open_harness(config) as harness:
            head = harness.head("k")
            assert (head.storage_class, head.archive) == (word, ArchiveState.ARCHIVED)
            call = harness.store.restore("k", days=30, tier=RestoreTier.BULK, storage_class=word)
            assert b"<JobParameters><Tier>Bulk</Tier></JobParameters>" in call.request.body
            assert harness.perform(call) is Restore.REQUESTED
            assert harness.body("k") == b"bytes"


def test_the_stated_crc64_is_that_of_the_whole_object():
    """Writes, HEAD and reads state it, of objects in parts too, whose ETag proves nothing."""
    with gateway_harness("KingsoftCloud", "ks3") as harness:
        body = bytes(range(256)) * 800
        upload = harness.upload("parts")
        parts = [
            harness.perform(harness.store.write_part("parts", upload, number, size=102400, body=half))
            for number, half in enumerate((body[:102400], body[102400:]), start=1)
        ]
        harness.perform(harness.store.complete_upload("parts", upload, parts))
        assert (harness.head("parts").crc64, harness.head("parts").md5) == (crc64.xz(body), None)
