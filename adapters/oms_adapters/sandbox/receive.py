"""Receiving a request's body: digests are checked as the bytes come in, aws-chunked framing is taken off."""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Protocol

import fastcrc

from oms_adapters.sandbox.blob import Blob
from oms_adapters.sandbox.http import Exchange
from oms_adapters.sandbox.refusal import Refusal
from oms_adapters.sandbox.request import Incoming

UNSIGNED = "UNSIGNED-PAYLOAD"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_LINE_LIMIT = 16 * 1024


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


class _Crc:
    """A CRC with hashlib's face."""

    def __init__(self, step: Callable[[bytes, int], int], width: int) -> None:
        self._step, self._width, self.value = step, width, 0

    def update(self, data: bytes, /) -> None:
        self.value = self._step(data, self.value)

    def digest(self) -> bytes:
        return self.value.to_bytes(self._width, "big")


class _Crc64(_Crc):
    """CRC-64/XZ, which OBS states as a decimal number."""

    def __init__(self) -> None:
        super().__init__(fastcrc.crc64.xz, 8)

    def digest(self) -> bytes:
        return str(self.value).encode("ascii")


# https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
_CHECKSUMS: dict[str, Callable[[], _Digest]] = {
    "x-amz-checksum-crc32": lambda: _Crc(zlib.crc32, 4),
    "x-amz-checksum-crc32c": lambda: _Crc(fastcrc.crc32.iscsi, 4),
    "x-amz-checksum-sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "x-amz-checksum-sha256": hashlib.sha256,
}


async def receive(exchange: Exchange, incoming: Incoming, payload_hash: str | None, *, flip: int | None = None) -> Blob:
    """Return the request's body once it is whole and what its headers announced.

    ``payload_hash`` is the signed x-amz-content-sha256, None in dialects that have none. ``flip`` is the offset of a
    byte that arrives damaged.

    Raises:
        Refusal: BadDigest, InvalidCRC64, InvalidDigest, XAmzContentSHA256Mismatch, IncompleteBody, NotImplemented.
        ClientGone: the connection ended first.
    """
    checks = _announced(incoming, payload_hash)
    trailers: dict[str, str] = {}
    source = exchange.body()
    if payload_hash == UNSIGNED_TRAILER:
        trailer = incoming.headers.get("x-amz-trailer", "").strip().lower()
        if trailer in _CHECKSUMS:
            checks.append((trailer, _CHECKSUMS[trailer](), None, "BadDigest"))
        source = _unchunked(source, trailers)
    pieces: list[bytes] = []
    async for piece in source:
        if flip is not None and not pieces:
            at = flip % len(piece)
            piece = piece[:at] + bytes([piece[at] ^ 1]) + piece[at + 1 :]  # noqa: PLW2901
        pieces.append(piece)
        for _, digest, _, _ in checks:
            digest.update(piece)
    for name, digest, wanted, code in checks:
        expected = wanted if wanted is not None else _base64(trailers.get(name, ""))
        if digest.digest() != expected:
            raise Refusal(code)
    md5 = next((digest.digest() for name, digest, _, _ in checks if name == "content-md5"), None)
    return Blob(pieces, md5=md5)


_Check = tuple[str, _Digest, bytes | None, str]


def _announced(incoming: Incoming, payload_hash: str | None) -> list[_Check]:
    headers = incoming.headers
    checks: list[_Check] = []
    if "content-md5" in headers:
        wanted = _base64(headers["content-md5"])
        if len(wanted) != 16:
            raise Refusal("InvalidDigest")
        checks.append(("content-md5", hashlib.md5(usedforsecurity=False), wanted, "BadDigest"))
    if payload_hash not in {None, UNSIGNED, UNSIGNED_TRAILER}:
        assert payload_hash is not None
        if len(payload_hash) != 64:
            raise Refusal("NotImplemented", f"Payload type {payload_hash} is not supported")
        wanted = bytes.fromhex(payload_hash)
        checks.append(("sha256", hashlib.sha256(), wanted, "XAmzContentSHA256Mismatch"))
    if "x-amz-checksum-crc64nvme" in headers:
        raise Refusal("NotImplemented", "CRC-64/NVME is not supported")
    # On a completion the header announces the checksum of the whole object, not of the request.
    if incoming.operation != "CompleteMultipartUpload":
        checks += [
            (name, make(), _base64(headers[name]), "BadDigest") for name, make in _CHECKSUMS.items() if name in headers
        ]
        checks += [
            (name, _Crc64(), headers[name].encode("latin-1"), "InvalidCRC64")
            for name in headers
            if name.endswith("-checksum-crc64ecma")
        ]
    return checks


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Refusal("InvalidDigest") from None


async def _unchunked(source: AsyncIterator[bytes], trailers: dict[str, str]) -> AsyncIterator[bytes]:
    """Take aws-chunked framing off and collect its trailers.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
    """
    reader = _Lines(source)
    while size := _chunk_size(await reader.line()):
        left = size
        while left:
            piece = await reader.some(left)
            left -= len(piece)
            yield piece
        if await reader.line():
            raise Refusal("IncompleteBody")
    while line := await reader.line():
        name, _, value = line.decode("latin-1").partition(":")
        trailers[name.strip().lower()] = value.strip()
    async for _ in source:
        pass


def _chunk_size(line: bytes) -> int:
    try:
        return int(line.partition(b";")[0], 16)
    except ValueError:
        raise Refusal("IncompleteBody") from None


class _Lines:
    """Lines and counted bytes out of a stream of pieces."""

    def __init__(self, source: AsyncIterator[bytes]) -> None:
        self._source = source
        self._rest = b""

    async def line(self) -> bytes:
        while (end := self._rest.find(b"\r\n")) < 0:
            if len(self._rest) > _LINE_LIMIT:
                raise Refusal("IncompleteBody")
            self._rest += await self._next()
        line, self._rest = self._rest[:end], self._rest[end + 2 :]
        return line

    async def some(self, most: int) -> bytes:
        data = self._rest or await self._next()
        self._rest = data[most:]
        return data[:most]

    async def _next(self) -> bytes:
        try:
            return await anext(self._source)
        except StopAsyncIteration:
            raise Refusal("IncompleteBody") from None
