"""Ceph radosgw, a real store: every key, signatures and Content-MD5 verified. Started by ``make conformance-ceph``."""

import os

import boto3
import pytest

from oms_adapters.aws import PROFILE
from oms_adapters.config import StoreConfig
from oms_adapters.conformance import open_harness, run_case, select_cases
from oms_engine.model import Credentials, Secret

DEVIATIONS = {
    "archived_is_refused": "its storage classes are only names: archived objects are readable",
    "restore": "it takes ?restore for a browser's form upload",
    "restore_of_readable": "it takes ?restore for a browser's form upload",
    "abort": "Ceph 16 answers the completion of an aborted upload 500, as if another one were under way",
    "kms": "no key management service is configured",
}


@pytest.fixture(scope="module")
def harness():
    """A bucket of the gateway that ceph.sh started."""
    url, ak, sk = (os.environ[f"OPENOMS_CEPH_{name}"] for name in ("URL", "AK", "SK"))
    client = boto3.client(
        "s3", endpoint_url=url, aws_access_key_id=ak, aws_secret_access_key=sk, region_name="us-east-1"
    )
    client.create_bucket(Bucket="conformance")
    with open_harness(
        StoreConfig("AWS", "conformance", endpoint=url, credentials=Credentials(ak, Secret(sk)))
    ) as opened:
        yield opened


@pytest.mark.parametrize("case", select_cases(PROFILE.capabilities), ids=str)
def test_ceph(case, harness):
    """Ceph behaves as every store owes, but for the declared deviations."""
    run_case(case, harness, DEVIATIONS)
