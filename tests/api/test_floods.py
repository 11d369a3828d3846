"""Floods of strangers: the process stays small, and answers others meanwhile."""

import json
import resource
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from oms_worker.services.users import SCRYPT
from support.served import Role, Served, running

MIB = 1024 * 1024
ADDRESSES = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
"""Of the flood; others come from 127.0.0.1."""
OF_ADDRESS = 100
LIMITS = {"connections": 400, "connections_per_address": OF_ADDRESS, "body_memory_mib": 16, "login_failures": 1000}
SECONDS = 4.0
"""How long a flood lasts."""
ROOM = 100 * MIB
"""What a flood may cost beside the memory that passwords take: 300 heads of 64 KiB, their protocols, 16 MiB of bodies."""
PASSWORDS = 2 * 128 * SCRYPT["r"] * SCRYPT["n"]
"""Two passwords are hashed at a time."""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A service with a reader."""
    made = Served(tmp_path_factory.mktemp("floods"), limits=LIMITS)
    made.users = made.add_users(rita={"role": Role.READONLY})
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    with running(made):
        made.token("rita")  # what a first login loads is no cost of a flood
        yield made
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def memory_of(served):
    """Bytes of the process in memory: https://docs.kernel.org/filesystems/proc.html."""
    lines = Path(f"/proc/{served.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


class Watch:
    """Asks for /healthz all the time, and looks at the process's memory."""

    def __init__(self, served):
        self.before = self.most = memory_of(served)
        self.waits = []
        self._served = served
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        while not self._over.wait(0.05):
            began = time.monotonic()
            reply = httpx.get(f"{self._served.url}/healthz", trust_env=False, timeout=60)
            self.waits.append(time.monotonic() - began if reply.status_code == 200 else 3600.0)
            self.most = max(self.most, memory_of(self._served))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def check(self, room):
        """Assert that nineteen of twenty answers came within a second, and that the memory stayed in bounds."""
        assert self.waits
        assert sorted(self.waits)[len(self.waits) * 19 // 20] < 1.0, sorted(self.waits)[-5:]
        assert self.most - self.before < room, f"{(self.most - self.before) / MIB:.0f} MiB more"


def connect(served, address):
    """Open a connection from an address of this machine."""
    host, _, port = served.url.removeprefix("http://").rpartition(":")
    connection = socket.create_connection((host, int(port)), timeout=30, source_address=(address, 0))
    connection.settimeout(30)
    return connection


@contextmanager
def flood(work, *, of_each):
    """Run ``work(address, over)`` in many threads, ``of_each`` of every address, for some seconds."""
    over = threading.Event()
    with ThreadPoolExecutor(len(ADDRESSES) * of_each) as threads:
        calls = [threads.submit(work, address, over) for address in ADDRESSES for _ in range(of_each)]
        try:
            time.sleep(SECONDS)
            yield
        finally:
            over.set()
        for call in calls:
            call.result()


def test_heads_that_do_not_end(served):
    """Three hundred connections with 60 KB of a head each, which goes on slowly, cost little and hold up nobody."""
    held = []
    with Watch(served) as watch:
        for address in ADDRESSES:
            for _ in range(OF_ADDRESS):
                connection = connect(served, address)
                held.append(connection)
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 60_000)
        time.sleep(SECONDS)
    for connection in held:
        connection.close()
    watch.check(ROOM)


@pytest.mark.parametrize("path", ["/v3/auth/tokens", "/v2/p/tasks", "/v1/p/objectstorage/task", "/healthz"])
@pytest.mark.parametrize("framing", ["Content-Length: 11000000", "Transfer-Encoding: chunked"])
def test_bodies_of_strangers(served, path, framing):
    """Bodies of many megabytes, stated or chunked without end, are refused early, wherever they are sent to."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n".encode()
    piece = b"10000\r\n" + b"x" * 65_536 + b"\r\n" if "chunked" in framing else b"x" * 65_536

    def work(address, over):
        while not over.is_set():
            with suppress(OSError), connect(served, address) as connection:
                connection.sendall(head)
                for _ in range(160):
                    connection.sendall(piece)

    with Watch(served) as watch, flood(work, of_each=20):
        pass
    watch.check(ROOM)


def test_wrong_passwords_of_many_names(served):
    """Guesses for many names from many addresses: most are refused at once, and who knows a password still gets in."""
    answers = []

    def work(address, over):
        transport = httpx.HTTPTransport(local_address=address)
        with httpx.Client(base_url=served.url, transport=transport, timeout=60, trust_env=False) as client:
            while not over.is_set():
                name = f"guess-{len(answers)}-{threading.get_ident()}"
                user = {"name": name, "password": "wrong-password"}
                body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
                answers.append(client.post("/v3/auth/tokens", json=body).status_code)

    with Watch(served) as watch, flood(work, of_each=30):
        pass
    watch.check(PASSWORDS + ROOM)
    assert set(answers) <= {401, 503}
    assert 503 in answers
    assert served.token("rita")


def test_garbage_that_looks_like_signatures(served):
    """Signatures and tokens of nobody, as fast as they can be sent."""
    statuses = set()

    def work(address, over):
        transport = httpx.HTTPTransport(local_address=address)
        with httpx.Client(base_url=served.url, transport=transport, timeout=60, trust_env=False) as client:
            while not over.is_set():
                date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
                names = "host;x-sdk-date"
                value = f"SDK-HMAC-SHA256 Access=NOBODY, SignedHeaders={names}, Signature={'ab' * 32}"
                for headers in ({"X-Sdk-Date": date, "Authorization": value}, {"X-Auth-Token": "x" * 16_000}):
                    statuses.add(client.post("/v2/p/tasks", content=b"x" * 1000, headers=headers).status_code)

    with Watch(served) as watch, flood(work, of_each=10):
        pass
    watch.check(ROOM)
    assert statuses == {401}


def test_figures_and_readiness_for_everybody(served):
    """``/metrics`` and ``/readyz``, which ask the database, asked by many at once."""
    statuses = set()

    def work(address, over):
        transport = httpx.HTTPTransport(local_address=address)
        with httpx.Client(base_url=served.url, transport=transport, timeout=60, trust_env=False) as client:
            while not over.is_set():
                statuses.update({client.get("/metrics").status_code, client.get("/readyz").status_code})

    with Watch(served) as watch, flood(work, of_each=10):
        pass
    watch.check(ROOM)
    assert statuses == {200}


@pytest.mark.parametrize("unit", ["{},", "[],", '"ab",', "1,"])
def test_bodies_that_grow_when_they_are_read(served, unit):
    """A reader's bodies of 11 MB that would be millions of objects are refused before they are built."""
    body = ('{"a":[' + unit * (11 * MIB // len(unit)) + "0]}").encode()
    project = served.users.rita["project_id"]
    found = []
    with served.http("rita") as client, Watch(served) as watch, ThreadPoolExecutor(4) as threads:

        def send(_):
            reply = client.post(f"/v2/{project}/tasks", content=body, timeout=60)
            found.append((reply.status_code, reply.json()["error_code"]))

        list(threads.map(send, range(24)))
    watch.check(ROOM)
    assert set(found) <= {(400, "OMS.0067"), (503, "OMS.2004")}
    assert (400, "OMS.0067") in found


def test_after_all_of_it_the_service_works(served):
    """It still knows its users."""
    with served.http("rita") as client:
        reply = client.get(f"/v2/{served.users.rita['project_id']}/tasks")
    assert json.loads(reply.text) == {"tasks": [], "count": 0}
