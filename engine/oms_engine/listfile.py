r"""Object list files and URL list files as streams: bytes in, keys with line numbers out, never held whole.

Rules (https://support.huaweicloud.com/intl/en-us/productdesc-oms/oms_01_0038.html): the name ends in ``.txt``, at most
1 GiB, Content-Type ``text/plain`` (URL lists: see ``URL_LIST_TYPES``), no Content-Encoding, UTF-8 without BOM, lines of
at most 65,535 bytes, names URL-encoded. Encoding is form style (``+`` is a space, ``%2B`` a plus), as OMS's
synchronisation API has it. Where OMS says nothing: empty lines are skipped, a trailing CR is taken off, spaces belong
to the name, and a ``%`` without two hexadecimal digits stands for itself. Repeated keys: see ``distinct.py``.
"""

from __future__ import annotations

import re
from typing import Final, Generic, NamedTuple, TypeVar

from oms_engine.errors import ConfigError, TaskError
from oms_engine.model import ObjectHead
from oms_engine.records import decode_key
from oms_engine.store import GIB

MAX_LIST_BYTES: Final = GIB
MAX_LINE_BYTES: Final = 65_535
LIST_TYPES: Final = frozenset({"text/plain"})
"""What OMS states: https://support.huaweicloud.com/intl/en-us/productdesc-oms/oms_01_0038.html, and TRF.0019."""
URL_LIST_TYPES: Final = LIST_TYPES | {"application/octet-stream", "binary/octet-stream"}
"""OMS takes a URL list without a type of its own too: so the acceptance test of a URL_LIST group has it, in
https://github.com/huaweicloud/terraform-provider-huaweicloud (resource_huaweicloud_oms_migration_task_group_test.go).
"""
_BOM: Final = b"\xef\xbb\xbf"
# The scheme and the domain stand as they are; what follows is URL-encoded, so no spaces and nothing outside ASCII.
_URL: Final = re.compile(r"https?://[A-Za-z0-9.\-_\[\]:@]+(?:[/?#][!-~]*)?", re.IGNORECASE)


class ListEntry(NamedTuple):
    """One line of an object list."""

    line: int
    """1-based."""
    key: str


class UrlEntry(NamedTuple):
    """One line of a URL list."""

    line: int
    url: str
    """As written: URL-encoded."""
    key: str
    """The destination's object name."""


def check_list_name(key: str) -> None:
    """Check the name of a list file.

    Raises:
        ConfigError: TRF.0014.
    """
    if not key.endswith(".txt"):
        raise ConfigError(f"list file {key!r} must have a name that ends in .txt: rename it", code="TRF.0014")


def check_list_head(head: ObjectHead, types: frozenset[str] = LIST_TYPES) -> None:
    """Check what a list file's HEAD states: name, size, Content-Type (one of ``types``), Content-Encoding.

    Raises:
        ConfigError: TRF.0014 name or size, TRF.0017 empty, TRF.0019 Content-Type or Content-Encoding.
    """
    check_list_name(head.key)
    if head.size is not None and head.size > MAX_LIST_BYTES:
        message = f"list file {head.key!r} has {head.size} bytes, {MAX_LIST_BYTES} at most are allowed: split it"
        raise ConfigError(message, code="TRF.0014")
    if head.size == 0:
        raise ConfigError(f"list file {head.key!r} is empty: write one object name per line", code="TRF.0017")
    kind = (head.attributes.content_type or "").partition(";")[0].strip().lower()
    if kind not in types:
        message = f"list file {head.key!r} has Content-Type {kind or 'none'}: store it as text/plain"
        raise ConfigError(message, code="TRF.0019")
    if head.attributes.content_encoding:
        message = f"list file {head.key!r} has a Content-Encoding: store it without one, uncompressed"
        raise ConfigError(message, code="TRF.0019")


E = TypeVar("E", ListEntry, UrlEntry)


class LineParser(Generic[E]):
    """Cut bytes into lines, check and decode them."""

    def __init__(self, name: str = "list file", first_line: int = 1) -> None:
        """``first_line`` is the number of the first line that will be fed."""
        self._name = name
        self._rest = b""
        self._line = first_line - 1
        self._found = False
        self._begun = first_line > 1

    @property
    def lines(self) -> int:
        """The number of the last line that ended."""
        return self._line

    def feed(self, chunk: bytes) -> list[E]:
        """Take the next bytes; return the entries of the lines they end.

        Raises:
            TaskError: TRF.0013 encoding, TRF.0016 URL list format, TRF.0018 line too long.
        """
        block = self._rest + chunk if self._rest else chunk
        if not self._begun:
            if len(block) < len(_BOM) and _BOM.startswith(block):
                self._rest = block
                return []
            self._begun = True
            if block.startswith(_BOM):
                raise TaskError("TRF.0013", f"{self._name} begins with a byte order mark: save it as UTF-8 without BOM")
        end = block.rfind(b"\n") + 1
        self._rest = block[end:]
        entries = self._parse(block[: end - 1]) if end else []
        if len(self._rest) > MAX_LINE_BYTES + 1:
            raise self._too_long(self._line + 1)
        return entries

    def finish(self) -> list[E]:
        """Return the entry of a last line without line feed.

        Raises:
            TaskError: as :meth:`feed`, and TRF.0017 when there was no entry at all.
        """
        rest, self._rest = self._rest, b""
        entries = self._parse(rest) if rest else []
        if not self._found:
            raise TaskError("TRF.0017", f"{self._name} is empty: write one entry per line")
        return entries

    def _parse(self, block: bytes) -> list[E]:
        """Return the entries of whole lines, which ``block`` holds without the last line feed."""
        if len(block) > MAX_LINE_BYTES:
            self._check_lengths(block)
        try:
            text = block.decode("utf-8")
        except UnicodeDecodeError as error:
            line = self._line + 1 + block.count(b"\n", 0, error.start)
            message = f"line {line} of {self._name} is not UTF-8: save the file as UTF-8 or URL-encode the names"
            raise TaskError("TRF.0013", message) from None
        lines = text.split("\n")
        first = self._line + 1
        self._line += len(lines)
        if "\r" in text:
            lines = [line.removesuffix("\r") for line in lines]
        entries = self._entries(lines, first)
        self._found = self._found or bool(entries)
        return entries

    def _check_lengths(self, block: bytes) -> None:
        for number, line in enumerate(block.split(b"\n"), self._line + 1):
            if len(line) > MAX_LINE_BYTES and len(line.removesuffix(b"\r")) > MAX_LINE_BYTES:
                raise self._too_long(number)

    def _too_long(self, number: int) -> TaskError:
        message = f"line {number} of {self._name} has more than {MAX_LINE_BYTES} bytes: one entry per line, please"
        return TaskError("TRF.0018", message)

    def _entries(self, lines: list[str], first: int) -> list[E]:
        raise NotImplementedError


class ObjectListParser(LineParser[ListEntry]):
    """Parse an object list file fed in pieces of any size."""

    def _entries(self, lines: list[str], first: int) -> list[ListEntry]:
        decode = decode_key
        entry = ListEntry
        return [
            entry(number, decode(line) if "%" in line or "+" in line else line)
            for number, line in enumerate(lines, first)
            if line
        ]


class UrlListParser(LineParser[UrlEntry]):
    """Parse a URL list file fed in pieces of any size: ``<URL>`` TAB ``<destination object name>`` per line."""

    def _entries(self, lines: list[str], first: int) -> list[UrlEntry]:
        return [self._entry(line, number) for number, line in enumerate(lines, first) if line]

    def _entry(self, line: str, number: int) -> UrlEntry:
        url, *names = line.split("\t")
        if len(names) != 1:
            raise self._bad(number, "write the URL, exactly one TAB and the destination's object name")
        if not _URL.fullmatch(url):
            raise self._bad(number, "begin with http:// or https:// and URL-encode what follows the domain")
        if not names[0]:
            raise self._bad(number, "give the destination's object name after the TAB")
        return UrlEntry(number, url, decode_key(names[0]))

    def _bad(self, number: int, remedy: str) -> TaskError:
        return TaskError("TRF.0016", f"line {number} of {self._name} is no entry of a URL list: {remedy}")
