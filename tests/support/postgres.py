"""A private PostgreSQL for a session: no port, only a socket in a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from itertools import count
from pathlib import Path

_NUMBERS = count(1)


def _bin(name):
    """Return a program of PostgreSQL: of OPENOMS_POSTGRES (a folder), of the PATH, or of Debian's newest version."""
    folders = [os.environ.get("OPENOMS_POSTGRES", ""), *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    for folder in folders:
        if folder and (Path(folder) / name).exists():
            return str(Path(folder) / name)
    found = shutil.which(name)
    if not found:
        raise FileNotFoundError(
            f"{name} is not installed: install PostgreSQL, or name its bin folder in OPENOMS_POSTGRES"
        )
    return found


def _as_user():
    """PostgreSQL refuses to run as root: what goes in front of its commands."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


class Postgres:
    """A running cluster."""

    def __init__(self, folder):
        self._folder = folder
        self._control = [*_as_user(), _bin("pg_ctl"), "-D", folder / "data", "-w"]

    def start(self):
        """Start it; wait until it answers."""
        options = f"-k {self._folder} -c listen_addresses= -c fsync=off -c max_connections=200"
        _run([*self._control, "-l", self._folder / "log", "-o", options, "start"])

    def stop(self):
        """Stop it at once."""
        _run([*self._control, "-m", "immediate", "stop"])

    def url(self, name):
        """Return the URL of a database."""
        return f"postgresql+asyncpg://postgres@/{name}?host={self._folder}"

    def create(self):
        """Make an empty database and return its URL."""
        name = f"test{next(_NUMBERS)}"
        command = [*_as_user(), _bin("createdb"), "-h", str(self._folder), "-U", "postgres", name]
        _run(command)
        return self.url(name)


def _run(command):
    subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL)


@contextmanager
def postgres():
    """Run a cluster; it goes with all it holds."""
    folder = Path(tempfile.mkdtemp(prefix="openoms-pg-", dir="/tmp"))
    data = folder / "data"
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        user = _as_user()
        _run([*user, _bin("initdb"), "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"])
        cluster = Postgres(folder)
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
