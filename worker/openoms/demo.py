"""``openoms demo``: two loopback clouds, a bucket of realistic objects, one migration, one check; under a minute.

The clouds are ``oms_adapters.sandbox`` in a process of its own: they verify every signature with the vendors' own code.
The migration and the check run through the same command line a user types.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from oms_engine.errors import ConfigError
from oms_engine.frozen import dataclass
from openoms.report import ExitCode
from openoms.terminal import say
from openoms.units import render_bytes

if TYPE_CHECKING:
    from oms_adapters.sandbox import BucketView, PutItem, Sandbox

SOURCE_BUCKET = "holiday-photos"
DESTINATION_BUCKET = "holiday-archive"
ORDINARY = 2900
ARCHIVED = 12
ALREADY_THERE = 150
LARGE_BYTES = 96 * 1024 * 1024
RESTORE_SECONDS = 3.0
SEED = 20260101
"""Same names and sizes each time, so that two demos can be compared. The access keys are new each time."""

ODD_KEYS = (
    "odd/a/../b.txt",
    "odd//double/slash",
    "/leading-slash",
    "odd/.",
    "odd/..",
    "odd/with space and +plus",
    "odd/%41-is-not-A",
    "odd/question?and#hash",
    "odd/café-NFC",
    "odd/cafe\u0301-NFD",
    "odd/new\nline",
    "odd/control-\x10",
    "odd/emoji-🦜",
    "odd/quotes-'\"<>&",
    "odd/trailing-dot.",
    "odd/" + "x" * 1020,
)
FOLDERS = ("albums/", "albums/2024/", "albums/2025/", "empty-folder/", "odd/folder with space/")
KINDS = (
    ("jpg", "image/jpeg", 4_000, 60_000),
    ("json", "application/json", 200, 4_000),
    ("txt", "text/plain; charset=utf-8", 10, 2_000),
    ("pdf", "application/pdf", 8_000, 120_000),
    ("parquet", "application/vnd.apache.parquet", 20_000, 200_000),
)


@dataclass(frozen=True, slots=True)
class Filled:
    """What the source holds."""

    objects: int
    size: int


def run_demo() -> int:
    """Run the demo and return the exit code: that of the migration, or of the check when that went well."""
    sandbox_class = _sandbox()
    with sandbox_class(process=True) as sandbox, tempfile.TemporaryDirectory(prefix="openoms-demo-") as folder:
        say("Two clouds on this machine, with keys made for this run:")
        say(f"  S3   {sandbox.s3.url}  bucket {SOURCE_BUCKET}")
        say(f"  OBS  {sandbox.obs.url}  bucket {DESTINATION_BUCKET}")
        sandbox.s3.restore_seconds = RESTORE_SECONDS
        source = sandbox.s3.create_bucket(SOURCE_BUCKET)
        destination = sandbox.obs.create_bucket(DESTINATION_BUCKET)
        filled = fill(source, destination)
        say(f"The source holds {filled.objects:,} objects, {render_bytes(filled.size)}: ordinary ones, odd keys, empty")
        say(f"objects, folders, one of {render_bytes(LARGE_BYTES)} in parts, {ARCHIVED} archived ones.")
        _enter(sandbox, folder)
        return _migrate_and_check(sandbox, destination)


def _sandbox() -> type[Sandbox]:
    try:
        from oms_adapters.sandbox import Sandbox  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(f"the demo needs {error.name}; run: pip install 'openoms[sandbox]'") from None
    return Sandbox


def _enter(sandbox: Sandbox, folder: str) -> None:
    """Hand the credentials over as a user would: in the environment, where no process list shows them.

    What the caller's environment says about other clouds must not reach the demo.
    """
    for name in [name for name in os.environ if name.startswith(("OPENOMS_", "AWS_", "OBS_"))]:
        if name != "OPENOMS_DEBUG":
            del os.environ[name]
    for side, cloud in (("SOURCE", sandbox.s3), ("DESTINATION", sandbox.obs)):
        os.environ[f"OPENOMS_{side}_AK"] = cloud.access_key
        os.environ[f"OPENOMS_{side}_SK"] = cloud.secret_key
    os.environ["XDG_STATE_HOME"] = folder
    os.environ["XDG_CONFIG_HOME"] = folder
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"


def _migrate_and_check(sandbox: Sandbox, destination: BucketView) -> int:
    from openoms.cli import invoke  # noqa: PLC0415

    places = [f"s3://{SOURCE_BUCKET}", f"obs://{DESTINATION_BUCKET}"]
    ends = ["--source-endpoint", sandbox.s3.url, "--source-region", "us-east-1"]
    ends += ["--destination-endpoint", sandbox.obs.url, "--destination-region", "cn-north-4"]
    rules = ["--metadata", "--restore", "--restore-poll", "1", "--storage-class", "source"]
    say("\n$ openoms migrate " + " ".join([*places, *rules]))
    code = invoke(["migrate", *places, *ends, *rules])
    if code == ExitCode.INTERRUPTED:
        return code
    say("\nThese clouds are Python and verify every signature: they are the brake here. `make bench` measures speed.")
    say("\nThe lists, in the destination bucket:")
    stored = destination.keys()
    for key in stored:
        if key.startswith("oms/"):
            say(f"  {key}")
    say("\n$ openoms check " + " ".join([*places, "--attributes"]))
    differences = invoke(["check", *places, *ends, "--attributes"])
    return code or differences


def fill(source: BucketView, destination: BucketView) -> Filled:
    """Fill the source, and put some of it into the destination as an earlier migration would have."""
    dice = random.Random(SEED)
    now = time.time()
    items = list(_items(dice, now))
    for start in range(0, len(items), 500):
        source.put_many(items[start : start + 500])
    there = [item._replace(mtime=now) for item in items if item.key.startswith("albums/2024/")][:ALREADY_THERE]
    destination.put_many(there)
    return Filled(len(items), sum(len(item.body) for item in items))


def _items(dice: random.Random, now: float) -> Iterator[PutItem]:
    from oms_adapters.sandbox import put_item  # noqa: PLC0415

    def old() -> float:
        return now - dice.uniform(3600, 400 * 86400)

    for key in FOLDERS:
        yield put_item(key, b"", headers={"content-type": "application/x-directory"}, mtime=old())
    for key in ODD_KEYS:
        yield put_item(key, key.encode(), headers={"content-type": "text/plain"}, mtime=old())
    for number in range(20):
        yield put_item(f"empty/{number:02d}.lock", b"", headers={"content-type": "text/plain"}, mtime=old())
    for number in range(ORDINARY):
        suffix, kind, low, high = dice.choice(KINDS)
        key = f"albums/{2024 + number % 2}/{dice.randrange(12) + 1:02d}/item-{number:05d}.{suffix}"
        user = {"camera": "x100", "roll": str(number // 36)} if suffix == "jpg" else {}
        headers = {"content-type": kind, "cache-control": "max-age=3600"} if user else {"content-type": kind}
        yield put_item(key, dice.randbytes(dice.randint(low, high)), headers=headers, user=user, mtime=old())
    for number in range(ARCHIVED):
        yield put_item(
            f"vault/{number:02d}.tar", dice.randbytes(30_000), headers={"content-type": "application/x-tar"},
            storage_class="GLACIER", mtime=old(),
        )  # fmt: skip
    body = dice.randbytes(1024 * 1024) * (LARGE_BYTES // (1024 * 1024))
    yield put_item(
        "video/holiday.mp4", body, headers={"content-type": "video/mp4"}, etag=f"multipart:{16 * 1024 * 1024}",
        mtime=old(),
    )  # fmt: skip
