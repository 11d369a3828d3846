"""The writing part of a report: the suite's own cases on a user's bucket, in a folder that is removed again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from oms_adapters.conformance import CASES, Case, Harness
from oms_adapters.conformance.case import deviation_of
from oms_adapters.conformance.deviations import DEVIATIONS
from oms_adapters.conformance.report import Answer, Finding, refusal, short
from oms_engine.errors import AccessDenied, OmsError, StoreError


def writing_cases() -> list[Case]:
    """Return the suite's cases that fit a user's bucket: not those that archive, which costs, or use wrong keys."""
    left_out = ("oms_adapters.conformance.archive", "oms_adapters.conformance.refusals")
    return [case for case in CASES if getattr(case.check, "__module__", "") not in left_out]


def write_findings(harness: Harness, permission: Callable[[str], str]) -> Iterator[Finding]:
    """Run the writing cases under ``harness.prefix``; whatever they leave is removed at the end."""
    try:
        refused = _may_write(harness, permission)
        yield refused or Finding("write and delete", Answer.YES, f"under {harness.prefix}", needed=True)
        if refused is None:
            for case in writing_cases():
                if case.needs(harness.store.capabilities):
                    yield _run(case, harness, permission)
    finally:
        clean_up(harness)


def _may_write(harness: Harness, permission: Callable[[str], str]) -> Finding | None:
    key = f"{harness.prefix}probe"
    try:
        harness.put(key, b"probe")
        harness.perform(harness.store.delete(key))
    except AccessDenied as error:
        return refusal("write and delete", error, permission(error.operation))
    return None


def _run(case: Case, harness: Harness, permission: Callable[[str], str]) -> Finding:
    try:
        case.check(harness)
    except AccessDenied as error:
        return refusal(case.name, error, permission(error.operation))
    except (AssertionError, OmsError) as error:
        known = deviation_of(case.name, DEVIATIONS.get(harness.store.cloud_type, {}))
        if known is not None:
            return Finding(case.name, Answer.NO, known)
        return Finding(case.name, Answer.NO, f"{case.says} Here: {short(error)}", needed=True)
    finally:
        harness.clean()
    return Finding(case.name, Answer.YES, case.says, needed=True)


def clean_up(harness: Harness) -> None:
    """Delete all objects and uploads under the harness's own folder."""
    with suppress(StoreError):
        for key, upload in harness.perform(harness.store.list_uploads(harness.prefix)):
            if key.startswith(harness.prefix):
                harness.perform(harness.store.abort_upload(key, upload))
    with suppress(StoreError):
        for key in harness.keys(harness.prefix):
            harness.perform(harness.store.delete(key))
