"""``openoms check-store``: what a bucket can do, and which permission is missing, as a table or as JSON."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from oms_engine.frozen import dataclass
from openoms.plan import MigrateOptions, build_run, side_options
from openoms.settings import Settings, Side
from openoms.terminal import say
from openoms.urls import parse_url

if TYPE_CHECKING:
    from oms_adapters.conformance import Harness
    from oms_adapters.conformance.report import Finding

MARKS = {"yes": "+", "no": "-", "refused": "!", "unknown": "?"}
LEGEND = "+ yes   - no   ! refused for lack of a permission   ? could not be asked"
ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """What to look at and how to say it."""

    store: str
    write_prefix: str | None = None
    """Try writing too, in a folder of its own under this prefix."""
    as_json: bool = False
    quiet: bool = False


def run_check_store(request: StoreRequest, settings: Settings, options: MigrateOptions) -> int:
    """Ask the bucket and print what it answers.

    A bucket that is written to is looked at as a destination, else as a source.

    Returns: 0 when a migration will work, 1 when something it needs is missing or refused.

    Raises:
        ConfigError: the arguments. StoreError: nothing can be asked: wrong credentials, no such bucket, no connection.
    """
    side = settings.side("source", parse_url(request.store), side_options("source", options))
    aloud = not (request.as_json or request.quiet)
    findings: list[Finding] = []
    with _harness(side, settings, options) as harness:
        if aloud:
            say(f"{side.url} at {harness.store.endpoint.scheme}://{harness.store.endpoint.netloc}\n")
        for finding in _ask(harness, side, request.write_prefix):
            findings.append(finding)
            if aloud:
                say(render_finding(finding))
    good = verdict(findings)
    if request.as_json:
        say(json.dumps(report_json(side, findings, good=good)))
    elif aloud:
        writes = request.write_prefix is not None
        say("\n".join(closing_lines(findings, good=good, page=_page_of(side), writes=writes)))
    return 0 if good else 1


def _harness(side: Side, settings: Settings, options: MigrateOptions) -> Any:
    from oms_adapters.conformance import open_harness  # noqa: PLC0415 - heavy, and only for this command
    from openoms.compose import store_config, wire_settings  # noqa: PLC0415

    config = store_config(side, requester_pays=options.get("requester_pays", False))
    wire = wire_settings(build_run(settings, options), [side], settings.proxies())
    return open_harness(config, wire_settings=replace(wire, attempts=ATTEMPTS))


def _ask(harness: Harness, side: Side, write_prefix: str | None) -> Iterator[Finding]:
    from oms_adapters.conformance.needs import Role  # noqa: PLC0415
    from oms_adapters.conformance.permissions import permission_for  # noqa: PLC0415
    from oms_adapters.conformance.report import Reader  # noqa: PLC0415
    from oms_adapters.conformance.report_writing import write_findings  # noqa: PLC0415

    role = Role.SOURCE if write_prefix is None else Role.DESTINATION
    yield from Reader(harness, side.url.prefix, role).findings()
    if write_prefix is not None:
        slash = "/" if write_prefix and not write_prefix.endswith("/") else ""
        harness.prefix = f"{write_prefix}{slash}openoms-check-{secrets.token_hex(4)}/"
        store = harness.store
        named = partial(permission_for, store.cloud_type, bucket=store.bucket, prefix=write_prefix)
        yield from write_findings(harness, lambda operation: named(operation=operation))


def verdict(findings: list[Finding]) -> bool:
    """Return whether a migration works: nothing it needs is missing or refused."""
    return not any(finding.needed and finding.answer.value in {"no", "refused"} for finding in findings)


def missing_permissions(findings: list[Finding]) -> list[str]:
    """Return the needed permissions that are missing, each once, in the order in which they were missed."""
    return list(dict.fromkeys(finding.permission for finding in findings if finding.permission and finding.needed))


def useful_permissions(findings: list[Finding]) -> dict[str, str]:
    """Return the permissions that are missing and only of use, each with what is without it."""
    needed = missing_permissions(findings)
    return {f.permission: f.without for f in findings if f.permission and f.without and f.permission not in needed}


def byte_exact_or_none(findings: list[Finding]) -> bool | None:
    """Return whether every key that was tried stayed what it was; None when not all were, and none did not."""
    answers = {f.answer.value for f in findings if f.name.startswith(("odd_key[", "pair_apart["))}
    if "no" in answers:
        return False
    return True if answers == {"yes"} else None


def render_finding(finding: Finding) -> str:
    """Return one line of the table; control characters are shown as escapes."""
    verb = "needs" if finding.needed else "would take"
    text = f"{finding.detail}; {verb} {finding.permission}" if finding.permission else finding.detail
    plain = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    return f"{MARKS[finding.answer.value]} {finding.name:<26} {plain}".rstrip()


def _page_of(side: Side) -> str | None:
    from oms_adapters.conformance.permissions import rights_page  # noqa: PLC0415 - heavy, and only for this command

    return rights_page(side.url.cloud_type)


def closing_lines(findings: list[Finding], *, good: bool, page: str | None = None, writes: bool = False) -> list[str]:
    """Return the legend, the missing permissions with the vendor's page on them, and the verdict."""
    lines = ["", LEGEND]
    if missing := missing_permissions(findings):
        lines += ["", "missing permissions:", *(f"  {permission}" for permission in missing)]
        lines += [f"how {page} tells"] if page else []
    if useful := useful_permissions(findings):
        lines += ["", "a migration works without these:"]
        lines += [f"  {permission}: without it {lost}" for permission, lost in useful.items()]
    if byte_exact_or_none(findings) is False:
        lines += ["", "its keys are not byte-exact: a migration of such keys fails or loses objects."]
    bad = [f.name for f in findings if f.needed and f.answer.value in {"no", "refused"}]
    works = f"a migration {'to' if writes else 'from'} this bucket will work."
    return [*lines, "", works if good else f"a migration needs: {', '.join(bad)}."]


def report_json(side: Side, findings: list[Finding], *, good: bool) -> dict[str, Any]:
    """Return the whole report as one JSON object."""
    return {
        "store": side.url.label,
        "cloud_type": side.url.cloud_type,
        "prefix": side.url.prefix,
        "good": good,
        "findings": [
            {
                "name": finding.name,
                "answer": finding.answer.value,
                "detail": finding.detail,
                "needed": finding.needed,
                "permission": finding.permission,
            }
            for finding in findings
        ],
        "byte_exact": byte_exact_or_none(findings),
        "missing_permissions": missing_permissions(findings),
        "useful_permissions": useful_permissions(findings),
        "permissions_page": _page_of(side),
    }
