"""Signing of requests to the service, ``SDK-HMAC-SHA256``: by the very function with which the service verifies them.

https://support.huaweicloud.com/intl/en-us/devg-apisign/api-sign-algorithm.html; the official SDK's signer is the
oracle of the tests. Every header that is given is signed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from oms_engine.model import Credentials
from oms_worker.api.auth import ALGORITHM, SignedRequest, signature_of

DATE = "X-Sdk-Date"


class Unsigned(NamedTuple):
    """A request as it goes over the wire, but for its signature."""

    method: str
    raw_path: bytes
    raw_query: bytes
    headers: Sequence[tuple[str, str]]
    """Those that are signed; ``Host`` must be among them."""
    body: bytes


def sign(request: Unsigned, keys: Credentials, moment: datetime) -> dict[str, str]:
    """Return the headers that make it a signed one: its date, which is UTC, and ``Authorization``."""
    date = moment.strftime("%Y%m%dT%H%M%SZ")
    headers = sorted((name.lower(), value) for name, value in (*request.headers, (DATE, date)))
    names = [name for name, _ in headers]
    whole = SignedRequest(request.method, request.raw_path, request.raw_query, headers, request.body)
    signature = signature_of(whole, names, keys.secret_key)
    value = f"{ALGORITHM} Access={keys.access_key}, SignedHeaders={';'.join(names)}, Signature={signature}"
    return {DATE: date, "Authorization": value}
