"""Servers that are no Python packages: named in OPENOMS_TEST_SERVERS, started here, stopped with the test."""

import os
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager


def wanted(name):
    """Whether the tests that need a server run; then its absence is an error."""
    return name in os.environ.get("OPENOMS_TEST_SERVERS", "").replace(" ", "").split(",")


def binary_of(name, variable):
    """Return the path of a server's program: from its own variable, else from PATH."""
    found = os.environ.get(variable) or shutil.which(name)
    if not found:
        raise FileNotFoundError(f"{name} is not installed: put it on the PATH, or its path into {variable}")
    return found


def free_port():
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def free_ports(count):
    """Return different ports that nobody listens on now."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def wait_for(port, process, seconds=30.0):
    """Wait until a server takes connections."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("the server does not listen")


@contextmanager
def azurite(folder):
    """Run Azurite's Blob service; give its URL without the account."""
    port = free_port()
    command = [binary_of("azurite-blob", "OPENOMS_AZURITE"), "--blobHost", "127.0.0.1", "--blobPort", str(port)]
    options = ["--inMemoryPersistence", "--silent", "--disableTelemetry"]
    process = subprocess.Popen(command + options, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)
