"""A bucket of a loopback gateway as its preset's adapter opens it, and the deviations every such vendor declares."""

import time
from contextlib import contextmanager
from functools import partial

import boto3
from moto.server import ThreadedMotoServer

from oms_adapters.config import StoreConfig
from oms_adapters.conformance import open_harness
from oms_adapters.sandbox import Sandbox
from oms_engine.model import Credentials, Secret

MOTO = {
    "odd_key[newline]": "its router does not match a newline: 404",
    "key_too_long": "it does not limit the length of keys",
    "wrong_content_md5": "it does not look at Content-MD5",
    "wrong_part_md5": "it does not look at Content-MD5",
    "abort": "an unknown UploadId is answered 500 where S3 says 404 NoSuchUpload",
    "wrong_secret": "it verifies no signature unless told to (test_moto_auth.py)",
    "unknown_access_key": "it verifies no signature unless told to (test_moto_auth.py)",
}
"""What moto does otherwise than S3, whatever the vendor."""


@contextmanager
def gateway_harness(cloud_type, name):
    """Open a bucket of the sandbox's gateway, where a restore takes half a second."""
    with Sandbox(clouds=[name]) as sandbox:
        cloud = sandbox.clouds[name]
        cloud.create_bucket("conformance")
        cloud.restore_seconds = 0.5
        config = StoreConfig(cloud_type, "conformance", endpoint=cloud.url, credentials=cloud.credentials)
        with open_harness(config, finish_restores=partial(time.sleep, 0.6)) as opened:
            yield opened


@contextmanager
def moto_harness(cloud_type):
    """Open a bucket of moto's S3 through the vendor's adapter."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=url, **keys).create_bucket(Bucket="conformance")
    config = StoreConfig(
        cloud_type, "conformance", endpoint=url, addressing="path", credentials=Credentials("a", Secret("b"))
    )
    with open_harness(config) as opened:
        yield opened
    server.stop()
