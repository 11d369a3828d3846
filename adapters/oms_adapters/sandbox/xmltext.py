"""XML as the clouds write it, and the little of it that they read."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import formatdate
from urllib.parse import quote_plus

from oms_adapters.sandbox.refusal import Refusal

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'

_ESCAPES = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord('"'): "&quot;", ord("\r"): "&#13;"}
# S3 writes other control characters as references too, although XML 1.0 forbids them; hence encoding-type=url:
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
_ESCAPES |= {code: f"&#x{code:x};" for code in range(32) if chr(code) not in "\t\n\r"}
_SPECIAL = re.compile('[&<>"\x00-\x08\x0b-\x1f]')
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def text_of(key: bytes) -> str:
    """Return the text of a key's bytes; bytes outside UTF-8 survive as surrogates."""
    return key.decode("utf-8", "surrogateescape")


def escape(text: str) -> str:
    """Return text as XML character data."""
    return text.translate(_ESCAPES) if _SPECIAL.search(text) else text


def replaced(text: str) -> str:
    """Return text with U+FFFD for what XML cannot hold: https://pkg.go.dev/encoding/xml#EscapeText."""
    return _FORBIDDEN.sub("\ufffd", text)


def url_encoded(text: str) -> str:
    """Return text as ``encoding-type=url`` gives it: a form value whose slashes stay."""
    return quote_plus(text.encode("utf-8", "surrogateescape"), safe="/*")


def tag(name: str, text: str | int) -> str:
    """Return one element with text."""
    return f"<{name}>{escape(str(text))}</{name}>"


def document(root: str, xmlns: str, parts: Iterable[str]) -> bytes:
    """Return a whole document; ``xmlns`` may be empty."""
    space = f' xmlns="{xmlns}"' if xmlns else ""
    return f"{HEAD}<{root}{space}>{''.join(parts)}</{root}>".encode("utf-8", "surrogateescape")


def iso_time(when: float, *, milliseconds: bool = False) -> str:
    """Return a time as listings state it."""
    moment = datetime.fromtimestamp(when, UTC)
    fraction = f"{int(moment.microsecond / 1000):03d}" if milliseconds else "000"
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction}Z"


def http_time(when: float) -> str:
    """Return a time as headers state it."""
    return formatdate(when, usegmt=True)


def parse(body: bytes, root: str) -> ET.Element:
    """Parse a small request document and strip its namespaces.

    Raises:
        Refusal: MalformedXML.
    """
    try:
        tree = ET.fromstring(body)  # noqa: S314 - loopback only, documents of our own clients
    except ET.ParseError:
        raise Refusal("MalformedXML") from None
    for node in tree.iter():
        node.tag = node.tag.rpartition("}")[2]
    if tree.tag != root:
        raise Refusal("MalformedXML")
    return tree
