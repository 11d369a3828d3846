"""The store conformance suite against a real account: `make conformance-cloud CLOUD=oss BUCKET=mine REGION=cn-hangzhou`.

Keys come from where `openoms migrate` takes a source's: OPENOMS_SOURCE_AK and _SK, the vendor's own variables, a profile.
Everything is written under a prefix of its own and removed at the end, uploads in parts too. The report on standard output
is Markdown to be pasted into an issue: it holds no secret, and neither the bucket's name nor an endpoint of one's own
unless `--show-names` asks for them.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from base64 import b64encode
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version

from oms_adapters.conformance import CASES, Case, DeviationGone, Harness, open_harness, run_case
from oms_adapters.conformance.deviations import DEVIATIONS
from oms_adapters.conformance.report import short
from oms_adapters.conformance.report_writing import clean_up
from oms_engine.errors import ConfigError, OmsError, StoreError
from oms_engine.model import Credentials, Secret
from openoms.compose import store_config
from openoms.plan import side_options
from openoms.settings import Side, load_settings
from openoms.urls import parse_url

ARCHIVES = "oms_adapters.conformance.archive"
NOT_ARCHIVED = "not tried: storing in an archive class costs for months (--archive, ARCHIVE=1)"
NOT_FORGED = "not tried: no wrong key of this kind can be made up"
NOT_OWED = "not owed: the adapter says that the store has no such ability"


@dataclass(frozen=True)
class Outcome:
    """What came of one case."""

    name: str
    mark: str
    """``yes``, ``NO``, ``as declared``, ``gone`` (a declared deviation that is none any more) or ``-`` (not tried)."""
    detail: str = ""


def parse_arguments(words: list[str] | None = None) -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(prog="make conformance-cloud", description=__doc__.partition("\n")[0])
    parser.add_argument("--cloud", required=True, help="scheme of the cloud: s3, obs, oss, cos, az, gs, ks3, …")
    parser.add_argument("--bucket", required=True, help="a bucket of yours that may be written to")
    parser.add_argument("--region")
    parser.add_argument("--endpoint")
    parser.add_argument("--addressing")
    parser.add_argument("--profile", help="profile of the configuration file")
    parser.add_argument("--config", help="configuration file")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="option of the adapter")
    parser.add_argument("--prefix", default="", help="where to write; a folder of its own is made under it")
    parser.add_argument("--archive", action="store_true", help="try archive classes and restores too; they cost")
    parser.add_argument("--show-names", action="store_true", help="leave bucket, endpoint and prefix in the report")
    return parser.parse_args(words)


def side_of(said: argparse.Namespace) -> Side:
    """Return the bucket and its keys, found as for a migration's source.

    Raises:
        ConfigError: no such cloud, no keys.
    """
    options = {
        "source_endpoint": said.endpoint,
        "source_region": said.region,
        "source_addressing": said.addressing,
        "source_profile": said.profile,
        "source_options": said.option,
    }
    url = parse_url(f"{said.cloud.removesuffix('://')}://{said.bucket}")
    return load_settings(said.config).side("source", url, side_options("source", options))  # type: ignore[arg-type]


def forge(good: Credentials, wrong: str) -> Credentials:
    """Return credentials that are wrong in one way: a key of the form of the good one, as Azure's must be base64."""
    other = b64encode(secrets.token_bytes(48)).decode() if good.secret_key.reveal().endswith("=") else "no-such-secret"
    if wrong == "secret_key":
        return Credentials(good.access_key, Secret(other), good.token)
    return Credentials("openomsnosuchkey4711", good.secret_key, good.token)


def forgeable(keys: Credentials | None) -> bool:
    """Whether wrong keys can be made up: not for anonymous access, key files, connection strings and bare tokens."""
    return keys is not None and bool(keys.access_key) and bool(keys.secret_key.reveal())


def outcomes(harness: Harness, *, archive: bool) -> list[Outcome]:
    """Run every case; one that the store does not owe, or that is left out, is named with why."""
    return [_outcome(case, harness, archive=archive) for case in CASES]


def _outcome(case: Case, harness: Harness, *, archive: bool) -> Outcome:
    store = harness.store
    if not case.needs(store.capabilities):
        return Outcome(case.name, "-", NOT_OWED)
    if case.check.__module__ == ARCHIVES and not archive:
        return Outcome(case.name, "-", NOT_ARCHIVED)
    if case.name in {"wrong_secret", "unknown_access_key"} and not forgeable(harness.config.credentials):
        return Outcome(case.name, "-", NOT_FORGED)
    declared = DEVIATIONS.get(store.cloud_type, {})
    try:
        run_case(case, harness, declared)
    except DeviationGone as error:
        return Outcome(case.name, "gone", str(error))
    except Exception as error:
        what = short(error) or "otherwise"
        return Outcome(case.name, "NO", f"{case.says} Here: {type(error).__name__}: {what}")
    return (
        Outcome(case.name, "as declared", declared[case.name]) if case.name in declared else Outcome(case.name, "yes")
    )


def render(found: list[Outcome], heading: list[tuple[str, str]], hidden: dict[str, str]) -> str:
    """Return the report: what deviates first, then all cases; nothing of ``hidden`` stays in it."""
    counts = Counter(outcome.mark for outcome in found)
    lines = ["### Conformance of a real cloud", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in heading]
    lines += [f"| cases | {', '.join(f'{count} {mark}' for mark, count in sorted(counts.items()))} |", ""]
    lines += ["| case | | |", "|---|---|---|"]
    rank = {"NO": 0, "gone": 1, "as declared": 2, "-": 3, "yes": 4}
    for outcome in sorted(found, key=lambda each: rank[each.mark]):
        detail = outcome.detail.replace("|", "\\|")
        lines.append(f"| {outcome.name} | {outcome.mark} | {detail} |")
    return scrub("\n".join(lines), hidden)


def scrub(text: str, hidden: dict[str, str]) -> str:
    """Replace what must not be shown, the longest first, so that no part of one stays."""
    for secret in sorted(filter(None, hidden), key=len, reverse=True):
        text = text.replace(secret, hidden[secret])
    return "".join(char if char.isprintable() or char == "\n" else ascii(char)[1:-1] for char in text)


def hidden_in(harness: Harness, said: argparse.Namespace) -> dict[str, str]:
    """Return what never leaves this machine, and what it is called in the report."""
    keys = harness.config.credentials
    found: dict[str, str] = {}
    if keys is not None:
        found = {keys.access_key: "(access key)", keys.secret_key.reveal(): "(secret)"}
        found |= {keys.token.reveal(): "(token)"} if keys.token else {}
        # A connection string or a key file is quoted in parts.
        found |= {part: "(secret)" for part in keys.secret_key.reveal().replace('"', ";").split(";") if len(part) > 12}
    if not said.show_names:
        found |= {harness.prefix: "(prefix)/", harness.store.bucket: "(bucket)", said.bucket: "(bucket)"}
        if said.endpoint:
            found |= {harness.store.endpoint.netloc: "(endpoint)", harness.store.endpoint.host: "(endpoint)"}
    return found


def heading_of(side: Side, harness: Harness, said: argparse.Namespace) -> list[tuple[str, str]]:
    """Return what was run, where and when."""
    store = harness.store
    return [
        ("cloud", f"{side.url.cloud.title} (`{side.url.cloud.scheme}`)"),
        ("region", said.region or "(not named)"),
        ("endpoint", f"{store.endpoint.scheme}://{store.endpoint.netloc}"),
        ("options", ", ".join(said.option) or "none"),
        ("openoms", version("openoms")),
        ("python", sys.version.partition(" ")[0]),
        ("date", f"{datetime.now(UTC):%Y-%m-%d}"),
    ]


def main(words: list[str] | None = None) -> int:
    """Run the suite and print the report.

    Returns: 0 nothing undeclared was found, 1 something was, 2 the bucket could not be opened or written to.
    """
    said = parse_arguments(words)
    try:
        side = side_of(said)
        config = store_config(side)
        slash = "/" if said.prefix and not said.prefix.endswith("/") else ""
        prefix = f"{said.prefix}{slash}openoms-conformance-{secrets.token_hex(4)}/"
        forging = partial(forge, config.credentials) if config.credentials and forgeable(config.credentials) else None
        with open_harness(config, prefix=prefix, forge=forging) as harness:
            try:
                harness.put(f"{prefix}probe", b"probe")
                found = outcomes(harness, archive=said.archive)
            finally:
                harness.clean()
                clean_up(harness)
            print(render(found, heading_of(side, harness, said), hidden_in(harness, said)))
            with suppress(StoreError):
                if left := harness.keys(prefix):
                    print(f"\n{len(left)} objects could not be removed under {prefix}", file=sys.stderr)
    except (ConfigError, OmsError) as error:
        print(f"conformance-cloud: {error}", file=sys.stderr)
        return 2
    return 1 if any(outcome.mark in {"NO", "gone"} for outcome in found) else 0


if __name__ == "__main__":
    sys.exit(main())
