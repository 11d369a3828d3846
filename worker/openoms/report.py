"""What a migration came to: the balance for people, OMS's task response for machines, the exit code. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any

from oms_engine.bandwidth import BandwidthPolicy
from oms_engine.frozen import dataclass
from oms_engine.task import Counters, MigrationSpec, Progress, Result, TaskState
from openoms.plan import Plan
from openoms.units import render_bytes, render_count, render_duration, render_rate


class ExitCode(IntEnum):
    """What a shell sees."""

    DONE = 0
    OBJECTS_FAILED = 1
    USAGE = 2
    TASK_FAILED = 3
    INTERRUPTED = 130


def exit_code(result: Result) -> ExitCode:
    """Return 130 when paused, 3 when the task failed as a whole, 1 when objects failed, else 0."""
    if result.state in {TaskState.PAUSED, TaskState.PAUSING}:
        return ExitCode.INTERRUPTED
    if result.state is TaskState.SUCCEEDED:
        return ExitCode.OBJECTS_FAILED if result.counters.failed else ExitCode.DONE
    if result.counters.failed and (result.error_code in {None, SOME_OBJECTS_FAILED}):
        return ExitCode.OBJECTS_FAILED
    return ExitCode.TASK_FAILED


SOME_OBJECTS_FAILED = "TRF.0062"
"""OMS's code of a task in which some objects could not be migrated."""


def balance_lines(result: Result, plan: Plan) -> list[str]:
    """Return the end of a run as plain lines: the balance, per reason, rate, lists, and what to do next."""
    return [
        *_headline(result, plan),
        *_balance(result, dry_run=plan.spec.dry_run),
        *_where_lists_lie(result, plan),
        *_open_uploads(result, plan),
        *_next_step(result, plan),
    ]


def _headline(result: Result, plan: Plan) -> list[str]:
    what = {
        TaskState.SUCCEEDED: "Done",
        TaskState.PAUSED: "Paused",
        TaskState.PAUSING: "Paused",
        TaskState.FAILED: "Failed",
    }.get(result.state, str(result.state.value))
    if result.state is TaskState.SUCCEEDED and plan.spec.dry_run:
        what = "Dry run, nothing was written"
    if exit_code(result) is ExitCode.OBJECTS_FAILED:
        what = "Finished, but some objects failed"
    return [f"{what}: {plan.source.url} -> {plan.destination.url}"]


ARCHIVED = "MIGRATE_SRC_ARCHIVE_OBJ_FAILURE"
"""OMS's code of an object that cannot be read before it is restored."""


def failure_sentence(result: Result) -> str:
    """Return why a task failed as a whole, and what to do about it."""
    return result.error_message or "the task failed"


def _balance(result: Result, *, dry_run: bool) -> list[str]:
    counters = result.counters
    rows = [
        ("listed", counters.listed, counters.listed_bytes),
        ("= migrated", counters.migrated, counters.migrated_bytes),
        ("+ skipped", counters.skipped, counters.skipped_bytes),
        ("+ failed", counters.failed, counters.failed_bytes),
    ]
    lines = [f"  {name:<11}{render_count(count):>12}  {render_bytes(size):>10}" for name, count, size in rows]
    if counters.waiting:
        lines.append(f"  {'+ waiting':<11}{render_count(counters.waiting):>12}")
    lines += [] if dry_run else [*_proved(result), *_seen(counters)]
    if not counters.balanced:
        lines.append("  THE BALANCE DOES NOT HOLD: this is a defect of OpenOMS, please report it.")
    lines += [f"      {render_count(count):>8}  {reason}" for reason, count in sorted(result.reasons.items())]
    if result.duplicates:
        lines.append(f"      {render_count(result.duplicates):>8}  keys were named more than once and counted once")
    lines += [f"  {result.note}"] if result.note else []
    return [*lines, _pace(result)]


def _proved(result: Result) -> list[str]:
    """Say by what the migrated objects were proved; what nothing proves is called by its size only."""
    found = ", ".join(f"{render_count(count)} by {method}" for method, count in sorted(result.proved.items()))
    return [f"  proved: {found}"] if found else []


def _seen(counters: Counters) -> list[str]:
    """Say how many of the migrated objects the destination was seen to hold; nothing where none was migrated."""
    if not counters.migrated:
        return []
    if counters.seen == counters.migrated:
        return [f"  seen at the destination: {render_count(counters.seen)}"]
    seen = f"{render_count(counters.seen)} of {render_count(counters.migrated)}"
    why = "--no-closing-look, or its key may neither list the bucket nor HEAD its objects"
    return [f"  seen at the destination: {seen} (for the others nobody looked: {why})"]


def _pace(result: Result) -> str:
    seconds = max(result.seconds, 1e-9)
    ended = result.counters.migrated + result.counters.skipped + result.counters.failed
    return (
        f"  {render_bytes(result.transferred_bytes)} in {render_duration(result.seconds)}: "
        f"{render_rate(result.transferred_bytes / seconds)}, {ended / seconds:,.0f} objects/s"
    )


def _where_lists_lie(result: Result, plan: Plan) -> list[str]:
    lines = [f"  {name} list: {plan.destination.url.label}/{folder}" for name, folder in sorted(result.records.items())]
    return (
        lines
        + [
            f"  the {name} list could not be written ({code}); the migration itself is not affected"
            for name, code in sorted(result.record_errors.items())
        ]
        + _samples(result)
    )


def _samples(result: Result) -> list[str]:
    """Say why objects failed, where no list does."""
    if "failed" in result.records and "failed" not in result.record_errors:
        return []
    return [f"  {code}, e.g. {text}" for code, text in result.failure_samples.items()]


LIFECYCLE = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpu-abort-incomplete-mpu-lifecycle-config.html"
"""How a bucket ends uploads by itself: AbortIncompleteMultipartUpload, which OBS, OSS and COS know too."""


def _open_uploads(result: Result, plan: Plan) -> list[str]:
    if not result.open_uploads:
        return []
    what = "1 upload in parts may be" if result.open_uploads == 1 else f"{result.open_uploads} uploads in parts may be"
    return [
        f"  {what} open at {plan.destination.url.label} still, and parts cost money: let the key abort uploads",
        "  and run the same command, or `openoms discard`; or have the bucket end them by a rule (its lifecycle):",
        f"  {LIFECYCLE}",
    ]


def _next_step(result: Result, plan: Plan) -> list[str]:
    code = exit_code(result)
    if code is ExitCode.INTERRUPTED:
        return ["  Run the same command again: it goes on where it stopped."]
    if code is ExitCode.OBJECTS_FAILED and not plan.spec.dry_run:
        archived = plan.spec.restore is None and any(ARCHIVED in reason for reason in result.reasons)
        hint = ["  Archived objects are restored first, and then copied, with --restore."] if archived else []
        return [*hint, "  Retry only what failed: the same command with --retry-failed."]
    return []


@dataclass(frozen=True, slots=True)
class _Sums:
    """OMS's sums of a run: skipped bytes count as processed, ``real_size`` leaves them out."""

    total_size: int
    complete_size: int
    real_size: int

    @classmethod
    def of(cls, counters: Counters) -> _Sums:
        done = counters.migrated_bytes + counters.skipped_bytes
        return cls(counters.listed_bytes, done, counters.listed_bytes - counters.skipped_bytes)


@dataclass(frozen=True, slots=True)
class _Told:
    """A finished run as a task of the service, so that both tell it alike; see ``shapes.task_response.TaskFacts``."""

    id: int
    name: str
    status: int
    request: Mapping[str, Any]
    bandwidth_policy: Sequence[Mapping[str, Any]]
    started_at: float
    milliseconds: int
    progress: float
    is_query_over: bool
    total_num: int
    successful_num: int
    failed_num: int
    skipped_num: int
    total_size: int
    complete_size: int
    real_size: int
    migrate_speed: int
    records: Mapping[str, str]
    record_errors: Mapping[str, str]
    error_code: str | None = None
    error_msg: str | None = None
    group_type: str = "NORMAL_TASK"
    group_id: str = ""
    priority: str = "MEDIUM"
    left_time_ms: int = 0
    smn_info: None = None

    def total_time_ms(self, now: float) -> int:
        """Return how long it took."""
        del now
        return self.milliseconds


def task_response(result: Result, plan: Plan) -> dict[str, Any]:
    """Return the fields of OMS's *Query a migration task* response, and ours under ``openoms``."""
    from oms_worker.shapes import task_response as shapes  # noqa: PLC0415 - pydantic: 0.1 s most runs do not need

    told = shapes.task_response(_told(result, plan), 0.0)
    return {**told, "openoms": _ours(result, plan)}


def _told(result: Result, plan: Plan) -> _Told:
    counters, sums = result.counters, _Sums.of(result.counters)
    code, milliseconds = exit_code(result), round(result.seconds * 1000)
    failed = result.state is TaskState.FAILED or code is ExitCode.OBJECTS_FAILED
    reason = _error_reason(result, code) or {}
    return _Told(
        id=result.task_id,
        name=result.name,
        status=TaskState.FAILED.status if failed else result.state.status,
        request=request_of(plan),
        bandwidth_policy=bandwidth_response(plan.spec.bandwidth),
        started_at=result.started_at,
        milliseconds=milliseconds,
        progress=_progress(counters, code),
        is_query_over=code in {ExitCode.DONE, ExitCode.OBJECTS_FAILED},
        total_num=counters.listed,
        successful_num=counters.migrated,
        failed_num=counters.failed,
        skipped_num=counters.skipped,
        total_size=sums.total_size,
        complete_size=sums.complete_size,
        real_size=sums.real_size,
        migrate_speed=sums.complete_size * 1000 // milliseconds if milliseconds else 0,
        records=result.records,
        record_errors=result.record_errors,
        error_code=reason.get("error_code"),
        error_msg=reason.get("error_msg"),
    )


def request_of(plan: Plan) -> dict[str, Any]:
    """Return the body of OMS that asks for what this plan does, without credentials."""
    spec = plan.spec
    return {
        "task_type": spec.scope.task_type.value,
        "description": plan.description,
        "src_node": _source_node(plan),
        "dst_node": {
            "bucket": plan.destination.url.bucket,
            "region": plan.destination.region or "",
            "save_prefix": spec.save_prefix,
        },
        "migrate_since": int(spec.migrate_since or 0),
        "enable_failed_object_recording": spec.record_failed,
        "enable_kms": spec.kms,
        "enable_metadata_migration": spec.metadata,
        "enable_restore": spec.restore is not None,
        "enable_requester_pays": plan.requester_pays,
        "object_overwrite_mode": spec.overwrite.value,
        "consistency_check": spec.check.value,
        "dst_storage_policy": spec.storage.value if spec.storage else None,
        "source_cdn": _source_cdn(plan),
    }


def _ours(result: Result, plan: Plan) -> dict[str, Any]:
    return {
        "exit_code": int(exit_code(result)),
        "state": result.state.value,
        "waiting_num": result.counters.waiting,
        "seen_num": result.counters.seen,
        "proved": dict(sorted(result.proved.items())),
        "reasons": dict(sorted(result.reasons.items())),
        "failure_samples": result.failure_samples,
        "records": dict(sorted(result.records.items())),
        "transferred_bytes": result.transferred_bytes,
        "duplicates": result.duplicates,
        "note": result.note,
        "open_uploads": result.open_uploads,
        "dry_run": plan.spec.dry_run,
    }


def _source_node(plan: Plan) -> dict[str, Any]:
    scope = plan.spec.scope
    node: dict[str, Any] = {
        "cloud_type": plan.source.url.cloud_type,
        "region": plan.source.region or "",
        "bucket": plan.source.url.bucket,
    }
    if scope.list_key is not None:
        node["list_file"] = {"list_file_key": scope.list_key, "obs_bucket": plan.list_bucket}
    else:
        node["object_key"] = list(scope.keys)
    return node


def _source_cdn(plan: Plan) -> dict[str, Any] | None:
    cdn = plan.source.cdn
    if cdn is None:
        return None
    endpoint = cdn.endpoint
    return {
        "domain": endpoint.netloc, "protocol": endpoint.scheme.upper(), "authentication_type": cdn.auth.value
    }  # fmt: skip


def _progress(counters: Counters, code: ExitCode) -> float:
    if code is ExitCode.DONE:
        return 1.0
    ended = counters.migrated + counters.skipped + counters.failed
    return round(ended / counters.listed, 3) if counters.listed else 0.0


def _error_reason(result: Result, code: ExitCode) -> dict[str, str] | None:
    if code is ExitCode.OBJECTS_FAILED:
        message = (
            result.error_message or f"{result.counters.failed} objects could not be migrated; see the failed list."
        )
        return {"error_code": result.error_code or SOME_OBJECTS_FAILED, "error_msg": message[:1024]}
    if code is ExitCode.TASK_FAILED:
        return {"error_code": result.error_code or "TRF.0001", "error_msg": failure_sentence(result)[:1024]}
    return None


def bandwidth_response(policy: BandwidthPolicy) -> list[dict[str, Any]]:
    """Return the windows as OMS's ``BandwidthPolicyDto``."""
    return [
        {"start": _clock(window.start), "end": _clock(window.end), "max_bandwidth": window.rate}
        for window in policy.windows
    ]


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def progress_line(progress: Progress, spec: MigrationSpec) -> str:
    """Return one look at a running migration as one plain line."""
    counters = progress.counters
    listed = f"{render_count(counters.listed)}{'' if progress.listing_done else '…'}"
    parts = [
        f"listed {listed}",
        f"migrated {render_count(counters.migrated)}",
        f"skipped {render_count(counters.skipped)}",
        f"failed {render_count(counters.failed)}",
    ]
    if counters.waiting:
        parts.append(f"waiting {render_count(counters.waiting)}")
    parts.append(f"{render_bytes(progress.transferred_bytes)} at {render_rate(progress.bytes_per_second)}")
    left = seconds_left(progress)
    if left is not None:
        parts.append(f"{render_duration(left)} left")
    if progress.throttled:
        parts.append(f"slowed down {progress.throttled}x")
    if progress.waiting_for:
        parts.append(f"waiting: {progress.waiting_for}")
    return ("dry run: " if spec.dry_run else "") + ", ".join(parts)


STALLED = 0.05
"""Below this share of the average rate of the run so far, it is taken to stand still."""


def seconds_left(progress: Progress) -> float | None:
    """Estimate the time left from bytes and objects; None until the listing is done, and while (nearly) nothing moves.

    Objects that wait for a restore stall the rates without telling when they will move: better no estimate than a wild
    one.
    """
    counters = progress.counters
    ended = counters.migrated + counters.skipped + counters.failed
    if not progress.listing_done or progress.seconds <= 0:
        return None
    if progress.objects_per_second < STALLED * ended / progress.seconds and (
        progress.bytes_per_second < STALLED * progress.transferred_bytes / progress.seconds
    ):
        return None
    ended_bytes = counters.migrated_bytes + counters.skipped_bytes + counters.failed_bytes
    bytes_left = counters.listed_bytes - ended_bytes - progress.under_way_bytes
    objects_left = counters.listed - counters.migrated - counters.skipped - counters.failed
    guesses = [
        left / rate
        for left, rate in ((bytes_left, progress.bytes_per_second), (objects_left, progress.objects_per_second))
        if rate >= 1e-3
    ]
    return max(guesses) if guesses else None
