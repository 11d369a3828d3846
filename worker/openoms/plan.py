"""From options to a plan: what to migrate, with which rules, between which sides. Pure; ``compose.py`` opens things.

The options carry OMS's meanings. Every choice is accepted in OMS's own spelling, in any case, and by a short alias.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypedDict

from oms_engine.bandwidth import BandwidthPolicy, parse_policy
from oms_engine.errors import ConfigError
from oms_engine.frozen import dataclass
from oms_engine.model import (
    ConsistencyCheck,
    Credentials,
    InvalidMetadata,
    OverwriteMode,
    RestoreTier,
    StoragePolicy,
    key_bytes,
)
from oms_engine.task import MigrationSpec, RestorePolicy, Scope
from openoms.clouds import Cloud
from openoms.instants import parse_since
from openoms.selection import build_scope
from openoms.settings import Settings, Side, SideOptions
from openoms.sources import behind_cdn, parse_options, url_source
from openoms.urls import MAX_KEY_BYTES, BucketUrl, parse_url
from openoms.words import parse_choice

OVERWRITE_ALIASES = {
    "never": OverwriteMode.NO_OVERWRITE,
    "newer": OverwriteMode.SIZE_LAST_MODIFIED,
    "crc64": OverwriteMode.CRC64,
    "always": OverwriteMode.FULL_OVERWRITE,
}
CHECK_ALIASES = {"size": ConsistencyCheck.SIZE_LAST_MODIFIED, "transmission": ConsistencyCheck.NO_CHECK}
STORAGE_ALIASES = {"source": StoragePolicy.SRC_STORAGE_MAPPING}

MAX_NAME_BYTES = 255
"""Of a task: leaves room in a key for the folders and file names around it."""

RESTORE_OPTIONS = ("restore_days", "restore_tier", "restore_poll")


class MigrateOptions(TypedDict, total=False):
    """Options of :func:`openoms.migrate`, named as on the command line."""

    source_endpoint: str | None
    source_region: str | None
    source_addressing: str | None
    source_profile: str | None
    source_credentials: Credentials | None
    source_app_id: str | None
    source_account: str | None
    source_options: Sequence[str]
    source_cdn: str | None
    source_cdn_auth: str | None
    source_cdn_options: Sequence[str]
    destination_endpoint: str | None
    destination_region: str | None
    destination_addressing: str | None
    destination_profile: str | None
    destination_credentials: Credentials | None
    destination_options: Sequence[str]
    overwrite: str | OverwriteMode
    check: str | ConsistencyCheck
    since: str | float | datetime | None
    bandwidth: Sequence[str]
    bandwidth_zone: str | None
    metadata: bool
    invalid_metadata: str | InvalidMetadata | None
    restore: bool
    restore_days: int
    restore_tier: str | RestoreTier
    restore_poll: float
    kms: bool
    storage_class: str | StoragePolicy | None
    requester_pays: bool
    save_prefix: str
    list_file: str | None
    url_list: str | None
    allow_private_urls: bool
    objects: Sequence[str]
    prefixes: Sequence[str]
    retry_failed: bool
    dry_run: bool
    record_failed: bool
    name: str
    state: str | Path | None
    processes: int | None
    connections: int | None
    patience: float | None
    min_rate: int | None
    ca_file: str | None
    verify_tls: bool
    closing_look: bool


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How the engine runs; nothing here changes what happens to an object."""

    state: Path | None = None
    """None: a file of its own per migration in the state folder."""
    processes: int | None = None
    connections: int | None = None
    patience: float | None = None
    min_rate: int | None = None
    ca_file: str | None = None
    verify_tls: bool = True
    closing_look: bool = True
    allow_private_urls: bool = False
    """URLs of a task body's list may lead anywhere; a plan's source carries it itself."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One migration, settled: ``compose.open_migration`` makes it run."""

    spec: MigrationSpec
    source: Side
    destination: Side
    requester_pays: bool = False
    list_bucket: str | None = None
    """Bucket of the list file; read with the destination's credentials and endpoint, as OMS does."""
    run: RunOptions = field(default_factory=RunOptions)
    description: str = ""


def build_plan(source: str | None, destination: str, settings: Settings, options: MigrateOptions) -> Plan:
    """Judge the arguments and options of one migration; a URL list has no source.

    Raises:
        ConfigError: anything that cannot be carried out as written.
    """
    destination_url = parse_url(destination)
    refuse_destination(destination_url)
    source_side = _source_side(source, settings, options)
    source_url = source_side.url
    destination_side = settings.side("destination", destination_url, side_options("destination", options))
    if options.get("dry_run") and options.get("retry_failed"):
        raise ConfigError("--dry-run remembers nothing, so it has nothing to retry; leave --retry-failed out.")
    scope, list_bucket = build_scope(source_url, destination_url, options)
    return Plan(
        spec=build_spec(source_url, destination_url, scope, settings, options),
        source=source_side,
        destination=destination_side,
        requester_pays=options.get("requester_pays", False),
        list_bucket=list_bucket,
        run=build_run(settings, options),
    )


def _source_side(source: str | None, settings: Settings, options: MigrateOptions) -> Side:
    if options.get("url_list"):
        if source is not None:
            raise ConfigError("--url-list takes the place of SRC; name only DST beside it.")
        return url_source(options)
    if source is None:
        raise ConfigError("SRC is missing; name a bucket, or give --url-list.")
    if options.get("allow_private_urls"):
        raise ConfigError("--allow-private-urls is for a URL list; give --url-list, or leave it out.")
    side = settings.side("source", parse_url(source), side_options("source", options))
    return behind_cdn(side, settings, options)


def side_options(name: str, options: MigrateOptions) -> SideOptions:
    """Pick one side's options (``source`` or ``destination``)."""
    names = ("endpoint", "region", "addressing", "profile", "credentials", "app_id", "account")
    given: dict[str, Any] = {key: options.get(f"{name}_{key}") for key in names}
    words = options.get("source_options", ()) if name == "source" else options.get("destination_options", ())
    return SideOptions(**given, extra=parse_options(words, name))


def refuse_destination(url: BucketUrl) -> None:
    """Refuse to migrate to anything but OBS and S3-compatible stores.

    Raises:
        ConfigError: another cloud.
    """
    if not url.cloud.destination:
        raise ConfigError(
            f"{url.label} can only be a source: a destination is obs://, or s3:// with the endpoint of any store that "
            "speaks S3's protocol."
        )


def build_spec(
    source: BucketUrl, destination: BucketUrl, scope: Scope, settings: Settings, options: MigrateOptions
) -> MigrationSpec:
    """Translate options into the engine's rules.

    Raises:
        ConfigError: an unknown choice, a time or rate out of range.
    """
    storage = options.get("storage_class")
    return MigrationSpec(
        source=source.label,
        destination=destination.label,
        name=check_name(options.get("name", "")),
        scope=scope,
        strip_prefix=source.prefix,
        save_prefix=check_prefix(destination.prefix + options.get("save_prefix", "")),
        migrate_since=parse_since(options.get("since")),
        overwrite=parse_choice(
            "overwrite mode",
            options.get("overwrite", OverwriteMode.SIZE_LAST_MODIFIED),
            OverwriteMode,
            OVERWRITE_ALIASES,
        ),
        check=parse_choice(
            "consistency check",
            options.get("check", ConsistencyCheck.SIZE_LAST_MODIFIED),
            ConsistencyCheck,
            CHECK_ALIASES,
        ),
        metadata=options.get("metadata", False),
        invalid_metadata=invalid_metadata(settings, options.get("invalid_metadata")),
        restore=build_restore(options, source.cloud),
        kms=options.get("kms", False),
        storage=parse_choice("storage class", storage, StoragePolicy, STORAGE_ALIASES) if storage else None,
        bandwidth=_bandwidth(options, settings),
        record_failed=options.get("record_failed", True),
        retry_failed=options.get("retry_failed", False),
        dry_run=options.get("dry_run", False),
    )


def invalid_metadata(settings: Settings, said: str | InvalidMetadata | None = None) -> InvalidMetadata:
    """Return what becomes of metadata that the destination cannot hold: option, then the file's default.

    Raises:
        ConfigError: an unknown word.
    """
    word = said or settings.file.defaults.invalid_metadata or InvalidMetadata.FAIL
    return parse_choice("way with invalid metadata", word, InvalidMetadata)


def _bandwidth(options: MigrateOptions, settings: Settings) -> BandwidthPolicy:
    windows, zone = options.get("bandwidth", ()), options.get("bandwidth_zone")
    if zone and not windows:
        raise ConfigError("--bandwidth-zone is the time zone of --bandwidth; give that too, or leave it out.")
    return parse_policy(windows, zone or settings.file.defaults.bandwidth_zone or "UTC")


def build_restore(options: MigrateOptions, cloud: Cloud) -> RestorePolicy | None:
    """Return the restore policy, None when restoring is off.

    Raises:
        ConfigError: days out of range, an unknown tier, or one of them without ``restore``.
    """
    if not options.get("restore", False):
        if idle := next((name for name in RESTORE_OPTIONS if options.get(name) is not None), None):
            raise ConfigError(f"--{idle.replace('_', '-')} says how to restore; add --restore, or leave it out.")
        return None
    days = options.get("restore_days", RestorePolicy().days)
    most = cloud.restore_days
    if not 1 <= days <= most:
        raise ConfigError(
            f"--restore-days {days} is out of range; restored objects of {cloud.title} stay so for 1 to {most} days."
        )
    tier = parse_choice("restore tier", options.get("restore_tier", RestoreTier.STANDARD), RestoreTier)
    poll = options.get("restore_poll", RestorePolicy().poll_seconds)
    if not 0.1 <= poll <= 86_400:
        raise ConfigError(f"--restore-poll {poll} is out of range; it goes from 0.1 to 86400 seconds.")
    return RestorePolicy(days=days, tier=tier, poll_seconds=poll)


def check_prefix(prefix: str) -> str:
    """Return a destination prefix that leaves room for keys.

    Raises:
        ConfigError: longer than a key may be.
    """
    if len(key_bytes(prefix)) > MAX_KEY_BYTES:
        raise ConfigError(
            f"the destination prefix is longer than {MAX_KEY_BYTES} bytes, no key fits behind it.", code="TRF.0060"
        )
    return prefix


def check_name(name: str) -> str:
    """Return the name of a task; it names a folder of the destination, and stands in the lines that lead there.

    Raises:
        ConfigError: it is no plain name of a folder.
    """
    odd = "/" in name or name in {".", ".."} or not name.isprintable()
    if odd or len(key_bytes(name)) > MAX_NAME_BYTES:
        raise ConfigError(
            f"--name {name[:60]!r} names a folder: leave out slashes and control characters, and keep it within "
            f"{MAX_NAME_BYTES} bytes."
        )
    return name


def build_run(settings: Settings, options: MigrateOptions) -> RunOptions:
    """Settle how the engine runs: option, then the file's defaults.

    Raises:
        ConfigError: a number out of range, a CA file that is not there.
    """
    defaults = settings.file.defaults
    state = options.get("state") or defaults.state
    ca_file = options.get("ca_file") or defaults.ca_file
    if ca_file and not Path(ca_file).is_file():
        what = "is no file" if Path(ca_file).exists() else "does not exist"
        raise ConfigError(f"the CA file {ca_file} {what}; name a PEM file.")
    return RunOptions(
        state=Path(state).expanduser() if state else None,
        processes=_within("processes", options, settings, 1, 256),
        connections=_within("connections", options, settings, 1, 10_000),
        patience=_within("patience", options, settings, 0, 30 * 86_400),
        min_rate=_within("min_rate", options, settings, 0, 1 << 40),
        ca_file=ca_file,
        verify_tls=options.get("verify_tls", True),
        closing_look=options.get("closing_look", True),
        allow_private_urls=options.get("allow_private_urls", False),
    )


def _within(
    name: Literal["processes", "connections", "patience", "min_rate"],
    options: MigrateOptions,
    settings: Settings,
    low: int,
    high: int,
) -> Any:
    said = options.get(name)
    if not said and low:  # 0 leaves it open, where it means nothing else
        said = None
    value = said if said is not None else getattr(settings.file.defaults, name)
    if value is not None and not low <= value <= high:
        where = (
            f"--{name.replace('_', '-')} {value}"
            if said is not None
            else f"defaults.{name} = {value} in {settings.file.where}"
        )
        raise ConfigError(f"{where} is out of range; it goes from {low} to {high}.")
    return value
