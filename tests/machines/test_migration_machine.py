"""Lives of a migration against a model: objects come, change and go while runs end, pause, crash, fail and are retried."""

import asyncio
import itertools
import shutil
import tempfile
from pathlib import Path

import uvloop
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from oms_adapters.sandbox import Answer, Fault, Match
from oms_engine.errors import ConfigError
from oms_engine.store import MIB
from oms_engine.task import TaskState
from oms_worker.sqlite_ledger import SqliteLedger
from support.fixtures import MEMORY
from support.migrations import World, quick

KEYS = ["a", "a/", "a/../b", "a//b", "é", "e\u0301", "new\nline", "%41", "+", "dir/x", "dir/y", "big", "zz"]
SIZES = {"small": 10, "streamed": MIB + 5, "large": 17 * MIB}
_NUMBERS = itertools.count(1)


class MigrationLife(RuleBasedStateMachine):
    """One source, one destination, one state file, and what they should hold."""

    clouds = None

    def __init__(self):
        super().__init__()
        number = next(_NUMBERS)
        self.directory = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self.world = World(self.clouds, f"life-src-{number}", f"life-dst-{number}", self.directory)
        self.source = {}
        """Key -> body."""
        self.there = {}
        """Key -> body that a run must have brought."""
        self.broken = {}
        """Key that the source refuses -> nothing."""
        self.unfinished = False
        self.steady = {}
        """Keys and bodies that have not changed since the unfinished run began."""
        self.touched = set()
        """Keys that were put or deleted since then."""
        self.failed = set()
        """Keys that failed in the last finished run."""
        self.serial = itertools.count()

    def teardown(self):
        """Give the buckets back."""
        self.world.s3.faults.clear()
        self.world.forget()
        shutil.rmtree(self.directory)

    # ---- the source lives ---------------------------------------------------------------------------------------

    @rule(key=st.sampled_from(KEYS), size=st.sampled_from(["small"] * 6 + ["streamed", "large"]))
    def put(self, key, size):
        """An object is stored, or replaced by another."""
        # Each has a size of its own: a listing's times are whole seconds, too coarse for a life as quick as this.
        number = next(self.serial)
        body = (f"{number} of {key!r} ".encode() * (SIZES[size] // 8 + 50))[: SIZES[size] + number]
        self.world.source.put(key, body)
        self.source[key] = body
        self.touched.add(key)

    @rule(keys=st.sets(st.sampled_from(KEYS), max_size=6))
    def put_several(self, keys):
        """Some small objects are stored."""
        for key in sorted(keys):
            self.put(key=key, size="small")

    @rule(key=st.sampled_from(KEYS))
    def delete(self, key):
        """An object goes; its copy stays."""
        self.world.source.delete(key)
        self.source.pop(key, None)
        self.touched.add(key)

    @rule(key=st.sampled_from(KEYS))
    def refuse(self, key):
        """The source refuses to give an object."""
        self.broken[key] = None
        self.arm()

    @precondition(lambda self: self.broken)
    @rule()
    def allow(self):
        """The source gives everything again."""
        self.broken.clear()
        self.arm()

    def arm(self):
        """Arm the refusals."""
        self.world.s3.faults.clear()
        for key in self.broken:
            quoted = key.replace("[", "[[]")
            fault = Fault(
                Match(operation="GetObject", key=quoted, bucket=self.world.source.name),
                Answer(403, "AccessDenied"),
                times=None,
            )
            self.world.s3.faults.add(fault)

    # ---- runs ---------------------------------------------------------------------------------------------------

    def begin(self):
        """Note what a run finds."""
        if not self.unfinished:
            self.steady = dict(self.source)
            self.touched = set()
        self.unfinished = True

    @rule()
    def run(self):
        """A run goes to its end, on from where the last one stopped."""
        self.begin()
        resumed_over = set(self.touched)
        ran = self.world.run()
        assert ran.result.complete
        self.settle(ran, resumed_over)

    def settle(self, ran, uncertain):
        """Hold a finished run against the model; ``uncertain`` changed while it was interrupted."""
        self.unfinished = False
        ended = set().union(*map(set, ran.lists.values()))
        certain = {key: body for key, body in self.steady.items() if key not in uncertain}
        assert set(certain) <= ended <= set(self.steady) | uncertain
        self.failed = set(ran.lists["failed"])
        arrived = self.world.arrived()
        for key, body in certain.items():
            if key in ran.lists["failed"]:
                continue
            assert self.world.destination.get(key) == body, key
            self.there[key] = body
        for key in uncertain:
            self.there.pop(key, None)
            if key in arrived:
                self.there[key] = self.world.destination.get(key)

    @rule()
    def run_twice(self):
        """A run after a finished one has nothing to do but what fails."""
        self.run()
        self.begin()
        again = self.world.run()
        assert not again.lists["success"]
        self.settle(again, set())

    @rule(ends=st.integers(0, 6), crash=st.booleans())
    def stop_in_the_middle(self, ends, crash):
        """A run is paused, or taken away without a word, after some objects ended."""
        self.begin()
        state = self.cut_short(ends, crash=crash)
        if state is not None and state.complete:
            ledger = SqliteLedger(self.world.state)
            ledger.close()
            self.unfinished = False
            self.failed = set()
            for key, item in self.world.arrived().items():
                self.there[key] = self.world.destination.get(item.key)
            self.steady_failed(state)

    def steady_failed(self, result):
        """Note what failed in a run that ended before it could be stopped."""
        self.failed = set(self.world.lists(result.name)["failed"])

    def cut_short(self, ends, *, crash):
        """Run until some objects ended, then pause or cancel; return the result, None after a crash."""
        ledger = SqliteLedger(self.world.state)
        migration = self.world.migration(ledger, settings=quick(connections=2))

        async def drive():
            task = asyncio.ensure_future(migration.run())
            while not task.done():
                counters = migration.progress.counters
                if counters.migrated + counters.skipped + counters.failed >= ends:
                    break
                await asyncio.sleep(0.001)
            if crash:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                return None if task.cancelled() else task.result()
            migration.pause()
            return await task

        try:
            result = uvloop.run(drive())
        finally:
            ledger.close()
        assert result is None or result.counters.balanced
        assert result is None or result.state in {TaskState.PAUSED, TaskState.SUCCEEDED, TaskState.FAILED}
        return result

    @precondition(lambda self: self.failed and not self.unfinished)
    @rule()
    def retry(self):
        """A retry goes through the failed objects alone."""
        wanted = set(self.failed)
        ran = self.world.run(retry_failed=True)
        assert set().union(*map(set, ran.lists.values())) == wanted
        assert ran.result.complete
        self.failed = set(ran.lists["failed"])
        assert self.failed <= set(self.broken) | {key for key in wanted if key not in self.source}
        for key in ran.lists["success"]:
            assert self.world.destination.get(key) == self.source[key]
            self.there[key] = self.source[key]

    @precondition(lambda self: not self.failed and not self.unfinished)
    @rule()
    def retry_nothing(self):
        """With nothing failed a retry is refused."""
        try:
            self.world.run(retry_failed=True)
        except ConfigError as error:
            assert error.code == "OMS.1027"  # noqa: PT017 - a state machine has no pytest.raises with rules
        else:
            raise AssertionError("there was nothing to retry")

    # ---- always -------------------------------------------------------------------------------------------------

    @invariant()
    def nothing_that_arrived_is_lost(self):
        """What a run brought stays as it is until a run brings something newer."""
        arrived = self.world.arrived()
        for key, body in self.there.items():
            assert key in arrived
            if not self.unfinished:
                assert self.world.destination.get(key) == body, key


def test_lives(clouds):
    """Whatever happens between the runs, every key has one end and what arrived is what was there."""
    machine = type("Life", (MigrationLife,), {"clouds": clouds})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=20, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
