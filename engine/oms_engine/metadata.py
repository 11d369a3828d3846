"""Which attributes travel with an object, and how the destination holds them. Pure.

OMS carries Content-Type and Content-Encoding always and the rest on request. A value keeps its meaning: how characters
outside ASCII are written is the destination's affair (:class:`~oms_engine.model.MetadataForm`); what it cannot hold
fails the object, is dropped or is percent-encoded, as the task has it. Printable ASCII passes everywhere as it is.

At OBS Chinese characters are stored percent-encoded, as OMS and Huawei's SDKs do; Chinese punctuation and other
characters outside ASCII make the object fail
(https://support.huaweicloud.com/intl/en-us/productdesc-oms/oms_01_0038.html). OMS also refuses most ASCII punctuation;
here it passes, because OBS takes it.
"""

from __future__ import annotations

import re
from binascii import Error as NotBase64
from binascii import a2b_base64, a2b_qp, b2a_base64
from dataclasses import fields
from functools import lru_cache
from typing import Any, NamedTuple

from oms_engine.errors import MetadataRejected
from oms_engine.model import Attributes, InvalidMetadata, MetadataForm

_PRINTABLE = re.compile(r"[ -~]*")
# https://www.rfc-editor.org/rfc/rfc9110#name-tokens
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# Compiled by the first value that needs them: 2 ms of the start of every run otherwise.
# Han: URO with extension A, compatibility ideographs, the supplementary planes, and the zero.
_IDEOGRAPHS = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_ENCODABLE = rf"[ -~{_IDEOGRAPHS}]*"
# In a value that is encoded the percent sign is too, so that decoding gives the value back.
_ENCODED = rf"[%{_IDEOGRAPHS}]"
_CONTROLS = "[\x00-\x1f\x7f]"
# https://www.rfc-editor.org/rfc/rfc2047#section-2
_WORD = r"=\?([A-Za-z0-9-]+)(?:\*[A-Za-z-]*)?\?([bBqQ])\?([ -~]*?)\?="
_WORDS = rf"{_WORD}(?:[ \t]+{_WORD})*"
_WORD_BYTES = 42
"""Of UTF-8 in one word: it then has 75 characters at most, with its frame."""

_NOTHING: dict[str, str] = {}


class Terms(NamedTuple):
    """What a destination holds, and what becomes of the rest."""

    form: MetadataForm = MetadataForm.PERCENT
    max_user_bytes: int | None = None
    """Limit on names and values of user metadata together; None: no limit."""
    invalid: InvalidMetadata = InvalidMetadata.FAIL


OBS_TERMS = Terms()


def plan_attributes(attributes: Attributes, migrate: bool, terms: Terms = OBS_TERMS) -> Attributes:
    """Return what is stored with the copy: Content-Type and Content-Encoding, and with ``migrate`` everything.

    Raises:
        MetadataRejected: a value or a name that the destination cannot hold, or too much of it. It names the header.
    """
    if not migrate:
        return _plan_least(attributes.content_type, attributes.content_encoding, terms)
    return _plan(attributes, terms, [])


def metadata_notes(attributes: Attributes, migrate: bool, terms: Terms) -> str:
    """Return what :func:`plan_attributes` did to an object's attributes beside carrying them, empty for nothing."""
    if terms.invalid is InvalidMetadata.FAIL:
        return ""
    notes: list[str] = []
    if not migrate:
        attributes = Attributes(attributes.content_type, attributes.content_encoding)
    _plan(attributes, terms, notes)
    return "; ".join(notes)


@lru_cache(maxsize=1024)  # the objects of a bucket have few different ones
def _plan_least(content_type: str | None, content_encoding: str | None, terms: Terms) -> Attributes:
    return _plan(Attributes(content_type, content_encoding), terms, [])


_HEADERS = {
    field.name: field.name.replace("_", "-").title()
    for field in fields(Attributes)
    if field.name not in {"user", "withheld", "forced_download"}
}


def _plan(attributes: Attributes, terms: Terms, notes: list[str]) -> Attributes:
    if attributes.withheld:
        _refuse_withheld(attributes.withheld, terms, notes)
    planned: dict[str, Any] = {}
    for name, header in _HEADERS.items():
        value = getattr(attributes, name)
        if value is not None and not _is_plain(value):
            value = _settle(header, value, terms, notes)
        planned[name] = value
    return Attributes(**planned, user=_plan_user(attributes.user, terms, notes) if attributes.user else _NOTHING)


def _is_plain(value: str) -> bool:
    """Whether a value is the same to every store: printable ASCII, no encoded word."""
    return _PRINTABLE.fullmatch(value) is not None and "=?" not in value


def _refuse_withheld(count: int, terms: Terms, notes: list[str]) -> None:
    if terms.invalid is InvalidMetadata.DROP:
        notes.append(f"metadata dropped: {count} entries that the source cannot return")
        return
    message = f"the source holds {count} entries of user metadata that it cannot return in headers"
    raise MetadataRejected(f"{message}: store them anew at the source, or drop them (--invalid-metadata drop)")


def _plan_user(user: dict[str, str], terms: Terms, notes: list[str]) -> dict[str, str]:
    planned: dict[str, str] = {}
    total = 0
    for given, value in user.items():
        stored = value if _is_plain(value) else _settle(given, value, terms, notes, user=True)
        name = given if _TOKEN.fullmatch(given) else _settle_name(given, terms, notes)
        if stored is None or name is None:
            continue
        size = len(name) + len(stored)
        if terms.max_user_bytes is not None and total + size > terms.max_user_bytes:
            if terms.invalid is not InvalidMetadata.DROP:
                raise _too_much(user, terms)
            notes.append(f"metadata dropped: {given!r}, beyond {terms.max_user_bytes} bytes")
            continue
        planned[name] = stored
        total += size
    return planned


def _too_much(user: dict[str, str], terms: Terms) -> MetadataRejected:
    total = sum(len(name) + len(value) for name, value in user.items())
    return MetadataRejected(
        f"the user metadata has {total} bytes or more as it is stored, the destination holds {terms.max_user_bytes}: "
        "shorten it at the source, or drop what is too much (--invalid-metadata drop)"
    )


def _settle(header: str, value: str, terms: Terms, notes: list[str], *, user: bool = False) -> str | None:
    """Return a value that is not plain as it is stored; None when it is dropped."""
    try:
        return plan_value(header, value, terms.form, user=user)
    except MetadataRejected:
        if terms.invalid is InvalidMetadata.FAIL:
            raise
        if terms.invalid is InvalidMetadata.DROP:
            notes.append(f"metadata dropped: {header!r}")
            return None
    notes.append(f"metadata percent-encoded: {header!r}")
    return percent_encoded(value)


def _settle_name(name: str, terms: Terms, notes: list[str]) -> str | None:
    if terms.invalid is InvalidMetadata.DROP:
        notes.append(f"metadata dropped: {name!r}")
        return None
    if terms.invalid is InvalidMetadata.FAIL or not name:
        message = f"the name of user metadata {name!r} cannot be a header's: rename it at the source, or encode it"
        raise MetadataRejected(f"{message} (--invalid-metadata encode)")
    notes.append(f"metadata percent-encoded: the name {name!r}")
    return percent_encoded(name, name=True)


def percent_encoded(value: str, *, name: bool = False) -> str:
    """Return a value, or a name, in printable ASCII; decoding gives its bytes back."""
    raw = _bytes(value)
    plain = re.compile(_TOKEN.pattern.encode()) if name else re.compile(rb"[ -~]")
    return "".join(chr(byte) if byte != 0x25 and plain.fullmatch(bytes((byte,))) else f"%{byte:02X}" for byte in raw)


def _bytes(value: str) -> bytes:
    """Return the bytes of a header value, which comes as their latin-1 text; or as characters, from other protocols."""
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogateescape")


def plan_value(
    header: str, value: str | None, form: MetadataForm = MetadataForm.PERCENT, *, user: bool = True
) -> str | None:
    """Return a value as a destination holds it.

    ===========  ====================================  ==================================================
    form         encoded words, in user metadata       characters outside ASCII
    ===========  ====================================  ==================================================
    PERCENT      Chinese: percent-encoded; else kept   Chinese: percent-encoded; else refused
    WORDS        kept                                  as encoded words; in other headers as PERCENT has it
    UTF8         kept                                  kept, byte for byte
    ===========  ====================================  ==================================================

    Raises:
        MetadataRejected: what the form cannot say, and control characters; ``header`` is named, the value is not.
    """
    if value is None or _is_plain(value):
        return value
    if _PRINTABLE.fullmatch(value):
        text = decode_words(value) if user and form is MetadataForm.PERCENT else None
        return value if text is None or not re.fullmatch(_ENCODABLE, text) else _percent(text)
    if re.search(_CONTROLS, value):
        raise _refused(header)
    if form is MetadataForm.UTF8:
        return _bytes(value).decode("latin-1")
    text = _decoded(header, value)
    if form is MetadataForm.WORDS and user and text.isprintable():
        return encode_words(text)
    if not re.fullmatch(_ENCODABLE, text):
        raise _refused(header)
    return _percent(text)


def _refused(header: str) -> MetadataRejected:
    return MetadataRejected(
        f"the value of {header!r} holds characters the destination refuses: percent-encode it at the source, or let "
        "that be done here (--invalid-metadata encode)"
    )


def _percent(text: str) -> str:
    return re.sub(_ENCODED, lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), text)


def _decoded(header: str, value: str) -> str:
    """Return the characters of a header value, which comes as the latin-1 text of UTF-8 bytes."""
    try:
        return _bytes(value).decode("utf-8")
    except UnicodeDecodeError:
        message = f"the value of {header!r} is not UTF-8: percent-encode it at the source, or let that be done here"
        raise MetadataRejected(f"{message} (--invalid-metadata encode)") from None


def meaning(value: str) -> str:
    """Return the characters a value stands for, as raw UTF-8 or as encoded words; itself where it is neither."""
    if _PRINTABLE.fullmatch(value):
        return decode_words(value) or value
    try:
        return _bytes(value).decode("utf-8")
    except UnicodeDecodeError:
        return value


def encode_words(text: str) -> str:
    """Return a text as RFC 2047 encoded words: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html."""
    pieces = [b""]
    for character in text:
        raw = character.encode()
        if len(pieces[-1]) + len(raw) > _WORD_BYTES:
            pieces.append(b"")
        pieces[-1] += raw
    return " ".join([f"=?UTF-8?B?{b2a_base64(piece, newline=False).decode()}?=" for piece in pieces])


def decode_words(value: str) -> str | None:
    """Return the characters of a value that is encoded words throughout; None for any other value."""
    if not re.fullmatch(_WORDS, value):
        return None
    raw: list[tuple[str, bytes]] = []
    try:
        for found in re.finditer(_WORD, value):
            body = a2b_base64(found[3], strict_mode=True) if found[2] in "bB" else a2b_qp(found[3], header=True)
            if raw and raw[-1][0] == found[1].lower():  # a character may be cut between two words
                raw[-1] = raw[-1][0], raw[-1][1] + body
            else:
                raw.append((found[1].lower(), body))
        return "".join([body.decode(charset) for charset, body in raw])
    except (NotBase64, LookupError, ValueError):
        return None
