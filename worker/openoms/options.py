"""Command-line options that several commands share, with their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

Url = str | None
Region = str | None
Addressing = str | None
Profile = str | None

PACE = "Pace"
RUN = "Run"

_SIDE_HELP = {
    "endpoint": ("URL", "https://host[:port]; default: the vendor's own of the region."),
    "region": ("REGION", "Region of the bucket."),
    "addressing": ("STYLE", "path or virtual; default: what suits the store."),
    "profile": ("NAME", "Profile of the configuration file: credentials, endpoint, region."),
}


def side_option(side: str, what: str) -> Any:
    """Return the option ``--<side>-<what>``."""
    metavar, text = _SIDE_HELP[what]
    return typer.Option(f"--{side}-{what}", metavar=metavar, help=text, rich_help_panel=side.capitalize())


Bandwidth = Annotated[
    list[str] | None,
    typer.Option(
        metavar="HH:MM-HH:MM=RATE",
        help="Limit the rate in a daily window, e.g. 08:00-18:00=50M; up to 5.",
        rich_help_panel=PACE,
    ),
]
BandwidthZone = Annotated[
    str | None,
    typer.Option(
        metavar="ZONE", help="Time zone of the windows, e.g. Europe/Berlin; default UTC.", rich_help_panel=PACE
    ),
]
Processes = Annotated[int | None, typer.Option(metavar="N", help="Worker processes.", rich_help_panel=PACE)]
Connections = Annotated[
    int | None, typer.Option(metavar="N", help="Most connections per store and process.", rich_help_panel=PACE)
]
State = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="State file; default: one per migration under $XDG_STATE_HOME/openoms.",
        rich_help_panel=RUN,
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="Configuration file; default: $OPENOMS_CONFIG, ~/.config/openoms/config.toml.",
        rich_help_panel=RUN,
    ),
]
CaFile = Annotated[
    str | None, typer.Option(metavar="PEM", help="Trust these authorities beside the system's.", rich_help_panel=RUN)
]
NoVerifyTls = Annotated[
    bool, typer.Option("--no-verify-tls", help="Accept any certificate (testing only).", rich_help_panel=RUN)
]
Json = Annotated[
    bool,
    typer.Option(
        "--json", help="End with one line of JSON on standard output, and nothing else there.", rich_help_panel=RUN
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.", rich_help_panel=RUN)]
