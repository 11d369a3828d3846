"""What an error of a store means for the whole task: its end, with OMS's code, or nothing.

Codes: OMS API Reference 7.2, TRF.005x for the destination, TRF.015x for the source.
"""

from __future__ import annotations

from typing import Final

from oms_engine.errors import (
    AccessDenied,
    AccountRefused,
    BadCredentials,
    BucketNotFound,
    ConnectionBroken,
    Disordered,
    StorageFull,
    StoreError,
    TaskError,
    Throttled,
)

_FULL = "it has no space left: raise its quota or capacity, or empty it"
_EXPIRED = "its account has expired or is frozen"
_FROZEN = "its account is frozen"
_ARREARS = "its account is in arrears: top it up"

ACCOUNT_CODES: Final = {
    # https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0115.html
    "AccountProblem": ("TRF.0053", _EXPIRED),
    "NotSignedUp": ("TRF.0053", "its account is not registered for the service"),
    "FrozenUserId": ("TRF.0056", _FROZEN),
    "InArrearOrInsufficientBalance": ("TRF.0063", _ARREARS),
}


DISORDERED: Final = "DISORDERED"
"""Code of what ends an attempt whose source lists in another order than that of bytes: it is begun anew by copies."""

OUTAGES: Final = frozenset({"TRF.0061", "TRF.0157", "TRF.0159"})
"""Ends of a task whose store does not answer: nothing more is asked of it."""


def task_error(error: StoreError, *, source: bool) -> TaskError | None:
    """Return the task's end when the error says that no object can be moved, else None."""
    side = "source" if source else "destination"
    if not source and error.vendor_code in ACCOUNT_CODES:
        code, why = ACCOUNT_CODES[error.vendor_code]
        return TaskError(code, f"the destination takes nothing, {why}. {error}")
    if not source and isinstance(error, StorageFull):
        return TaskError("TRF.0055", f"the destination takes nothing more, {_FULL}. {error}")
    if isinstance(error, AccountRefused):
        return TaskError("TRF.0157" if source else "TRF.0053", f"the {side} refuses the account: {error}")
    if isinstance(error, BadCredentials):
        return TaskError("TRF.0151" if source else "TRF.0057", f"the {side} refuses the credentials: {error}")
    if isinstance(error, BucketNotFound):
        return TaskError("TRF.0155" if source else "TRF.0058", f"the {side} bucket does not exist: {error}")
    return None


def listing_error(error: StoreError, *, source: bool) -> TaskError:
    """Return the task's end for a listing that cannot go on."""
    known = task_error(error, source=source)
    if known is not None:
        return known
    side = "source" if source else "destination"
    if isinstance(error, AccessDenied):
        return TaskError(
            "TRF.0152" if source else "TRF.0051",
            f"the {side} key may not list the bucket: grant it the list permission. {error}",
        )
    if source and isinstance(error, Throttled):
        return TaskError("TRF.0159", f"the source keeps asking for fewer requests: start the task later. {error}")
    remedy = f"; check the {side}'s endpoint, the network and the proxy" if isinstance(error, ConnectionBroken) else ""
    return TaskError("TRF.0157" if source else "TRF.0061", f"the {side} bucket cannot be listed: {error}{remedy}")


def attempt_error(error: StoreError, *, source: bool) -> TaskError:
    """Return why a run's listing cannot go on: its end, or that it is begun anew by sorted copies."""
    if source and isinstance(error, Disordered):
        return TaskError(DISORDERED, str(error))
    return listing_error(error, source=source)


def outage_error(error: StoreError, *, source: bool, since: str, patience: float) -> TaskError:
    """Return the task's end for a store that stayed away longer than the task's patience."""
    side = "source" if source else "destination"
    known = task_error(error, source=source)
    if known is not None:
        return known
    throttled = source and isinstance(error, Throttled)
    code = "TRF.0159" if throttled else "TRF.0157" if source else "TRF.0061"
    waited = f"for {patience:g} s (--patience)" if patience else "and the task has no patience"
    return TaskError(
        code,
        f"the {side} has not taken part since {since}, {waited}; once it answers, start the same task again: it goes "
        f"on where it stopped. Last: {error}",
    )


def denied_error(error: StoreError, *, source: bool) -> TaskError:
    """Return the task's end where every object is refused for want of a permission."""
    what = "read objects of the source" if source else "write objects to the destination"
    return TaskError(
        "TRF.0152" if source else "TRF.0051",
        f"the key may not {what}: grant it the permission and run the same again. {error}",
    )
