"""Google's OAuth 2.0: a service account's key signs a request for an access token, which signs everything else.

https://developers.google.com/identity/protocols/oauth2/service-account

The exchange is a described call: the wire performs it (through its proxy, with its certificates), once an hour.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import field
from typing import Any
from urllib.parse import urlencode, urlsplit

from oms_adapters.config import Guard, parse_endpoint
from oms_adapters.control import need
from oms_engine.errors import (
    BadCredentials,
    ConfigError,
    StoreError,
    Throttled,
    Unavailable,
    UnexpectedReply,
)
from oms_engine.frozen import dataclass
from oms_engine.model import Secret
from oms_engine.store import Call, Reply, Request

SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
"""https://cloud.google.com/storage/docs/oauth-scopes; what the account may do is its roles' business."""

AUDIENCE = "https://oauth2.googleapis.com/token"
"""Who the assertion is for, wherever it is sent; as google-auth has it."""

TOKEN_URIS = frozenset(
    {
        AUDIENCE,
        "https://www.googleapis.com/oauth2/v4/token",
        "https://accounts.google.com/o/oauth2/token",
        "https://oauth2.mtls.googleapis.com/token",
    }
)
"""Where Google's key files have tokens asked for, old ones included."""

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LIFETIME = 3600
"""Seconds; the longest there is."""
MARGIN = 300.0
"""Seconds before its end in which a token is renewed: longer than any request should take to begin."""

_CODE = re.compile(r"[a-z_]{1,40}")
"""An error code of OAuth 2.0: https://www.rfc-editor.org/rfc/rfc6749#section-5.2"""

_NEEDED = ("client_email", "private_key", "token_uri")


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A service account's key file, read."""

    email: str
    project: str
    token_uri: str
    key_id: str
    signer: Any = field(repr=False)
    """google-auth's RSA signer."""

    def assertion(self, now: float) -> str:
        """Return the signed request for an access token."""
        claims = {"iat": int(now), "exp": int(now) + LIFETIME, "iss": self.email, "aud": AUDIENCE, "scope": SCOPE}
        return str(need("google.auth.jwt", "google").encode(self.signer, claims).decode())


def parse_service_account(text: Secret, guard: Guard | None = None) -> ServiceAccount:
    """Read the JSON of a service account's key file (OMS's ``json_auth_file``).

    With a ``guard`` the token is asked for at Google's own addresses only, or at those that the operator excepts.

    Raises:
        ConfigError: not such a file; the message says what is wrong with it, and nothing of what it holds.
    """
    info = _parse_object(text)
    kind = info.get("type")
    if kind != "service_account":
        raise ConfigError(
            'json_auth_file must be the key file of a service account ("type": "service_account"); '
            "create one under IAM & Admin > Service Accounts > Keys"
        )
    missing = [name for name in _NEEDED if not isinstance(info.get(name), str) or not info[name]]
    if missing:
        raise ConfigError(f"json_auth_file lacks {', '.join(missing)}; download the key file again")
    crypt = need("google.auth.crypt", "google")
    try:
        signer = crypt.RSASigner.from_service_account_info(info)
    except Exception:  # noqa: BLE001 - whatever it is, its text may quote the key
        raise ConfigError("json_auth_file: its private_key is no PEM key; download the key file again") from None
    _token_request(info["token_uri"])
    if guard is not None:
        _refuse_other_token_uri(info["token_uri"], guard)
    project, key_id = str(info.get("project_id") or ""), str(info.get("private_key_id") or "")
    return ServiceAccount(info["client_email"], project, info["token_uri"], key_id, signer)


def _parse_object(text: Secret) -> dict[str, Any]:
    try:
        info = json.loads(text.reveal())
    except ValueError as error:
        where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise ConfigError(
            f"json_auth_file is not JSON{where}; give the text of the service account's key file"
        ) from None
    if not isinstance(info, dict):
        raise ConfigError("json_auth_file is no JSON object; give the text of the service account's key file")
    return info


def _refuse_other_token_uri(token_uri: str, guard: Guard) -> None:
    if token_uri not in TOKEN_URIS and not guard.excepts(urlsplit(token_uri).hostname or ""):
        raise ConfigError(f"json_auth_file: its token_uri is not Google's; it must be {AUDIENCE}")


def _token_request(token_uri: str) -> Request:
    parts = urlsplit(token_uri)
    endpoint = parse_endpoint(f"{parts.scheme}://{parts.netloc}" if parts.scheme else parts.netloc)
    headers = {"content-type": "application/x-www-form-urlencoded", "accept-encoding": "identity"}
    return Request("POST", endpoint, parts.path or "/", (), headers)


class AccessToken:
    """An access token and how it is renewed; see :class:`oms_engine.store.Renewable`."""

    def __init__(self, account: ServiceAccount, store: str) -> None:
        self._account = account
        self._store = store
        self._request = _token_request(account.token_uri)
        self._held: tuple[Secret, float] | None = None

    def due(self, now: float) -> bool:
        """Whether there is none, or it ends within five minutes."""
        return self._held is None or now > self._held[1] - MARGIN

    def usable(self, now: float) -> bool:
        """Whether it has not ended."""
        return self._held is not None and now < self._held[1]

    def renewal(self) -> Call[None]:
        """Return the call that exchanges an assertion for a new token."""
        sent = 0.0

        def sign(request: Request, now: float) -> Request:
            nonlocal sent
            sent = now
            form = {"assertion": self._account.assertion(now), "grant_type": GRANT}
            return request._replace(body=urlencode(form).encode())

        def read(reply: Reply) -> None:
            token, seconds = _parse_grant(reply)
            self._held = Secret(f"Bearer {token}"), sent + seconds

        return Call(self._request, sign, read, self._store, "renew_token")

    def __call__(self, request: Request, now: float) -> Request:
        """Return the request with its Authorization header."""
        del now
        if self._held is None:
            raise BadCredentials("there is no access token yet")
        headers = request.headers.copy()
        headers["authorization"] = self._held[0].reveal()
        return request._replace(headers=headers)


def bearer(token: Secret) -> Callable[[Request, float], Request]:
    """Return a signer with an access token that somebody else renews."""

    def sign(request: Request, now: float) -> Request:
        del now
        return request._replace(headers={**request.headers, "authorization": f"Bearer {token.reveal()}"})

    return sign


def _parse_grant(reply: Reply) -> tuple[str, float]:
    """Return token and lifetime of a grant."""
    try:
        info = json.loads(reply.body)
    except (ValueError, RecursionError):
        info = None
    if not isinstance(info, dict):
        info = {}
    if reply.status != 200:
        raise _refused(reply.status, str(info.get("error", "")))
    token, seconds = info.get("access_token"), info.get("expires_in")
    if not isinstance(token, str) or not token or not isinstance(seconds, int | float):
        raise UnexpectedReply("the token endpoint granted no token", status=reply.status)
    return token, float(seconds)


def _refused(status: int, code: str) -> StoreError:
    """Return what a refusal means. Of its text only an error code is shown: it may come from anywhere."""
    code = code if _CODE.fullmatch(code) else ""
    if status == 429:
        return Throttled("the token endpoint asks for fewer requests", status=status, vendor_code=code)
    if status >= 500:
        return Unavailable("the token endpoint failed inside", status=status, vendor_code=code)
    return BadCredentials(
        "no access token is granted: the service account or its key was deleted or disabled, the key belongs to "
        "another account, or the clock of this machine is wrong (set it, NTP)",
        status=status,
        vendor_code=code,
    )
