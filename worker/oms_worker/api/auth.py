"""Verification of AK/SK signatures (``SDK-HMAC-SHA256``). Pure: the secret key and the clock are given.

https://support.huaweicloud.com/intl/en-us/devg-apisign/api-sign-algorithm.html; the official SDK's signer is the
oracle of the tests. Signatures are compared in constant time. One that does not cover date and host is refused;
a body is held against ``X-Sdk-Content-Sha256`` where that states a hash.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote_from_bytes, unquote_to_bytes

from oms_engine.model import Secret
from oms_worker.errors import NO_MATCH, Unauthorized

ALGORITHM = "SDK-HMAC-SHA256"
WINDOW_SECONDS = 900.0
"""A signature older, or from further ahead, is refused: 15 minutes, as the API gateway does."""
REFUSED = "APIGW.0301"
"""Incorrect IAM authentication information: https://support.huaweicloud.com/intl/en-us/api-apig/errorcode_apig.html"""
UNSIGNED = "UNSIGNED-PAYLOAD"

_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} +Access=(?P<access>[^,\s]{{1,128}}), *SignedHeaders=(?P<names>[a-z0-9.;-]{{1,4096}}), *"
    r"Signature=(?P<signature>[0-9a-fA-F]{64})",
    re.ASCII,
)
_SHA256 = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_DATE = "%Y%m%dT%H%M%SZ"
_MUST = frozenset({"host", "x-sdk-date"})


class SignedRequest(NamedTuple):
    """What is signed of a request, as it came over the wire."""

    method: str
    raw_path: bytes
    raw_query: bytes
    headers: Sequence[tuple[str, str]]
    """Names in lower case, values as latin-1 text of their bytes."""
    body: bytes


class Authorization(NamedTuple):
    """The ``Authorization`` header, taken apart."""

    access_key: str
    signed_headers: tuple[str, ...]
    signature: str


def parse_authorization(value: str) -> Authorization:
    """Take the header apart.

    Raises:
        Unauthorized: another algorithm, or not of this form.
    """
    found = _AUTHORIZATION.fullmatch(value.strip())
    if found is None:
        raise Unauthorized(REFUSED, f"Sign with {ALGORITHM}, or send X-Auth-Token.")
    return Authorization(found["access"], tuple(found["names"].split(";")), found["signature"].lower())


def states_body(request: SignedRequest, authorization: Authorization) -> bool:
    """Whether the signed head states the hash of the body: then the signature is verified before the body is read."""
    return "x-sdk-content-sha256" in authorization.signed_headers and bool(
        _SHA256.fullmatch(_header(request, "x-sdk-content-sha256"))
    )


def refuse_unsigned_body(request: SignedRequest, authorization: Authorization) -> None:
    """Refuse a body that the signature does not cover.

    Raises:
        Unauthorized: APIGW.0301.
    """
    if _body_hash(request, authorization.signed_headers) == UNSIGNED:
        message = f"Over plain HTTP a signature must cover the body: no {UNSIGNED}, or use HTTPS."
        raise Unauthorized(REFUSED, message)


def refuse_other_body(request: SignedRequest) -> None:
    """Refuse a body whose hash is not the one that the signed head states.

    Raises:
        Unauthorized: APIGW.0301.
    """
    stated = _header(request, "x-sdk-content-sha256").lower()
    if request.body and not hmac.compare_digest(hashlib.sha256(request.body).hexdigest(), stated):
        raise Unauthorized(REFUSED, "The body is not the one that X-Sdk-Content-Sha256 states.")


def verify(
    request: SignedRequest, authorization: Authorization, secret_key: Secret, now: float, *, head_alone: bool = False
) -> None:
    """Accept a request whose signature is right and recent; ``head_alone``: the body was not read yet.

    Raises:
        Unauthorized: APIGW.0301.
    """
    check_date(request, now)
    if not _MUST.issubset(authorization.signed_headers):
        raise Unauthorized(REFUSED, "The signature must cover Host and X-Sdk-Date.")
    body_hash = _header(request, "x-sdk-content-sha256") if head_alone else None
    expected = signature_of(request, authorization.signed_headers, secret_key, body_hash)
    if not hmac.compare_digest(expected, authorization.signature):
        raise Unauthorized(REFUSED, NO_MATCH)


def check_date(request: SignedRequest, now: float) -> None:
    """Refuse a date that is missing, unreadable, or more than 15 minutes away.

    Raises:
        Unauthorized: APIGW.0301.
    """
    try:
        moment = datetime.strptime(_header(request, "x-sdk-date"), _DATE).replace(tzinfo=UTC)
    except ValueError:
        raise Unauthorized(REFUSED, "X-Sdk-Date must be UTC, as 20260131T080000Z.") from None
    if abs(moment.timestamp() - now) > WINDOW_SECONDS:
        raise Unauthorized(REFUSED, "X-Sdk-Date is more than 15 minutes off: check the client's clock.")


def signature_of(request: SignedRequest, names: Sequence[str], secret_key: Secret, body_hash: str | None = None) -> str:
    """Return the signature that the request must carry, as lower case hex; ``body_hash`` instead of its body's."""
    digest = hashlib.sha256(canonical_request(request, names, body_hash)).hexdigest()
    text = f"{ALGORITHM}\n{_header(request, 'x-sdk-date')}\n{digest}".encode("latin-1")
    return hmac.new(secret_key.reveal().encode(), text, hashlib.sha256).hexdigest()


def canonical_request(request: SignedRequest, names: Sequence[str], body_hash: str | None = None) -> bytes:
    """Return the text whose hash is signed."""
    headers = b"".join(f"{name}:{_header(request, name)}\n".encode("latin-1") for name in names)
    parts = (
        request.method.upper().encode(),
        canonical_path(request.raw_path),
        canonical_query(request.raw_query),
        headers,
        ";".join(names).encode(),
        (body_hash or _body_hash(request, names)).encode("latin-1"),
    )
    return b"\n".join(parts)


def canonical_path(raw: bytes) -> bytes:
    """Return the path decoded, each segment encoded anew, with a slash at its end."""
    path = "/".join(quote_from_bytes(part, safe="~") for part in unquote_to_bytes(raw).split(b"/"))
    return (path if path.endswith("/") else f"{path}/").encode()


def canonical_query(raw: bytes) -> bytes:
    """Return the pairs sorted as they mean, then encoded. A plus stands for a space: who means a plus encodes it."""
    split = (pair.replace(b"+", b" ").partition(b"=") for pair in raw.split(b"&") if pair)
    pairs = sorted((unquote_to_bytes(name), unquote_to_bytes(value)) for name, _, value in split)
    return "&".join(f"{quote_from_bytes(k, safe='~')}={quote_from_bytes(v, safe='~')}" for k, v in pairs).encode()


def _body_hash(request: SignedRequest, names: Sequence[str]) -> str:
    actual = hashlib.sha256(request.body).hexdigest()
    stated = _header(request, "x-sdk-content-sha256") if "x-sdk-content-sha256" in names else ""
    # The SDK hashes nothing for an empty body, whatever the header says.
    return UNSIGNED if stated == UNSIGNED and request.body else actual


def _header(request: SignedRequest, name: str) -> str:
    return next((value.strip() for known, value in request.headers if known == name), "")
