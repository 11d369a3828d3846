"""Stores that never answer, or answer with nonsense without end, hold up nobody but their caller."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from support.served import Served

NESTED = b"<a>" * 700_000 + b"</a>" * 700_000
WIDE = b"<ListAllMyBucketsResult><Buckets>" + b"<Bucket/>" * 700_000 + b"</Buckets></ListAllMyBucketsResult>"


@contextmanager
def store(*, body=None, endless=False):
    """Run a store that takes requests and never answers, or answers each with one body, or with one that never ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    kept = []

    def answer(connection):
        with connection:
            connection.recv(65_536)
            if body is not None:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            else:
                connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                try:
                    while True:
                        connection.sendall(b"10000\r\n" + b" " * 65_536 + b"\r\n")
                except OSError:
                    return

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            kept.append(connection)
            if body is not None or endless:
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", kept
    finally:
        listener.close()
        for connection in kept:
            connection.close()


class Place:
    """A cloud of the settings."""

    region = "us-east-1"

    def __init__(self, url):
        self.url = url


@contextmanager
def service(folder, url):
    """Run a service whose AWS is a given store, with one user."""
    served = Served(folder, [("AWS", Place(url))])
    served.users = served.add_users(alice={})
    try:
        yield served.start()
    finally:
        served.stop()


def list_buckets(served, client):
    """Ask for the buckets of an account."""
    body = {"cloud_type": "AWS", "ak": "a", "sk": "b"}
    return client.post(f"/v2/{served.users.alice['project_id']}/objectstorage/buckets", json=body, timeout=100)


def test_silent_stores_stop_no_login_and_no_shutdown(tmp_path):
    """While more calls wait for a silent store than one caller may have, others log in, and the process ends."""
    with store() as (url, kept), service(tmp_path, url) as served, ThreadPoolExecutor(16) as threads:
        client = served.http("alice")
        asked = [threads.submit(list_buckets, served, client) for _ in range(16)]
        deadline = time.monotonic() + 60
        while len(kept) < 8 or sum(call.done() for call in asked) < 8:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        refused = [call.result() for call in asked if call.done()]
        assert [reply.json()["error_code"] for reply in refused] == ["OMS.2004"] * 8
        assert {reply.status_code for reply in refused} == {503}
        served.token("alice")
        assert served.stop() == 0
        for call in asked:
            call.exception()
        client.close()


@pytest.mark.parametrize("body", [NESTED, WIDE], ids=["nested", "wide"])
def test_hostile_documents_are_refused(tmp_path, body):
    """A document of millions of elements, nested or side by side, is refused before it is built."""
    with store(body=body) as (url, _), service(tmp_path, url) as served, served.http("alice") as client:
        reply = list_buckets(served, client)
        assert (reply.status_code, reply.json()["error_code"]) == (400, "OMS.0153")
        assert "nests deeper, or has more elements" in reply.json()["error_msg"]


def test_an_endless_body_is_cut(tmp_path):
    """A reply that never ends is dropped once it is larger than any a store sends."""
    with store(endless=True) as (url, _), service(tmp_path, url) as served, served.http("alice") as client:
        reply = list_buckets(served, client)
        assert (reply.status_code, reply.json()["error_code"]) == (400, "OMS.0153")
