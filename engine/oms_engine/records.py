r"""The lines of the success, skip and failed lists, and where the lists lie in the destination bucket. Pure.

Columns are separated by one TAB, lines end with LF, text is UTF-8, there is no header line:

* success: time, key, size, source ETag, destination ETag, CRC-64 (decimal), check method, check result
* skip: time, key, size, reason
* failed: error code, time, key, key raw, text (OMS's columns, in its order)

``key`` is URL-encoded byte by byte with ``/`` and unreserved characters kept, so it can be used in an object list file.
``key raw`` and ``text`` hold ``\t``, ``\n``, ``\r``, ``\\``, ``\xHH``, ``\uHHHH`` and ``\UHHHHHHHH`` for what would
break a line or a terminal, and for characters that are not seen or change the order of others, so that a reader sees
what stands there. Columns that are unknown are empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

from oms_engine.errors import TaskError
from oms_engine.model import Outcome, key_bytes

_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_.\-~/]+").fullmatch
_PLAIN_TEXT: Final = re.compile(r"[ -~]*").fullmatch
_UNSEEN: Final = (
    r"\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    r"\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Control characters, what orders text anew, and what is not seen: Unicode's Bidi_Control and
Default_Ignorable_Code_Point, and halves of surrogate pairs; https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing"""
_UNSAFE: Final = re.compile(rf"[{_UNSEEN}\\]")
_SHORT: Final = {"\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\"}
_COLUMNS_FAILED: Final = 5
_KEY_COLUMN: Final = 2
_LONGEST_TEXT: Final = 4096
_LONGEST_LINE: Final = 65_535

_WORDS: Final = {Outcome.MIGRATED: "success", Outcome.SKIPPED: "skip", Outcome.FAILED: "failed"}


def record_word(outcome: Outcome) -> str:
    """Return the word of an outcome's list: ``success``, ``skip`` or ``failed``."""
    return _WORDS[outcome]


def record_folder(task_name: str, outcome: Outcome, root: str = "") -> str:
    """Return the folder of an outcome's lists, e.g. ``oms/task/<name>/failed_object_lists/``.

    With a ``root``, that of a task group or sync task, all its tasks' lists of one outcome lie side by side:
    ``<root>/failed_object_lists/<name>/``.
    """
    if root:
        return f"{root}/{_WORDS[outcome]}_object_lists/{task_name}/"
    return f"oms/task/{task_name}/{_WORDS[outcome]}_object_lists/"


def record_file_name(outcome: Outcome, at: float) -> str:
    """Return the name of a list begun at ``at`` (seconds since the epoch), e.g. ``20260131120000123.skip_list.txt``."""
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment:%Y%m%d%H%M%S}{moment.microsecond // 1000:03d}.{_WORDS[outcome]}_list.txt"


def render_time(at: float, zone: str = "UTC") -> str:
    """Write an instant as the lists do: ISO 8601 to the second, with its offset (``Z`` for UTC)."""
    if zone == "UTC":
        return datetime.fromtimestamp(int(at), UTC).isoformat()[:-6] + "Z"
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - 3 ms

    return datetime.fromtimestamp(int(at), ZoneInfo(zone)).isoformat()


def encode_key(key: str) -> str:
    """URL-encode a key, byte-exactly."""
    if _PLAIN_KEY(key):
        return key
    return quote_from_bytes(key_bytes(key), "/")


def decode_key(text: str) -> str:
    """Read a URL-encoded key; ``+`` is a space, as OMS decodes its lists (:func:`encode_key` never writes one)."""
    if "+" in text:
        text = text.replace("+", " ")
    if "%" not in text:
        return text
    return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def escape_text(text: str) -> str:
    """Make any text fit for one column."""
    if _PLAIN_TEXT(text) and "\\" not in text:
        return text
    return _UNSAFE.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    short = _SHORT.get(character)
    if short:
        return short
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # surrogateescape: one byte that is not UTF-8
        code -= 0xDC00
    if code > 0xFFFF:
        return f"\\U{code:08x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def visible(text: str) -> str:
    """Return a text with every character seen, on one line; a backslash stays one: for people, not to be read back."""
    return text if _PLAIN_TEXT(text) else re.sub(f"[{_UNSEEN}]", _escaped, text)


def success_line(
    at: str, key: str, size: int, source_etag: str, etag: str, crc64: int | None, method: str, result: str
) -> str:
    """Render one migrated object. ``at`` comes from :func:`render_time`; ``method`` and ``result`` are plain text."""
    key = key if _PLAIN_KEY(key) else encode_key(key)
    if not (_PLAIN_TEXT(source_etag) and _PLAIN_TEXT(etag)):
        source_etag, etag = escape_text(source_etag), escape_text(etag)
    crc = "" if crc64 is None else crc64
    return f"{at}\t{key}\t{size}\t{source_etag}\t{etag}\t{crc}\t{method}\t{result}\n"


def parse_success_line(line: str) -> tuple[str, int]:
    """Return the key and the size of a line that :func:`success_line` rendered."""
    columns = line.split("\t")
    return decode_key(columns[1]), int(columns[2])


def skip_line(at: str, key: str, size: int, reason: str) -> str:
    """Render one skipped object."""
    return f"{at}\t{key if _PLAIN_KEY(key) else encode_key(key)}\t{size}\t{reason}\n"


def failed_line(code: str, at: str, key: str, text: str) -> str:
    """Render one failed object; a long text is cut."""
    return f"{code}\t{at}\t{encode_key(key)}\t{escape_text(key)}\t{escape_text(text[:_LONGEST_TEXT])}\n"


def parse_failed_list(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield the keys of a failed list, given in pieces of any size, for an explicit retry.

    Raises:
        TaskError: OMS.1027 the list is empty, OMS.0308 it is incomplete or no failed list.
    """
    rest = b""
    number = 0
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            raise _not_a_list(number + 1)
        for line in lines:
            number += 1
            if line.strip():
                yield _failed_key(line, number)
    if rest:
        raise _not_a_list(number + 1)
    if not number:
        raise TaskError("OMS.1027", "the failed list is empty: there is nothing to retry, run the task without it")


def _failed_key(line: bytes, number: int) -> str:
    columns = line.removesuffix(b"\r").split(b"\t")
    if len(columns) != _COLUMNS_FAILED or not columns[_KEY_COLUMN]:
        raise _not_a_list(number)
    return decode_key(columns[_KEY_COLUMN].decode("utf-8", "surrogateescape"))


def _not_a_list(number: int) -> TaskError:
    message = f"line {number} of the failed list is cut or has other columns: retry from the task's own failed list"
    return TaskError("OMS.0308", message)
