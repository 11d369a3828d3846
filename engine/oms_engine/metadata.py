"""Which attributes travel with an object, and whether the destination can hold them as they are. Pure.

OMS carries Content-Type and Content-Encoding always and the rest on request; Chinese characters are stored
percent-encoded, Chinese punctuation and other characters outside ASCII make the object fail
(https://support.huaweicloud.com/intl/en-us/productdesc-oms/oms_01_0038.html). OMS also refuses most ASCII punctuation;
here every printable ASCII character passes, because OBS takes it.
"""

from __future__ import annotations

import re
from dataclasses import fields
from functools import lru_cache
from typing import Any

from oms_engine.errors import MetadataRejected
from oms_engine.model import Attributes

_PRINTABLE = re.compile(r"[ -~]*")
# https://www.rfc-editor.org/rfc/rfc9110#name-tokens
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# Han: URO with extension A, compatibility ideographs, the supplementary planes, and the zero.
_IDEOGRAPHS = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
# Compiled by the first value that needs them: 2 ms of the start of every run otherwise.
_ENCODABLE = rf"[ -~{_IDEOGRAPHS}]*"
# In a value that is encoded the percent sign is too, so that decoding gives the value back.
_ENCODED = rf"[%{_IDEOGRAPHS}]"
_NOTHING: dict[str, str] = {}


def plan_attributes(attributes: Attributes, migrate: bool, *, max_user_bytes: int | None = None) -> Attributes:
    """Return what is stored with the copy: Content-Type and Content-Encoding, and with ``migrate`` everything.

    ``max_user_bytes`` is the destination's limit on names and values of user metadata together, None for no limit.

    Raises:
        MetadataRejected: a value or a name that the destination cannot hold, or too much of it. It names the header.
    """
    if not migrate:
        return _plan_least(attributes.content_type, attributes.content_encoding)
    if attributes.withheld:
        message = f"the source holds {attributes.withheld} entries of user metadata that it cannot return in headers"
        raise MetadataRejected(f"{message}: store them anew at the source, or migrate without metadata")
    planned: dict[str, Any] = {name: plan_value(header, getattr(attributes, name)) for name, header in _HEADERS.items()}
    return Attributes(**planned, user=_plan_user(attributes.user, max_user_bytes) if attributes.user else _NOTHING)


@lru_cache(maxsize=1024)  # the objects of a bucket have few different ones
def _plan_least(content_type: str | None, content_encoding: str | None) -> Attributes:
    return Attributes(
        content_type=plan_value("Content-Type", content_type),
        content_encoding=plan_value("Content-Encoding", content_encoding),
    )


_HEADERS = {
    field.name: field.name.replace("_", "-").title()
    for field in fields(Attributes)
    if field.name not in {"user", "withheld", "forced_download"}
}


def _plan_user(user: dict[str, str], max_bytes: int | None) -> dict[str, str]:
    planned = {}
    total = 0
    for name, value in user.items():
        if not _TOKEN.fullmatch(name):
            message = f"the name of user metadata {name!r} cannot be a header's: rename it at the source"
            raise MetadataRejected(message)
        stored = plan_value(name, value) or ""
        planned[name] = stored
        total += len(name) + len(stored)
    if max_bytes is not None and total > max_bytes:
        message = f"the user metadata has {total} bytes, the destination holds {max_bytes}: shorten it at the source"
        raise MetadataRejected(message)
    return planned


def plan_value(header: str, value: str | None) -> str | None:
    """Return the value as it is stored: printable ASCII (encoded words too) as it is, Chinese percent-encoded.

    Raises:
        MetadataRejected: any other character; ``header`` is named, the value is not.
    """
    if value is None or _PRINTABLE.fullmatch(value):
        return value
    text = _decoded(header, value)
    if not re.fullmatch(_ENCODABLE, text):
        message = f"the value of {header!r} holds characters the destination refuses: percent-encode it at the source"
        raise MetadataRejected(message)
    return re.sub(_ENCODED, lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), text)


def _decoded(header: str, value: str) -> str:
    """Return the characters of a header value, which comes as the latin-1 text of UTF-8 bytes."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        message = f"the value of {header!r} is not UTF-8: percent-encode it at the source"
        raise MetadataRejected(message) from None
    except UnicodeEncodeError:  # characters already
        return value
