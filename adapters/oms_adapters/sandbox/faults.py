"""Misbehaviour on demand: which requests it meets, what it does to them, how often."""

from __future__ import annotations

import random
from dataclasses import field
from fnmatch import fnmatchcase

from oms_adapters.sandbox.request import Incoming
from oms_engine.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Match:
    """Which requests a fault meets; every stated field must agree. ``key`` and ``bucket`` are shell globs."""

    operation: str | None = None
    """S3's operation name: ``GetObject``, ``UploadPart``, ... (OBS's requests carry the same names)."""
    method: str | None = None
    bucket: str | None = None
    key: str | None = None
    part: int | None = None
    query: str | None = None
    """A substring of the raw query."""

    def meets(self, incoming: Incoming) -> bool:
        """Whether the request is one of those."""
        key = incoming.key.decode("utf-8", "surrogateescape")
        return (
            (self.operation is None or fnmatchcase(incoming.operation, self.operation))
            and (self.method is None or self.method == incoming.method)
            and (self.bucket is None or fnmatchcase(incoming.bucket, self.bucket))
            and (self.key is None or fnmatchcase(key, self.key))
            and (self.part is None or self.part == incoming.part)
            and (self.query is None or self.query in incoming.raw_query)
        )


class Action:
    """What a fault does."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Cut(Action):
    """Close the connection after ``head`` bytes of the reply's head, or after the head and ``body`` bytes of the body.

    Both None: close without a byte of reply, before the request's body is read. With ``reset`` the client sees a
    connection reset instead of an end of data; bytes still under way may then be lost.
    """

    head: int | None = None
    body: int | None = None
    reset: bool = False


@dataclass(frozen=True, slots=True)
class Delay(Action):
    """Wait ``seconds`` before the request is looked at, or (``within_body``) after half of the reply's body."""

    seconds: float
    within_body: bool = False


@dataclass(frozen=True, slots=True)
class Answer(Action):
    """Refuse with a status and code instead of doing the work; the request's body is read first unless ``early``."""

    status: int = 503
    code: str = "SlowDown"
    retry_after: float | None = None
    early: bool = False


@dataclass(frozen=True, slots=True)
class Truncate(Action):
    """Send the true Content-Length, then ``missing`` bytes less, then close."""

    missing: int = 1


@dataclass(frozen=True, slots=True)
class FlipBit(Action):
    """Invert one bit of a reply's body at ``offset``; lengths and headers stay true."""

    offset: int = 0


@dataclass(frozen=True, slots=True)
class FlipStoredBit(Action):
    """Store another bit at ``offset`` than was received and checked: ETag and CRC are those of the damaged bytes."""

    offset: int = 0


@dataclass(frozen=True, slots=True)
class LoseWrite(Action):
    """Answer a write or a completion as if it were done; what lay under the key before still does.

    ``cached``: HEAD states the object all the same, as a cache does that took it over on its way.
    """

    cached: bool = False


@dataclass(frozen=True, slots=True)
class FlipRequestBit(Action):
    """Receive another bit at ``offset`` of the request's body than was sent, before any digest is checked."""

    offset: int = 0


@dataclass(frozen=True, slots=True)
class DemandMd5(Action):
    """Refuse a write that announces no checksum, as buckets with Object Lock do.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html
    """


@dataclass(frozen=True, slots=True)
class LoseReply(Action):
    """Do the work, then close without a reply."""


@dataclass(frozen=True, slots=True)
class Redirect(Action):
    """Send the client to ``location`` (scheme://host:port; path and query are kept)."""

    location: str
    status: int = 307


@dataclass(frozen=True, slots=True)
class ErrorIn200(Action):
    """Answer a CompleteMultipartUpload or copy with 200 and an error document, the work undone.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
    """

    code: str = "InternalError"


@dataclass(frozen=True, slots=True)
class Hollow(Action):
    """Answer with a success that stands for nothing: the work undone, ``body`` for an answer and no ETag."""

    body: bytes = b""
    status: int = 200


@dataclass(frozen=True, slots=True)
class IgnoreConditions(Action):
    """Do the work as if no If-Match had been asked for, as several S3-compatible servers do."""


@dataclass(frozen=True, slots=True)
class Unversioned(Action):
    """Read whatever is there, whichever version was asked for, and state neither its ETag nor its time."""


@dataclass(frozen=True, slots=True)
class LosePart(Action):
    """Join an upload without its last part, and state the ETag of all of them."""


@dataclass(frozen=True, slots=True)
class ServePage(Action):
    """Answer a read with as many bytes of a web page, as login pages of fronts come: without ETag or checksum."""


@dataclass(frozen=True, slots=True)
class StoreOther(Action):
    """Answer a write or a completion as it is due, and hold other bytes of the same size, with their own ETag.

    With ``stated`` the reply states that ETag as well.
    """

    stated: bool = False


@dataclass(frozen=True, slots=True)
class WrongLength(Action):
    """State a Content-Length that is ``by`` bytes off, send the true body, then close."""

    by: int = 1


@dataclass(frozen=True, slots=True)
class Chunked(Action):
    """Send the reply chunked, in chunks of ``size`` bytes, without Content-Length."""

    size: int = 1000


@dataclass(frozen=True, slots=True)
class Garbage(Action):
    """Answer with bytes that are not HTTP, then close."""

    data: bytes = b"\x00\x01SSH-2.0-not-http\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Fault:
    """An action for the requests that match: skip the first ``after`` of them, then act ``times`` times (None: ever).

    With ``probability`` below 1 each request that remains is drawn with a generator seeded by ``seed``.
    """

    match: Match
    action: Action
    times: int | None = 1
    after: int = 0
    probability: float = 1.0
    seed: int = 0


@dataclass(slots=True)
class _Armed:
    fault: Fault
    dice: random.Random
    seen: int = 0
    hits: int = 0

    def strikes(self, incoming: Incoming) -> bool:
        if not self.fault.match.meets(incoming):
            return False
        self.seen += 1
        spent = self.fault.times is not None and self.hits >= self.fault.times
        if spent or self.seen <= self.fault.after:
            return False
        if self.fault.probability < 1.0 and self.dice.random() >= self.fault.probability:
            return False
        self.hits += 1
        return True


@dataclass(slots=True)
class FaultTable:
    """The faults that are armed, in the order they were added; the first that strikes wins."""

    armed: list[_Armed] = field(default_factory=list)

    def add(self, fault: Fault) -> int:
        """Arm a fault and return its number for :meth:`hits`."""
        self.armed.append(_Armed(fault, random.Random(fault.seed)))
        return len(self.armed) - 1

    def hits(self, number: int) -> int:
        """Return how often a fault has struck."""
        return self.armed[number].hits

    def clear(self) -> None:
        """Disarm all."""
        self.armed.clear()

    def strike(self, incoming: Incoming) -> Action | None:
        """Return what happens to this request, and count it."""
        return next((armed.fault.action for armed in self.armed if armed.strikes(incoming)), None)
