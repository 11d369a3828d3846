"""Runs migrations between sandbox buckets over real sockets, and holds the whole truth of what they left behind."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import uvloop

from oms_adapters.config import StoreConfig
from oms_adapters.registry import open_store
from oms_adapters.sandbox import Sandbox
from oms_adapters.sandbox.client import BucketView, Cloud
from oms_engine.ledger import Failure
from oms_engine.migration import Migration
from oms_engine.model import Credentials
from oms_engine.records import decode_key
from oms_engine.session import EngineSettings
from oms_engine.store import MIB
from oms_engine.task import MigrationSpec, Progress, Result, TaskState
from oms_engine.wire import WireSettings
from oms_worker.processes import ProcessSlots
from oms_worker.sqlite_ledger import SqliteLedger

QUICK = EngineSettings(
    processes_from=0,
    wire=WireSettings(
        attempts=6, backoff=0.01, backoff_maximum=0.1, first_byte_timeout=5.0, idle_timeout=5.0, connect_timeout=3.0
    ),
    checkpoint_seconds=0.05,
    look_again_seconds=0.05,
    progress_seconds=0.05,
    patience=0.0,
)
"""The engine's settings with short waits and no patience: tests of it give some."""

COLUMNS = {"success": 8, "skip": 4, "failed": 5}
KEY_COLUMN = {"success": 1, "skip": 1, "failed": 2}

CLOUD_TYPES = {"s3": "AWS", "obs": "HuaweiCloud"}


def opener(cloud: Cloud, bucket: str, **options: Any) -> Callable[[], Any]:
    """Return what opens a bucket, in any process."""
    options = {"credentials": cloud.credentials, **options}
    return functools.partial(open_store, store_config(cloud, bucket, **options))


def store_config(cloud: Cloud, bucket: str, *, credentials: Credentials, **options: Any) -> StoreConfig:
    """Return how a sandbox bucket is reached."""
    return StoreConfig(
        CLOUD_TYPES[cloud.name],
        bucket,
        endpoint=cloud.url,
        region=cloud.region,
        addressing="path",
        credentials=credentials,
        **options,
    )


@dataclass(frozen=True)
class Ran:
    """A run that has ended, and what its lists say."""

    result: Result
    failures: list[Failure]
    uploads: int
    """Uploads the ledger still remembers, and those it would abort."""
    lists: dict[str, dict[str, list[str]]]
    """``success`` / ``skip`` / ``failed`` -> key -> columns."""
    seen: list[Progress]

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Listed, migrated, skipped, failed."""
        counters = self.result.counters
        return counters.listed, counters.migrated, counters.skipped, counters.failed

    def codes(self) -> dict[str, str]:
        """Return failed key -> code, as the failed list has it."""
        return {key: columns[0] for key, columns in self.lists["failed"].items()}

    def reasons(self) -> dict[str, str]:
        """Return skipped key -> reason, as the skip list has it."""
        return {key: columns[3] for key, columns in self.lists["skip"].items()}

    def methods(self) -> dict[str, str]:
        """Return migrated key -> method of the consistency check, as the success list has it."""
        return {key: columns[6] for key, columns in self.lists["success"].items()}


def read_lists(destination: BucketView, name: str) -> dict[str, dict[str, list[str]]]:
    """Read a task's lists from the destination bucket; a key that stands in them twice is an error."""
    found: dict[str, dict[str, list[str]]] = {"success": {}, "skip": {}, "failed": {}}
    times: Counter[str] = Counter()
    if not name:
        return found
    for key in list(destination.keys()):
        if not key.startswith(f"oms/task/{name}/") or key.endswith("/"):  # the folders of a file system
            continue
        kind = key.removeprefix(f"oms/task/{name}/").partition("_object_lists/")[0]
        assert key.endswith(f".{kind}_list.txt"), key
        for line in destination.get(key).decode().splitlines(keepends=True):
            assert line.endswith("\n"), line
            columns = line[:-1].split("\t")
            assert len(columns) == COLUMNS[kind], line
            name_of = decode_key(columns[KEY_COLUMN[kind]])
            found[kind][name_of] = columns
            times[name_of] += 1
    assert not [key for key, number in times.items() if number > 1], "keys in the lists more than once"
    return found


class World:
    """Two buckets, and a state file."""

    def __init__(self, clouds: Sandbox, source: str, destination: str, directory: Path) -> None:
        self.clouds = clouds
        self.s3, self.obs = clouds.s3, clouds.obs
        self.source: BucketView = self.s3.create_bucket(source)
        self.destination: BucketView = self.obs.create_bucket(destination)
        self.directory = directory
        self.state = directory / "state.sqlite"
        self.open_source = opener(self.s3, source)
        self.open_destination = opener(self.obs, destination)
        self.others: set[str] = set()
        """Ids of uploads that are none of a migration's."""

    def forget(self) -> None:
        """Give the memory of both buckets back."""
        self.s3.create_bucket(self.source.name)
        self.obs.create_bucket(self.destination.name)

    def spec(self, **fields: Any) -> MigrationSpec:
        """Return a task between the two buckets."""
        return MigrationSpec(f"s3://{self.source.name}", f"obs://{self.destination.name}", **fields)

    def migration(self, ledger: Any, *, settings: EngineSettings = QUICK, **fields: Any) -> Migration:
        """Return a migration between the two buckets that is not running yet."""
        own = ("source", "destination", "list_store", "on_progress")
        parts = {name: fields.pop(name) for name in own if name in fields}
        parts = {"source": self.open_source, "destination": self.open_destination, **parts}
        helpers = ProcessSlots() if settings.processes > 1 else None
        return Migration(self.spec(**fields), ledger=ledger, settings=settings, helpers=helpers, **parts)

    def run(self, *, books: bool = True, meanwhile: Callable[[Migration], Any] | None = None, **fields: Any) -> Ran:
        """Run a migration to its end; ``meanwhile`` is started beside it. With ``books`` the whole truth is held."""
        seen: list[Progress] = []
        ledger = SqliteLedger(self.state)
        try:
            migration = self.migration(ledger, on_progress=seen.append, **fields)
            result = uvloop.run(_beside(migration, meanwhile))
            # A run that could not begin has opened no ledger to ask.
            failures = ledger.failures(limit=1_000_000) if result.task_id else []
            uploads = len(ledger.uploads() + ledger.orphans()) if result.task_id else 0
        finally:
            ledger.close()
        ran = Ran(result, failures, uploads, self.lists(result.name), seen)
        if books:
            self.check_books(ran)
        return ran

    def lists(self, name: str) -> dict[str, dict[str, list[str]]]:
        """Read a task's lists from the destination bucket; a key that stands in them twice is an error."""
        return read_lists(self.destination, name)

    def check_books(self, ran: Ran) -> None:
        """Hold counters, lists, reasons, failures and uploads of an ended run against each other."""
        result, lists = ran.result, ran.lists
        listed, migrated, skipped, failed = ran.counts
        assert result.counters.balanced
        assert listed == migrated + skipped + failed + result.counters.waiting
        if not result.complete:
            return
        assert result.counters.waiting == 0
        assert (len(lists["success"]), len(lists["skip"]), len(lists["failed"])) == (migrated, skipped, failed)
        assert sum(result.reasons.values()) == listed
        assert {failure.key: failure.code for failure in ran.failures} == ran.codes()
        assert set(result.records) == {kind for kind, lines in lists.items() if lines}
        assert result.state is (TaskState.FAILED if failed or not listed else TaskState.SUCCEEDED)
        assert ran.uploads == result.open_uploads
        self.check_uploads(ran.uploads)

    def check_uploads(self, left: int = 0) -> None:
        """Of a run that is over as many uploads stay open as it says, with or without parts, beside those of others."""
        found = [upload for upload in self.destination.uploads() if upload.upload_id not in self.others]
        assert len(found) == left, found
        notes = [key for key in self.destination.keys() if key.startswith("oms/task/open_uploads/")]  # noqa: SIM118
        assert bool(notes) == bool(left), notes

    def arrived(self) -> dict[str, Any]:
        """Return what the destination holds beside the lists, by key."""
        return {item.key: item for item in self.destination.objects() if not item.key.startswith("oms/task/")}

    def check_copy(
        self,
        ran: Ran,
        *,
        mapped: Callable[[str], str] = lambda key: key,
        classes: Mapping[str, str] | None = None,
        attributes: bool | None = None,
        scope: Callable[[str], bool] = lambda _key: True,
    ) -> None:
        """Every source key has its end; what migrated is the source's bytes, attributes and class."""
        keys = {key for key in list(self.source.keys()) if scope(key)}
        ended = [set(lines) for lines in ran.lists.values()]
        assert set().union(*ended) == keys
        there = self.arrived()
        source = {item.key: item for item in self.source.objects()}
        for key in ran.lists["success"]:
            copy = there[mapped(key)]
            assert self.destination.get(mapped(key)) == self.source.get(key), key
            if attributes is not None:
                names = set(source[key].headers) if attributes else {"content-type", "content-encoding"}
                stated = {"content-type": "binary/octet-stream"} | source[key].headers
                assert copy.headers == {n: v for n, v in stated.items() if n in names | {"content-type"}}, key
                assert copy.user == (source[key].user if attributes else {}), key
            if classes is not None:
                assert copy.storage_class == classes[key], key

    def check_clean(self, ran: Ran, **options: Any) -> None:
        """A run that succeeded left the destination exactly the source."""
        assert ran.result.state is TaskState.SUCCEEDED, (ran.result.error_message, ran.failures[:3])
        assert ran.result.complete
        assert ran.result.error_code is None
        self.check_copy(ran, **options)


async def _beside(migration: Migration, meanwhile: Callable[[Migration], Any] | None) -> Result:
    import asyncio

    helper = asyncio.ensure_future(meanwhile(migration)) if meanwhile is not None else None
    try:
        return await migration.run()
    finally:
        if helper is not None:
            helper.cancel()
            await asyncio.gather(helper, return_exceptions=True)


def requests_of(cloud: Cloud, bucket: str) -> Counter[str]:
    """Return how often each operation was asked of a bucket, the record lists left out."""
    return Counter(
        entry.operation for entry in cloud.log if entry.bucket == bucket and not entry.key.startswith("oms/task/")
    )


def quick(**changes: Any) -> EngineSettings:
    """Return the quick settings with some changed."""
    return replace(QUICK, **changes)


__all__ = ["MIB", "QUICK", "Ran", "World", "opener", "quick", "requests_of"]
