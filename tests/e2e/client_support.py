"""What the tests of the command line client share: a real ``openoms serve``, two clouds, and ``openoms`` as a process."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from contextlib import suppress
from itertools import count

from support.served import environment

SECONDS = 90
_NUMBERS = count(1)


class Desk:
    """Somebody with a shell: keys of the service and of the buckets in the environment, a home of their own."""

    def __init__(self, served, keys, sandbox, home):
        self.served = served
        self.sandbox = sandbox
        self.home = home
        number = next(_NUMBERS)
        self.source = sandbox.s3.create_bucket(f"desk-src-{number}")
        self.destination = sandbox.obs.create_bucket(f"desk-dst-{number}")
        self.keys = keys

    def environ(self, **changes):
        """Return the environment of a command; None removes."""
        full = {
            **environment(),
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "OPENOMS_URL": self.served.url,
            "OPENOMS_AK": self.keys["access_key"],
            "OPENOMS_SK": self.keys["secret_key"],
            "OPENOMS_PROJECT": self.keys["project_id"],
            "OPENOMS_SOURCE_AK": self.sandbox.s3.access_key,
            "OPENOMS_SOURCE_SK": self.sandbox.s3.secret_key,
            "OPENOMS_DESTINATION_AK": self.sandbox.obs.access_key,
            "OPENOMS_DESTINATION_SK": self.sandbox.obs.secret_key,
            "NO_PROXY": "127.0.0.1",
            **changes,
        }
        return {name: value for name, value in full.items() if value is not None}

    @property
    def secrets(self):
        """What must never show."""
        return [self.keys["secret_key"], self.sandbox.s3.secret_key, self.sandbox.obs.secret_key]

    def run(self, *words, stdin="", expect=0, **changes):
        """Run ``openoms`` to its end; no secret may show and no traceback, whatever happens."""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            command(*words), env=self.environ(**changes), input=given, capture_output=True, timeout=SECONDS, check=False
        )
        done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
        self.judge(done.stdout + done.stderr)
        assert done.returncode == expect, done.stdout + done.stderr
        return done

    def json(self, *words, **options):
        """Run ``openoms … --json``; return its one document."""
        return json.loads(self.run(*words, "--json", **options).stdout)

    def start(self, *words, **changes):
        """Start ``openoms``."""
        return subprocess.Popen(
            command(*words), env=self.environ(**changes), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def judge(self, output):
        """Hold the output against what must never be in it."""
        assert "Traceback" not in output, output
        assert "internal error" not in output, output
        for secret in self.secrets:
            assert secret not in output

    def body(self, **fields):
        """Return the body of a create call without credentials."""
        return {
            "task_type": "prefix",
            "src_node": {
                "cloud_type": "AWS", "region": self.sandbox.s3.region, "bucket": self.source.name, "object_key": [""],
            },
            "dst_node": {"region": self.sandbox.obs.region, "bucket": self.destination.name},
            **fields,
        }  # fmt: skip

    @property
    def places(self):
        """Return SRC and DST and their regions."""
        regions = ["--source-region", self.sandbox.s3.region, "--destination-region", self.sandbox.obs.region]
        return [f"s3://{self.source.name}", f"obs://{self.destination.name}", *regions]

    def create(self, noun, **fields):
        """Create a task or group from standard input; return its id as text."""
        told = self.json(noun, "create", "-", stdin=json.dumps(self.body(**fields)))
        return str(told["id" if noun == "task" else "group_id"])

    def until(self, noun, number, *statuses):
        """Wait for a status; return what the service shows."""
        deadline = time.monotonic() + SECONDS
        while (told := self.json(noun, "show", number))["status"] not in statuses:
            assert time.monotonic() < deadline, told
            time.sleep(0.1)
        return told

    def copied(self):
        """Return what arrived: keys and bytes, the record lists left out."""
        return {key: self.destination.get(key) for key in self.destination.keys() if not key.startswith("oms/")}  # noqa: SIM118


SLOW = [{"start": "00:00", "end": "23:59", "max_bandwidth": 1_048_576}]
"""At this rate 30 MB are still under way while a test looks, on a slow machine too; without it they take a second."""


def fill(bucket, size=500_000, number=60):
    """Put objects into a bucket; return them."""
    objects = {f"d/{index:03d}": os.urandom(size) for index in range(number)}
    bucket.put_many(objects.items())
    return objects


def command(*words):
    """Return the command line of ``openoms``."""
    return [sys.executable, "-m", "openoms.cli", *words]


_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """``openoms`` on a terminal of its own."""

    def __init__(self, desk, *words, **changes):
        master, slave = pty.openpty()
        environ = desk.environ(**{"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40", **changes})
        self.process = subprocess.Popen(command(*words), env=environ, stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        self._master = master
        self.drawn = ""

    def until(self, word):
        """Read until a word is drawn, or the process ends."""
        deadline = time.monotonic() + SECONDS
        while word not in self.drawn:
            assert time.monotonic() < deadline, self.drawn
            if not self._read():
                break
        return self

    def end(self):
        """Read to the end; return the exit code."""
        self.until("\0")
        code = self.process.wait(SECONDS)
        os.close(self._master)
        return code

    @property
    def text(self):
        """What was drawn, without control sequences."""
        return _ESCAPE.sub("", self.drawn)

    def _read(self):
        ready, _, _ = select.select([self._master], [], [], 1.0)
        with suppress(OSError):  # EIO: the other side is closed
            if not ready:
                return self.process.poll() is None
            block = os.read(self._master, 65_536)
            self.drawn += block.decode(errors="replace")
            return bool(block)
        return False
