"""Before an interrupted run goes on: does the destination still hold what the run has recorded as migrated?

Keys up to a marker are not compared again. So a destination that was emptied or rolled back meanwhile would be taken
for complete; a sample of HEADs notices it, and then the run begins anew: what is there still is skipped.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from oms_engine.errors import ConfigError, NotFound, ObjectError, StoreError, TaskError
from oms_engine.ledger import Ledger, Segment
from oms_engine.model import ListedObject, OverwriteMode, key_before
from oms_engine.plan import decide_scope, destination_key
from oms_engine.records import parse_success_line
from oms_engine.scope import KEYS, open_keys
from oms_engine.session import Session, StoreOpener

LATEST = 10
"""Of the objects that were recorded last, how many are asked for."""
SPREAD = 10
"""And of those recorded before, evenly."""
FIRST = 5
"""Objects at the beginning of a range that are asked for."""
RANGES = 8
"""Ranges whose beginning is looked at."""
MOST = 10_000
"""Keys of a list that are read again to choose among them."""
KNOWN = 1000
"""With more failed or parked objects than this, the beginnings of ranges prove nothing cheaply and are left out."""


class Sample(NamedTuple):
    """An object that must lie at the destination."""

    key: str
    """As it is called there."""
    size: int | None


async def vanished(session: Session, ledger: Ledger, list_store: StoreOpener | None) -> str | None:
    """Return a sentence when what this run recorded is not at the destination any more, else None."""
    if session.spec.dry_run:
        return None
    samples = {
        sample.key: sample for sample in [*await _beginnings(session, ledger, list_store), *_lines(session, ledger)]
    }
    gone = [key for key in await asyncio.gather(*(_gone(session, entry) for entry in samples.values())) if key]
    if not gone:
        return None
    return (
        f"began anew: {len(gone)} of {len(samples)} objects that were asked for, {gone[0]!r} among them, had ended"
        " before the interruption and are not at the destination any more, or have another size"
    )


async def _gone(session: Session, sample: Sample) -> str | None:
    async with session.sight.heads:
        try:
            head = await session.wire.call(session.destination.head(sample.key))
        except NotFound:
            return sample.key
        except StoreError:
            return None
    return sample.key if None not in {sample.size, head.size} and sample.size != head.size else None


def pick(lines: list[str]) -> list[str]:
    """Return the last lines and some of those before, evenly."""
    before = lines[:-LATEST]
    return lines[-LATEST:] + before[:: max(1, -(-len(before) // SPREAD))]


def _lines(session: Session, ledger: Ledger) -> list[Sample]:
    """Choose among the lines that are not in the destination bucket yet."""
    spec = session.spec
    found = []
    for line in pick(ledger.migrated_lines()):
        name, size = parse_success_line(line)
        found.append(Sample(destination_key(name, spec.strip_prefix, spec.save_prefix), size))
    return found


async def _beginnings(session: Session, ledger: Ledger, list_store: StoreOpener | None) -> list[Sample]:
    """Choose the first objects of ranges that were begun."""
    failures = {failure.key for failure in ledger.failures(limit=KNOWN)}
    if len(failures) == KNOWN or ledger.parked_count() > KNOWN:
        return []
    ended_otherwise = failures | {entry.key for entry in ledger.due(float("inf"), KNOWN)}
    begun = [segment for segment in ledger.segments() if segment.counters.listed][:RANGES]
    chosen: list[Sample] = []
    for segment in begun:
        try:
            if segment.list_offset == KEYS:
                chosen += await _first_named(session, ledger, segment, ended_otherwise, list_store)
            else:
                chosen += await _first_listed(session, segment, ended_otherwise)
        except (StoreError, ObjectError, TaskError, ConfigError):
            continue  # whatever it is, the run itself meets it
    return chosen


async def _first_listed(session: Session, segment: Segment, ended_otherwise: set[str]) -> list[Sample]:
    call = session.source.list_page(segment.prefix, start_after=segment.lo, limit=4 * FIRST)
    page = await session.wire.call(call)
    up_to = segment.marker
    kept = [
        entry
        for entry in page.objects
        if up_to and not key_before(up_to, entry.key) and entry.key not in ended_otherwise and _must_be(session, entry)
    ]
    unequal = session.overwrite is OverwriteMode.NO_OVERWRITE  # then what is there may have any size
    return [_sample(session, entry.key, None if unequal else entry.size) for entry in kept[:FIRST]]


def _must_be(session: Session, entry: ListedObject) -> bool:
    """Whether an object that did not fail must be there: listed at the run's start, and in scope."""
    since = session.spec.migrate_since
    return entry.last_modified < session.run_started and (since is None or decide_scope(entry, since) is None)


async def _first_named(
    session: Session, ledger: Ledger, segment: Segment, ended_otherwise: set[str], list_store: StoreOpener | None
) -> list[Sample]:
    if session.spec.migrate_since is not None or not session.source.capabilities.lists:
        return []  # an object out of scope is in no list that is at hand
    keys = await open_keys(session.spec, segment, ledger, session.wire, list_store)
    if keys is None:
        return []
    done = int(segment.marker or "0")
    chosen: list[str] = []
    async for marker, names in keys.batches(after=0):
        chosen += names
        if marker >= min(done, MOST):
            break
    kept = [name for name in chosen[:done] if name not in ended_otherwise]
    return [_sample(session, name, None) for name in pick(kept)]


def _sample(session: Session, key: str, size: int | None) -> Sample:
    spec = session.spec
    return Sample(destination_key(session.name_of(key), spec.strip_prefix, spec.save_prefix), size)
