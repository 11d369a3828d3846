"""What the end-to-end tests of the command line share: two loopback clouds and a way to run ``openoms`` against them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oms_adapters.sandbox import BucketView, Sandbox

SECONDS = 60

ODD_KEYS = [
    "a/../b", "a//b", "/a", ".", "..", "dir/", "with space", "%41", "plus+plus", "new\nline", "control-\x10",
    "caf\u00e9", "cafe\u0301", "?query#hash", "emoji-🦜", "x" * 1024,
]  # fmt: skip


@dataclass
class Bench:
    """Two clouds, a bucket in each, and a home folder of their own."""

    sandbox: Sandbox
    home: Path
    source: BucketView
    destination: BucketView

    @property
    def places(self) -> list[str]:
        """Return SRC and DST."""
        return [f"s3://{self.source.name}", f"obs://{self.destination.name}"]

    @property
    def ends(self) -> list[str]:
        """Return the options that name the endpoints."""
        return [
            "--source-endpoint", self.sandbox.s3.url, "--source-region", "us-east-1",
            "--destination-endpoint", self.sandbox.obs.url, "--destination-region", "cn-north-4",
        ]  # fmt: skip

    def environ(self, changes: Mapping[str, str | None] | None = None) -> dict[str, str]:
        """Return the environment of a run: only what it needs; None removes."""
        full: dict[str, str | None] = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "XDG_STATE_HOME": str(self.home / "state"),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "OPENOMS_SOURCE_AK": self.sandbox.s3.access_key,
            "OPENOMS_SOURCE_SK": self.sandbox.s3.secret_key,
            "OPENOMS_DESTINATION_AK": self.sandbox.obs.access_key,
            "OPENOMS_DESTINATION_SK": self.sandbox.obs.secret_key,
            **(changes or {}),
        }
        return {name: value for name, value in full.items() if value is not None}

    def start(self, *arguments: str, environ: Mapping[str, str | None] | None = None) -> subprocess.Popen[str]:
        """Start ``openoms`` with these arguments."""
        return subprocess.Popen(
            [sys.executable, "-m", "openoms.cli", *arguments],
            env=self.environ(environ), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    def run(
        self, *arguments: str, environ: Mapping[str, str | None] | None = None, stdin: str = "", **popen: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run ``openoms`` to its end; no secret may show and no traceback, whatever happens."""
        done = subprocess.run(
            [sys.executable, "-m", "openoms.cli", *arguments],
            env=self.environ(environ), input=stdin, capture_output=True, text=True, timeout=SECONDS, check=False,
            **popen,
        )  # fmt: skip
        self.judge(done.stdout + done.stderr)
        return done

    def judge(self, output: str) -> None:
        """Hold the output against what must never be in it."""
        assert "Traceback" not in output, output
        assert "internal error" not in output, output
        assert self.sandbox.s3.secret_key not in output
        assert self.sandbox.obs.secret_key not in output

    def migrate(self, *options: str, **run: Any) -> subprocess.CompletedProcess[str]:
        """Run ``openoms migrate`` from the source to the destination."""
        return self.run("migrate", *self.places, *self.ends, *options, **run)

    def response(self, *options: str, expect: int = 0, **run: Any) -> dict[str, Any]:
        """Run ``openoms migrate --json`` and return its one line."""
        done = self.migrate("--json", *options, **run)
        assert done.returncode == expect, done.stderr
        [line] = done.stdout.splitlines()
        body: dict[str, Any] = json.loads(line)
        return body

    def copied(self) -> dict[str, bytes]:
        """Return what arrived: keys and bytes, the record lists left out."""
        stored = self.destination.keys()
        return {key: self.destination.get(key) for key in stored if not key.startswith("oms/task/")}

    def records(self, kind: str) -> list[list[str]]:
        """Return the lines of all lists of one kind (``success``, ``skip``, ``failed``), split into columns."""
        stored = self.destination.keys()
        names = [key for key in stored if f"/{kind}_object_lists/" in key]
        text = "".join(self.destination.get(name).decode() for name in sorted(names))
        return [line.split("\t") for line in text.splitlines() if line]


def open_bench(sandbox: Sandbox, home: Path, objects: Sequence[tuple[str, bytes]] = ()) -> Bench:
    """Make the two buckets and fill the source."""
    bench = Bench(sandbox, home, sandbox.s3.create_bucket("photos"), sandbox.obs.create_bucket("archive"))
    bench.source.put_many(objects)
    return bench
