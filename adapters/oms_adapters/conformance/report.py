"""What one bucket does, found out on the bucket itself: a table of findings, each with the permission it lacked.

Asking needs nothing but what a migration's source needs, and moves a few kilobytes. ``report_writing`` runs the suite's
own cases.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import field
from enum import StrEnum
from typing import cast

from oms_adapters.conformance.harness import Harness
from oms_adapters.conformance.listing import disorder
from oms_adapters.conformance.needs import Role, without
from oms_adapters.conformance.permissions import permission_for
from oms_engine.errors import (
    AccessDenied,
    ConditionFailed,
    InvalidRequest,
    NotFound,
    OmsError,
    StoreError,
    UnexpectedReply,
)
from oms_engine.frozen import dataclass
from oms_engine.model import ListedObject, Span, key_bytes
from oms_engine.store import Call, Reply, first_bytes

SAMPLE = 100
"""How many objects are listed to see what the bucket holds."""
MOST_KEYS = 5000
"""How many keys are listed to see their order: five pages."""
MOST_BYTES = 1024
"""How much of an object is read."""


class Answer(StrEnum):
    """What came of one question."""

    YES = "yes"
    NO = "no"
    REFUSED = "refused"
    """A permission is missing."""
    UNKNOWN = "unknown"
    """It could not be asked, e.g. because no object is there."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table."""

    name: str
    answer: Answer
    detail: str = ""
    needed: bool = False
    """Whether a migration goes wrong without it."""
    permission: str | None = None
    """What is missing, where the answer is REFUSED."""
    without: str = ""
    """What is without that permission, where a migration works all the same."""

    def with_detail(self, detail: str) -> Finding:
        """Return the same finding in other words."""
        return Finding(self.name, self.answer, detail, self.needed, self.permission, self.without)


@dataclass(slots=True)
class Reader:
    """Asks a bucket the questions that need no writing."""

    harness: Harness
    prefix: str = ""
    role: Role = Role.SOURCE
    sample: list[ListedObject] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    """The first thousands of keys, as they are listed."""
    disordered: bool = False
    listing: Reply | None = None

    def findings(self) -> Iterator[Finding]:
        """Yield what is found, in the order of asking.

        Raises:
            StoreError: of the first call, when nothing can be asked: bad credentials, no bucket, no connection.
        """
        reads = self.role is Role.SOURCE
        yield self._judged("list objects", "list_page", self._list, needed=True)
        for name, operation, ask, needed in (
            ("list in byte order", "list_page", self._order, False),
            ("list percent-encoded", "list_page", self._encoding, False),
            ("list from any key", "list_page", self._start_anywhere, True),
            ("page by page", "list_page", self._pages, True),
            ("head", "head", self._head, True),
            ("read ranges", "read", self._ranges, reads),
            ("read pinned by ETag", "read", self._pinned, reads),
            ("refuse a range outside", "read", self._outside, False),
            ("tell a missing object", "head", self._missing, False),
            ("state MD5", "head", self._md5, False),
            ("state CRC-64", "head", self._crc64, False),
            ("restore archived objects", "restore", self._restore, False),
        ):
            yield self._judged(name, operation, ask, needed=needed)
        yield self._requester_pays()

    def _judged(self, name: str, operation: str, ask: Callable[[], Finding | str], *, needed: bool) -> Finding:
        try:
            found = ask()
        except AccessDenied as error:
            return refusal(name, error, self.permission(error.operation or operation), role=self.role, needed=needed)
        except (AssertionError, UnexpectedReply, InvalidRequest) as error:
            return Finding(name, Answer.NO, short(error), needed)
        except OmsError as error:
            if operation == "list_page" and not self.sample and name == "list objects":
                raise
            return Finding(name, Answer.NO, short(error), needed)
        except Exception as error:  # noqa: BLE001 - a reply that nobody thought of is an answer too
            return Finding(name, Answer.NO, f"{type(error).__name__}: {short(error)}", needed)
        return found if isinstance(found, Finding) else Finding(name, Answer.YES, found, needed)

    def permission(self, operation: str) -> str:
        """Return the permission an operation lacks here."""
        return permission_for(self.harness.store.cloud_type, operation, self.harness.store.bucket, self.prefix)

    # Questions: each returns what to say of a yes, a Finding, or raises.

    def _list(self) -> str:
        call = self.harness.store.list_page(self.prefix, limit=SAMPLE)
        page = self.harness.perform(call)
        self.sample = page.objects
        with suppress(StoreError):
            self.listing = self.harness.perform(cast("Call[Reply]", call)._replace(read=_as_it_is))
        more = " and more" if page.next_start is not None else ""
        return f"{len(self.sample)} objects{more}"

    def _order(self) -> Finding | str:
        name = "list in byte order"
        if len(self.sample) < 2:
            return _unknown(name, "fewer than two objects")
        self.keys = self.harness.first_keys(self.prefix, MOST_KEYS)
        fault = disorder(self.keys)
        self.disordered = bool(fault)
        assert not fault, f"{fault}: the keys do not ascend by their bytes, so the whole listing is read and sorted"
        return f"{len(self.keys)} keys ascend by their bytes, across pages too"

    def _encoding(self) -> Finding | str:
        if self.listing is None or not self.listing.body.lstrip().startswith(b"<"):
            return Finding("list percent-encoded", Answer.UNKNOWN, "not asked in this protocol")
        assert b"<EncodingType>url</EncodingType>" in self.listing.body, (
            "keys that XML cannot hold (control characters) cannot be listed"
        )
        return "encoding-type=url; every key can be listed"

    def _start_anywhere(self) -> Finding | str:
        if not self.harness.store.capabilities.list_start_anywhere:
            return Finding("list from any key", Answer.NO, "large prefixes are listed from their beginning, in one go")
        if len(self.sample) < 2:
            return _unknown("list from any key", "fewer than two objects")
        if self.disordered:
            return _unknown("list from any key", "the keys are in another order than that of their bytes")
        keys = self.keys or [item.key for item in self.sample]
        middle = len(keys) // 2
        start = f"{keys[middle - 1]}\x01"
        expected = [key for key in keys if key_bytes(key) > key_bytes(start)][:SAMPLE]
        page = self.harness.perform(self.harness.store.list_page(self.prefix, start_after=start, limit=len(expected)))
        found = [item.key for item in page.objects]
        assert found == expected, "the listing does not begin behind the key it was given"
        return "listings are split and resumed"

    def _pages(self) -> Finding | str:
        if len(self.sample) < 3:
            return _unknown("page by page", "fewer than three objects")
        first = self.harness.perform(self.harness.store.list_page(self.prefix, limit=2))
        assert first.next_start is not None, "a short page says that nothing follows"
        second = self.harness.perform(
            self.harness.store.list_page(self.prefix, start_after=first.next_start, limit=1, token=first.token)
        )
        found = [item.key for item in (*first.objects, *second.objects)]
        assert found == [item.key for item in self.sample[:3]], "pages do not join without gap or overlap"
        return "pages join without gap or overlap"

    def _head(self) -> Finding | str:
        item = self._any()
        if item is None:
            return _unknown("head")
        head = self.harness.head(item.key)
        assert head.size == item.size, f"HEAD states {head.size} bytes, the listing {item.size}"
        assert head.etag == item.etag, f"HEAD states ETag {head.etag}, the listing {item.etag}"
        return "size and ETag as listed"

    def _ranges(self) -> Finding | str:
        item = self._readable()
        if item is None:
            return _unknown("read ranges")
        last = min(item.size, MOST_BYTES) - 1
        _, whole = self.harness.fetch(self.harness.store.read(item.key, span=Span(0, last)))
        head, part = self.harness.fetch(self.harness.store.read(item.key, span=Span(max(0, last - 1), last)))
        assert (len(whole), part) == (last + 1, whole[-2:]), "other bytes came than were asked for"
        assert head.size == item.size, "a ranged reply does not state the size of the whole object"
        return "large objects are read in parts"

    def _pinned(self) -> Finding | str:
        item = self._readable()
        if item is None or not item.etag:
            return _unknown("read pinned by ETag")
        first = first_bytes(item.size)
        self.harness.fetch(self.harness.store.read(item.key, span=first, if_match=item.etag))
        try:
            self.harness.fetch(self.harness.store.read(item.key, span=first, if_match="0" * 32))
        except ConditionFailed:
            return "If-Match; an object replaced while it is read is noticed"
        raise AssertionError("If-Match is ignored; an object replaced while it is read is not noticed")

    def _outside(self) -> Finding | str:
        item = self._readable()
        if item is None:
            return _unknown("refuse a range outside")
        try:
            self.harness.fetch(self.harness.store.read(item.key, span=Span(item.size, item.size)))
        except (InvalidRequest, UnexpectedReply):
            return "416"
        raise AssertionError("a range behind the end is answered")

    def _missing(self) -> Finding | str:
        if self.listing is None:
            return _unknown("tell a missing object", "without the right to list, stores answer as if it were forbidden")
        try:
            self.harness.head(f"{self.prefix}openoms-no-such-key-{secrets.token_hex(4)}")
        except NotFound:
            return "NotFound"
        raise AssertionError("an object that is not there is stated")

    def _md5(self) -> Finding | str:
        item = self._any()
        if item is None:
            return _unknown("state MD5")
        if self.harness.head(item.key).md5 is None:
            return Finding("state MD5", Answer.NO, "its ETags are not taken for MD5 sums; sizes and CRC-64 remain")
        return "the ETag of an object written at once"

    def _crc64(self) -> Finding | str:
        item = self._any()
        if item is None:
            return _unknown("state CRC-64")
        if self.harness.head(item.key).crc64 is None:
            return Finding("state CRC-64", Answer.NO, "not of this object")
        return "the whole object's"

    def _restore(self) -> Finding | str:
        capabilities = self.harness.store.capabilities
        cold = [item for item in self.sample if capabilities.is_archived_class(item.storage_class)]
        detail = f"{len(cold)} of {len(self.sample)} objects seen are archived"
        if not capabilities.restore:
            return Finding("restore archived objects", Answer.NO, detail, needed=bool(cold))
        return f"{detail}; not tried, since it costs"

    def _requester_pays(self) -> Finding:
        name, paying = "requester pays", self.harness.config.requester_pays
        if not self.harness.store.capabilities.requester_pays:
            return Finding(name, Answer.NO, "not offered by this cloud's protocol")
        return Finding(name, Answer.YES, "asked for, and the owner is not charged" if paying else "not asked for")

    def _any(self) -> ListedObject | None:
        return next(iter(self.sample), None)

    def _readable(self) -> ListedObject | None:
        """Return a small object that can be read now."""
        archived = self.harness.store.capabilities.is_archived_class
        warm = [item for item in self.sample if item.size and not archived(item.storage_class)]
        return min(warm, key=lambda item: item.size, default=None)


def _as_it_is(reply: Reply) -> Reply:
    return reply


def _unknown(name: str, why: str = "no object to ask about") -> Finding:
    return Finding(name, Answer.UNKNOWN, why)


def refusal(name: str, error: StoreError, permission: str, *, role: Role, needed: bool = True) -> Finding:
    """Return the finding of a call that a permission forbids; whether it is needed depends on what the bucket is."""
    stated = f"{error.status or ''} {error.vendor_code}".strip()
    lost = without(role, error.operation)
    return Finding(name, Answer.REFUSED, stated or "refused", needed and not lost, permission, lost)


def short(error: Exception) -> str:
    """Return an error's text as one line that fits a table."""
    return " ".join(str(error).split())[:200]
