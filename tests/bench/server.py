"""The benchmark's own S3 server: built from ``s3mem.c``, started on free ports, ended with the run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

HERE = Path(__file__).parent
SOURCES = ("s3mem.c", "objects.h", "dialects.h", "md5.h")


def build() -> Path:
    """Compile the server unless that was done since its sources changed, and return the program."""
    program = HERE / "build" / "s3mem"
    newest = max((HERE / name).stat().st_mtime for name in SOURCES)
    if program.exists() and program.stat().st_mtime >= newest:
        return program
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        sys.exit("the benchmark's server is written in C: install gcc (Debian: apt install gcc libc6-dev)")
    program.parent.mkdir(exist_ok=True)
    subprocess.run([compiler, "-O2", "-o", program, HERE / SOURCES[0]], check=True)
    return program


class Server:
    """A running server: ``with Server() as server``. Both endpoints lead to the same buckets."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen([build()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.source, self.destination = (f"http://127.0.0.1:{self._process.stdout.readline().strip()}" for _ in "sd")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.stdin.close()  # it ends with its standard input
        self._process.wait(10)

    def _control(self, name: str, **parameters: str | int) -> dict[str, float]:
        query = "&".join(f"{key}={value}" for key, value in parameters.items())
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.source}/_ctl/{name}?{query}", timeout=600) as reply:
            return json.load(reply)

    def fill(self, bucket: str, objects: int, size: int) -> None:
        """Put objects of pseudo-random bytes into a bucket."""
        self._control("fill", b=bucket, n=objects, s=size)

    def clear(self, bucket: str) -> None:
        """Empty a bucket."""
        self._control("clear", b=bucket)

    def delay(self, milliseconds: int) -> None:
        """Add latency to every reply from now on."""
        self._control("delay", ms=milliseconds)

    def compare(self, source: str, copy: str) -> dict[str, float]:
        """Hold every object of a bucket byte by byte against its copy."""
        return self._control("cmp", a=source, b=copy)

    def stats(self) -> dict[str, float]:
        """Return counts of requests and body bytes, and the server's CPU seconds, since its start."""
        return self._control("stats")
