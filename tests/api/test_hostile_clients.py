"""Clients that nobody knows: floods, slow heads, slow bodies, guesses. The service answers others meanwhile."""

import socket
import time

import httpx
import pytest

from support.served import Role, Served, running

LIMITS = {"connections": 60, "connections_per_address": 40, "head_seconds": 1.0, "login_failures": 3}


@pytest.fixture
def guarded(tmp_path):
    """A service with small limits."""
    served = Served(tmp_path, limits=LIMITS)
    served.users = served.add_users(alice={"role": Role.ADMIN})
    with running(served):
        yield served


def address_of(served):
    """Return host and port."""
    host, _, port = served.url.removeprefix("http://").rpartition(":")
    return host, int(port)


def read_all(connection):
    """Return what comes until the other side closes."""
    connection.settimeout(30)
    found = b""
    try:
        while part := connection.recv(65_536):
            found += part
    except ConnectionResetError:
        pass
    return found


def test_heads_that_never_end_are_cut(guarded):
    """A connection that sends nothing, or half a head, is refused and closed after the time a head has."""
    for sent in (b"", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "):
        with socket.create_connection(address_of(guarded)) as connection:
            connection.sendall(sent)
            assert read_all(connection).startswith(b"HTTP/1.1 408")


def test_connections_of_an_address_are_limited(guarded):
    """Connections beyond the limit of an address are answered with 503 at once; room is there again when some close."""
    held = [socket.create_connection(address_of(guarded)) for _ in range(LIMITS["connections_per_address"])]
    try:
        with socket.create_connection(address_of(guarded)) as one_more:
            assert read_all(one_more).startswith(b"HTTP/1.1 503")
    finally:
        for connection in held:
            connection.close()
    deadline = time.monotonic() + 30
    while True:
        try:
            assert httpx.get(f"{guarded.url}/healthz", trust_env=False).status_code == 200
            return
        except (AssertionError, httpx.HTTPError):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_stranger_s_body_is_not_taken(guarded):
    """A 10 MB body without credentials, or to a public path, is refused before it is read."""
    for path, status in (("/v2/p/tasks", b"401"), ("/v3/auth/tokens", b"413")):
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n".encode()
        with socket.create_connection(address_of(guarded)) as connection:
            connection.sendall(head)
            assert read_all(connection).split(b" ")[1] == status


def test_passwords_are_not_guessed_at_speed(guarded):
    """After some failed logins of a name its further ones get 503, right ones too; the trail names who was tried."""
    body = {"auth": {"identity": {"methods": ["password"], "password": {
        "user": {"name": "alice", "password": "wrong-password", "domain": {"name": "default"}}}}}}  # fmt: skip
    codes = []
    for _ in range(LIMITS["login_failures"] + 2):
        reply = httpx.post(f"{guarded.url}/v3/auth/tokens", json=body, trust_env=False, timeout=60)
        codes.append((reply.status_code, reply.json()["error_code"]))
    assert codes == [(401, "OMS.0068")] * LIMITS["login_failures"] + [(503, "OMS.2004")] * 2
    assert "user=alice" in guarded.log
