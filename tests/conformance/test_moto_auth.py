"""moto with its signature check switched on: the cases about credentials, which the plain server cannot show."""

import json

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer

from oms_adapters.config import StoreConfig
from oms_adapters.conformance import CASES, open_harness, run_case
from oms_engine.model import Credentials, Secret

NAMES = {
    "wrong_secret",
    "unknown_access_key",
    "list_order",
    "read_ranges",
    "multipart",
    "odd_key[reserved]",
    "odd_key[spaces]",
}
ALLOW_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def account(url):
    """Create a user who may do anything, and return its credentials."""
    options = {"endpoint_url": url, "region_name": "us-east-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
    iam = boto3.client("iam", **options)
    iam.create_user(UserName="tester")
    iam.put_user_policy(UserName="tester", PolicyName="all", PolicyDocument=json.dumps(ALLOW_ALL))
    key = iam.create_access_key(UserName="tester")["AccessKey"]
    boto3.client("s3", **options).create_bucket(Bucket="conformance")
    return Credentials(key["AccessKeyId"], Secret(key["SecretAccessKey"]))


@pytest.fixture(scope="module")
def harness():
    """A bucket of a server that verifies signatures from now on."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    credentials = account(url)
    requests.post(f"{url}/moto-api/reset-auth", data="0", timeout=10)
    with open_harness(
        StoreConfig("AWS", "conformance", endpoint=url, region="us-east-1", credentials=credentials)
    ) as opened:
        yield opened
    requests.post(f"{url}/moto-api/reset-auth", data="inf", timeout=10)
    server.stop()


@pytest.mark.parametrize("case", [case for case in CASES if case.name in NAMES], ids=str)
def test_moto_auth(case, harness):
    """Our signatures are accepted, and wrong credentials are told as such."""
    run_case(case, harness)
