"""Control operations: which buckets an account has, and where a bucket is. Described calls, as all others are.

They are performed by the wire, so its proxy, certificates, limits and rules about addresses hold for them too. The
vendors' SDKs do none of this: they follow redirects, read replies of any size and block a thread for as long as a
server likes.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple, Protocol

from oms_engine.errors import ConfigError
from oms_engine.store import Call


class BucketSummary(NamedTuple):
    """One bucket of an account."""

    name: str
    region: str
    """Empty where the store does not state it."""
    created: float
    """Seconds since the epoch; 0.0 where the store does not state it."""


class BucketsPage(NamedTuple):
    """One page of an account's buckets."""

    buckets: list[BucketSummary]
    next_marker: str | None
    """Give it to ``marker`` for the next page; None: nothing follows."""


class Account(Protocol):
    """An account at a cloud, and the bucket that its configuration names."""

    def list_buckets(self, marker: str = "") -> Call[BucketsPage]:
        """List the account's buckets.

        Raises:
            BadCredentials, AccessDenied and the transient errors.
        """
        ...

    def bucket_region(self) -> Call[str]:
        """State the region of the configured bucket, in the vendor's words.

        Raises:
            BucketNotFound, BadCredentials, AccessDenied and the transient errors.
        """
        ...


def need(module: str, extra: str) -> Any:
    """Import a vendor's library on first use.

    Raises:
        ConfigError: it is not installed; the message names the command that mends it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigError(f"{error.name or module} is not installed: pip install 'openoms[{extra}]'") from None
