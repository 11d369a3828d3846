"""The options of every command, declared once. Parsing knows words only; what they mean is judged in ``plan.py``.

argparse, because a command that starts a batch job thousands of times a day should start in a tenth of a second: the
same options in Typer took three times as long (it builds a validator per option).
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn, cast

from oms_engine.errors import ConfigError
from openoms.argument_order import places_first
from openoms.clouds import CLOUDS
from openoms.plan import MigrateOptions
from openoms.words import unknown

SOURCE_HELP = (
    f"SCHEME://bucket/path, where SCHEME is one of {', '.join(cloud.scheme for cloud in CLOUDS)}; without a path the "
    "whole bucket"
)
DESTINATION_HELP = "obs://bucket/path, or s3://bucket/path of any S3-compatible store"
CREDENTIALS_HELP = (
    "Credentials come from OPENOMS_SOURCE_AK, _SK, _TOKEN and OPENOMS_DESTINATION_AK, … (Azure also "
    "OPENOMS_SOURCE_CONNECTION_STRING, Google OPENOMS_SOURCE_JSON_AUTH_FILE); else from the vendor's own variables "
    "(AWS_ACCESS_KEY_ID, OSS_ACCESS_KEY_ID, …, the README lists them); else from a profile of the configuration file. "
    "They are never options: every user of the machine could read them."
)


class Parser(argparse.ArgumentParser):
    """An argparse parser whose errors are ours: one sentence, exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage and exiting."""
        raise ConfigError(f"{message}; {self.prog} --help lists what is known.")

    def format_help(self) -> str:
        """Return the help, as wide as the terminal."""
        self.formatter_class = argparse.HelpFormatter
        return super().format_help()

    def parse_args(self, args: Sequence[str], namespace: argparse.Namespace | None = None) -> argparse.Namespace:  # type: ignore[override]
        """Parse options and places in any order."""
        takes = {name: action.nargs for action in self._actions for name in action.option_strings}
        places = 2 if {"destination", "places"} & {action.dest for action in self._actions} else 1
        return super().parse_args(places_first(args, takes, places), namespace)

    def refuse_unknown(self, arguments: Sequence[str]) -> None:
        """Answer a mistyped option with the nearest one.

        Raises:
            ConfigError: an option that this command does not have.
        """
        known = [name for action in self._actions for name in action.option_strings if name.startswith("--")]
        for argument in arguments:
            if argument == "--":
                return
            name = argument.partition("=")[0]
            if argument.startswith("--") and name not in known:
                raise unknown("option", name, known, where=self.prog)


def command_parser(prog: str, arguments: str, summary: str, details: str = "") -> Parser:
    """Return the parser of one command."""
    return Parser(
        prog=prog,
        usage=f"{prog} {arguments}".rstrip(),
        description=summary,
        epilog=details or None,
        allow_abbrev=False,
        # One is made for each option; asking the terminal for its width loads shutil, bz2 and lzma.
        formatter_class=partial(argparse.HelpFormatter, width=80),
    )


def add_places(parser: Parser, *, alone: bool = False) -> None:
    """Add SRC and DST, and the options of each side; with ``alone`` DST may stand alone, see :func:`places`."""
    parser.add_argument("source", metavar="SRC", help=SOURCE_HELP)
    parser.add_argument("destination", metavar="DST", nargs="?" if alone else None, help=DESTINATION_HELP)
    for side in ("source", "destination"):
        add_side(parser, side)


def places(said: argparse.Namespace) -> tuple[str | None, str]:
    """Return SRC and DST; of a URL list only DST is named.

    Raises:
        ConfigError: DST is missing.
    """
    if said.destination is not None:
        return said.source, said.destination
    if not said.url_list:
        raise ConfigError("DST is missing; name where to migrate to, like obs://bucket/path, after SRC.")
    return None, said.source


def add_cdn(parser: Parser) -> None:
    """Add the CDN that the source is read through."""
    group = parser.add_argument_group("cdn")
    group.add_argument(
        "--source-cdn", metavar="URL",
        help="read the source's objects through this CDN, e.g. https://cdn.example.com, held against the bucket",
    )  # fmt: skip
    group.add_argument(
        "--source-cdn-auth", metavar="TYPE",
        help="its URL authentication, in OMS's words: ALIYUN_OSS_A, TENCENT_COS_D, QINIU_PRIVATE_AUTHENTICATION, …, or "
        "QINIU_TIMESTAMP_AUTHENTICATION; its key is taken from OPENOMS_SOURCE_CDN_KEY",
    )  # fmt: skip
    group.add_argument(
        "--source-cdn-option", dest="source_cdn_options", metavar="NAME=VALUE", action="append", default=[],
        help="how that authentication is set at the CDN: sign_name=…, time_name=…, hex_time=true, in_query=true",
    )  # fmt: skip


def add_side(parser: Parser, side: str) -> None:
    """Add the options of one side, ``source`` or ``destination``."""
    group = parser.add_argument_group(side)
    group.add_argument(
        f"--{side}-endpoint", metavar="URL", help="https://host[:port]; default: the vendor's own of the region"
    )
    group.add_argument(f"--{side}-region", metavar="REGION", help="region of the bucket")
    group.add_argument(f"--{side}-addressing", metavar="STYLE", help="path or virtual; default: what suits the store")
    group.add_argument(
        f"--{side}-profile", metavar="NAME", help="profile of the configuration file: credentials, endpoint, region"
    )
    group.add_argument(
        f"--{side}-option", dest=f"{side}_options", metavar="NAME=VALUE", action="append", default=[],
        help=f"an option of the {side}'s adapter, e.g. etag_is_md5=false; may be repeated",
    )  # fmt: skip
    if side == "source":
        _add_source_only(group)


def _add_source_only(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--requester-pays", action="store_true", help="pay for reading the source")
    group.add_argument(
        "--source-app-id", metavar="ID",
        help="Tencent: the APPID that ends the bucket's real name, when the URL's bucket lacks it",
    )  # fmt: skip
    group.add_argument(
        "--source-account", metavar="NAME", help="Azure: the storage account, when the credentials do not name it"
    )


def add_scope(parser: Parser) -> argparse._ArgumentGroup:
    """Add the options that make a migration this one: which keys it covers."""
    group = parser.add_argument_group("what")
    group.add_argument(
        "--object", dest="objects", metavar="KEY", nargs="+", action="extend", default=[],
        help="only these keys, as they are in the bucket; one that ends in / is a folder (after SRC and DST)",
    )  # fmt: skip
    group.add_argument(
        "--prefix", dest="prefixes", metavar="PREFIX", action="append", default=[],
        help="only keys that start with this, byte for byte; may be repeated",
    )  # fmt: skip
    group.add_argument(
        "--list-file", metavar="URL",
        help="only the keys in obs://bucket/list.txt, one URL-encoded key per line, read with the destination's "
        "credentials; list/ names all .txt files of a folder",
    )  # fmt: skip
    group.add_argument(
        "--url-list", metavar="URL",
        help="instead of SRC: what the URLs in obs://bucket/urls.txt name, one line each: URL, TAB, URL-encoded name",
    )  # fmt: skip
    return group


def add_allow_private(parser: argparse._ActionsContainer) -> None:
    """Add the leave to fetch URLs of a list from private addresses."""
    parser.add_argument(
        "--allow-private-urls", action="store_true",
        help="let URLs lead to this machine, private networks and metadata services; only for lists of your own",
    )  # fmt: skip


def add_what(parser: Parser) -> None:
    """Add the options that choose objects."""
    group = add_scope(parser)
    add_allow_private(group)
    group.add_argument(
        "--since", metavar="TIME", help="only objects modified after this: seconds since 1970, or 2026-01-31T08:00Z"
    )
    group.add_argument("--retry-failed", action="store_true", help="only what failed in the last run")
    group.add_argument("--dry-run", action="store_true", help="say what would be done; write nothing, here or there")


def add_rules(parser: Parser) -> None:
    """Add the rules of a migration."""
    group = parser.add_argument_group("rules")
    group.add_argument(
        "--overwrite", metavar="MODE", default="newer",
        help="when an object that is already there is written again: newer (default: another size, or the source is "
        "newer), never, crc64, always; OMS's own words too",
    )  # fmt: skip
    group.add_argument(
        "--check", metavar="METHOD", default="size_last_modified",
        help="how a copy is held against its source: size_last_modified (default), crc64, no_check; its bytes are "
        "hashed on the way in any case",
    )  # fmt: skip
    group.add_argument(
        "--metadata", action="store_true",
        help="carry Cache-Control, Content-Disposition, Content-Language, Expires and user metadata too "
        "(Content-Type and Content-Encoding always travel)",
    )  # fmt: skip
    group.add_argument(
        "--invalid-metadata", metavar="WAY",
        help="what becomes of metadata that the destination cannot hold: fail (default: the object fails), drop, or "
        "encode (percent-encode); the success list names what was dropped or encoded",
    )  # fmt: skip
    group.add_argument("--restore", action="store_true", help="restore archived objects, then copy them")
    group.add_argument("--restore-days", metavar="DAYS", type=int, help="how long they stay so (default 7)")
    group.add_argument("--restore-tier", metavar="TIER", help="expedited, standard (default) or bulk")
    group.add_argument(
        "--restore-poll", metavar="SECONDS", type=_seconds,
        help="time between two looks at a restoring object (default 60)",
    )  # fmt: skip
    group.add_argument("--kms", action="store_true", help="encrypt with KMS at the destination, and verify it")
    group.add_argument(
        "--storage-class", metavar="CLASS",
        help="STANDARD, IA, ARCHIVE, DEEP_ARCHIVE, or SRC_STORAGE_MAPPING (source); default: the bucket's own",
    )  # fmt: skip
    add_save_prefix(group)
    group.add_argument(
        "--name", metavar="NAME", default="", help="names the folder of the lists in the destination: oms/task/NAME/"
    )


def add_comparison(parser: Parser) -> None:
    """Add what a check compares, and what counts as proved."""
    group = parser.add_argument_group("comparison")
    group.add_argument(
        "--attributes", action="store_true", help="compare Content-Type, other headers and user metadata too"
    )
    group.add_argument(
        "--storage-class", metavar="CLASS",
        help="with --attributes: compare the storage class, by migrate's option of that name; default: any is right",
    )  # fmt: skip
    group.add_argument(
        "--content", action="store_true", help="read every object on both sides: the proof that needs no statement"
    )
    group.add_argument(
        "--size-only", action="store_true",
        help="where nothing but the size is stated, equal sizes are enough; otherwise such an object is named with ~ "
        "and the exit code is 1",
    )  # fmt: skip
    group.add_argument("--one-way", action="store_true", help="what only the destination has is no difference")
    group.add_argument("--all", dest="show_all", action="store_true", help="name the objects that are equal too")
    group.add_argument(
        "--save-prefix", metavar="PREFIX", default="", help="the destination was migrated to with this prefix"
    )


def add_look(parser: Parser) -> None:
    """Add the way to do without the closing look."""
    parser.add_argument(
        "--no-closing-look", dest="closing_look", action="store_false",
        help="do not read the destination's listing once objects were written, to see that it holds them",
    )  # fmt: skip


def add_save_prefix(parser: argparse._ActionsContainer) -> None:
    """Add what goes before every key."""
    parser.add_argument("--save-prefix", metavar="PREFIX", default="", help="put this, as it stands, before every key")


def add_pace(parser: Parser, *, bandwidth: bool = True) -> None:
    """Add the options that say how hard to work."""
    group = parser.add_argument_group("pace")
    if bandwidth:
        group.add_argument(
            "--bandwidth", metavar="HH:MM-HH:MM=RATE", action="append", default=[],
            help="limit the rate in a daily window, e.g. 08:00-18:00=50M; up to five",
        )  # fmt: skip
        group.add_argument("--bandwidth-zone", metavar="ZONE", help="their time zone, e.g. Europe/Berlin; default UTC")
    group.add_argument(
        "--processes", metavar="N", type=_count,
        help="worker processes at most; default: one per core, up to 8. All but the first start only when the listing "
        "shows thousands of objects",
    )  # fmt: skip
    group.add_argument("--connections", metavar="N", type=_count, help="most connections to each store")
    group.add_argument(
        "--patience", metavar="TIME", type=_time,
        help="wait so long for a store that does not answer, then end; the same command goes on. Default 15m",
    )  # fmt: skip
    group.add_argument(
        "--min-rate", metavar="BYTES", type=_bytes,
        help="try again what moves fewer bytes a second over a minute, waits of our own aside; 0: anything. Default 1K",
    )  # fmt: skip


def add_run(parser: Parser, *, state: bool = True) -> None:
    """Add the options around a run: state, configuration, trust, output."""
    group = parser.add_argument_group("run")
    if state:
        group.add_argument(
            "--state", metavar="PATH", type=Path,
            help="state file; default: one for each migration under $XDG_STATE_HOME/openoms",
        )  # fmt: skip
    group.add_argument(
        "--config", metavar="PATH", type=Path,
        help="configuration file; default: $OPENOMS_CONFIG, ~/.config/openoms/config.toml",
    )  # fmt: skip
    group.add_argument("--ca-file", metavar="PEM", help="trust these authorities beside the system's")
    group.add_argument(
        "--no-verify-tls", dest="verify_tls", action="store_false", help="accept any certificate (testing only)"
    )
    group.add_argument(
        "--json", dest="as_json", action="store_true",
        help="end with one line of JSON on standard output, and nothing else there: OMS's task response, or error_code "
        "and error_msg",
    )  # fmt: skip
    group.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")


def migrate_options(namespace: argparse.Namespace) -> MigrateOptions:
    """Return what was said as the options of ``openoms.migrate``."""
    names = MigrateOptions.__annotations__
    said = {name: value for name, value in vars(namespace).items() if name in names and value is not None}
    return cast("MigrateOptions", said)


_TIMES = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SIZES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def _time(text: str) -> int:
    return _measured(text, _TIMES, "a time such as 90s, 15m or 2h")


def _bytes(text: str) -> int:
    return _measured(text, _SIZES, "a number of bytes such as 512, 1K or 2M")


def _measured(text: str, units: dict[str, int], what: str) -> int:
    unit = units.get(text[-1:], 1)
    digits = text[:-1] if text[-1:] in units else text
    if not (digits.isascii() and digits.isdigit() and len(digits) < 12):
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return int(digits) * unit


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} must be 1 or more")
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text} is no time")
    return number
