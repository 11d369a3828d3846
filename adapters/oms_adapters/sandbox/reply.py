"""What an operation answers, before it is sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from oms_adapters.sandbox.blob import Blob


@dataclass(slots=True)
class Reply:
    """Status, headers and a body that may be a range of a stored blob."""

    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    blob: Blob = field(default_factory=Blob)
    first: int = 0
    size: int = 0
    """Bytes of ``blob`` that are the body, from ``first``."""
    bodiless: bool = False
    """The reply to HEAD: ``size`` is stated, nothing is sent."""

    def body(self) -> Iterable[bytes | memoryview]:
        """Yield the bytes to send."""
        return () if self.bodiless else self.blob.read(self.first, self.size)


def xml_reply(body: bytes, status: int = 200) -> Reply:
    """Return a reply that carries a document."""
    return Reply(status, [("content-type", "application/xml")], Blob([body]), 0, len(body))
