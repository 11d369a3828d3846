"""Every error the project raises, with its own verdict on whether to try again.

::

    OmsError
    ├── ConfigError                 bad option, file, URL or credential: usage, exit code 2
    ├── TaskError                   ends the whole task, becomes ``error_reason`` (code TRF.* / OMS.*)
    ├── ObjectError                 ends one object (code goes into the failed list)
    │   ├── SourceChanged           its ETag changed while it was read, twice
    │   ├── ChecksumMismatch        what was stored is not what was read
    │   ├── MetadataRejected        the destination cannot hold its metadata
    │   └── KeyRejected             the destination cannot hold its key
    ├── Stopped                     the run pauses: an object stays as it was
    ├── RepositoryError             the ledger cannot be read or written
    └── StoreError                  one call to one store failed
        ├── NotFound                object missing
        ├── BucketNotFound
        ├── AccessDenied            the key is good, the permission is missing
        │   └── AccountRefused      the account is suspended, in arrears, not registered
        ├── StorageFull             a quota or the capacity is used up
        ├── BadCredentials          wrong key, secret, token or clock
        ├── ConditionFailed         If-Match did not match
        ├── Archived                bytes are not readable until restored
        ├── Unsupported             the store does not know the call
        │   └── RangeIgnored        a range was asked for, the whole object was sent
        ├── InvalidRequest          the store refuses the request as it is (key, metadata, class)
        ├── DigestRefused           the bytes that arrived are not those announced (BadDigest)
        ├── UploadGone              the multipart upload is unknown (aborted, completed or expired)
        ├── Redirected              307/308/301 to another endpoint; the wire follows it
        ├── Throttled               SlowDown, 503, 429
        ├── Unavailable             5xx
        ├── ConnectionBroken        cut, refused, unresolvable
        ├── TimedOut
        └── UnexpectedReply         not what the protocol says
            ├── Disordered          keys are not listed in the order of their bytes
            └── ListingStuck        a listing does not advance

Nobody matches on message text: classes, ``retry`` and ``code`` are the interface.
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar


class Retry(Enum):
    """What an error says about trying the same call again."""

    NEVER = "never"
    SOON = "soon"
    SLOW_DOWN = "slow_down"


class OmsError(Exception):
    """Anything this project raises on purpose. Its text is one sentence that names the cause and the remedy."""


class ConfigError(OmsError):
    """The request cannot be carried out as it is written. ``code`` is OMS's or TRF's where one exists."""

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class RepositoryError(OmsError):
    """The ledger cannot be opened, read or written."""


class TaskError(OmsError):
    """Ends the task: no object can be moved any more until somebody acts."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Stopped(OmsError):
    """The run was asked to pause before this object was done; it stays as it was."""


class ObjectError(OmsError):
    """Ends one object as failed. ``code`` is the reason in the failed list."""

    code: str = "MIGRATE_OBJ_FAILURE"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class SourceChanged(ObjectError):
    """The source object was replaced while it was read, and again while it was read anew."""

    code = "SRC_OBJ_CHANGED_FAILURE"


class ChecksumMismatch(ObjectError):
    """What the destination holds is not what the source stated; it was deleted again."""

    code = "CHECK_DST_OBJ_CONSISTENCY_FAILURE"


class MetadataRejected(ObjectError):
    """The destination cannot hold the object's metadata unchanged."""

    code = "SET_DST_OBJ_METADATA_FAILURE"


class KeyRejected(ObjectError):
    """The destination cannot hold the object's key unchanged."""

    code = "DST_OBJ_KEY_INVALID_FAILURE"


class StoreError(OmsError):
    """One call to one store failed.

    ``store`` is its label (``obs://bucket``), ``operation`` the protocol method, ``vendor_code`` the store's own word.
    """

    retry: ClassVar[Retry] = Retry.NEVER

    def __init__(
        self,
        message: str,
        *,
        store: str = "",
        operation: str = "",
        key: str | None = None,
        status: int = 0,
        vendor_code: str = "",
        request_id: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.store = store
        self.operation = operation
        self.key = key
        self.status = status
        self.vendor_code = vendor_code
        self.request_id = request_id
        self.retry_after = retry_after

    def __str__(self) -> str:
        where = " ".join(part for part in (self.operation, self.store) if part)
        what = " ".join(part for part in (str(self.status or ""), self.vendor_code) if part)
        text = super().__str__()
        tail = f" [request {self.request_id}]" if self.request_id else ""
        return f"{where}: {what}: {text}{tail}" if what else f"{where}: {text}{tail}" if where else f"{text}{tail}"


class NotFound(StoreError):
    """The object does not exist."""


class BucketNotFound(StoreError):
    """The bucket does not exist."""


class AccessDenied(StoreError):
    """The credentials are good, but lack the permission."""


class AccountRefused(AccessDenied):
    """The account behind the credentials is suspended, in arrears or not registered: no permission helps."""


class StorageFull(StoreError):
    """The store takes no more: a quota or its capacity is used up."""


class BadCredentials(StoreError):
    """The access key, secret, token or clock is wrong."""


class ConditionFailed(StoreError):
    """A condition (If-Match) did not hold."""


class Archived(StoreError):
    """The object is archived and must be restored before it is read."""


class Unsupported(StoreError):
    """The store does not offer the call."""


class RangeIgnored(Unsupported):
    """A range was asked for and the server sends the whole object: it can only be read from its beginning."""


class InvalidRequest(StoreError):
    """The store refuses the request as it stands: key, metadata, class or size."""


class DigestRefused(StoreError):
    """The store received other bytes than announced."""

    retry = Retry.SOON


class UploadGone(StoreError):
    """The multipart upload is unknown to the store."""


class Redirected(StoreError):
    """The store names another endpoint for the bucket."""

    def __init__(self, message: str, *, location: str, **details: object) -> None:
        super().__init__(message, **details)  # type: ignore[arg-type]
        self.location = location


class Throttled(StoreError):
    """The store asks for fewer requests."""

    retry = Retry.SLOW_DOWN


class Unavailable(StoreError):
    """The store failed inside."""

    retry = Retry.SOON


class ConnectionBroken(StoreError):
    """The connection could not be made or was cut."""

    retry = Retry.SOON


class TimedOut(StoreError):
    """A phase of the call took longer than its timeout."""

    retry = Retry.SOON


class UnexpectedReply(StoreError):
    """The reply is not what the protocol says."""

    retry = Retry.SOON


class Disordered(UnexpectedReply):
    """A store does not list its keys in the order of their bytes."""

    retry = Retry.NEVER


class ListingStuck(UnexpectedReply):
    """A store's listing gives the same place to go on from again and again."""

    retry = Retry.NEVER


class OtherSize(UnexpectedReply):
    """A whole body ended with another size than its object is listed with; reading it again the same way is idle."""

    retry = Retry.NEVER
