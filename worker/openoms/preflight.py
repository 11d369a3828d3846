"""What can be told of a plan before anything is sent: regions that are none, and what its two stores cannot do."""

from __future__ import annotations

from oms_adapters.registry import adapter_for, open_store
from oms_engine.errors import ConfigError
from oms_engine.model import ConsistencyCheck, OverwriteMode
from oms_engine.places import refuse_same_place
from oms_engine.store import BucketStore
from openoms.clouds import known_regions
from openoms.configfile import Place
from openoms.plan import Plan
from openoms.settings import Side
from openoms.words import nearest

RESTORE_UNSUPPORTED = "S3M.0082"
"""OMS: "Restoring archive data of this provider is not supported" (a code of its first API; the second has none)."""

CONSTRAINT = "OMS.1003"
"""OMS documents no code for CRC-64 asked of a cloud that states none. Each of the two parameters is valid by itself,
their combination is not: a constraint, rather than an invalid source (OMS.0057)."""

SOURCE_REGION, DESTINATION_REGION = "OMS.0079", "OMS.0080"
SOURCE_INVALID, DESTINATION_INVALID = "OMS.0057", "OMS.0058"


def judge(plan: Plan, *, strict_regions: bool = False) -> None:
    """Open both stores, which sends nothing, and refuse what they cannot do.

    With ``strict_regions`` a region must stand in the shipped table or have an endpoint; else one that merely looks
    like a region of its cloud is taken for a newer one.

    Raises:
        ConfigError: with OMS's code.
    """
    check_region(plan.source, SOURCE_REGION, strict=strict_regions)
    check_region(plan.destination, DESTINATION_REGION, strict=strict_regions)
    source = _open(plan.source, SOURCE_INVALID, requester_pays=plan.requester_pays)
    destination = _open(plan.destination, DESTINATION_INVALID)
    refuse_same_place(plan.spec, source, destination)
    refuse_restore(plan, source)
    refuse_crc64(plan, source, destination)
    if plan.destination.place is not None:
        _refuse_incapable(plan, plan.destination.place, destination)


def _refuse_incapable(plan: Plan, place: Place, destination: BucketStore) -> None:
    """Refuse what the configuration file says that the destination cannot do.

    Raises:
        ConfigError: as ``oms_worker/destinations.py`` says.
    """
    from oms_worker.destinations import narrowed, refuse_incapable  # noqa: PLC0415 - few files say so

    able = narrowed(
        destination.capabilities,
        storage_classes=place.storage_classes,
        metadata=place.metadata,
        kms=place.kms,
        crc64=place.crc64,
    )
    refuse_incapable(plan.spec, able, plan.destination.url.label)


def _open(side: Side, code: str, *, requester_pays: bool = False) -> BucketStore:
    try:
        return open_store(side.store_config(requester_pays=requester_pays))
    except ConfigError as error:
        raise ConfigError(str(error), code=error.code or code) from None


def check_region(side: Side, code: str, *, strict: bool) -> None:
    """Refuse a region that its cloud does not have.

    Raises:
        ConfigError: the message lists those known.
    """
    known = known_regions(side.url.cloud_type)
    if not known or (not strict and _has_endpoint(side)) or unknown_region_or_none(side) is None:
        return
    raise ConfigError(
        f"{unknown_region_or_none(side)} Known are: {', '.join(known)}. A newer or private one is given with its "
        f"endpoint: by option, or under [endpoints.{side.url.cloud_type}] of the configuration file.",
        code=code,
    )


def unknown_region_or_none(side: Side) -> str | None:
    """Return a sentence about a region that is not in the shipped table and has no endpoint, with the nearest one."""
    known = known_regions(side.url.cloud_type)
    if not known or not side.region or side.endpoint or region_known(side):
        return None
    guess = nearest(side.region, known)
    return (
        f"{side.region!r} is no known region of {side.url.cloud.title}{f'; did you mean {guess!r}?' if guess else '.'}"
    )


def region_known(side: Side) -> bool:
    """Whether a region stands in the shipped table, in any spelling its cloud's adapter understands."""
    cloud, region = side.url.cloud, side.region or ""
    known = known_regions(cloud.cloud_type)
    if region.lower().replace(" ", "") in {name.lower() for name in known}:
        return True
    if not cloud.needs_region or not _has_endpoint(side):
        return False
    adapter = adapter_for(cloud.cloud_type)
    return adapter.endpoint_for(region) in {adapter.endpoint_for(name) for name in known}


def _has_endpoint(side: Side) -> bool:
    try:
        adapter_for(side.url.cloud_type).endpoint_for(side.region or "")
    except ConfigError:
        return False
    return True


def refuse_restore(plan: Plan, source: BucketStore) -> None:
    """Refuse to restore where nothing can be restored; a cloud without archived classes needs no restores.

    Raises:
        ConfigError: S3M.0082.
    """
    cloud = plan.source.url.cloud
    if plan.spec.restore is not None and cloud.archives and not source.capabilities.restore:
        raise ConfigError(
            f"restoring archived objects of {cloud.title} is not supported: restore them there first, then migrate "
            "without --restore (enable_restore).",
            code=RESTORE_UNSUPPORTED,
        )


def refuse_crc64(plan: Plan, source: BucketStore, destination: BucketStore) -> None:
    """Refuse CRC-64 as overwrite mode or check between stores of which one states none.

    Raises:
        ConfigError: OMS.1003.
    """
    asked = {
        "object_overwrite_mode": plan.spec.overwrite is OverwriteMode.CRC64,
        "consistency_check": plan.spec.check is ConsistencyCheck.CRC64,
    }
    fields = " and ".join(field for field, wanted in asked.items() if wanted)
    for side, store in ((plan.source, source), (plan.destination, destination)):
        if fields and not store.capabilities.states_crc64:
            raise ConfigError(
                f"{fields}: objects of {side.url.cloud.title} come without a CRC-64; only obs, oss, cos and ks3 "
                "state one. Leave crc64 out: bytes are hashed on the way in any case.",
                code=CONSTRAINT,
            )
