"""What every operation is given: the request, its body, the cloud's state and clock."""

from __future__ import annotations

from dataclasses import dataclass, field

from oms_adapters.sandbox.blob import Blob
from oms_adapters.sandbox.core import Bucket, Core
from oms_adapters.sandbox.dialect import Account, Dialect
from oms_adapters.sandbox.refusal import Refusal
from oms_adapters.sandbox.request import Incoming


@dataclass(slots=True)
class Settings:
    """The knobs of one cloud; all may be turned while it runs."""

    region: str
    latency: float = 0.0
    """Seconds every request waits before it is looked at."""
    max_requests_per_second: float | None = None
    """Requests above it are answered 503 SlowDown."""
    clock_skew: float = 0.0
    """Seconds the cloud's clock is ahead of the machine's."""
    restore_seconds: float | dict[str, float] = 1.0
    """How long a restore takes; or by tier: ``{"Expedited": 0.1, "Standard": 2, "Bulk": 5}``."""
    min_part_size: int = 5 * 1024 * 1024
    crc64: str = "sent"
    """When a CRC-64 is kept: ``sent`` by the client, ``always`` or ``never``."""
    crc64_joins: str = "computed"
    """What the CRC-64 of a whole is worth that is announced for parts which came without theirs: the cloud ``computed``
    it, it is ``ignored`` or ``refused``. No page of OBS says which."""
    list_lag: float = 0.0
    """Seconds that pass before a stored object is listed."""
    list_order: str = ""
    """The order of listings, of ``orders.RANKS``; empty: the dialect's."""
    list_starts: str = "order"
    """What start-after does: ``order`` starts behind that place of the listing's order, ``bytes`` leaves out the keys
    up to that one by bytes, ``ignored`` starts at the beginning. Tokens always go on where the page ended."""
    list_page: int = 0
    """Most objects of a page, 0: as many as asked for."""
    list_holes: bool = False
    """Every page comes after one without objects that only leads to it."""
    fold: str = ""
    """What the cloud takes for one key, as stores on file systems do: ``path`` (``a//b`` and ``a/b``, ``/a`` and ``a``,
    ``a/`` and ``a``), ``case`` or ``form`` (Unicode NFC); the key that was stored first keeps its name."""
    hierarchical: bool = False
    """Azure: the account has a hierarchical name space, where a blob marked ``hdi_isfolder`` is a directory."""
    newest_version: str = "2026-10-06"
    """Azure: a request whose x-ms-version is newer is refused."""
    bound: dict[str, str] = field(default_factory=dict)
    """Domains that are bound to buckets: host -> bucket."""
    domains: tuple[str, ...] = ("s3.test", "obs.test", "localhost")
    """Suffixes of virtual-hosted requests: ``bucket.s3.test``."""

    def restore_delay(self, tier: str) -> float:
        """Return how many seconds a restore of a tier takes."""
        delay = self.restore_seconds
        return delay.get(tier, 1.0) if isinstance(delay, dict) else delay


@dataclass(slots=True)
class State:
    """Everything one cloud holds, except its sockets."""

    dialect: Dialect
    settings: Settings
    core: Core = field(default_factory=Core)
    accounts: dict[str, Account] = field(default_factory=dict)


@dataclass(slots=True)
class Context:
    """One request on its way through an operation."""

    state: State
    dialect: Dialect
    incoming: Incoming
    now: float
    body: Blob = field(default_factory=Blob)
    payload_hash: str | None = None

    def bucket(self) -> Bucket:
        """Return the request's bucket, once its requester-pays rule is met.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/RequesterPaysBuckets.html

        Raises:
            Refusal: NoSuchBucket, AccessDenied.
        """
        bucket = self.state.core.bucket(self.incoming.bucket)
        if bucket.requester_pays and not self.dialect.pays(self.incoming):
            raise Refusal("AccessDenied", "Requester pays: the request-payer header is missing")
        return bucket

    def header(self, name: str) -> str | None:
        """Return a vendor header of the request by its name without prefix."""
        return self.incoming.headers.get(self.dialect.prefix + name)
