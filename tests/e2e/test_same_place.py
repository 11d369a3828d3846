"""Moves inside one bucket, by the command: harmless ones arrive, others change nothing; URLs that name their own copy."""

import json
import os
import subprocess
import sys

import boto3
import pytest
from moto.server import ThreadedMotoServer

from e2e.cli_support import open_bench
from oms_adapters.sandbox import Sandbox, put_item

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def sandbox():
    """Two loopback clouds for the whole module."""
    with Sandbox() as running:
        yield running


def test_a_folder_moves_beside_itself_and_never_onto_itself(sandbox, tmp_path):
    """Under either name of this machine: ``a/`` to ``b/`` arrives, all that could rewrite a source changes nothing."""
    bench = open_bench(sandbox, tmp_path)
    bucket = bench.source
    bucket.put_many([put_item(key, key.encode(), user={"owner": "me"}) for key in ("a/1", "a/b/2", "c")])
    before = bucket.objects()
    keys = {f"OPENOMS_DESTINATION_{name}": bench.environ()[f"OPENOMS_SOURCE_{name}"] for name in ("AK", "SK")}
    elsewhere = sandbox.s3.url.replace("127.0.0.1", "localhost").upper().replace("HTTP", "http")
    assert elsewhere != sandbox.s3.url

    def migrate(source, destination, *options):
        places = [f"s3://{bucket.name}{source}", f"s3://{bucket.name}{destination}"]
        ends = ["--source-endpoint", sandbox.s3.url, "--destination-endpoint", elsewhere]
        return bench.run("migrate", *places, *ends, "--json", *options, environ=keys)

    onto = [("", ""), ("/a", "/a/"), ("", "/copy"), ("/a", "/a/b"), ("/a/b", "/a"), ("/a", "")]
    for source, destination in onto:
        done = migrate(source, destination, "--overwrite", "always")
        assert done.returncode == 2
        assert json.loads(done.stdout)["error_code"] == "OMS.0058"
        assert bucket.objects() == before
    done = migrate("/a", "/b", "--metadata")
    assert (done.returncode, json.loads(done.stdout)["successful_num"]) == (0, 2)
    arrived = [one.key for one in bucket.objects() if not one.key.startswith("oms/")]
    assert arrived == ["a/1", "a/b/2", "b/1", "b/b/2", "c"]
    assert [bucket.object(one.key) for one in before] == before
    assert json.loads(migrate("/a", "/b").stdout)["skipped_num"] == 2


@pytest.fixture
def open_store():
    """A store that answers unsigned requests, as a public bucket does; others wrote it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


def test_a_url_that_names_its_own_copy_fails_by_name(open_store, tmp_path):
    """Written over itself the object would lose its metadata; its neighbours are copied."""
    client = boto3.client(
        "s3", endpoint_url=open_store, aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1"
    )
    client.create_bucket(Bucket="photos")
    for key in ("a b", "c"):
        client.put_object(Bucket="photos", Key=key, Body=key.encode(), Metadata={"owner": "me"}, ACL="public-read")
    local = open_store.replace("127.0.0.1", "localhost")
    lines = [f"{local}/photos/a%20b\ta%20b", f"{local}/photos/c\tcopy%20of%20c"]
    client.put_object(Bucket="photos", Key="urls.txt", Body="\n".join(lines).encode(), ContentType="text/plain")
    keys = {"OPENOMS_DESTINATION_AK": "a", "OPENOMS_DESTINATION_SK": "b", "XDG_STATE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "openoms.cli", "migrate", "--url-list", "s3://photos/urls.txt", "s3://photos",
         "--destination-endpoint", open_store, "--allow-private-urls", "--overwrite", "always", "--json"],
        env={**os.environ, **keys}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert (told["total_num"], told["successful_num"], told["failed_num"]) == (2, 1, 1)
    assert client.head_object(Bucket="photos", Key="a b")["Metadata"] == {"owner": "me"}
    assert client.get_object(Bucket="photos", Key="copy of c")["Body"].read() == b"c"
    lists = client.list_objects_v2(Bucket="photos", Prefix="oms/")["Contents"]
    [failed] = [entry["Key"] for entry in lists if "/failed_object_lists/" in entry["Key"]]
    assert b"a+b" in (line := client.get_object(Bucket="photos", Key=failed)["Body"].read()) or b"a%20b" in line
