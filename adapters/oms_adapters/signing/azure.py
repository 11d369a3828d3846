"""Azure Storage's signatures: Shared Key in the Authorization header, and shared access signatures in the query.

https://learn.microsoft.com/en-us/rest/api/storageservices/authorize-with-shared-key
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64
from binascii import b2a_base64
from functools import lru_cache
from hashlib import sha256
from urllib.parse import unquote

from oms_adapters.signing.mac import KeyedHash
from oms_adapters.signing.obs import http_date
from oms_adapters.signing.quoting import Query
from oms_engine.errors import ConfigError
from oms_engine.model import Secret
from oms_engine.store import Request

_WEIGHTS = {char: weight for weight, char in enumerate("!#$%&*.^_`|~+0123456789abcdefghijklmnopqrstuvwxyz", start=1)}
"""Order of header names at the service: as in a dictionary of its culture, not by code. ``-`` and ``'`` weigh nothing,
unless names are equal otherwise. Held by a test against the vendor's SDK, which carries the same order as tables."""


@lru_cache(maxsize=4096)
def _rank(name: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    first = tuple([_WEIGHTS[char] for char in name if char in _WEIGHTS])
    hyphens = tuple([{"-": 2, "'": 3}.get(char, 0) for char in name])
    return first, (*hyphens, 1)


@lru_cache(maxsize=1024)
def _signed_names(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted([name for name in names if name.startswith("x-ms-")], key=_rank))


_BLANKS = " \t"  # not all of Unicode's: values are the latin-1 text of bytes


def canonical_headers(headers: dict[str, str]) -> str:
    """Return the lines of the ``x-ms-`` headers; names are lower case."""
    return "".join([f"{name}:{headers[name].strip(_BLANKS)}\n" for name in _signed_names(tuple(headers))])


def canonical_resource(account: str, path: str, query: Query) -> str:
    """Return account, path as it is sent, and the query's decoded pairs in order."""
    if not query:
        return f"/{account}{path}"
    pairs = sorted([(name.lower(), value or "") for name, value in query])
    return f"/{account}{path}" + "".join([f"\n{name}:{value}" for name, value in pairs])


class SharedKey:
    """A signer with an account's key.

    Raises:
        ConfigError: the key is not base64.
    """

    __slots__ = ("_account", "_keyed")

    def __init__(self, account: str, key: Secret) -> None:
        try:
            raw = b64decode(key.reveal(), validate=True)
        except (NotBase64, ValueError):
            raise ConfigError(
                f"the key of storage account {account!r} is not base64; copy key1 or key2 under Access keys"
            ) from None
        self._account = account
        self._keyed = KeyedHash(raw, sha256)

    def __call__(self, request: Request, now: float) -> Request:
        """Return the request with x-ms-date and Authorization headers."""
        headers = request.headers.copy()
        headers["x-ms-date"] = http_date(int(now))
        if not "".join(headers).islower():
            headers = {name.lower(): value for name, value in headers.items()}
        length = len(request.body) if request.body_size is None else request.body_size
        get = headers.get
        # The length is empty when it is 0; Date is empty because of x-ms-date.
        standard = (
            f"{get('content-encoding', '')}\n{get('content-language', '')}\n{length or ''}\n{get('content-md5', '')}\n"
            f"{get('content-type', '')}\n{get('date', '')}\n{get('if-modified-since', '')}\n{get('if-match', '')}\n"
            f"{get('if-none-match', '')}\n{get('if-unmodified-since', '')}\n{get('range', '')}"
        )
        resource = canonical_resource(self._account, request.path, request.query)
        text = f"{request.method}\n{standard}\n{canonical_headers(headers)}{resource}"
        digest = self._keyed(text.encode("utf-8", "surrogateescape")).digest()
        headers["authorization"] = f"SharedKey {self._account}:{b2a_base64(digest, newline=False).decode()}"
        return request._replace(headers=headers)


def parse_sas(token: Secret) -> Query:
    """Return the pairs of a shared access signature.

    Raises:
        ConfigError: it has no signature.
    """
    text = token.reveal().strip().removeprefix("?")
    pairs = []
    for item in text.split("&"):
        name, _, value = item.partition("=")
        pairs.append((unquote(name), unquote(value)))
    if "sig" not in dict(pairs):
        raise ConfigError("the SAS token has no sig=...; copy the whole token, from sv= to the end")
    return tuple(pairs)


class SharedAccess:
    """A signer that appends a shared access signature: the URL becomes a secret, so nothing before it holds it."""

    __slots__ = ("_pairs",)

    def __init__(self, token: Secret) -> None:
        self._pairs = parse_sas(token)

    def __call__(self, request: Request, now: float) -> Request:
        """Return the request with the signature in its query."""
        headers = {**request.headers, "x-ms-date": http_date(int(now))}
        return request._replace(query=request.query + self._pairs, headers=headers)
