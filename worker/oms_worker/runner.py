"""Runs tasks: looks at the database, gives waiting tasks to hosts, and writes down how they stand and end.

The database is the only truth: API calls change rows, and every turn (once a second, and when woken) makes what runs
here match them. Everything this node writes about a task is fenced by owner and generation, so a node that was taken
for dead and lives on changes nothing. Whatever is killed when: a task that was running is claimed again and goes on
from its ledger.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from oms_engine.errors import ConfigError, OmsError, RepositoryError
from oms_engine.model import Secret
from oms_engine.task import Result, TaskState
from oms_worker import kept_ledgers, scheduler
from oms_worker.claiming import Claimed, Claims
from oms_worker.db import kept, nodes
from oms_worker.db import tasks as rows
from oms_worker.db.engine import SCHEDULING_LOCK, Database
from oms_worker.db.tasks import Owned
from oms_worker.ends import Ends
from oms_worker.figures import Look
from oms_worker.host_process import Ended
from oms_worker.hosts import Hosts
from oms_worker.key_rings import KeyWatch, nothing_wrong
from oms_worker.ledgers import Ledgers
from oms_worker.running import INTERNAL, EndHook, Planner, Run, RunPlan, engine_settings, failure, host_task
from oms_worker.secrets import KeyRing
from oms_worker.services.tasks import parse_policy
from oms_worker.settings import ServiceSettings
from oms_worker.states import Task
from oms_worker.sweep import shrink, sweep
from oms_worker.takeover import release_all, release_some

__all__ = ["EndHook", "Planner", "RunPlan", "Runner", "engine_settings"]

log = logging.getLogger(__name__)

TURN_SECONDS = 1.0
TELL_SECONDS = 0.9
"""Between two times that figures are written: a little less than a turn without being woken."""
BEATS = 6
"""How often a node says that it lives before the lack of it makes it dead. One that could not do so for two thirds of
that time stops its tasks: another may be about to take them."""
SWEEP_SECONDS = 60.0
MOST_LOSSES = 5
"""A task whose host died this often in a row is taken to be the cause."""
PAUSE_ALL_SECONDS = 6.0
STUCK_SECONDS = 15.0
"""A host in which a task takes this long to pause does not hear us any more."""

NO_CREDENTIALS = "TRF.0151"


class Runner:
    """The tasks of this node."""

    def __init__(
        self,
        database: Database,
        keys: KeyRing,
        settings: ServiceSettings,
        planner: Planner,
        *,
        node_id: str,
        ledgers: Ledgers,
        hooks: Sequence[EndHook] = (),
        watch: KeyWatch = nothing_wrong,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._settings = settings
        self._planner = planner
        self._node = node_id
        self._ledgers = ledgers
        self._clock = clock
        self._ends = Ends(database, node_id, hooks)
        self._claims = Claims(database, keys, settings, node_id, self._ends, watch=watch)
        self._runs: dict[int, Run] = {}
        self._losses: dict[int, int] = {}
        self._dead_seconds = settings.work.dead_seconds
        self._woken = asyncio.Event()
        self._draining = False
        self._loop_task: asyncio.Task[None] | None = None
        self._beaten = self._swept = self._told = 0.0
        self._beat_ok = time.monotonic()
        self._stated = 0
        self.hosts = Hosts(settings.work.hosts or os.cpu_count() or 1, self)

    # ---- life -------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Make this node known, take up what its last process left, and begin.

        Raises:
            RepositoryError: the database cannot be written.
        """
        self._settings.ledger_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        now = self._clock()
        async with self._database.lock(SCHEDULING_LOCK) as connection:
            # On SQLite nobody else runs tasks: whoever did is gone.
            others = await nodes.other_owners(connection, besides=self._node) if self._database.on_sqlite else []
            await release_all(connection, [self._node, *others], now, "its process ended")
            await nodes.beat(connection, self._node, await nodes.clock(connection))
        self.hosts.start()
        self._loop_task = asyncio.create_task(self._loop(), name="runner")

    def wake(self) -> None:
        """Look at the database now; from the event loop."""
        self._woken.set()

    async def stop(self) -> None:
        """Shut down: nothing new is begun, what runs may end for a while, the rest is parked for another process."""
        self._draining = True
        await self._until_idle(self._settings.shutdown_seconds)
        for number in list(self._runs):
            self.hosts.pause(number)
        await self._until_idle(PAUSE_ALL_SECONDS, whole=True)
        if self._loop_task is not None:
            self._loop_task.cancel()
            with suppress(asyncio.CancelledError):
                await self._loop_task
        await self.hosts.close()
        with suppress(RepositoryError):
            async with self._database.write() as connection:
                await release_all(connection, [self._node], self._clock(), "its process shut down")
                await nodes.forget(connection, self._node)

    async def _until_idle(self, seconds: float, *, whole: bool = False) -> None:
        """Wait until nothing runs here any more, an end that is only held back left out unless ``whole``."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while any(whole or run.result is None for run in self._runs.values()):  # noqa: ASYNC110 - of many
                    await asyncio.sleep(0.05)

    @property
    def running(self) -> int:
        """How many tasks run here."""
        return len(self._runs)

    @property
    def healthy(self) -> bool:
        """Whether this node could lately say that it lives."""
        return time.monotonic() - self._beat_ok < self._dead_seconds * 2 / 3

    @property
    def complaint(self) -> str:
        """Why this node takes no tasks: its key ring is not that of the others."""
        return self._claims.complaint

    @property
    def _capacity(self) -> int:
        """How many tasks this node would run at once now."""
        able = self.hosts.ready and not self._draining and not self.complaint
        return self._settings.work.tasks if able else 0

    async def _loop(self) -> None:
        while True:
            self._woken.clear()
            began = time.monotonic()
            try:
                await self.turn()
            except RepositoryError as error:
                log.warning("the runner waits for the database: %s", error)
                self._fence()
            except Exception:
                log.exception("a turn of the runner failed")
                self._fence()
            # However often calls wake it, two thirds of the time are left to them.
            await asyncio.sleep(min(TURN_SECONDS, 2 * (time.monotonic() - began)))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), TURN_SECONDS)

    def _fence(self) -> None:
        """Stop everything when other nodes may think that this one is dead."""
        if not self._database.on_sqlite and not self.healthy and self._runs:
            log.error("this node could not say that it lives: its tasks are stopped")
            self._runs.clear()
            self.hosts.kill()

    async def turn(self) -> None:
        """Make what runs here match the database, once."""
        now = self._clock()
        await self._beat(now)
        await self._obey(now)
        await self._conclude_due(now)
        if not self._draining and self.hosts.ready:
            await self._claim(now)
        await self._tell_progress(now)
        if now - self._swept > SWEEP_SECONDS:
            self._swept = now
            await sweep(self._database, self._settings.ledger_dir, spare=self._runs)

    # ---- other nodes ------------------------------------------------------------------------------------------------

    async def _beat(self, now: float) -> None:
        if time.monotonic() - self._beaten < self._dead_seconds / BEATS and self._stated == self._capacity:
            return
        async with self._database.lock(SCHEDULING_LOCK) as connection:
            await self._claims.look_at_keys(connection)
            common, self._stated = await nodes.clock(connection), self._capacity
            await nodes.beat(connection, self._node, common, capacity=self._stated)
            dead = await nodes.dead_owners(connection, common - self._dead_seconds, besides=self._node)
            await release_all(connection, dead, now, "its node died")
            await nodes.forget_dead(connection, common - scheduler.DAY)
        self._beaten = self._beat_ok = time.monotonic()

    # ---- what rows ask for ------------------------------------------------------------------------------------------

    async def _obey(self, now: float) -> None:
        """Pause, change windows, let go of what is not ours any more, give back what we own and do not run."""
        async with self._database.read() as connection:
            owned = {item.id: item for item in await rows.owned_tasks(connection, self._node)}
        for number, run in list(self._runs.items()):
            found = owned.get(number)
            if found is None or found.generation != run.row.generation:
                log.warning("task %s is not this node's any more", number)
                del self._runs[number]
                self.hosts.cut(number)
            else:
                self._steer(run, found)
        adrift = [item.id for item in owned.values() if item.id not in self._runs]
        if adrift:
            await self._give_back(adrift, now)

    def _steer(self, run: Run, found: Owned) -> None:
        if found.status == Task.PAUSING:
            self._pause(run)
        if list(found.bandwidth_policy) != list(run.policy):
            run.policy = found.bandwidth_policy
            self.hosts.set_bandwidth(found.id, parse_policy(found.bandwidth_policy, self._settings.zone))

    def _pause(self, run: Run) -> None:
        now = time.monotonic()
        if run.pausing_since is None:
            run.pausing_since = now
            self.hosts.pause(run.row.id)
        elif run.result is None and now - run.pausing_since > STUCK_SECONDS:
            log.error("task %s does not pause: its host is ended", run.row.id)
            run.pausing_since = now
            self.hosts.kill_host_of(run.row.id)

    async def _give_back(self, ids: Sequence[int], now: float) -> None:
        async with self._database.write() as connection:
            await release_some(connection, self._node, ids, now, "its host died")

    # ---- beginning --------------------------------------------------------------------------------------------------

    async def _claim(self, now: float) -> None:
        claimed, more = await self._claims.take(self._settings.work.tasks - len(self._runs), now)
        for item in claimed:
            self._begin(item)
        if more:
            self.wake()

    def _begin(self, claimed: Claimed) -> None:
        row = claimed.row
        run = self._runs[row.id] = Run(row, row.bandwidth_policy)
        try:
            plan = self._planner(row, _kept(claimed.secrets), claimed.keys)
            if claimed.ledger is not None:
                kept_ledgers.restore(self._settings.ledger_dir, row.id, claimed.ledger)
            task = host_task(row, plan, self._settings, self._ledgers)
        except OmsError as error:
            code = error.code if isinstance(error, ConfigError) and error.code else INTERNAL
            run.result = failure(code, str(error))
            self.wake()
        except Exception as error:
            log.exception("task %s cannot be planned", row.id)
            run.result = failure(INTERNAL, f"the task cannot be planned ({type(error).__name__}); see the log")
            self.wake()
        else:
            self.hosts.run(task)

    # ---- what hosts say ---------------------------------------------------------------------------------------------

    def on_ready(self) -> None:
        """Begin what waits."""
        self.wake()

    def on_looks(self, looks: Mapping[tuple[int, int], Look]) -> None:
        """Remember how tasks stand until the next turn."""
        for (number, generation), look in looks.items():
            run = self._runs.get(number)
            if run is not None and run.row.generation == generation:
                run.look = look

    def on_ended(self, ended: Ended) -> None:
        """Conclude a task in the next turn."""
        run = self._runs.get(ended.id)
        if run is not None and run.row.generation == ended.generation:
            run.result = ended.result
            self._losses.pop(ended.id, None)
            self.wake()

    def on_lost(self, tasks: Mapping[int, int]) -> None:
        """Let lost tasks go on in another host; one that was lost too often fails."""
        for number, generation in tasks.items():
            run = self._runs.get(number)
            if run is None or run.row.generation != generation:
                continue
            self._losses[number] = self._losses.get(number, 0) + 1
            if self._losses[number] >= MOST_LOSSES:
                del self._losses[number]
                run.result = failure(INTERNAL, f"the process that ran it died {MOST_LOSSES} times")
            else:
                del self._runs[number]
        self.wake()

    # ---- ends -------------------------------------------------------------------------------------------------------

    async def _conclude_due(self, now: float) -> None:
        for number, run in list(self._runs.items()):
            if run.result is None or (self._held_back(run, now) and run.pausing_since is None and not self._draining):
                continue
            await self._ends.conclude(run, run.result, now)
            if self._runs.get(number) is run:
                del self._runs[number]
            await self._shrink(number, run.result)

    async def _shrink(self, number: int, result: Result) -> None:
        """Delete the ledger file of a task that has ended, now or, if this process is killed, at its next start."""
        if self._database.on_sqlite and result.state in {TaskState.SUCCEEDED, TaskState.FAILED}:
            async with self._database.read() as connection:
                status = (await kept.ended_among(connection, [number])).get(number)
            if status is not None:
                folder = self._settings.ledger_dir
                await shrink(self._database, folder, number, succeeded=status == Task.SUCCEEDED)

    def _held_back(self, run: Run, now: float) -> bool:
        """Whether the end is told later, for clients that expect a task to take its time."""
        return now < (run.row.claimed_at or now) + self._settings.minimum_task_seconds

    # ---- figures ----------------------------------------------------------------------------------------------------

    async def _tell_progress(self, now: float) -> None:
        """Write the figures of all tasks down, in one transaction, once a second."""
        if 0 <= now - self._told < TELL_SECONDS:
            return
        self._told = now
        updates = [update for run in self._runs.values() if (update := run.take_update(now)) is not None]
        if updates:
            async with self._database.write() as connection:
                await rows.write_progress(connection, self._node, updates)


def _kept(secrets: Mapping[str, Secret] | None) -> Mapping[str, Secret]:
    if secrets is None:
        raise ConfigError("its credentials are not kept any more: start it with credentials", code=NO_CREDENTIALS)
    return secrets
