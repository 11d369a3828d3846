"""What the wire can be told, and its counters."""

from __future__ import annotations

from dataclasses import field
from typing import Protocol

from oms_engine.frozen import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class WireSettings:
    """Limits of the wire. Times are seconds, sizes bytes. Nothing here is read from the environment."""

    connect_timeout: float = 10.0
    """DNS, TCP, proxy and TLS together."""
    first_byte_timeout: float = 60.0
    """From the last byte of the request to the first of the reply."""
    idle_timeout: float = 60.0
    """Between two bytes, either way."""
    min_rate: float = 1024.0
    """Bytes a second that a transfer or a reply must reach over each ``min_rate_seconds`` of waiting; 0: any."""
    min_rate_seconds: float = 60.0
    completion_timeout: float = 600.0
    """The same as the two timeouts above for calls whose work takes long (``store.LONG_OPERATIONS``). Blanks that a
    store sends to keep the connection alive count as life."""
    completion_limit: float = 3600.0
    """How long such a call may take in all."""
    attempts: int = 8
    """How often a call is tried, the first time included."""
    timed_out_attempts: int = 2
    """The same for attempts that end in a timeout, each of which has cost a minute."""
    unreached_attempts: int = 3
    """The same towards an endpoint that never took a connection: a mistyped host should not take a minute."""
    backoff: float = 0.2
    """Upper bound of the first wait; doubles each time, the wait is uniform below it (full jitter)."""
    backoff_maximum: float = 20.0
    retry_budget: float = 1000.0
    """Retries that may be spent at once, all calls together."""
    retry_ratio: float = 0.2
    """Retries earned by each request; in a storm, retries stay below this share."""
    max_connections: int = 512
    """Per endpoint, on the event loop."""
    keep_alive: float = 20.0
    """How long an unused connection is kept; stores close theirs after 20-60 s."""
    dns_seconds: float = 30.0
    """How long a resolved address is used for new connections."""
    bulk_threads: int = 32
    buffer_size: int = 2 * MIB
    """Buffer of a bulk thread; under TLS at most 256 KiB of it is used."""
    stream_buffer: int = 512 * 1024
    """How much of a streamed reply may wait for its reader before the socket is paused."""
    reply_limit: int = 64 * MIB
    """Largest reply of :meth:`Wire.call`."""
    ca_file: str | None = None
    """PEM file of authorities trusted beside the system's."""
    verify: bool = True
    """False accepts any certificate."""
    proxy: str | None = field(default=None, repr=False)
    """``http://[user:password@]host:port`` for all requests, or None. Not in the repr: it may hold a password."""
    no_proxy: tuple[str, ...] = ()
    """Hosts reached directly: names, ``.suffixes``, addresses, networks (``10.0.0.0/8``) or ``*``."""
    user_agent: str = "openoms/0.1"


@dataclass(slots=True)
class WireStats:
    """Counters since the wire was opened."""

    requests: int = 0
    """Requests sent, retries included."""
    retries: int = 0
    throttled: int = 0
    """How often a store asked to slow down."""
    bytes_in: int = 0
    """Bytes of bodies received."""
    bytes_out: int = 0
    """Bytes of bodies sent."""
    loop_connections: int = 0
    bulk_connections: int = 0

    @property
    def connections(self) -> int:
        """Open connections, both lanes."""
        return self.loop_connections + self.bulk_connections


class Hashing(Protocol):
    """What the bulk lane feeds on the way; ``oms_engine.digest`` has the real one."""

    def update(self, data: memoryview, /) -> object:
        """Take the next bytes of the body, in order. The view is reused afterwards: do not keep it."""
        ...


class RateLimiter(Protocol):
    """What the bulk lane asks before it passes bytes on; ``oms_engine.limiter`` has the real one."""

    def take(self, nbytes: int, /) -> float:
        """Take ``nbytes`` and return the seconds to wait first. Thread-safe, never blocks."""
        ...
