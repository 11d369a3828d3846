"""The Python face: :func:`migrate`, :func:`migrate_async` and :class:`Migration`.

The engine always runs in a thread of its own on uvloop, so all three work in a plain script, in a thread, and inside a
running event loop of any kind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Unpack, cast

from oms_engine.bandwidth import parse_policy
from oms_engine.errors import ConfigError
from oms_engine.task import Counters, Progress, Result, TaskState
from openoms.plan import MigrateOptions, Plan, build_plan
from openoms.runner import Background
from openoms.settings import Settings, load_settings
from openoms.words import unknown

OnProgress = Callable[[Progress], None]

MANY = {
    "objects": "2024/a.jpg",
    "prefixes": "2024/",
    "bandwidth": "08:00-18:00=50M",
    "source_options": "name=value",
    "source_cdn_options": "name=value",
    "destination_options": "name=value",
}
"""Options that take several texts, each with an example."""


def migrate(
    source: str | None,
    destination: str,
    *,
    config: Path | None = None,
    on_progress: OnProgress | None = None,
    **options: Unpack[MigrateOptions],
) -> Result:
    """Migrate ``s3://bucket/path``, ``oss://…`` or any cloud of ``clouds.py`` to OBS or S3 and wait for the end.

    ``on_progress`` is called about twice a second, from the engine's thread; one that raises is logged (``openoms``)
    and not called again. Objects that fail do not raise: they are counted in the result, which also says where their
    list lies. With ``url_list`` the source is None.

    Raises:
        ConfigError: something about the arguments, before anything is touched.
        TaskError: what prevents the task from starting.
        RepositoryError: the state file cannot be used.
    """
    return Migration(source, destination, config=config, on_progress=on_progress, **options).run()


async def migrate_async(
    source: str | None,
    destination: str,
    *,
    config: Path | None = None,
    on_progress: OnProgress | None = None,
    **options: Unpack[MigrateOptions],
) -> Result:
    """Do the same without blocking the event loop; ``on_progress`` is called in it.

    Cancelling pauses the migration, waits until it rests, and then raises; the same call goes on later.

    Raises:
        ConfigError, TaskError, RepositoryError: as :func:`migrate`.
    """
    loop = asyncio.get_running_loop()

    def forward(progress: Progress) -> None:
        if on_progress is not None and not loop.is_closed():
            loop.call_soon_threadsafe(on_progress, progress)

    return await Migration(source, destination, config=config, on_progress=forward, **options).wait_async(start=True)


class Migration:
    """One migration to start, watch, pause and resume. All methods may be called from any thread.

    >>> migration = Migration("s3://photos", "obs://archive")      # doctest: +SKIP
    >>> migration.start()                                          # doctest: +SKIP
    >>> migration.progress.counters.migrated                       # doctest: +SKIP
    >>> migration.pause().state                                    # doctest: +SKIP
    >>> migration.resume()                                         # doctest: +SKIP
    >>> migration.wait().counters                                  # doctest: +SKIP
    """

    def __init__(
        self,
        source: str | None,
        destination: str,
        *,
        config: Path | None = None,
        on_progress: OnProgress | None = None,
        **options: Unpack[MigrateOptions],
    ) -> None:
        check_options(options)
        self._settings: Settings = load_settings(config)
        self.plan: Plan = build_plan(source, destination, self._settings, options)
        self._on_progress = on_progress
        self._run: Background | None = None

    def start(self) -> None:
        """Start, or go on where an earlier run stopped.

        Raises:
            ConfigError: it is running already.
        """
        if self._run is not None and not self._run.result.done():
            raise ConfigError("this migration is running already; wait for it or pause it first.")
        self._run = Background(self.plan, self._settings, self._on_progress)
        self._run.start()

    resume = start

    def run(self) -> Result:
        """Start and wait for the end; Ctrl-C pauses, waits until the migration rests, and is raised then."""
        self.start()
        try:
            return self.wait()
        except KeyboardInterrupt:
            self.pause()
            raise

    def wait(self, timeout: float | None = None) -> Result:
        """Wait for the end of the run and return its result.

        Raises:
            TimeoutError: it did not end within ``timeout`` seconds; it goes on.
            ConfigError, TaskError, RepositoryError: as :func:`migrate`.
        """
        return self._started().result.result(timeout)

    async def wait_async(self, *, start: bool = False) -> Result:
        """Wait without blocking the event loop; cancelling pauses the migration first."""
        if start:
            self.start()
        run = self._started()
        try:
            return await asyncio.shield(asyncio.wrap_future(run.result))
        except asyncio.CancelledError:
            run.pause()
            await asyncio.to_thread(run.result.exception)
            raise

    def pause(self, timeout: float | None = None) -> Result:
        """Finish or park what is in flight and return the result so far: ``paused``, or an end reached before."""
        run = self._started()
        run.pause()
        return run.result.result(timeout)

    def set_bandwidth(self, windows: Sequence[str], zone: str = "UTC") -> None:
        """Change the windows, e.g. ``["08:00-18:00=50M"]``, while the migration runs; ``[]`` lifts them.

        Raises:
            ConfigError: as for the option.
        """
        self._started().set_bandwidth(parse_policy(windows, zone))

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self._run is not None and not self._run.result.done()

    @property
    def progress(self) -> Progress:
        """Return the latest look at the migration."""
        latest = self._run.progress if self._run is not None else None
        return latest or Progress(TaskState.WAITING, Counters())

    def _started(self) -> Background:
        if self._run is None:
            raise ConfigError("this migration was not started; call start() first.")
        return self._run


def check_options(options: MigrateOptions) -> None:
    """Refuse what only Python can say wrongly: a mistyped name would silently not hold, a text is no list of texts.

    Raises:
        ConfigError: names the option, and the nearest one there is.
    """
    for name, value in cast("dict[str, Any]", options).items():
        if name not in MigrateOptions.__annotations__:
            raise unknown("option", name, MigrateOptions.__annotations__)
        if name in MANY and (isinstance(value, str) or not all(isinstance(item, str) for item in value)):
            raise ConfigError(f"{name} takes a list of texts, such as {name}=[{MANY[name]!r}].")
