"""SeaweedFS in the benchmark's server's place: a real store, which verifies signatures and writes to the disk."""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Self

from contenders import BIN, KEYS, SMALL, rclone
from server import Server

from support.seaweed import seaweed


class WeedServer:
    """A running SeaweedFS: ``with WeedServer(server) as weed``. It does for a row what :class:`Server` does."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="openoms-bench-"))
            weed = stack.enter_context(seaweed(self._folder, KEYS))
            self._client, self.source, self.destination = weed.client, weed.url, weed.url
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def fill(self, bucket: str, objects: int, size: int) -> None:
        """Put the objects into a bucket that the benchmark's server makes of the same arguments; rclone carries them."""
        self._server.fill("src", objects, size)
        copier = rclone("filler", SMALL)
        environment = copier.environment(self._server, self._folder)
        environment["RCLONE_CONFIG_DST_ENDPOINT"] = self.destination
        command = [BIN / "rclone", "copy", "src:src", f"dst:{bucket}", "--config", os.devnull, *copier.flags]
        subprocess.run(command, env=environment, check=True)
        self._server.clear("src")

    def clear(self, bucket: str) -> None:
        """Empty a bucket: make it anew."""
        with suppress(self._client.exceptions.NoSuchBucket):
            self._client.delete_bucket(Bucket=bucket)
        self._client.create_bucket(Bucket=bucket)

    def delay(self, milliseconds: int) -> None:
        """Take no latency: this store has its own."""
        if milliseconds:
            raise ValueError("SeaweedFS adds no latency")

    def compare(self, source: str, copy: str) -> dict[str, float]:
        """Hold the MD5 that the store computed of every object against its copy's."""
        wanted, found = self._md5s(source), self._md5s(copy)
        same = sum(found.get(key) == etag for key, etag in wanted.items())
        missing = len(wanted.keys() - found.keys())
        return {"same": same, "diff": len(wanted) - same - missing, "miss": missing}

    def _md5s(self, bucket: str) -> dict[str, str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return {entry["Key"]: entry["ETag"] for page in pages for entry in page.get("Contents", ())}
