"""``openoms serve`` and a PostgreSQL that is not there yet: waited for, for a while, and in words."""

import threading
import time

import pytest

from support.postgres import postgres
from support.served import Served

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


@pytest.fixture
def cluster():
    """A PostgreSQL of the test's own, which may be stopped."""
    with postgres() as made:
        yield made


def test_a_database_that_is_starting_is_waited_for(cluster, tmp_path):
    """A service that is started before its database says that it waits, and serves once the database answers."""
    served = Served(tmp_path, (), cluster.create(), database_wait_seconds=120)
    cluster.stop()
    starting = threading.Thread(target=served.start)
    starting.start()
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "serve.log").exists() or "waiting up to 120 s for the database" not in served.log:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        cluster.start()
        starting.join()
    while not served.ready():
        assert served.process.poll() is None
        time.sleep(0.05)
    assert served.log.count("waiting up to") == 1
    assert served.stop() == 0


def test_a_database_that_does_not_come(cluster, tmp_path):
    """The wait is bounded, and ends with one sentence that names its setting."""
    served = Served(tmp_path, (), cluster.create(), database_wait_seconds=1)
    cluster.stop()
    try:
        done = served.openoms("serve", "--port", "0", timeout=90)
    finally:
        cluster.start()
    assert done.returncode == 3, done.stderr
    assert "it was waited for 1 s (database_wait_seconds)" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_what_waiting_does_not_mend_ends_at_once(cluster, tmp_path):
    """A database that does not exist is not waited for."""
    served = Served(tmp_path, (), cluster.url("nowhere"), database_wait_seconds=120)
    done = served.openoms("serve", "--port", "0", timeout=60)
    assert done.returncode != 0
    assert "nowhere" in done.stderr
    assert "waiting" not in done.stderr
    assert "Traceback" not in done.stderr
