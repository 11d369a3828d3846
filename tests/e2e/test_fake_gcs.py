"""fake-gcs-server as the source of the command: a Google that others wrote, filled by the vendor's SDK."""

from __future__ import annotations

import os
from itertools import count
from urllib.parse import unquote_plus

import pytest

from e2e.cli_support import Bench
from oms_adapters.sandbox import Sandbox
from oms_engine.model import Attributes
from oms_engine.store import KIB, MIB
from support.fake_gcs import fake_gcs

pytestmark = pytest.mark.e2e

ODD_KEYS = [
    "a/../b", "a/./b", "a//b", "/a", "//", ".", "..", "dir/", "dir/x", " lead", "trail ", "%41", "a%2Fb", "a+b", "a b",
    "caf\u00e9", "cafe\u0301", "?query#hash", "tab\there", "control-\x10", "emoji-\U0001f99c", "\uff5e", "中文/名字",
    "a\\b", "~*!()", "quote'\"<>&", "new\nline", "k" * 1024,
]  # fmt: skip
SIZES = {"empty": 0, "small": KIB, "streamed": 3 * MIB, "parts": 20 * MIB}
HEADERS = {
    "content-type": "text/x-odd",
    "content-language": "de",
    "cache-control": "max-age=60",
    "content-disposition": 'attachment; filename="a  b"',
    "content-encoding": "x-none",
}
USER = {"camera": "x100", "place": "K%C3%B6ln"}
FULL = Attributes(**{name.replace("-", "_"): value for name, value in HEADERS.items()}, user=USER)
_NUMBERS = count(1)


class FakeGcsBench(Bench):
    """A bucket of fake-gcs-server and an OBS bucket to migrate it to."""

    def __init__(self, server, sandbox, home):
        self.server, self.name = server, f"from-{next(_NUMBERS)}"
        server.client.create_bucket(self.name)
        destination = sandbox.obs.create_bucket(f"to-{self.name}")
        super().__init__(sandbox, home, server.client.bucket(self.name), destination)

    @property
    def places(self):
        """Return SRC and DST."""
        return [f"gs://{self.name}", f"obs://{self.destination.name}"]

    @property
    def ends(self):
        """Return the options that name the endpoints."""
        return [
            "--source-endpoint", self.server.url,
            "--destination-endpoint", self.sandbox.obs.url, "--destination-region", "cn-north-4",
        ]  # fmt: skip

    def environ(self, changes=None):
        """Return the environment of a run: the server takes any token."""
        mine = {"OPENOMS_SOURCE_AK": None, "OPENOMS_SOURCE_SK": None, "OPENOMS_SOURCE_TOKEN": "any-token"}
        return super().environ({**mine, **(changes or {})})

    def fill(self):
        """Fill the source by the vendor's SDK and return its bytes by key."""
        bodies = {key: f"body of {key}".encode() for key in ODD_KEYS}
        bodies |= {name: os.urandom(size) for name, size in SIZES.items()}
        for key, body in bodies.items():
            self.server.put(self.name, key, body, FULL if key in SIZES else Attributes("text/plain"))
        return bodies


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """Two servers, and a bucket in each."""
    with fake_gcs() as server, Sandbox(clouds=["s3", "obs"], process=True) as sandbox:
        yield FakeGcsBench(server, sandbox, tmp_path_factory.mktemp("home"))


def check(bench, *options):
    """Run the check and return its exit code and its lines."""
    done = bench.run("check", *bench.places, *bench.ends, *options)
    return done.returncode, done.stdout.splitlines()


def named(lines, mark):
    """Return the keys that the check marks; each has its reason behind it, the line of the sum has none."""
    return {line[2:].partition("  (")[0] for line in lines if line.startswith(f"{mark} ") and "  (" in line}


def test_a_bucket_of_fake_gcs_server_is_migrated_and_checked(bench):
    """Odd keys, sizes of every lane and metadata arrive; the check names what nothing proved, and finds a flipped bit."""
    bodies = bench.fill()
    first = bench.response("--metadata")
    assert (first["total_num"], first["successful_num"], first["failed_num"]) == (len(bodies), len(bodies), 0), first
    assert bench.copied() == bodies
    for name in SIZES:
        copy = bench.destination.object(name)
        assert ({header: copy.headers.get(header) for header in HEADERS}, copy.user) == (HEADERS, USER), name
    again = bench.response("--metadata")
    assert (again["successful_num"], again["skipped_num"], again["failed_num"]) == (0, len(bodies), 0), again
    unproved = {unquote_plus(line[1]) for line in bench.records("success") if line[6] == "size only"}
    assert unproved <= {"parts"}
    code, lines = check(bench)
    assert (code, named(lines, "~")) == (int(bool(unproved)), unproved), lines
    for options in (["--attributes", "--size-only"], ["--content"]):
        code, lines = check(bench, *options)
        assert code == 0, lines
    flipped = bytes([bodies["parts"][0] ^ 1]) + bodies["parts"][1:]
    bench.destination.put("parts", flipped)
    code, lines = check(bench, "--content")
    assert (code, named(lines, "*")) == (1, {"parts"}), lines
