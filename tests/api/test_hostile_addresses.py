"""Addresses that a caller writes into credentials lead nowhere but to the public internet, in any spelling."""

import json
import socket
import threading
from contextlib import contextmanager

import pytest

from support.google_account import private_key
from support.served import Role, Served, running

SPELLINGS = (
    "127.0.0.1", "localhost", "localhost.", "any.localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1",
    "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::]", "[::127.0.0.1]", "[64:ff9b::7f00:1]",
)  # fmt: skip
"""Of this machine."""

ACCOUNT_KEY = "a2V5LW9mLXRoZS1hY2NvdW50"


class Listener:
    """Takes connections on every address of this machine and counts them."""

    def __init__(self):
        self.socket = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        self.port = self.socket.getsockname()[1]
        self.seen = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, peer = self.socket.accept()
            except OSError:
                return
            self.seen.append(peer)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\nINTERNAL-SECRET")
            connection.close()


@contextmanager
def listening():
    """Run a listener."""
    made = Listener()
    try:
        yield made
    finally:
        made.socket.close()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory, sandbox):
    """A service that allows nothing private, with a user who only reads and one who operates."""
    clouds = [("AWS", sandbox.s3), ("HuaweiCloud", sandbox.obs)]
    served = Served(tmp_path_factory.mktemp("guarded"), clouds)
    served.users = served.add_users(rita={"role": Role.READONLY}, alice={})
    with running(served):
        yield served


def azure_strings(host, port):
    """Return connection strings that lead to a host, over TLS and without."""
    return [
        f"AccountName=acct;AccountKey={ACCOUNT_KEY};BlobEndpoint={scheme}://{host}:{port}/acct"
        for scheme in ("http", "https")
    ] + [f"DefaultEndpointsProtocol=https;AccountName=acct;AccountKey={ACCOUNT_KEY};EndpointSuffix={host}:{port}"]


def google_keys(host, port):
    """Return key files whose tokens are asked for at a host."""
    file = {"type": "service_account", "client_email": "a@b.test", "private_key": private_key(0), "project_id": "p"}
    return [json.dumps({**file, "token_uri": f"{scheme}://{host}:{port}/token"}) for scheme in ("http", "https")]


def bodies(cloud, field, value):
    """Return (path, body) of every call that takes the credentials of a source."""
    account = {"cloud_type": cloud, field: value}
    bucket = {"bucket_name": "bucket", "data_center": "eastus" if cloud == "Azure" else "europe-west3"}
    return [
        ("objectstorage/buckets", account),
        ("objectstorage/buckets/regions", {**account, "bucket_name": "bucket"}),
        ("objectstorage/buckets/objects",
         {**account, **bucket, "file_path": "", "page_size": 10, "behind_filename": ""}),
        ("objectstorage/buckets/prefix", {**account, **bucket, "file_name": "a"}),
    ]  # fmt: skip


@pytest.mark.parametrize("host", SPELLINGS)
def test_credentials_lead_to_no_private_address(guarded, host):
    """A reader's connection strings and key files reach no listener of this machine, and no answer quotes one."""
    with listening() as listener, guarded.http("rita") as client:
        project = guarded.users.rita["project_id"]
        sent = [bodies("Azure", "connection_string", text) for text in azure_strings(host, listener.port)]
        sent += [bodies("Google", "json_auth_file", text) for text in google_keys(host, listener.port)]
        for path, body in (pair for pairs in sent for pair in pairs):
            reply = client.post(f"/v2/{project}/{path}", json=body)
            assert reply.status_code == 400, (path, body, reply.text)
            assert "INTERNAL-SECRET" not in reply.text
            assert "Traceback" not in reply.text
        assert listener.seen == []


def test_an_open_port_looks_like_a_closed_one(guarded):
    """The answer for a private address is the same whether something listens there or not."""
    project = guarded.users.rita["project_id"]
    with listening() as listener, guarded.http("rita") as client:

        def ask(port):
            (_, text, _) = azure_strings("127.0.0.1", port)
            body = {"cloud_type": "Azure", "connection_string": text}
            return client.post(f"/v2/{project}/objectstorage/buckets", json=body)

        opened = ask(listener.port)
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
        closed = ask(port)
        assert opened.status_code == closed.status_code
        assert opened.text.replace(str(listener.port), "PORT") == closed.text.replace(str(port), "PORT")


@pytest.mark.parametrize("cloud", ["Azure", "Google"])
def test_a_task_reaches_no_private_address(guarded, world, cloud):
    """A task whose source's credentials name this machine fails without a connection."""
    with listening() as listener, guarded.http("alice") as client:
        project = guarded.users.alice["project_id"]
        secrets = {
            "Azure": {"connection_string": azure_strings("127.0.0.1", listener.port)[1], "region": "eastus"},
            "Google": {"json_auth_file": google_keys("127.0.0.1", listener.port)[1], "region": "europe-west3"},
        }[cloud]
        node = {"cloud_type": cloud, "bucket": "bucket", "object_key": [""], **secrets}
        body = {"task_type": "prefix", "src_node": node, "dst_node": world.dst_node}
        reply = client.post(f"/v2/{project}/tasks", json=body)
        if reply.status_code == 200:
            number = reply.json()["id"]
            state = {}
            while state.get("status") not in {3, 4, 5, 7}:
                state = client.get(f"/v2/{project}/tasks/{number}").json()
            assert state["status"] == 4, state
            assert "INTERNAL-SECRET" not in json.dumps(state)
        else:
            assert reply.status_code == 400
        assert listener.seen == []
