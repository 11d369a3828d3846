"""moto's S3 server, which others wrote: what it does otherwise is declared, with the reason."""

import boto3
import pytest
from moto.server import ThreadedMotoServer

from oms_adapters.aws import PROFILE
from oms_adapters.config import StoreConfig
from oms_adapters.conformance import open_harness, run_case, select_cases
from oms_engine.model import Credentials, Secret

DEVIATIONS = {
    "odd_key[newline]": "its router does not match a newline: 404",
    "key_too_long": "it does not limit the length of keys",
    "wrong_content_md5": "it does not look at Content-MD5",
    "wrong_part_md5": "it does not look at Content-MD5",
    "abort": "an unknown UploadId is answered 500 where S3 says 404 NoSuchUpload",
    "wrong_secret": "it verifies no signature unless told to (test_moto_auth.py)",
    "unknown_access_key": "it verifies no signature unless told to (test_moto_auth.py)",
}


@pytest.fixture(scope="module")
def harness():
    """A bucket of a server in this process."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    client = boto3.client(
        "s3", endpoint_url=url, aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1"
    )
    client.create_bucket(Bucket="conformance")
    config = StoreConfig(
        "AWS", "conformance", endpoint=url, region="us-east-1", credentials=Credentials("a", Secret("b"))
    )
    with open_harness(config) as opened:
        yield opened
    server.stop()


@pytest.mark.parametrize("case", select_cases(PROFILE.capabilities), ids=str)
def test_moto(case, harness):
    """Moto behaves as every store owes, but for the declared deviations."""
    run_case(case, harness, DEVIATIONS)
