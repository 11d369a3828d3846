"""The command line and its destinations' dialects: one settings file, S3 behind obs://, and what is lost is noticed."""

import json
import os
import subprocess
import sys

import boto3
import pytest
from moto.server import ThreadedMotoServer

pytestmark = pytest.mark.e2e

FILE = """
data_dir = "/var/lib/openoms"        # the service's, left to it

[endpoints.HuaweiCloud.rack-7]
endpoint = "{url}"
dialect = "s3"
addressing = "path"
region = "us-east-1"
storage_classes = ["STANDARD", "IA"]
"""


@pytest.fixture(scope="module")
def client():
    """A server of S3 in this process, and boto3 on it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    made = boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    made.create_bucket(Bucket="source")
    made.put_object(Bucket="source", Key="a", Body=b"x", Metadata={"colour": "red"}, ContentType="text/x-odd")
    yield made
    server.stop()


@pytest.fixture
def openoms(client, tmp_path):
    """Run the command with a settings file; return exit code, JSON and what it printed."""
    path = tmp_path / "openoms.toml"
    path.write_text(FILE.format(url=client.meta.endpoint_url))
    path.chmod(0o600)
    keys = {f"OPENOMS_{side}_{name}": "key" for side in ("SOURCE", "DESTINATION") for name in ("AK", "SK")}
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "OPENOMS_CONFIG": str(path), **keys}

    def run(*words, stdin=""):
        done = subprocess.run([sys.executable, "-m", "openoms.cli", *words, "--json"], env=environ, input=stdin,
                              capture_output=True, text=True, check=False)  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, json.loads(done.stdout), done.stderr

    return run


def beside(client, bucket):
    """What lies beside the bytes of the copy."""
    head = client.head_object(Bucket=bucket, Key="a")
    return head["Metadata"], head.get("StorageClass"), head["ContentType"]


def test_a_region_of_the_file_says_what_its_store_speaks(client, openoms):
    """obs:// in a region whose dialect is s3 speaks S3: metadata and class arrive, and check finds all equal."""
    client.create_bucket(Bucket="by-file")
    places = [
        "s3://source",
        "obs://by-file",
        "--source-endpoint",
        client.meta.endpoint_url,
        "--destination-region",
        "rack-7",
    ]
    code, _, printed = openoms("migrate", *places, "--metadata", "--storage-class", "IA")
    assert code == 0, printed
    assert beside(client, "by-file") == ({"colour": "red"}, "STANDARD_IA", "text/x-odd")
    assert openoms("check", *places, "--attributes", "--storage-class", "IA")[0] == 0
    assert openoms("migrate", *places, "--metadata", "--storage-class", "IA")[0] == 0
    code, reply, _ = openoms("migrate", *places, "--storage-class", "ARCHIVE")
    assert (code, reply["error_code"]) == (2, "OMS.1003")
    assert "does not keep ARCHIVE; it keeps IA, STANDARD" in reply["error_msg"]


@pytest.mark.parametrize(
    "node", [{"region": "rack-7"}, {"region": "rack-7", "cloud_type": "HEC"}, {"region": "rack-7", "cloud_type": "AWS"}],
    ids=str,
)  # fmt: skip
def test_a_task_body_may_say_it(client, openoms, node):
    """``openoms run`` takes ``dst_node.cloud_type``, and the file's dialect for the region it names."""
    bucket = f"by-body-{len(node)}"
    client.create_bucket(Bucket=bucket)
    body = {
        "task_type": "object",
        "src_node": {"cloud_type": "HuaweiCloud", "region": "rack-7", "bucket": "source", "object_key": [""]},
        "dst_node": {"bucket": bucket, **node},
        "enable_metadata_migration": True,
    }
    if node.get("cloud_type") == "AWS":  # which has no such region, here or elsewhere
        code, reply, _ = openoms("run", "-", stdin=json.dumps(body))
        assert (code, reply["error_code"]) == (2, "OMS.0080")
        return
    code, _, printed = openoms("run", "-", stdin=json.dumps(body))
    assert code == 0, printed
    assert beside(client, bucket)[0] == {"colour": "red"}


def test_obs_spoken_to_s3_is_noticed(client, openoms):
    """Without the file's word the run ends with TRF.0061, exit code 3, and leaves no copy that passes for good."""
    client.create_bucket(Bucket="unsaid")
    places = ["s3://source", "obs://unsaid", "--source-endpoint", client.meta.endpoint_url,
              "--destination-endpoint", client.meta.endpoint_url]  # fmt: skip
    code, reply, _ = openoms("migrate", *places, "--metadata")
    assert (code, reply["error_reason"]["error_code"]) == (3, "TRF.0061")
    assert 'dialect = "s3"' in reply["error_reason"]["error_msg"]
    assert "a" not in [entry["Key"] for entry in client.list_objects_v2(Bucket="unsaid").get("Contents", [])]
    places[1] = "s3://unsaid"  # the remedy
    assert openoms("migrate", *places, "--metadata")[0] == 0
    assert beside(client, "unsaid")[0] == {"colour": "red"}
