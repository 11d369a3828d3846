"""Who this serve process is: a name in its data directory that it holds locked while it lives.

A restarted process has the same name, so it knows its tasks again at once instead of waiting for its own death.
"""

from __future__ import annotations

import fcntl
import os
import socket
import uuid
from pathlib import Path

from oms_engine.errors import ConfigError

MOST = 64
"""Serve processes on one data directory."""


class NodeIdentity:
    """The name of a node, with the lock that makes it this process's alone. Close it at the end."""

    def __init__(self, node_id: str, descriptor: int) -> None:
        self.id = node_id
        self._descriptor = descriptor

    def close(self) -> None:
        """Give the name back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def take_identity(data_dir: Path, *, alone: bool) -> NodeIdentity:
    """Take the first free name of a data directory; ``alone`` allows one process only (SQLite).

    Raises:
        ConfigError: another process serves on this data directory, or it cannot be written.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        if data_dir.stat().st_mode & 0o022:
            raise ConfigError(
                f"others can write in the data directory {data_dir}; run: chmod go-w {data_dir}, and look through it"
            )
        for number in range(1 if alone else MOST):
            identity = _try(data_dir / f"node-{number}")
            if identity is not None:
                return identity
    except OSError as error:
        raise ConfigError(f"the data directory {data_dir} cannot be used: {error.strerror}.") from None
    raise ConfigError(
        f"another openoms serves on {data_dir}: stop it, or give each process its own data_dir and one PostgreSQL."
    )


def _try(path: Path) -> NodeIdentity | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    name = os.pread(descriptor, 64, 0).decode("ascii", "replace").strip()
    if not name:
        name = f"{socket.gethostname()[:24]}-{uuid.uuid4().hex[:12]}"
        os.pwrite(descriptor, name.encode("ascii", "replace"), 0)
        os.fsync(descriptor)
    return NodeIdentity(name, descriptor)
