"""Random lives of a migration against a plain model: every listed key has exactly one end, whatever crashes when."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, precondition, rule

from contract.ledgers import BOXES, open_run, report, settlement, take_lists
from oms_engine.ledger import Checkpoint, Ledger, Segment, SegmentState
from oms_engine.model import Outcome
from oms_engine.task import Counters

KEYS = 40
CAP = 6


@dataclass
class Model:
    """What must be true: each key's end, what is parked, who holds which range."""

    ends: dict[str, Outcome] = field(default_factory=dict)
    parked: set[str] = field(default_factory=set)
    failed_rows: list[str] = field(default_factory=list)
    uploaded: Counter[tuple[Outcome, str]] = field(default_factory=Counter)


class LedgerMachine(RuleBasedStateMachine):
    """All ledgers live the same life; after every step they agree with the model and with each other.

    The bucket holds the keys 000…039. Runners hold a claimed segment and report the next keys of its range, maybe twice,
    maybe long after their lease was lost.
    """

    leases = Bundle("leases")
    reports = Bundle("reports")

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="ledger-machine-"))
        self.boxes = [make(self.directory / kind, failure_cap=CAP) for kind, make in BOXES.items()]
        self.ledgers: list[Ledger] = [box.open() for box in self.boxes]
        self.model = Model()
        self.runs = 0
        self.steps = 0  # crashes and new runs are rare, so that lives grow long enough to be interesting

    def all_say(self, method: str, *args, **kwargs):
        """Call all ledgers; they must answer alike."""
        one, *others = (getattr(ledger, method)(*args, **kwargs) for ledger in self.ledgers)
        assert all(other == one for other in others), (method, args, one, others)
        return one

    @initialize()
    def first_run(self) -> None:
        """Begin."""
        self.begin("r1", resumed=False)

    def begin(self, rules: str, *, resumed: bool, retry: bool = False) -> None:
        """Open a run on all and start the model over unless it is resumed."""
        self.rules, self.retry = rules, retry
        for ledger in self.ledgers:
            info = open_run(ledger, rules=rules, retry=retry)
            assert info.resumed is resumed
            assert info.run == self.runs + (not resumed)
        if not resumed:
            self.runs += 1
            self.model = Model()
            self.all_say("add_segments", [Segment(0, lo="", hi="019"), Segment(0, lo="019")])

    @rule(target=leases)
    def claim(self):
        """Lease a segment."""
        segment = self.all_say("claim")
        return multiple() if segment is None else segment

    @rule(target=reports, lease=leases, ends=st.lists(st.sampled_from([*Outcome, None]), max_size=12))
    def checkpoint(self, lease: Segment, ends: list[Outcome | None]):
        """Report the next keys of a range: some ended, some parked (None). A lost lease must change nothing."""
        now = next((s for s in self.all_say("segments") if s.id == lease.id), None)
        current = now is not None and (now.epoch, now.state) == (lease.epoch, SegmentState.LEASED)
        base = now if current and now else lease
        told = self.render(base, lease.epoch, ends)
        accepted = self.all_say("checkpoint", told)
        done_already = now is not None and now.epoch == lease.epoch and now.state is SegmentState.DONE
        assert accepted is (current or done_already)
        if current:
            self.believe(told)
        return told

    def render(self, base: Segment, epoch: int, ends: list[Outcome | None]) -> Checkpoint:
        """Give the next keys of the range these ends."""
        begun = max(base.lo, base.marker)
        rest = [key for key in (f"{n:03}" for n in range(KEYS)) if key > begun and (base.hi is None or key <= base.hi)]
        chosen = dict(zip(rest, ends, strict=False))
        keys = {end: tuple(key for key in chosen if chosen[key] is end) for end in [*Outcome, None]}
        return report(
            base.id,
            epoch,
            max(chosen, default=base.marker),
            migrated=keys[Outcome.MIGRATED],
            skipped=keys[Outcome.SKIPPED],
            failed=keys[Outcome.FAILED],
            waiting=keys[None],
            before=base.counters,
            done=len(chosen) == len(rest),
        )

    def believe(self, told: Checkpoint) -> None:
        """Take a committed report into the model: no key may end twice."""
        for outcome, line in told.records:
            key = line.strip()
            assert key not in self.model.ends
            assert key not in self.model.parked
            self.model.ends[key] = outcome
        self.model.parked |= {item.key for item in told.parked}
        self.fail(*(item.key for item in told.failures))

    def fail(self, *keys: str) -> None:
        """Keep failed rows up to the cap."""
        self.model.failed_rows += keys[: CAP - len(self.model.failed_rows)]

    @rule(told=reports)
    def repeat(self, told: Checkpoint) -> None:
        """Send an earlier report again: the answer may be either, but nothing changes."""
        before = self.all_say("segments"), self.all_say("totals"), self.all_say("reasons")
        current = {(s.id, s.epoch) for s in before[0] if s.state is not SegmentState.TODO}
        accepted = self.all_say("checkpoint", told)
        assert accepted is ((told.segment, told.epoch) in current)
        assert (self.all_say("segments"), self.all_say("totals"), self.all_say("reasons")) == before

    @rule(lease=leases, at=st.integers(0, KEYS).map("{:03}".format))
    def split(self, lease: Segment, at: str) -> None:
        """Cut a range: together the halves are the whole, and the cut was never reported."""
        before = {s.id: s for s in self.all_say("segments")}
        tail = self.all_say("split", lease.id, lease.epoch, at)
        if tail is not None:
            whole = before[lease.id]
            after = {s.id: s for s in self.all_say("segments")}
            assert (tail.lo, tail.hi, after[lease.id].hi) == (at, whole.hi, at)
            assert max(whole.lo, whole.marker) < at
            assert whole.epoch == lease.epoch

    @rule(lease=leases)
    def lose_a_runner(self, lease: Segment) -> None:
        """Release one lease, if it is still the current one."""
        before = {s.id: s for s in self.all_say("segments")}.get(lease.id)
        held = before is not None and (before.epoch, before.state) == (lease.epoch, SegmentState.LEASED)
        self.all_say("release", lease.id, lease.epoch)
        after = {s.id: s for s in self.all_say("segments")}.get(lease.id)
        assert after == (replace(before, state=SegmentState.TODO) if held and before else before)

    @rule(data=st.data(), outcome=st.sampled_from(Outcome))
    def settle(self, data: st.DataObject, outcome: Outcome) -> None:
        """End some key: exactly the parked ones can be settled, once."""
        key = data.draw(st.sampled_from(sorted(self.model.parked) or ["000"]) | st.just("001"))
        settled = self.all_say("settle", settlement(key, outcome))
        assert settled is (key in self.model.parked)
        if settled:
            self.model.parked.remove(key)
            self.model.ends[key] = outcome
            self.fail(*([key] if outcome is Outcome.FAILED else []))

    @rule(due=st.floats(0, 9), at=st.floats(0, 9))
    def postpone(self, due: float, at: float) -> None:
        """Look later at what is due now: nothing is lost by waiting."""
        for item in self.all_say("due", at, 3):
            self.all_say("postpone", item.key, due)
        self.all_say("next_due")

    @rule(limit=st.integers(0, 60))
    def upload_lists(self, limit: int) -> None:
        """Take the lists that reached a limit (0: all) to the bucket."""
        one, *others = (take_lists(ledger, limit_bytes=limit) for ledger in self.ledgers)
        assert all(other == one for other in others)
        self.model.uploaded.update((outcome, key) for outcome, keys in one.items() for key in keys)

    @precondition(lambda self: self.steps % 4 == 0)
    @rule(limit=st.integers(1, 60))
    def crash_between_upload_and_note(self, limit: int) -> None:
        """Close lists and die before they are noted as uploaded: they are offered again, unchanged."""
        before = [self.contents(ledger, limit) for ledger in self.ledgers]
        self.crash()
        assert [self.contents(ledger, limit) for ledger in self.ledgers] == before

    @staticmethod
    def contents(ledger: Ledger, limit: int) -> list[tuple[Outcome, str, bytes]]:
        """Read the closed lists."""
        ready = ledger.records_ready(everything=False, limit_bytes=limit)
        return [(outcome, name, Path(path).read_bytes()) for outcome, name, path in ready]

    @precondition(lambda self: self.steps % 4 == 1)
    @rule()
    def crash(self) -> None:
        """Kill the process and start it again with the same rules."""
        for box in self.boxes:
            box.crash()
        self.ledgers = [box.open() for box in self.boxes]
        self.begin(self.rules, resumed=True, retry=self.retry)

    @precondition(lambda self: self.steps % 12 == 11)
    @rule(rules=st.sampled_from(["r1", "r2"]), succeeded=st.booleans())
    def next_run(self, rules: str, succeeded: bool) -> None:
        """Finish the run and begin the next."""
        self.all_say("finish_run", succeeded=succeeded)
        self.begin(rules, resumed=False)

    @invariant()
    def balanced(self) -> None:
        """The counters are exactly the ends of the model's keys, and they balance."""
        self.steps += 1
        totals = self.all_say("totals")
        ends = Counter(self.model.ends.values())
        assert totals.balanced
        assert totals.listed == len(self.model.ends) + len(self.model.parked)
        assert [totals.migrated, totals.skipped, totals.failed] == [ends[outcome] for outcome in Outcome]
        assert totals.waiting == self.all_say("parked_count") == len(self.model.parked)
        assert sum(self.all_say("reasons").values()) == len(self.model.ends)

    @invariant()
    def failures_are_kept(self) -> None:
        """The rows are the first failures up to the cap, and more are flagged."""
        failed = sum(outcome is Outcome.FAILED for outcome in self.model.ends.values())
        assert [item.key for item in self.all_say("failures")] == sorted(self.model.failed_rows)
        assert self.all_say("failures_overflowed") is (failed > CAP)

    @invariant()
    def ranges_tile_the_key_space(self) -> None:
        """Segments neither overlap nor leave a gap, and no key below a marker is without an end."""
        segments = sorted(self.all_say("segments"), key=lambda segment: segment.lo)
        assert segments[0].lo == ""
        assert segments[-1].hi is None
        assert all(a.hi == b.lo for a, b in pairwise(segments))

    def teardown(self) -> None:
        """At the end the lists, uploaded and spooled, hold each ended key once, under its outcome."""
        for ledger in self.ledgers:
            lists = self.model.uploaded + Counter(
                (outcome, key) for outcome, keys in take_lists(ledger).items() for key in keys
            )
            assert lists == Counter((outcome, key) for key, outcome in self.model.ends.items())
            ledger.close()
        shutil.rmtree(self.directory)


LedgerMachine.TestCase.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)
TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.__doc__ = "Random lives keep the balance."


def test_counters_know_an_unbalanced_set() -> None:
    """The invariant the machine relies on can fail."""
    assert not Counters(listed=1).balanced
