"""A raw HTTP client whose requests the vendors' own code signs: it shows what is on the wire, broken replies included."""

import socket
from email.utils import formatdate
from typing import NamedTuple
from urllib.parse import unquote

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from obs.auth import Authentication
from obs.convertor import Adapter

from oms_adapters.sandbox import Sandbox


class Answer(NamedTuple):
    """Everything a connection gave until it closed."""

    data: bytes

    @property
    def status(self):
        """Return the status of the first reply."""
        return int(self.data.split(b" ", 2)[1])

    @property
    def head(self):
        """Return the headers of the first reply."""
        lines = self.data.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}

    @property
    def body(self):
        """Return what follows the first head."""
        return self.data.partition(b"\r\n\r\n")[2]


def signed(cloud, method, path, *, headers=None, body=b"", sign_body=None):
    """Return a request's bytes, signed by the vendor's own code; the connection closes after its reply."""
    given = {"Host": f"127.0.0.1:{cloud.endpoint.port}", **(headers or {})}
    if cloud.name == "s3":
        given = sign_s3(cloud, method, path, given, body if sign_body is None else sign_body)
    else:
        given = sign_obs(cloud, method, path, given)
    if body:
        given.setdefault("Content-Length", str(len(body)))
    given.setdefault("Connection", "close")
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def sign_s3(cloud, method, path, headers, body):
    """Return headers with botocore's Signature Version 4."""
    request = AWSRequest(method=method, url=cloud.url + path, data=body, headers=headers)
    S3SigV4Auth(Credentials(cloud.access_key, cloud.secret_key), "s3", "us-east-1").add_auth(request)
    return dict(request.headers.items())


def sign_obs(cloud, method, path, headers):
    """Return headers with esdk-obs-python's signature."""
    headers = {"Date": formatdate(usegmt=True), **headers}
    path, _, query = path.partition("?")
    arguments = {name: value if equals else None for name, equals, value in
                 (item.partition("=") for item in query.split("&") if item)}  # fmt: skip
    bucket, _, key = path[1:].partition("/")
    signer = Authentication(cloud.access_key, cloud.secret_key, True, Adapter("obs"), "", False)
    return {
        **headers,
        "Authorization": signer.doAuth(method, bucket, unquote(key), arguments, headers)["Authorization"],
    }


def send(cloud, data, *, timeout=10):
    """Send bytes on a connection of their own and return all that comes back."""
    with socket.create_connection(("127.0.0.1", cloud.endpoint.port), timeout=timeout) as connection:
        connection.sendall(data)
        got = bytearray()
        try:
            while piece := connection.recv(1 << 16):
                got += piece
        except ConnectionResetError:
            pass
    return Answer(bytes(got))


@pytest.fixture(scope="module")
def sandbox():
    """Run one sandbox for the module."""
    with Sandbox() as running:
        yield running


@pytest.fixture(params=["s3", "obs"])
def cloud(sandbox, request):
    """Return either cloud, well behaved and with an empty bucket ``bkt``."""
    chosen = getattr(sandbox, request.param)
    chosen.create_bucket("bkt")
    yield chosen
    chosen.faults.clear()


@pytest.fixture
def ask():
    """Return a function that signs, sends and returns the answer."""

    def asking(cloud, method, path, **options):
        return send(cloud, signed(cloud, method, path, **options))

    asking.signed, asking.send = signed, send
    return asking
