"""What is to happen to an object, decided from values alone: overwrite or skip, parts, key and class.

Nothing here performs anything; ``transfer.py`` and ``segment.py`` act on what these functions return.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from enum import Enum
from typing import NamedTuple

from oms_engine.errors import KeyRejected, ObjectError
from oms_engine.etags import other_md5
from oms_engine.frozen import dataclass
from oms_engine.model import (
    ListedObject,
    ObjectHead,
    OverwriteMode,
    Span,
    StorageClass,
    StoragePolicy,
    key_bytes,
    same_etag,
)
from oms_engine.store import MIB, Capabilities


class Action(Enum):
    """What a decision asks for."""

    COPY = "copy"
    SKIP = "skip"
    NEEDS_HEAD = "needs_head"
    """HEAD both objects and decide again with a :class:`ThereObject`."""


class Decision(NamedTuple):
    """An action and why; the reason of a skip is what the skip list and the counters show."""

    action: Action
    reason: str


class ThereObject(NamedTuple):
    """The object at the destination as HEAD stated it; a :class:`ListedObject` is what only a listing stated."""

    size: int
    last_modified: float
    crc64: int | None = None
    encrypted: bool | None = None
    """Whether it lies under KMS; None when unknown, and then not considered."""
    etag: str = ""
    md5: bytes | None = None
    """MD5 of its bytes, where the store's statement is known to be one."""


COPY_ABSENT = Decision(Action.COPY, "not at the destination")
COPY_FULL = Decision(Action.COPY, "full overwrite")
COPY_SIZE = Decision(Action.COPY, "other size")
COPY_NEWER = Decision(Action.COPY, "source is newer")
COPY_CRC64 = Decision(Action.COPY, "other CRC64")
COPY_ENCRYPTION = Decision(Action.COPY, "other encryption")
COPY_UNKNOWN = Decision(Action.COPY, "time unknown")
COPY_MD5 = Decision(Action.COPY, "other MD5")
COPY_DOUBT = Decision(Action.COPY, "a damaged copy may be there")
SKIP_EXISTS = Decision(Action.SKIP, "exists, no overwrite")
SKIP_NOT_OLDER = Decision(Action.SKIP, "same size, not older")
SKIP_CRC64 = Decision(Action.SKIP, "same CRC64")
SKIP_SCOPE = Decision(Action.SKIP, "not modified since")
NEEDS_HEAD_CRC64 = Decision(Action.NEEDS_HEAD, "CRC64 is not in a listing")
ASK = Decision(Action.NEEDS_HEAD, "the destination is not listed")
"""What is decided of an object while nothing is known of the destination."""
NEEDS_HEAD_KMS = Decision(Action.NEEDS_HEAD, "encryption is not in a listing")

NEEDS_HEAD_MD5 = Decision(Action.NEEDS_HEAD, "the listed ETags differ, and may be MD5s")

# Bound once: an enum member found through its class costs more than the whole comparison.
_NO_OVERWRITE = OverwriteMode.NO_OVERWRITE
_FULL_OVERWRITE = OverwriteMode.FULL_OVERWRITE
_CRC64 = OverwriteMode.CRC64


def decide(  # noqa: C901, PLR0911  (one return per row of the table)
    source: ListedObject,
    there: ListedObject | ThereObject | None,
    rule: OverwriteMode,
    *,
    source_crc64: int | None = None,
    source_encrypted: bool | None = None,
    want_kms: bool | None = None,
    source_md5: bytes | None = None,
    by_md5: bool = False,
    other_bytes: bool = False,
) -> Decision:
    """Decide whether an object is copied over the one of the same key at the destination.

    ======================  ====================================================================  =========
    rule                    copied when                                                           otherwise
    ======================  ====================================================================  =========
    FULL_OVERWRITE          always                                                                —
    any other               nothing is there                                                      see below
    NO_OVERWRITE            never                                                                 skipped
    SIZE_LAST_MODIFIED      sizes differ, or the source is newer (equal times: skipped),          skipped
                            or either time is unknown, or the MD5s are known and differ,
                            or the encryption differs
    CRC64                   sizes differ, or both CRC64 are known and differ,                     skipped
                            or one is unknown and SIZE_LAST_MODIFIED copies,
                            or the encryption differs
    ======================  ====================================================================  =========

    Encryption differs when the task wants KMS and the object there is known to lack it; without that wish, when both
    sides are known and unlike. With the wish the source's own encryption does not matter: a copy would always be
    encrypted, so copying again could never make the two alike.

    Sizes and times decide, but never against evidence of other bytes. With ``by_md5`` the plain ETags of both stores
    are MD5s, unless an object is encrypted: where two listed ones differ, or one that is of an upload of one part, a
    HEAD must say whether they are. ``other_bytes``: the heads have proved it.

    ``there`` as a :class:`ListedObject` was only listed: CRC64 with equal sizes, a skip while KMS is wanted, and a skip
    of what has another ETag then need a HEAD. With a :class:`ThereObject` the answer is final.
    Source: ``object_overwrite_mode``,
    https://support.huaweicloud.com/intl/en-us/api-oms/ListSyncTasks.html
    """
    if rule is _FULL_OVERWRITE:  # nobody looked whether something is there
        return COPY_FULL
    if there is None:
        return COPY_ABSENT
    if rule is _NO_OVERWRITE:
        return SKIP_EXISTS
    if source.size != there.size:
        return COPY_SIZE
    if rule is _CRC64:
        if other_bytes or _known_to_differ(source_md5, there):
            return COPY_MD5
        return _decide_crc64(source, there, source_crc64, source_encrypted, want_kms)
    if not source.last_modified or not there.last_modified:
        return COPY_UNKNOWN
    if source.last_modified > there.last_modified and _is_newer(source, there):
        return COPY_NEWER
    if there.__class__ is ListedObject and not want_kms:
        if by_md5 and source.etag != there.etag and other_md5(source.etag, there.etag):
            return NEEDS_HEAD_MD5
        return SKIP_NOT_OLDER
    if other_bytes or _known_to_differ(source_md5, there):
        return COPY_MD5
    return _unless_encryption(SKIP_NOT_OLDER, there, source_encrypted, want_kms)


def _known_to_differ(source_md5: bytes | None, there: ListedObject | ThereObject) -> bool:
    return isinstance(there, ThereObject) and None not in {source_md5, there.md5} and source_md5 != there.md5


def in_doubt(there: ListedObject | ThereObject | None, doubted: str | None, rule: OverwriteMode) -> bool:
    """Whether a copy that was found damaged may still lie at the destination, so that the object is copied again.

    ``doubted`` is its ETag, empty when it was not stated, None when nothing is in doubt. Under NO_OVERWRITE an object
    of another ETag is somebody else's, and stays.
    """
    if doubted is None or there is None:
        return False
    return rule is not _NO_OVERWRITE or not doubted or not there.etag or same_etag(doubted.lower(), there.etag.lower())


def _decide_crc64(
    source: ListedObject,
    there: ListedObject | ThereObject,
    source_crc64: int | None,
    source_encrypted: bool | None,
    want_kms: bool | None,
) -> Decision:
    if isinstance(there, ListedObject):
        return NEEDS_HEAD_CRC64
    if source_crc64 is None or there.crc64 is None:
        if not source.last_modified or not there.last_modified:
            return COPY_UNKNOWN
        decision = COPY_NEWER if _is_newer(source, there) else SKIP_NOT_OLDER
    else:
        decision = COPY_CRC64 if source_crc64 != there.crc64 else SKIP_CRC64
    if decision.action is Action.COPY:
        return decision
    return _unless_encryption(decision, there, source_encrypted, want_kms)


def _is_newer(source: ListedObject, there: ListedObject | ThereObject) -> bool:
    """Compare times as fine as both sides state them: HTTP dates, and many listings, know whole seconds only."""
    if there.last_modified.is_integer():
        return math.floor(source.last_modified) > there.last_modified
    return source.last_modified > there.last_modified


def _unless_encryption(
    skip: Decision, there: ListedObject | ThereObject, source_encrypted: bool | None, want_kms: bool | None
) -> Decision:
    if isinstance(there, ListedObject):
        return NEEDS_HEAD_KMS
    wanted = True if want_kms else source_encrypted
    if wanted is None or there.encrypted is None or wanted == there.encrypted:
        return skip
    return COPY_ENCRYPTION


def there_object(head: ObjectHead) -> ThereObject:
    """Return what :func:`decide` needs of a destination object's HEAD.

    Only KMS counts as encryption: encryption with the store's own keys is every bucket's default at some vendors.
    An object whose HEAD states no size is taken as different.
    """
    size = -1 if head.size is None else head.size
    return ThereObject(size, head.last_modified, head.crc64, is_kms(head.encryption), head.etag, head.md5)


def is_kms(encryption: str | None) -> bool:
    """Whether a head's encryption word means KMS (``kms``, S3's ``aws:kms`` and ``aws:kms:dsse``)."""
    return encryption is not None and "kms" in encryption.lower()


def effective_rule(rule: OverwriteMode, source: Capabilities, destination: Capabilities) -> OverwriteMode:
    """Return the rule that holds between two stores: CRC64 falls back at once where one of them keeps no CRC64.

    The outcome is that of :func:`decide` with an unknown CRC64, without a HEAD per object.
    """
    if rule is _CRC64 and not (source.states_crc64 and destination.states_crc64):
        return OverwriteMode.SIZE_LAST_MODIFIED
    return rule


def decide_scope(source: ListedObject, migrate_since: float | None) -> Decision | None:
    """Return the skip of an object not modified after ``migrate_since`` (strictly); None when it is in scope.

    One whose time nobody knows is in scope.
    """
    if migrate_since is None or source.last_modified > migrate_since or not source.last_modified:
        return None
    return SKIP_SCOPE


@dataclass(frozen=True, slots=True)
class PartPreferences:
    """What this machine likes: sizes in bytes."""

    part_size: int = 16 * MIB
    largest_part: int = 64 * MIB
    """Not exceeded unless the store's greatest number of parts would not do."""
    single_below: int = 16 * MIB
    """Objects smaller than this are written at once."""
    memory: int = 512 * MIB
    """Bound on the bytes of one object's parts under way."""
    parallel: int = 8
    """Parts of one object under way at most."""


_PREFERENCES = PartPreferences()


class PartPlan(NamedTuple):
    """How an object is cut: ``part_size`` 0 means one write."""

    size: int | None
    """None: unknown until the last byte came."""
    part_size: int
    parts: int | None
    """Number of parts, None when the size is unknown; 1 for one write."""
    parallel: int = 1
    """Parts that may be under way at the same time."""

    @property
    def single(self) -> bool:
        """Whether the object is stored by one write."""
        return self.part_size == 0

    def span(self, number: int) -> Span:
        """Return the bytes of part ``number`` (1-based) of an object of known size."""
        if self.size is None or not 0 < number <= (self.parts or 0):
            raise IndexError(number)
        first = (number - 1) * self.part_size
        return Span(first, min(first + self.part_size, self.size) - 1)

    def spans(self) -> Iterator[tuple[int, Span]]:
        """Yield every part's number and bytes."""
        for number in range(1, (self.parts or 0) + 1):
            yield number, self.span(number)


# OBS opens no multipart upload of this Content-Type; OMS's user guide names it as the cause of the failure
# INIT_DST_OBJ_MULTIPART_FAILURE. Beyond one write's size the upload is tried all the same: other stores take it.
_FORM_DATA = "multipart/form-data"
_TOO_LARGE = "CHECK_DST_OBJ_SIZE_FAILURE"
_AIMED_PARTS = 64


def part_plan(
    size: int | None,
    source: Capabilities,
    destination: Capabilities,
    *,
    content_type: str | None = None,
    prefer: PartPreferences | None = None,
) -> PartPlan:
    """Plan how an object of ``size`` bytes (None: unknown) is written to ``destination``.

    Written at once, up to the greatest single write: below ``prefer.single_below``, where the destination takes no
    parts (or none so large), and ``multipart/form-data``. Otherwise in parts of 16 to 64 MiB, larger only when the
    greatest number of parts asks for it. ``source`` sets no bound today: every store reads any span.

    Raises:
        ObjectError: the destination cannot hold an object of this size.
    """
    del source
    prefer = prefer or _PREFERENCES
    if size is None:
        return _plan_unknown(destination, prefer)
    in_parts = destination.max_parts * destination.max_part_size if destination.multipart else 0
    limit = min(destination.max_object_size, max(destination.max_single_write, in_parts))
    if size > limit:
        message = f"the object has {size} bytes, the destination takes at most {limit}: store it in smaller objects"
        raise ObjectError(message, code=_TOO_LARGE)
    is_form = (content_type or "").strip().lower().startswith(_FORM_DATA)
    if size <= destination.max_single_write and (size < prefer.single_below or is_form or size > in_parts):
        return PartPlan(size, 0, 1)
    return _plan_parts(size, destination, prefer)


def _plan_parts(size: int, destination: Capabilities, prefer: PartPreferences) -> PartPlan:
    part = max(prefer.part_size, min(prefer.largest_part, _whole_mib(size, _AIMED_PARTS)))
    part = max(part, destination.min_part_size, _whole_mib(size, destination.max_parts))
    part = min(part, destination.max_part_size)
    parts = -(-size // part)
    return PartPlan(size, part, parts, _parallel(part, parts, prefer))


def _plan_unknown(destination: Capabilities, prefer: PartPreferences) -> PartPlan:
    if not destination.multipart:
        message = "the source does not state the object's size and the destination takes no multipart uploads"
        raise ObjectError(message, code=_TOO_LARGE)
    part = min(max(prefer.largest_part, destination.min_part_size), destination.max_part_size)
    return PartPlan(None, part, None, _parallel(part, destination.max_parts, prefer))


def _parallel(part: int, parts: int, prefer: PartPreferences) -> int:
    return max(1, min(prefer.parallel, parts, prefer.memory // part))


def _whole_mib(size: int, parts: int) -> int:
    """Return the smallest whole number of MiB of which ``parts`` hold ``size``."""
    return -(-size // (parts * MIB)) * MIB


def destination_key(key: str, strip_prefix: str = "", save_prefix: str = "", *, max_bytes: int = 1024) -> str:
    """Return the key at the destination: ``strip_prefix`` off the front, ``save_prefix`` before it, nothing else.

    Both steps keep the order of keys.

    Raises:
        KeyRejected: the result is empty or has more than ``max_bytes`` bytes, or the key lacks ``strip_prefix``.
    """
    if strip_prefix:
        if not key.startswith(strip_prefix):
            raise KeyRejected(f"the key does not start with {strip_prefix!r}, which is to be taken off")
        key = key[len(strip_prefix) :]
    if save_prefix:
        key = save_prefix + key
    # A character has at most four bytes (an undecodable byte counts as one): short keys need no encoding.
    if len(key) * 4 > max_bytes:
        length = len(key) if key.isascii() else len(key_bytes(key))
        if length > max_bytes:
            raise KeyRejected(f"the key would have {length} bytes at the destination, which holds {max_bytes} at most")
    elif not key:
        raise KeyRejected("nothing is left of the key once the prefix is taken off: set a destination prefix")
    return key


def source_key(key: str, strip_prefix: str = "", save_prefix: str = "") -> str | None:
    """Return the source key that :func:`destination_key` maps to ``key``; None when no key does."""
    return strip_prefix + key[len(save_prefix) :] if key.startswith(save_prefix) else None


def storage_class_for(
    policy: StoragePolicy | None, source_word: str, class_of: Callable[[str], StorageClass]
) -> StorageClass | None:
    """Return the class an object is stored in; None leaves it to the destination bucket.

    ``class_of`` is the *source's* ``capabilities.class_of``: the vendor's word to OMS's.
    """
    if policy is None:
        return None
    if policy is StoragePolicy.SRC_STORAGE_MAPPING:
        return class_of(source_word)
    return StorageClass(policy.value)
