"""What a node knows of a task that it runs, and what becomes of its row. Pure; ``runner`` and ``ends`` carry it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from oms_adapters.config import StoreConfig
from oms_engine.frozen import dataclass
from oms_engine.model import Secret, TaskType
from oms_engine.session import EngineSettings
from oms_engine.store import MIB
from oms_engine.task import Counters, MigrationSpec, Result, TaskState
from oms_engine.wire import WireSettings
from oms_worker.db.tasks import ProgressUpdate, TaskRow
from oms_worker.errors import sentence_of
from oms_worker.figures import NOT_YET, Figures, Look, figures_of, final_figures, forward
from oms_worker.host_process import HostTask
from oms_worker.ledgers import Ledgers
from oms_worker.openfiles import fitting_connections
from oms_worker.services.tasks import parse_policy
from oms_worker.settings import ServiceSettings, Work
from oms_worker.states import Event, Task

INTERNAL = "TRF.0001"
BY_OBJECTS = frozenset({TaskType.LIST.value, TaskType.URL_LIST.value})
"""Task types whose progress OMS counts in objects."""


@dataclass(frozen=True, slots=True)
class RunPlan:
    """A task as the engine runs it."""

    spec: MigrationSpec
    source: StoreConfig
    destination: StoreConfig
    listing: StoreConfig | None = None
    """The bucket of its list file."""


class Planner(Protocol):
    """Makes a plan of a task's row. Pure."""

    def __call__(self, task: TaskRow, secrets: Mapping[str, Secret], keys: Sequence[str]) -> RunPlan:
        """Plan ``task`` with the secrets it was given; ``keys`` are its inline keys, URL-encoded, mostly none.

        The runner itself sets name, bandwidth policy and ``retry_failed`` of the specification.

        Raises:
            ConfigError: it cannot be carried out; its code becomes the task's.
        """
        ...


class EndHook(Protocol):
    """Who must know of a task's end in the same transaction: task groups, sync tasks, notifications."""

    async def __call__(self, connection: AsyncConnection, task: TaskRow, result: Result) -> None:
        """``task`` is the row after its end: status 3, 4 or 5. An exception undoes the end, which is tried again."""
        ...


@dataclass(slots=True)
class Run:
    """What this node knows of a task it runs."""

    row: TaskRow
    policy: Sequence[Mapping[str, Any]]
    """The bandwidth policy it was last told."""
    pausing_since: float | None = None
    """Monotonic time."""
    look: Look | None = None
    """The latest one that its row has not been told yet."""
    result: Result | None = None
    """It has ended; its row has not been told yet."""
    stated: Figures = field(init=False)
    """The figures that its row has."""

    def __post_init__(self) -> None:
        self.stated = self.row.figures

    @property
    def by_objects(self) -> bool:
        """Whether progress counts objects."""
        return self.row.request.get("task_type") in BY_OBJECTS

    def take_update(self, now: float) -> ProgressUpdate | None:
        """Return the figures that the row has not been told yet."""
        spent = self.row.total_time_ms(now)
        if self.result is not None:
            if not has_counts(self.result):
                return None
            figures = self._ended(self.result, spent)
            figures = replace(figures, progress=min(figures.progress, NOT_YET))  # its end is held back: it still runs
        elif self.look is not None:
            found = figures_of(self.look, spent, by_objects=self.by_objects, carried=self.row.carried)
            figures, self.look = forward(self.stated, found), None
        else:
            return None
        self.stated = figures
        return ProgressUpdate(self.row.id, self.row.generation, figures.columns())

    def _ended(self, result: Result, spent: int) -> Figures:
        """Return the figures of an end; of a run that did not get through, what it had stated does not shrink."""
        figures = final_figures(result, spent, by_objects=self.by_objects, carried=self.row.carried)
        return figures if result.complete else forward(self.stated, figures)

    def end_values(self, row: TaskRow, result: Result, after: Task, now: float) -> dict[str, Any]:
        """Return the columns of ``row`` that its end sets; ``after`` is the state that follows."""
        spent = row.total_time_ms(now)
        values: dict[str, Any] = {"owner": None, "spent_ms": spent, "claimed_at": None, "migrate_speed": 0}
        if has_counts(result):
            values |= self._ended(result, spent).columns()
            values |= {"records": dict(result.records), "record_errors": dict(result.record_errors)}
        values["left_time_ms"] = 0
        if after in {Task.FAILED, Task.SUCCEEDED}:
            values["ended_at"] = now
        if after is Task.FAILED:
            code = result.error_code or INTERNAL
            values |= {"error_code": code, "error_msg": (result.error_message or sentence_of(code))[:1024]}
        return values


def host_task(row: TaskRow, plan: RunPlan, settings: ServiceSettings, ledgers: Ledgers) -> HostTask:
    """Return what a host must know to run a task."""
    spec = replace(
        plan.spec,
        name=row.name,
        bandwidth=parse_policy(row.bandwidth_policy, settings.zone),
        retry_failed=row.migrate_failed_object,
    )
    return HostTask(
        id=row.id,
        generation=row.generation,
        run=row.run,
        spec=spec,
        source=plan.source,
        destination=plan.destination,
        listing=plan.listing,
        settings=engine_settings(settings.work),
        ledgers=ledgers,
        count_ahead=settings.work.count_ahead,
    )


def failure(code: str, message: str) -> Result:
    """Return the end of a run that could not begin."""
    return Result(TaskState.FAILED, Counters(), 0.0, error_code=code, error_message=message)


def has_counts(result: Result) -> bool:
    """Whether the result knows the ledger's counters: that of a run that could not begin does not."""
    return bool(result.counters.listed) or result.complete


def event_of(result: Result) -> Event:
    """Return what a result is in the state table; a pause is a release, the row knows whether it was asked for."""
    if result.state is TaskState.SUCCEEDED:
        return Event.SUCCEEDED
    return Event.FAILED if result.state is TaskState.FAILED else Event.RELEASED


def engine_settings(work: Work) -> EngineSettings:
    """Return how hard one of many tasks works, within the limit of open files, which task hosts inherit."""
    connections = fitting_connections(work.connections_per_task)
    wire = WireSettings(
        ca_file=str(work.ca_file) if work.ca_file else None,
        verify=work.verify_tls,
        proxy=work.proxy,
        no_proxy=work.no_proxy,
        max_connections=connections,
        min_rate=work.min_rate,
    )
    return EngineSettings(
        wire=wire,
        connections=connections,
        memory_bytes=work.memory_mib_per_task * MIB,
        patience=work.patience_seconds,
    )
