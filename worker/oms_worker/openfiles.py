"""How many connections fit under the process's limit of open files: each is one; most systems allow 1,024 or 256."""

from __future__ import annotations

import resource

WANTED = 65_536
"""More than any migration opens; some systems refuse far larger numbers."""
RESERVED = 128
"""For the ledger, lists, pipes, the interpreter, and the connections of large bodies (two for each thread)."""


def raise_open_files() -> None:
    """Raise the process's soft limit towards its hard one, as a program that opens many connections should.

    Soft limits are low for the sake of ``select``, which is not used here:
    https://0pointer.net/blog/file-descriptor-limits.html
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def fitting_connections(connections: int) -> int:
    """Return how many connections to each of two stores may be open at once, at most ``connections``."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return connections
    return max(1, min(connections, (soft - RESERVED) // 2))
