"""Brings parked objects on: large ones as threads are free, archived ones as they fall due. Beside the segments."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress

from oms_engine.errors import Stopped
from oms_engine.ledger import Ledger, Parked, ParkKind, Settlement
from oms_engine.parked import Later
from oms_engine.session import Session
from oms_engine.slots import Slot, WorkerLost

RESTORES_AT_ONCE = 64
HOLD_PARKED = 100_000
"""The listing waits while this many objects are parked: they are rows, not memory, but a disk is no ocean either."""
LONGEST_NAP = 1.0


class ParkingLot:
    """The parked objects of one run, in the process that owns the ledger."""

    def __init__(self, session: Session, ledger: Ledger, slots: Sequence[Slot], *, resumed: bool) -> None:
        self._session = session
        self._ledger = ledger
        self._slots = slots
        self._turn = 0
        self._failure: Exception | None = None
        self._resumed = resumed
        self._lost: set[str] = set()
        """Keys whose worker died: what it was doing may have been done."""
        self._active: dict[str, asyncio.Task[None]] = {}
        self._kinds: dict[str, ParkKind] = {}
        self._wake = asyncio.Event()
        self._no_more = False
        self._next_restore = 0.0

    def wake(self) -> None:
        """Look again: something was parked, or the run stops."""
        self._wake.set()

    def last_call(self) -> None:
        """Nothing will be parked any more: ``work`` ends when the lot is empty."""
        self._no_more = True
        self._wake.set()

    async def work(self) -> None:
        """Run until the lot is empty after the last call, or until the run stops.

        Raises:
            TaskError: no object can be moved any more.
            RepositoryError: the ledger cannot be written.
        """
        session = self._session
        while True:
            self._wake.clear()
            if not session.stopping and self._failure is None:
                self._start_due()
                self._hold(self._ledger.parked_count() > HOLD_PARKED)
            if self._failure is not None and not self._active:
                raise self._failure
            if not self._active and (session.stopping or (self._no_more and self._ledger.next_due() is None)):
                return
            await self._nap()

    def _hold(self, held: bool) -> None:
        for slot in self._slots:
            slot.hold(held)

    async def _nap(self) -> None:
        due = self._ledger.next_due()
        nap = LONGEST_NAP if due is None else min(LONGEST_NAP, max(0.02, due - time.time()))
        with suppress(TimeoutError):
            async with asyncio.timeout(nap if len(self._active) < RESTORES_AT_ONCE else LONGEST_NAP):
                await self._wake.wait()

    def _start_due(self) -> None:
        rooms = {ParkKind.LARGE: max(4, self._session.bulk_pace.limit), ParkKind.ARCHIVED: RESTORES_AT_ONCE}
        for kind, size in rooms.items():
            busy = sum(1 for active in self._kinds.values() if active is kind)
            if busy >= size:
                continue
            for entry in self._ledger.due(time.time(), size + busy, kind):
                if entry.key in self._active:
                    continue
                if busy >= size:
                    break
                busy += 1
                self._start(entry)

    def _start(self, entry: Parked) -> None:
        task = asyncio.get_running_loop().create_task(self._bring(entry))
        self._active[entry.key] = task
        self._kinds[entry.key] = entry.kind

    async def _bring(self, entry: Parked) -> None:
        try:
            if entry.kind is ParkKind.ARCHIVED:
                await self._restore_turn()
            resumed = self._resumed or entry.key in self._lost
            self._note(await self._next_slot().revisit(entry, resumed=resumed))
        except Stopped:
            return
        except WorkerLost:
            self._lost.add(entry.key)
        except Exception as error:  # noqa: BLE001  (whatever it is, it ends the run: work() raises it)
            self._failure = self._failure or error
        finally:
            del self._active[entry.key], self._kinds[entry.key]
            self._wake.set()

    def _note(self, result: Settlement | Later) -> None:
        live = self._session.live
        if isinstance(result, Later):
            self._ledger.postpone(result.key, result.due)
        elif self._ledger.settle(result):
            live.outcomes[result.outcome] += 1
            live.bytes[result.outcome] += result.size
            live.parked -= 1

    def _next_slot(self) -> Slot:
        """Take turns among the slots that are up; more are started when there is much to do."""
        ready = [slot for slot in self._slots if slot.ready()]
        if len(self._active) > 2 * len(ready):
            for slot in self._slots:
                slot.warm()
        self._turn += 1
        return ready[self._turn % len(ready)]

    async def _restore_turn(self) -> None:
        """Keep restore requests and looks under the policy's rate."""
        policy = self._session.spec.restore
        if policy is None:
            return
        now = time.monotonic()
        turn = max(now, self._next_restore)
        self._next_restore = turn + 1 / policy.requests_per_second
        await asyncio.sleep(turn - now)

    async def close(self) -> None:
        """Cancel what is under way; it stays parked."""
        tasks = list(self._active.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
