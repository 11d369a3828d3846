"""Checksums of bytes on their way: CRC-64/XZ always, MD5 where a side can be checked by it.

CRC-64/XZ (ECMA-182, reflected) is what OBS, OSS and COS keep for their objects. Parts are hashed separately and
joined by :func:`combine_crc64`, so parallel parts need no second pass over the bytes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from functools import lru_cache
from typing import Final

from fastcrc import crc64 as fastcrc64

from oms_engine.md5 import Md5, shared_md5

# The polynomial of CRC-64/XZ, bit-reversed: https://reveng.sourceforge.io/crc-catalogue/17plus.htm#crc.cat.crc-64-xz
_POLY: Final = 0xC96C5795D7870F42
_ONE: Final = 1 << 63  # x^0: the reflected form holds the lowest power in the highest bit
_HEX_MD5: Final = re.compile(r"[0-9a-fA-F]{32}", re.ASCII)
MAX_CRC64: Final = (1 << 64) - 1


class Digests:
    """Size, CRC-64/XZ and, when asked for, MD5 of bytes given piece by piece."""

    __slots__ = ("_md5", "crc64", "size")

    def __init__(self, *, md5: bool = False, shared: bool = False) -> None:
        """``shared``: a thread hashes with others at the same time (see :mod:`oms_engine.md5`)."""
        self.size: int = 0
        """Bytes seen."""
        self.crc64: int = 0
        """CRC-64/XZ of the bytes seen; 0 for none."""
        self._md5: Md5 | None = None
        if md5:
            self._md5 = shared_md5() if shared else hashlib.md5(usedforsecurity=False)

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Take in the next bytes. Large pieces are hashed without the interpreter's lock."""
        self.size += data.nbytes if isinstance(data, memoryview) else len(data)
        self.crc64 = fastcrc64.xz(data, self.crc64)
        if self._md5 is not None:
            self._md5.update(data)

    @property
    def md5(self) -> bytes | None:
        """MD5 of the bytes seen (16 bytes), None when it was not asked for."""
        return None if self._md5 is None else self._md5.digest()

    def hash_by(self, md5: Md5) -> None:
        """Have another one compute the MD5, or know it."""
        self._md5 = md5

    def drop_md5(self) -> None:
        """Compute no MD5 after all: it costs as much as moving the bytes."""
        self._md5 = None

    def append(self, crc64: int, size: int) -> None:
        """Take in bytes that were hashed elsewhere, by their CRC-64. MD5 cannot follow and is dropped."""
        self.crc64 = combine_crc64(self.crc64, crc64, size)
        self.size += size
        if size:
            self._md5 = None


def crc64(data: bytes | bytearray | memoryview, before: int = 0) -> int:
    """Return CRC-64/XZ of ``data``, going on from the checksum of the bytes before it."""
    return int(fastcrc64.xz(data, before))


def combine_crc64(first: int, second: int, second_size: int) -> int:
    """Return the checksum of two runs of bytes from theirs; ``second_size`` is the length of the second, in bytes."""
    return _multiply(_shift(second_size), first) ^ second


def _by_x(value: int) -> int:
    """Multiply a polynomial by x."""
    return (value >> 1) ^ _POLY if value & 1 else value >> 1


def _reductions() -> list[int]:
    """Return, for every four bits that leave at the top, what x^4 leaves of them modulo the polynomial."""
    table = []
    for low in range(16):
        value = low
        for _ in range(4):
            value = _by_x(value)
        table.append(value)
    return table


_REDUCE: Final = _reductions()


def _multiply(a: int, b: int) -> int:
    """Multiply two polynomials over GF(2) modulo CRC-64/XZ's, in reflected form: four bits of ``a`` at a time."""
    bx = _by_x(b)
    bx2 = _by_x(bx)
    bx3 = _by_x(bx2)
    pairs = (0, bx3, bx2, bx2 ^ bx3)
    multiples = [*pairs, *(bx ^ p for p in pairs), *(b ^ p for p in pairs), *(b ^ bx ^ p for p in pairs)]
    product = 0
    for bit in range(0, 64, 4):  # the lowest bits hold the highest powers
        product = (product >> 4) ^ _REDUCE[product & 15] ^ multiples[(a >> bit) & 15]
    return product


@lru_cache(maxsize=1024)  # parts have few different sizes
def _shift(size: int) -> int:
    """Return x^(8 * size): what ``size`` more bytes do to a checksum."""
    power = _ONE
    place = 0
    while size:
        if size & 0xFF:
            power = _multiply(_powers(place)[size & 0xFF], power)
        size >>= 8
        place += 1
    return power


@lru_cache(maxsize=8)
def _powers(place: int) -> list[int]:
    """Return x^(8 * n * 256^place) for n from 0 to 255."""
    # x^8 is one bit, eight below x^0; further places are the 256th power of the one before.
    step = _ONE >> 8 if place == 0 else _multiply(_powers(place - 1)[255], _powers(place - 1)[1])
    powers = [_ONE]
    for _ in range(255):
        powers.append(_multiply(step, powers[-1]))
    return powers


def render_md5(md5: bytes) -> str:
    """Write an MD5 as Content-MD5 has it: base64."""
    return base64.b64encode(md5).decode("ascii")


def parse_md5_or_none(text: str) -> bytes | None:
    """Read a Content-MD5; None when it is not the base64 of 16 bytes."""
    try:
        md5 = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    return md5 if len(md5) == 16 else None


def parse_etag_md5_or_none(etag: str) -> bytes | None:
    """Read an ETag as an MD5: 32 hexadecimal digits without ``-``; None for any other."""
    return bytes.fromhex(etag) if _HEX_MD5.fullmatch(etag) else None


def render_crc64(value: int) -> str:
    """Write a CRC-64 as the stores' headers have it: unsigned decimal."""
    return str(value)


def parse_crc64_or_none(text: str) -> int | None:
    """Read a CRC-64 header (unsigned decimal); None when it is not one."""
    text = text.strip()
    if not (text.isascii() and text.isdigit()) or len(text) > 20:
        return None
    value = int(text)
    return value if value <= MAX_CRC64 else None
