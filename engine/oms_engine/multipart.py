"""The large-object branch of the journey: parts side by side, resumable by part, proved part by part.

An upload is remembered before its first part, and each part after its bytes were proved, so a killed process goes on
with the parts it has; only what both the memory and the store know is reused. An upload of another version of the
object, or of another cut, is aborted first.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass

from oms_engine.chained import Chain, is_proof
from oms_engine.digest import Digests
from oms_engine.ends import Copied
from oms_engine.errors import (
    ChecksumMismatch,
    DigestRefused,
    InvalidRequest,
    NotFound,
    ObjectError,
    Retry,
    StoreError,
    UploadGone,
)
from oms_engine.ledger import Orphan, Upload
from oms_engine.looking import as_stored, exactly, is_packed, look, with_stored_disposition
from oms_engine.model import ListedObject, ObjectHead, Written, WrittenPart, same_etag
from oms_engine.orphans import Watched
from oms_engine.plan import PartPlan
from oms_engine.proving import stated
from oms_engine.session import Session, Stopped, write_options
from oms_engine.store import Call
from oms_engine.verify import Sent, joined_etag
from oms_engine.versions import refuse_other

PART_ATTEMPTS = 3
"""A part whose bytes arrive damaged is read and sent anew this often."""


@dataclass(slots=True)
class _Source:
    """The object whose parts are read."""

    listed: ListedObject
    head: ObjectHead
    """Its state when the journey began."""
    silent: bool = False
    """A part came without an ETag, so nothing said that it is of this version: it is asked for at the end."""
    chain: Chain | None = None
    """What computes the MD5 of the whole."""


async def move_in_parts(session: Session, listed: ListedObject, key: str, head: ObjectHead, plan: PartPlan) -> Copied:
    """Move one object in parts; ``head`` is its state now, ``plan`` its cut.

    Raises:
        ConditionFailed: the source was replaced meanwhile; the upload was aborted.
        UploadGone: somebody else ended the upload; it is forgotten.
        Stopped: the run pauses; proved parts are remembered.
    """
    upload, parts = await _open(session, key, head, plan)
    session.live.under_way.keep(listed.key, sum(part.size for part in parts.values()))
    source = _Source(listed, head)
    if not parts and is_proof(session, head):
        source.chain = Chain(session)
    try:
        await _send_missing(session, source, plan, upload, parts)
        if source.silent:
            refuse_other(head, await look(session, listed.key), store=session.source.label)
        ordered = [parts[number] for number in sorted(parts)]
        written = await _complete(session, key, upload.size, upload, ordered)
    except UploadGone:
        await abandon(session, upload)  # the store may be wrong
        raise
    except (StoreError, ObjectError) as error:
        # What may pass another time keeps its parts; the run's end clears away what nobody came back for.
        if not isinstance(error, StoreError) or error.retry is Retry.NEVER:
            await abandon(session, upload)
        raise
    finally:
        if source.chain is not None:
            source.chain.close()
    await session.uploads.forget_upload(key)
    digests = _joined(ordered)
    if source.chain is not None:
        head = await source.chain.prove(head, digests)
    return Copied(head, written, digests, _sent(ordered))


async def abandon(session: Session, upload: Upload) -> None:
    """Abort an upload at the destination; one that cannot be aborted now is remembered for the run's end."""
    await session.uploads.orphan_upload(upload.key)
    with suppress(StoreError):
        await session.wire.call(session.destination.abort_upload(upload.key, upload.upload_id))
        await session.uploads.forget_orphan(Orphan(upload.key, upload.upload_id))


async def _open(session: Session, key: str, head: ObjectHead, plan: PartPlan) -> tuple[Upload, dict[int, WrittenPart]]:
    """Return the upload to go on with and the parts it holds, a new one where none fits."""
    remembered = await session.uploads.upload(key)
    if remembered is not None:
        upload, proved = remembered
        same = same_etag(upload.source_etag, head.etag)
        if same and (upload.size, upload.part_size) == (plan.size, plan.part_size):
            try:
                return upload, await _stored(session, upload, proved)
            except UploadGone:
                await session.uploads.orphan_upload(key)
        else:
            await abandon(session, upload)
    return await _new_upload(session, key, head, plan), {}


async def _stored(session: Session, upload: Upload, proved: list[WrittenPart]) -> dict[int, WrittenPart]:
    """Return the proved parts that the store still holds unchanged."""
    there: dict[int, WrittenPart] = {}
    after = 0
    while True:
        page = await session.wire.call(session.destination.list_parts(upload.key, upload.upload_id, after=after))
        there.update((part.number, part) for part in page.parts)
        if page.next_number is None:
            break
        after = page.next_number
    return {
        part.number: part
        for part in proved
        if part.number in there and (there[part.number].etag, there[part.number].size) == (part.etag, part.size)
    }


async def _send_missing(
    session: Session, source: _Source, plan: PartPlan, upload: Upload, parts: dict[int, WrittenPart]
) -> None:
    """Send every part that is not in ``parts`` yet, and add it there once proved."""
    numbers = iter([number for number in range(1, (plan.parts or 0) + 1) if number not in parts])

    async def carry() -> None:
        for number in numbers:
            if session.stopping:
                return
            if source.chain is not None:
                await source.chain.begin(plan.span(number))
            try:
                parts[number] = await _send_part(session, source, plan, upload, number)
                session.live.under_way.keep(source.listed.key, parts[number].size)
            except Stopped:
                return
            if source.chain is not None:
                await source.chain.ended()
            await session.uploads.save_part(upload.key, parts[number])

    carriers = [asyncio.ensure_future(carry()) for _ in range(plan.parallel)]
    try:
        await asyncio.gather(*carriers)
    except BaseException:
        for carrier in carriers:
            carrier.cancel()
        await asyncio.gather(*carriers, return_exceptions=True)
        raise
    if len(parts) < (plan.parts or 0):
        raise Stopped(f"paused within {source.listed.key!r}")


async def _send_part(session: Session, source: _Source, plan: PartPlan, upload: Upload, number: int) -> WrittenPart:
    """Send a part until its bytes are proved: by the MD5 its reply states, or by the one that went with it.

    Which of the two, a destination teaches: the first part whose reply proves nothing, or that is refused without an
    MD5 (as buckets with Object Lock do), is sent again, held in memory until its MD5 is known; so are all that follow.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html
    """
    size, damaged = plan.span(number).size, 0
    while damaged < PART_ATTEMPTS:
        held = session.learned.holds_parts
        try:
            part, digests = await _relay_part(session, source, plan, upload, number, held=held)
        except InvalidRequest:
            if held:
                raise
            part, digests = await _relay_part(session, source, plan, upload, number, held=True)
            held = session.learned.holds_parts = True
        if part.md5 is not None and part.md5 != digests.md5:
            damaged += 1
        elif part.md5 is None and not held:
            session.learned.holds_parts = True
        else:
            return WrittenPart(number, part.etag, size, digests.md5, digests.crc64)
    raise ChecksumMismatch(_damaged(number, source.listed.key, PART_ATTEMPTS))


async def _relay_part(
    session: Session, source: _Source, plan: PartPlan, upload: Upload, number: int, *, held: bool
) -> tuple[WrittenPart, Digests]:
    """Read a part and write it; return what the destination said, and the digests of what was passed on."""
    span, head, key = plan.span(number), source.head, source.listed.key
    hasher = None if source.chain is None else source.chain.hasher(span)

    def write_call(part_head: ObjectHead, digests: Digests) -> Call[WrittenPart]:
        refuse_other(head, part_head, store=session.source.label)  # a store may ignore If-Match
        source.silent |= not part_head.etag
        md5, crc64 = (digests.md5, digests.crc64) if held else (None, None)
        write_part = session.destination.write_part
        return write_part(upload.key, upload.upload_id, number, size=span.size, md5=md5, crc64=crc64)

    if session.fronted is None:
        read = session.source.read(key, span=span, if_match=head.etag or None)
    else:
        read = session.fronted.read_stated(head, span=span)
    if is_packed(head):
        read = as_stored(read)
    if not held:
        moved = await session.relay(read, write_call, key=key, size=span.size, md5=True, hasher=hasher)
        return moved.written, moved.digests
    await session.learned.held.acquire(span.size)
    try:
        moved = await session.relay(
            read, write_call, key=key, size=span.size, md5=True, hold=lambda _head: True, hasher=hasher
        )
    finally:
        session.learned.held.release(span.size)
    return moved.written, moved.digests


async def _complete(session: Session, key: str, size: int, upload: Upload, parts: list[WrittenPart]) -> Written:
    """Join the parts; when an unanswered completion went before, look at the object instead.

    Only what proves to be the join of these parts is taken for it: an object of the same size may be an old one, or
    somebody else's.
    """
    try:
        written = await _joined_by_store(session, upload, parts)
    except UploadGone as gone:
        try:
            there = await session.wire.call(session.destination.head(key))
        except NotFound:
            raise gone from None
        if there.size != size or not _is_join(there, parts):
            raise
        return Written(there.etag, there.md5, there.crc64, there.last_modified, there.encryption)
    if not written.etag:  # nothing says that they were joined: the upload is kept in mind until the object is seen
        await stated(session, key)
    return written


async def _joined_by_store(session: Session, upload: Upload, parts: list[WrittenPart]) -> Written:
    """Have the parts joined, their CRC-64 announced where the destination takes one.

    A destination that refuses it joins them without: what proves them is looked at afterwards in any case.
    """
    destination, learned = session.destination, session.learned
    announced = destination.capabilities.takes_crc64 and not learned.joins_unannounced
    join = destination.complete_upload
    try:
        call = join(upload.key, upload.upload_id, parts, announced=announced)
        return await session.wire.call(call, final=DigestRefused if announced else None)
    except (InvalidRequest, DigestRefused):
        if not announced:
            raise
        written = await session.wire.call(join(upload.key, upload.upload_id, parts, announced=False))
        learned.joins_unannounced = True
        return written


def _is_join(there: ObjectHead, parts: list[WrittenPart]) -> bool:
    """Whether an object is proved to be these parts joined: by its ETag, or by its CRC-64."""
    joined = _sent(parts).joined
    if joined and same_etag(there.etag.lower(), joined):
        return True
    return there.crc64 is not None and there.crc64 == _joined(parts).crc64


def _sent(parts: list[WrittenPart]) -> Sent:
    """Return what the parts, sent one by one, say of the whole: its ETag, where theirs are MD5s, here and as read."""
    md5s = [part.md5 for part in parts if part.md5 is not None]
    read = joined_etag(md5s) if len(md5s) == len(parts) else ""
    plain = all(part.md5 is not None and same_etag(part.etag.lower(), part.md5.hex()) for part in parts)
    return Sent(in_parts=True, joined=read if plain else "", read=read)


def _joined(parts: list[WrittenPart]) -> Digests:
    digests = Digests()
    for part in parts:
        digests.append(part.crc64 or 0, part.size)
    return digests


async def move_unknown(
    session: Session, listed: ListedObject, key: str, read: Call[ObjectHead], plan: PartPlan
) -> Copied:
    """Move an object whose size nobody states: read on, part by part, or at once when it ends within the first.

    One part is held in memory, so few grow beyond a small object's size at a time. An upload is not resumed, as nothing
    says whether the object is still the same.
    """
    small = session.settings.small_object_bytes
    async with AsyncExitStack() as held:
        await session.memory.acquire(small)
        held.callback(session.memory.release, small)
        return await _move_unknown(session, listed, key, read, plan, held)


async def _move_unknown(
    session: Session, listed: ListedObject, key: str, read: Call[ObjectHead], plan: PartPlan, gates: AsyncExitStack
) -> Copied:
    upload: Upload | None = None
    parts: list[WrittenPart] = []
    held = bytearray()
    grown = False
    flow = session.live.under_way.open(listed.key)
    try:
        async with session.wire.stream(read) as (served, chunks):
            refuse_other(listed, served, store=session.source.label)
            head = await with_stored_disposition(session, served)
            async for chunk in exactly(chunks, plan.size):
                await session.limiter.pace(len(chunk))
                session.count_bytes(len(chunk))
                flow.passed += len(chunk)
                held += chunk
                if not grown and len(held) > session.settings.small_object_bytes:
                    await session.unstated.acquire()
                    gates.callback(session.unstated.release)
                    grown = True
                if len(held) >= plan.part_size:
                    upload = upload or await _new_upload(session, key, head, plan)
                    parts.append(await _send_held(session, upload, len(parts) + 1, bytes(held[: plan.part_size])))
                    del held[: plan.part_size]
        digests = Digests(md5=upload is None)
        if upload is None:
            digests.update(held)
            options = write_options(session, head, md5=digests.md5, crc64=digests.crc64)
            call = session.destination.write(key, size=len(held), options=options, body=bytes(held))
            return Copied(head, await session.wire.call(call), digests, Sent(with_md5=True))
        if held:
            parts.append(await _send_held(session, upload, len(parts) + 1, bytes(held)))
        written = await _complete(session, key, _joined(parts).size, upload, parts)
    except BaseException:
        if upload is not None:
            await abandon(session, upload)
        raise
    await session.uploads.forget_upload(key)
    return Copied(head, written, _joined(parts), _sent(parts))


async def _new_upload(session: Session, key: str, head: ObjectHead, plan: PartPlan) -> Upload:
    """Open an upload. The request is remembered before it is made, until every repetition of it was answered."""
    watched = Watched(session.destination.start_upload(key, options=write_options(session, head)))
    request = await session.uploads.begin_upload(key)
    try:
        upload_id = await session.wire.call(watched.call)
    except StoreError:
        if not watched.unanswered:
            await session.uploads.forget_orphan(request)
        raise
    upload = Upload(key, upload_id, head.etag, plan.size or 0, plan.part_size)
    await session.uploads.save_upload(upload)
    if not watched.unanswered:
        await session.uploads.forget_orphan(request)
    return upload


async def _send_held(session: Session, upload: Upload, number: int, body: bytes) -> WrittenPart:
    digests = Digests(md5=True)
    digests.update(body)
    call = session.destination.write_part(
        upload.key, upload.upload_id, number, size=len(body), body=body, md5=digests.md5, crc64=digests.crc64
    )
    part = await session.wire.call(call)
    if part.md5 not in {None, digests.md5}:
        raise ChecksumMismatch(_damaged(number, upload.key, 1))
    return WrittenPart(number, part.etag, len(body), digests.md5, digests.crc64)


def _damaged(number: int, key: str, times: int) -> str:
    return (
        f"part {number} of {key!r} arrived damaged{f' {times} times' if times > 1 else ''}: its ETag is not the MD5 of "
        "what was sent (if ETags of this destination are no MD5s, say so: --destination-option etag_is_md5=false)"
    )
