"""The writing part of a report: the suite's own cases on a user's bucket, in a folder that is removed again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from oms_adapters.conformance import CASES, Case, Harness
from oms_adapters.conformance.case import deviation_of
from oms_adapters.conformance.deviations import DEVIATIONS
from oms_adapters.conformance.needs import OPTIONAL_CASES, Role
from oms_adapters.conformance.report import Answer, Finding, refusal, short
from oms_engine.errors import AccessDenied, ConnectionBroken, OmsError, StoreError, TimedOut

GAVE_UP = 3
"""Cases in a row that the store did not answer; the others are left out."""

Permission = Callable[[str], str]


def writing_cases() -> list[Case]:
    """Return the suite's cases that fit a user's bucket: not those that archive, which costs, or use wrong keys."""
    left_out = ("oms_adapters.conformance.archive", "oms_adapters.conformance.refusals")
    return [case for case in CASES if getattr(case.check, "__module__", "") not in left_out]


def write_findings(harness: Harness, permission: Permission) -> Iterator[Finding]:
    """Run the writing cases under ``harness.prefix``; whatever they leave is removed at the end.

    It always comes to its end: what a case did not expect is a finding too.
    """
    try:
        probed = list(_probe(harness, permission))
        yield from probed
        if all(finding.answer is Answer.YES for finding in probed):
            yield from _run_all(harness, permission)
    finally:
        clean_up(harness)


def _probe(harness: Harness, permission: Permission) -> Iterator[Finding]:
    """Write one object and delete it; a bucket that takes no objects, or keeps them, is asked nothing more."""
    name, key = "write and delete", f"{harness.prefix}probe"
    try:
        harness.put(key, b"probe")
    except AccessDenied as error:
        yield refusal(name, error, permission(error.operation or "write"), role=Role.DESTINATION)
        return
    except OmsError as error:
        yield Finding(name, Answer.NO, f"an object of five bytes is refused: {short(error)}", needed=True)
        return
    left = f"{key} was written and is left there; the other cases were not tried"
    try:
        harness.perform(harness.store.delete(key))
    except AccessDenied as error:
        found = refusal("delete", error, permission(error.operation or "delete"), role=Role.DESTINATION)
        yield found.with_detail(f"{found.detail}; {left}")
    except OmsError as error:
        yield Finding("delete", Answer.NO, f"{short(error)}; {left}")
    else:
        yield Finding(name, Answer.YES, f"under {harness.prefix}", needed=True)


def _run_all(harness: Harness, permission: Permission) -> Iterator[Finding]:
    silent = 0
    for case in writing_cases():
        if not case.needs(harness.store.capabilities):
            continue
        if silent >= GAVE_UP:
            yield Finding(case.name, Answer.UNKNOWN, "not tried: the store does not answer any more")
            continue
        finding, answered = _run(case, harness, permission)
        silent = 0 if answered else silent + 1
        yield finding


def _run(case: Case, harness: Harness, permission: Permission) -> tuple[Finding, bool]:
    """Return what came of a case, and whether the store answered at all."""
    try:
        case.check(harness)
    except AccessDenied as error:
        return refusal(case.name, error, permission(error.operation or "write"), role=Role.DESTINATION), True
    except Exception as error:  # noqa: BLE001 - a reply that nobody thought of is an answer too
        return _no(case, harness, error), not isinstance(error, (ConnectionBroken, TimedOut))
    finally:
        harness.clean()
    return Finding(case.name, Answer.YES, case.says, needed=case.name not in OPTIONAL_CASES), True


def _no(case: Case, harness: Harness, error: Exception) -> Finding:
    known = deviation_of(case.name, DEVIATIONS.get(harness.store.cloud_type, {}))
    if known is not None:
        return Finding(case.name, Answer.NO, known)
    expected = isinstance(error, (AssertionError, OmsError))
    what = short(error) if expected else f"{type(error).__name__}: {short(error)}"
    matters = OPTIONAL_CASES.get(case.name)
    detail = f"{case.says} Here: {what or 'otherwise'}"
    if matters is None:
        return Finding(case.name, Answer.NO, detail, needed=True)
    return Finding(case.name, Answer.NO, f"{detail} ({matters})")


def clean_up(harness: Harness) -> None:
    """Delete all objects and uploads under the harness's own folder."""
    with suppress(StoreError):
        for upload in harness.perform(harness.store.list_uploads(harness.prefix)).uploads:
            if upload.key.startswith(harness.prefix):
                harness.perform(harness.store.abort_upload(upload.key, upload.upload_id))
    with suppress(StoreError, AssertionError):
        for key in harness.keys(harness.prefix):
            harness.perform(harness.store.delete(key))
