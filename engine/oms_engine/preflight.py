"""What is found out before a run begins: only what it needs, and where it needs it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from oms_engine.errors import AccessDenied, NotFound, StoreError, TaskError
from oms_engine.model import OverwriteMode, StoragePolicy
from oms_engine.plan import effective_rule
from oms_engine.scope import KEYS, segments_of
from oms_engine.session import mapped
from oms_engine.store import BucketStore, TypedStore
from oms_engine.task import MigrationSpec
from oms_engine.verdicts import listing_error, task_error
from oms_engine.wire import Wire

NOBODYS_KEY = ".openoms-asks-for-a-missing-object"
"""A key that surely is not there: asking for it shows whether HEAD can say so."""


async def look_ahead(spec: MigrationSpec, wire: Wire, source: BucketStore, destination: BucketStore) -> MigrationSpec:
    """Find out at once whether both buckets can be reached, and whether the run may ask what it will have to ask.

    ===========================  =======================================  =============================================
    listing denied at            the run                                  then
    ===========================  =======================================  =============================================
    the source                   lists a prefix                           it ends
    the source                   goes through named keys or a list        it goes on: each key says what it is
    the destination              overwrites always                        it goes on: nothing is asked
    the destination              compares, and HEAD says what is missing  it goes on: each object is asked for by HEAD
    the destination              compares, and HEAD is denied too         it ends
    ===========================  =======================================  =============================================

    Return the task as it can be run: see :func:`_for_file_systems`.

    Raises:
        TaskError: what is wrong, with OMS's code.
    """
    listed = [segment.prefix for segment in segments_of(spec) if segment.list_offset != KEYS]
    prefix = listed[0] if listed else spec.strip_prefix
    there = mapped(spec.strip_prefix, spec.save_prefix, prefix)
    answers = await asyncio.gather(_list(wire, source, prefix), _list(wire, destination, there), return_exceptions=True)
    for answer, is_source in zip(answers, (True, False), strict=True):
        if isinstance(answer, AccessDenied) and task_error(answer, source=is_source) is None:
            if is_source and listed:
                raise listing_error(answer, source=True) from answer
            if not is_source:
                await _do_without_listing(spec, wire, source, destination, there)
        elif isinstance(answer, StoreError):
            raise listing_error(answer, source=is_source) from answer
        elif answer is not None:
            raise answer
    return await _for_file_systems(spec, wire, destination)


async def _for_file_systems(spec: MigrationSpec, wire: Wire, destination: BucketStore) -> MigrationSpec:
    """Return the task without what a file system as the destination does not take, where nothing is lost by it.

    ==========================  ==========================================
    the task asks for           a file system
    ==========================  ==========================================
    neither class nor KMS       is not asked whether it is one
    the class STANDARD          is written to without naming it
    another class, or KMS       ends the task before anything is written
    ==========================  ==========================================

    One that may not be asked is a bucket. https://support.huaweicloud.com/pfsfg-obs/obs_13_0004.html

    Raises:
        TaskError: the task asks for what a file system does not have.
    """
    asked = spec.kms or spec.storage is not None
    call = destination.file_system() if asked and isinstance(destination, TypedStore) else None
    if call is None:
        return spec
    try:
        if not await wire.call(call):
            return spec
    except StoreError:
        return spec
    if spec.kms or spec.storage is not StoragePolicy.STANDARD:
        lacks = "no KMS" if spec.kms else "no storage classes"
        remedy = "leave KMS out" if spec.kms else "migrate with the class STANDARD"
        message = f"{destination.label} is a parallel file system, which has {lacks}: {remedy}, or use a bucket"
        raise TaskError("TRF.0061", message)
    return replace(spec, storage=None)


async def _list(wire: Wire, store: BucketStore, prefix: str) -> None:
    if store.capabilities.lists:
        await wire.call(store.list_page(prefix, limit=1))


async def _do_without_listing(
    spec: MigrationSpec, wire: Wire, source: BucketStore, destination: BucketStore, prefix: str
) -> None:
    """See that the destination can say what it holds object by object, where the run has to know.

    Raises:
        TaskError: it cannot.
    """
    rule = effective_rule(spec.overwrite, source.capabilities, destination.capabilities)
    if rule is OverwriteMode.FULL_OVERWRITE:
        return
    try:
        await wire.call(destination.head(prefix + NOBODYS_KEY))
    except NotFound:
        return
    except AccessDenied as error:
        raise TaskError(
            "TRF.0051",
            f"the destination key may neither list {prefix!r} nor ask for an object there, so nothing says what need "
            f"not be copied: grant it the list permission for this prefix, or overwrite always. {error}",
        ) from error
    except StoreError as error:
        raise listing_error(error, source=False) from error
