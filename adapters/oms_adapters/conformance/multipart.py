"""Objects in parts: order, sizes, resuming, aborting."""

from __future__ import annotations

import hashlib

from fastcrc import crc64

from oms_adapters.conformance.case import case
from oms_adapters.conformance.harness import Harness
from oms_engine.errors import DigestRefused, InvalidRequest, UploadGone
from oms_engine.model import WrittenPart
from oms_engine.store import Capabilities


def _multipart(capabilities: Capabilities) -> bool:
    return capabilities.multipart


def _part(harness: Harness, key: str, upload: str, number: int, body: bytes, md5: bytes | None = None) -> WrittenPart:
    call = harness.store.write_part(key, upload, number, size=len(body), body=body, md5=md5)
    part = harness.perform(call)
    assert isinstance(part, WrittenPart)
    return part


def _bodies(harness: Harness) -> list[bytes]:
    size = harness.store.capabilities.min_part_size
    return [b"1" * size, b"2" * (size + 1), b"3" * 10]


def _open_ids(harness: Harness, key: str) -> list[str]:
    """Return the ids of the open uploads of a key, from all pages."""
    found: list[str] = []
    after = None
    while True:
        page = harness.perform(harness.store.list_uploads(key, after=after))
        found += [upload.upload_id for upload in page.uploads if upload.key == key]
        if page.next is None or page.next == after:
            return found
        after = page.next


@case(_multipart)
def check_multipart(harness: Harness) -> None:
    """Parts sent in any order are joined by number; attributes and class are those of the start."""
    key = f"{harness.prefix}parts/a + b%"
    upload = harness.upload(key, content_type="video/x-test", user={"a": "1"})
    bodies = _bodies(harness)
    parts = {number: _part(harness, key, upload, number, bodies[number - 1]) for number in (3, 1, 2)}
    harness.perform(harness.store.complete_upload(key, upload, [parts[number] for number in (1, 2, 3)]))
    head, body = harness.fetch(harness.store.read(key))
    assert body == b"".join(bodies)
    assert (head.attributes.content_type, head.attributes.user) == ("video/x-test", {"a": "1"})
    assert head.md5 in {None, hashlib.md5(body).digest()}, "the ETag of an object in parts was taken for an MD5"


@case(lambda capabilities: capabilities.multipart and capabilities.states_crc64)
def check_multipart_crc64(harness: Harness) -> None:
    """Given every part's CRC-64/XZ, the store keeps that of the whole object; a wrong one is refused."""
    key = f"{harness.prefix}parts/crc64"
    whole = int(crc64.xz(b"".join(_bodies(harness))))
    for damage in (1, 0):
        upload, bodies = harness.upload(key), _bodies(harness)
        parts = [_part(harness, key, upload, number, body) for number, body in enumerate(bodies, start=1)]
        known = [part._replace(crc64=int(crc64.xz(body)) ^ damage) for part, body in zip(parts, bodies, strict=True)]
        call = harness.store.complete_upload(key, upload, known)
        if not damage:
            assert harness.perform(call).crc64 in {None, whole}
            break
        try:
            harness.perform(call)
        except (DigestRefused, InvalidRequest):
            harness.perform(harness.store.abort_upload(key, upload))
        else:
            raise AssertionError("parts with another CRC-64 were joined")
    assert harness.head(key).crc64 == whole


@case(lambda capabilities: capabilities.multipart and capabilities.part_etag_is_md5)
def check_part_md5(harness: Harness) -> None:
    """A part's stated MD5 is that of its bytes; one that is not as announced is refused."""
    key = f"{harness.prefix}parts/md5"
    upload = harness.upload(key)
    body = b"part"
    assert _part(harness, key, upload, 1, body, hashlib.md5(body).digest()).md5 == hashlib.md5(body).digest()
    harness.perform(harness.store.abort_upload(key, upload))


@case(_multipart)
def check_wrong_part_md5(harness: Harness) -> None:
    """A part that is not as announced by Content-MD5 is refused."""
    key = f"{harness.prefix}parts/wrong-md5"
    upload = harness.upload(key)
    try:
        _part(harness, key, upload, 1, b"part", hashlib.md5(b"other").digest())
    except DigestRefused:
        return
    finally:
        harness.perform(harness.store.abort_upload(key, upload))
    raise AssertionError("the damaged part was accepted")


@case(_multipart)
def check_resume(harness: Harness) -> None:
    """An upload is found again, its parts are listed with sizes, a part is replaced, and the rest completes it."""
    key = f"{harness.prefix}parts/resume"
    upload, bodies = harness.upload(key), _bodies(harness)
    assert upload in _open_ids(harness, key)
    _part(harness, key, upload, 1, b"0" * len(bodies[0]))
    first = _part(harness, key, upload, 1, bodies[0])
    _part(harness, key, upload, 2, bodies[1])
    found = harness.perform(harness.store.list_parts(key, upload)).parts
    assert [(part.number, part.size) for part in found] == [(1, len(bodies[0])), (2, len(bodies[1]))]
    assert found[0].etag == first.etag
    assert [part.number for part in harness.perform(harness.store.list_parts(key, upload, after=1)).parts] == [2]
    last = _part(harness, key, upload, 3, bodies[2])
    harness.perform(harness.store.complete_upload(key, upload, [*found, last]))
    assert harness.body(key) == b"".join(bodies)
    assert upload not in _open_ids(harness, key)


@case(_multipart)
def check_abort(harness: Harness) -> None:
    """An aborted upload is gone: to list, to write and to complete; aborting it again is no error."""
    key = f"{harness.prefix}parts/abort"
    upload = harness.upload(key)
    part = _part(harness, key, upload, 1, b"part")
    harness.perform(harness.store.abort_upload(key, upload))
    harness.perform(harness.store.abort_upload(key, upload))
    assert upload not in _open_ids(harness, key)
    store = harness.store
    calls = (
        store.list_parts(key, upload),
        store.write_part(key, upload, 2, size=1, body=b"x"),
        store.complete_upload(key, upload, [part]),
    )
    for call in calls:
        try:
            harness.perform(call)
        except UploadGone:
            continue
        raise AssertionError(f"{call.operation} of an aborted upload was answered")


@case(_multipart)
def check_small_part(harness: Harness) -> None:
    """A part below the minimum, other than the last, is refused."""
    key = f"{harness.prefix}parts/small"
    upload = harness.upload(key)
    parts = [_part(harness, key, upload, number, b"small") for number in (1, 2)]
    try:
        harness.perform(harness.store.complete_upload(key, upload, parts))
    except InvalidRequest:
        harness.perform(harness.store.abort_upload(key, upload))
        return
    raise AssertionError("parts below the minimum were joined")


@case(_multipart)
def check_gaps_between_parts(harness: Harness) -> None:
    """Part numbers need not be contiguous."""
    key = f"{harness.prefix}parts/gaps"
    upload, bodies = harness.upload(key), _bodies(harness)
    parts = [_part(harness, key, upload, 2, bodies[0]), _part(harness, key, upload, 10_000, bodies[2])]
    harness.perform(harness.store.complete_upload(key, upload, parts))
    assert harness.body(key) == bodies[0] + bodies[2]
