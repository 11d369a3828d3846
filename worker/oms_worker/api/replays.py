"""Signed requests that came over plain HTTP already: whoever was on the way could send them once more.

Over TLS nobody on the way sees a request, so nothing is remembered of those. Over plain HTTP a signature serves once,
as long as its date holds: a further request with the same one is refused when it comes over another connection. Over
the same connection it is the client's own: one that asks for the same thing twice within a second signs both alike.
A request that changed nothing may be sent again as it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from starlette.types import Scope

from oms_worker.api.auth import REFUSED, WINDOW_SECONDS
from oms_worker.errors import Unauthorized

HOLD_SECONDS: Final = 2 * WINDOW_SECONDS
"""A date may lie 15 minutes ahead and holds 15 minutes from then on."""
MOST: Final = 100_000
"""Signatures that are remembered, some 25 MB; the oldest are forgotten first."""
READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Replays:
    """Signatures of requests of the last half hour. One per process: another node does not know them."""

    def __init__(self, *, most: int = MOST, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._seen: dict[bytes, tuple[float, object]] = {}

    def admit(self, scope: Scope, signature: str) -> None:
        """Remember the signature of a request that may change something.

        Raises:
            Unauthorized: APIGW.0301, it came already, over another connection.
        """
        if scope["scheme"] != "http" or scope["method"] in READING:
            return
        now, connection = self._clock(), scope.get("client")
        self._forget_old(now)
        key = bytes.fromhex(signature)
        _, known = self._seen.get(key, (0.0, connection))
        if known != connection:
            raise Unauthorized(REFUSED, "This signed request came already: sign it anew, with a later X-Sdk-Date.")
        self._seen.setdefault(key, (now + HOLD_SECONDS, connection))

    def forget(self, signature: str) -> None:
        """Let a request that changed nothing be sent again."""
        self._seen.pop(bytes.fromhex(signature), None)

    def _forget_old(self, now: float) -> None:
        while self._seen:
            oldest = next(iter(self._seen))
            if len(self._seen) < self._most and self._seen[oldest][0] > now:
                return
            del self._seen[oldest]
