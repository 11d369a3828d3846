"""Temporary keys: an access key, its secret key and a security token that proves both, for 15 minutes to 24 hours.

https://support.huaweicloud.com/intl/en-us/api-iam/iam_04_0002.html. Nothing of them is kept: the token holds the
rest, sealed under the key ring, so every process that has the key file knows it, and a key that is dropped from the
ring ends the temporary keys of its time. Whose they are is looked up at every use: they end with their user, and when
its keys, password or role change.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import NamedTuple

from oms_engine.errors import OmsError
from oms_engine.model import Secret
from oms_worker.errors import Unauthorized
from oms_worker.secrets import KeyRing

MARK = "HST"
"""What temporary access keys begin with, as Huawei Cloud's do: it tells them from a user's own in a log."""

_OWNER = "security-token"
_REFUSED = "APIGW.0301"


class TemporaryKey(NamedTuple):
    """What is told once."""

    access_key: str
    secret_key: Secret
    token: Secret
    expires_at: float


class Opened(NamedTuple):
    """What a security token proves."""

    user_id: str
    secret_key: Secret
    epoch: int
    """Of the user when the key was issued."""


def seal_token(
    ring: KeyRing, user_id: str, access_key: str, secret_key: Secret, expires_at: float, epoch: int
) -> TemporaryKey:
    """Return a user's temporary key with its token."""
    facts = {"user": user_id, "access_key": access_key, "expires_at": repr(expires_at), "epoch": str(epoch)}
    named = {name: Secret(value) for name, value in facts.items()} | {"secret_key": secret_key}
    sealed = base64.urlsafe_b64encode(ring.seal(_OWNER, named).data).decode()
    return TemporaryKey(access_key, secret_key, Secret(sealed), expires_at)


def open_token(ring: KeyRing, access_key: str, token: Secret, now: float) -> Opened:
    """Return whose key this is and what it signs with.

    Raises:
        Unauthorized: APIGW.0301, with what is wrong: no token of ours, another key's, or expired.
    """
    try:
        raw = base64.b64decode(token.reveal().encode("ascii"), altchars=b"-_", validate=True)
        facts = ring.open(_OWNER, raw)
    except (OmsError, binascii.Error, ValueError):
        raise Unauthorized(_REFUSED, "X-Security-Token is none of this service's.") from None
    if not hmac.compare_digest(facts["access_key"].reveal().encode(), access_key.encode()):
        raise Unauthorized(_REFUSED, "X-Security-Token does not belong to the access key.")
    if float(facts["expires_at"].reveal()) <= now:
        raise Unauthorized(_REFUSED, "The temporary key has expired: obtain another one.")
    epoch = int(facts["epoch"].reveal()) if "epoch" in facts else 0
    return Opened(facts["user"].reveal(), facts["secret_key"], epoch)
