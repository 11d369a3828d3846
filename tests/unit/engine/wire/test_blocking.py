"""One blocking connection: what it is asked between two uses."""

import fcntl
import resource
import socket

import pytest

from oms_engine.store import Endpoint
from oms_engine.wire.blocking import BlockingConnection
from oms_engine.wire.settings import WireSettings


@pytest.fixture
def many_files():
    """Leave to open more files than select() knows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize("least", [3, 1100])
def test_a_kept_connection_is_asked_whatever_its_descriptor(least):
    """A process with many connections has descriptors above 1,023, where select() would raise ValueError."""
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.socket(fileno=fcntl.fcntl(ours, fcntl.F_DUPFD, least)) as high:
        assert high.fileno() >= least
        kept = BlockingConnection(high, Endpoint("http", "127.0.0.1", 80), WireSettings(), extra="", prefix="")
        assert not kept.has_news()
        theirs.sendall(b"early")
        assert kept.has_news()
        high.recv(16)
        assert not kept.has_news()
        theirs.close()
        assert kept.has_news()
