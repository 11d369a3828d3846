"""Percent-encoding of keys and query strings, byte by byte: what is signed is what is sent.

Only the unreserved characters of RFC 3986 stay as they are (and ``/`` in a path); nothing is normalised, so ``a//b``,
``a/../b``, ``.`` and control characters reach the store unchanged.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote_to_bytes

Query = tuple[tuple[str, str | None], ...]

_PLAIN = re.compile(r"[A-Za-z0-9_.~/-]*").fullmatch
"""Nothing to encode: most keys, told in a tenth of the time."""


def quote_key(key: str) -> str:
    """Return a key's exact bytes, percent-encoded for a path; ``/`` stays."""
    return key if _PLAIN(key) else quote(key, "/~", "utf-8", "surrogateescape")


def quote_value(text: str) -> str:
    """Return one name or value of a query string, percent-encoded; ``/`` too."""
    return quote(text, "~", "utf-8", "surrogateescape")


def unquote_form(text: str) -> str:
    """Undo the form encoding that listings use with ``encoding-type=url``: ``+`` is a space, ``%2B`` a plus."""
    if "+" in text:
        text = text.replace("+", " ")
    if "%" not in text:
        return text
    return unquote_to_bytes(text).decode("utf-8", "surrogateescape")


def render_query(query: Query) -> str:
    """Return the query string as it is sent, in the order given; a value of None leaves the bare name."""
    return "&".join(
        quote_value(name) if value is None else f"{quote_value(name)}={quote_value(value)}" for name, value in query
    )
