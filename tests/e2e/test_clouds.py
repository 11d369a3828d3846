"""Every cloud through every front door: command line, task body and Python, against clouds that verify signatures."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from itertools import count

import pytest

import openoms
from e2e.cli_support import Bench
from oms_adapters.sandbox import Sandbox
from openoms.clouds import cloud_of_scheme
from openoms.settings import load_settings
from openoms.taskjson import parse_task
from support.google_account import account_of

pytestmark = pytest.mark.e2e

ODD_KEYS = [
    "a/../b", "a//b", "/a", "//", ".", "..", "dir/", " lead", "with space", "%41", "a+b", "caf\u00e9", "cafe\u0301",
    "?query#hash", "emoji-🦜", "quote'\"<>&", "k" * 850,
]  # fmt: skip
LINE_BREAK = "new\nline"
LARGE = os.urandom(1024 * 1024) * 33 + b"tail"
HEADERS = {"content-type": "text/x-odd", "content-encoding": "gzip", "cache-control": "no-store"}
USER = {"camera": "x100", "place": "K%C3%B6ln"}
APP_ID = "1250000000"


@dataclass(frozen=True)
class Source:
    """One cloud of the sandbox as a source."""

    scheme: str
    name: str
    region: str | None
    archived: str | None = None
    """The class of an object that must be restored; None: there is none."""
    restorable: bool = True
    line_breaks: bool = True
    """Whether keys with line breaks can be stored and listed."""
    options: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        return self.scheme


SOURCES = [
    Source("s3", "s3", "us-east-1", "GLACIER"),
    Source("obs", "obs", "cn-north-4", "COLD"),
    Source("oss", "oss", "cn-hangzhou", "ColdArchive"),
    Source("cos", "cos", "ap-guangzhou", "ARCHIVE", options=("--source-app-id", APP_ID)),
    Source("az", "azure", None, "Archive"),
    Source("gs", "google", None, line_breaks=False),
    Source("qingstor", "qingstor", "pek3b"),
    Source("ks3", "ks3", "BEIJING", "ARCHIVE"),
    Source("bos", "bos", "bj", "ARCHIVE", restorable=False),
    Source("kodo", "kodo", "cn-east-1", "GLACIER", line_breaks=False),
    Source("us3", "us3", "cn-bj", "GLACIER"),
]
LISTS_MD5 = {"s3", "obs", "oss", "cos"}
"""Clouds whose listings state the MD5 of an object that is in one piece; OSS in capitals."""
_NUMBERS = count(1)


@pytest.fixture(scope="module")
def sandbox():
    """All clouds in one process of their own."""
    with Sandbox(clouds={source.name for source in SOURCES} | {"obs"}, process=True) as running:
        for cloud in running.clouds.values():
            cloud.restore_seconds = 0.3
        yield running


class CloudBench(Bench):
    """A bucket of one cloud, and an OBS bucket to migrate it to; keys come from the vendor's own variables."""

    def __init__(self, sandbox, home, source):
        self.cloud, self.spec, number = sandbox.clouds[source.name], source, next(_NUMBERS)
        self.bucket = f"src-{number}"
        real = f"{self.bucket}-{APP_ID}" if source.scheme == "cos" else self.bucket
        super().__init__(sandbox, home, self.cloud.create_bucket(real), sandbox.obs.create_bucket(f"dst-{number}"))

    @property
    def places(self):
        """Return SRC and DST."""
        return [f"{self.spec.scheme}://{self.bucket}", f"obs://{self.destination.name}"]

    @property
    def ends(self):
        """Return the options that name endpoints and regions."""
        region = ("--source-region", self.spec.region) if self.spec.region else ()
        return [
            "--source-endpoint", self.cloud.url, *region, *self.spec.options,
            "--destination-endpoint", self.sandbox.obs.url, "--destination-region", "cn-north-4",
        ]  # fmt: skip

    def vendor_variables(self):
        """Return the vendor's own variables of the last set of its table, as a user of its tools has them."""
        variables = cloud_of_scheme(self.spec.scheme).keys[-1]
        if variables.json_auth_file:
            path = self.home / "key.json"
            path.write_text(account_of(self.cloud))
            return {variables.json_auth_file: str(path)}
        return {variables.access: self.cloud.access_key, variables.secret: self.cloud.secret_key}

    def environ(self, changes=None):
        """Return the environment of a run."""
        mine = {"OPENOMS_SOURCE_AK": None, "OPENOMS_SOURCE_SK": None, **self.vendor_variables()}
        return super().environ({**mine, **(changes or {})})

    def fill(self):
        """Fill the source with what migrations stumble over, and return how many objects may be migrated."""
        keys = [*ODD_KEYS, LINE_BREAK] if self.spec.line_breaks else ODD_KEYS
        for key in keys:
            self.source.put(key, b"" if key.endswith("/") else b"body of " + key.encode())
        self.source.put("full", b"\x1f\x8b no gzip", headers=HEADERS, user=USER)
        self.source.put("large", LARGE, etag=f"multipart:{16 * 1024 * 1024}")
        if self.spec.archived:
            self.source.put("vault", b"cold", storage_class=self.spec.archived)
        return len(keys) + 2 + bool(self.spec.archived and self.spec.restorable)

    def expected(self):
        """Return keys and digests of what must arrive."""
        keys = [key for key in self.source.keys() if key != "vault" or self.spec.restorable]  # noqa: SIM118
        return {key: hashlib.sha256(self.source.get(key)).digest() for key in keys}

    def arrived(self):
        """Return keys and digests of what did arrive."""
        return {key: hashlib.sha256(body).digest() for key, body in self.copied().items()}


@pytest.fixture(params=SOURCES, ids=str)
def bench(request, sandbox, tmp_path):
    """Buckets of the test's own, for every cloud."""
    return CloudBench(sandbox, tmp_path, request.param)


def test_a_bucket_of_every_cloud_is_migrated_and_checked(bench):
    """Odd keys, metadata, encoded, archived and large objects arrive byte for byte; the check finds nothing."""
    migrated, source = bench.fill(), bench.spec
    left = bool(source.archived and not source.restorable)
    restore = ["--restore", "--restore-poll", "0.1", "--restore-days", "3"] if source.archived and not left else []
    done = bench.migrate("--metadata", "--storage-class", "STANDARD", *restore)
    assert done.returncode == left, done.stdout + done.stderr
    assert bench.arrived() == bench.expected()
    full = bench.destination.object("full")
    assert {name: full.headers.get(name) for name in HEADERS} == HEADERS
    assert full.user == USER
    assert "-" in bench.destination.object("large").etag
    assert [line[2] for line in bench.records("failed")] == (["vault"] if left else [])
    again = bench.response("--metadata", "--storage-class", "STANDARD", *restore, expect=int(left))
    assert (again["successful_num"], again["skipped_num"], again["failed_num"]) == (0, migrated, int(left))
    check = bench.run("check", "--size-only", *bench.places, *bench.ends)
    marks = [
        line for line in check.stdout.splitlines() if line.startswith(("+ ", "- ", "* ", "! ")) and ": " not in line
    ]
    assert check.returncode == left, check.stdout + check.stderr
    assert [line for line in marks if not line.split()[1].isdigit()] == (["+ vault"] if left else [])
    if source.scheme in LISTS_MD5:
        assert f"{migrated - 1} by md5" in check.stdout
    assert not bench.destination.uploads()


def body_of(bench, **changes):
    """Return the body of Create-a-migration-task for the bench's buckets."""
    source, keys = bench.spec, bench.vendor_variables()
    node = {"cloud_type": cloud_of_scheme(source.scheme).cloud_type, "bucket": bench.bucket, "object_key": [""]}
    if source.region:
        node["region"] = source.region
    if source.scheme == "gs":
        node["json_auth_file"] = (bench.home / "key.json").read_text()
    elif source.scheme == "az":
        endpoint = f"{bench.cloud.url}/{bench.cloud.access_key}"
        node["connection_string"] = (
            f"AccountName={bench.cloud.access_key};AccountKey={bench.cloud.secret_key};BlobEndpoint={endpoint}"
        )
    else:
        node["ak"], node["sk"] = keys.values()
    if source.scheme == "cos":
        node["app_id"] = APP_ID
    obs = bench.sandbox.obs
    return {
        "task_type": "prefix",
        "src_node": node,
        "dst_node": {
            "region": "cn-north-4", "bucket": bench.destination.name, "ak": obs.access_key, "sk": obs.secret_key,
        },
        **changes,
    }  # fmt: skip


NO_KEYS = {f"OPENOMS_{side}_{part}": None for side in ("SOURCE", "DESTINATION") for part in ("AK", "SK")}


def test_every_cloud_is_a_source_of_a_task_body(bench):
    """OMS's own body, with all credentials in it and none in the environment, migrates a bucket of every cloud."""
    bench.source.put_many((key, key.encode()) for key in ODD_KEYS)
    variables = dict.fromkeys(bench.vendor_variables())
    ends = {"OPENOMS_SOURCE_ENDPOINT": bench.cloud.url, "OPENOMS_DESTINATION_ENDPOINT": bench.sandbox.obs.url}
    body = json.dumps(body_of(bench))
    done = bench.run("run", "-", "--json", "--processes", "2", stdin=body, environ={**NO_KEYS, **variables, **ends})
    assert done.returncode == 0, done.stdout + done.stderr
    response = json.loads(done.stdout)
    assert response["src_node"]["cloud_type"] == cloud_of_scheme(bench.spec.scheme).cloud_type
    assert bench.cloud.secret_key not in done.stdout + done.stderr
    assert bench.arrived() == bench.expected()


def test_every_cloud_is_a_source_from_python(bench, monkeypatch):
    """``openoms.migrate`` with credentials as values does the same, with nothing in the environment."""
    bench.source.put_many((key, key.encode()) for key in ODD_KEYS)
    monkeypatch.setenv("XDG_STATE_HOME", str(bench.home / "state"))
    secret = account_of(bench.cloud) if bench.spec.scheme == "gs" else bench.cloud.secret_key
    access = "" if bench.spec.scheme == "gs" else bench.cloud.access_key
    result = openoms.migrate(
        *bench.places,
        source_endpoint=bench.cloud.url,
        source_region=bench.spec.region,
        source_app_id=APP_ID if bench.spec.scheme == "cos" else None,
        source_credentials=openoms.Credentials(access, openoms.Secret(secret)),
        destination_endpoint=bench.sandbox.obs.url,
        destination_region="cn-north-4",
        destination_credentials=bench.sandbox.obs.credentials,
    )
    assert result.counters.migrated == len(ODD_KEYS)
    assert bench.arrived() == bench.expected()


def test_a_wrong_clock_is_told_by_every_cloud(bench):
    """Where the store's clock is a day off, the sentence speaks of the clock, not of the key."""
    bench.source.put("k", b"x")
    bench.cloud.clock_skew = 86_400.0
    try:
        done = bench.migrate("-q")
    finally:
        bench.cloud.clock_skew = 0.0
    assert done.returncode == 3
    assert "clock" in done.stderr.lower()


def test_a_wrong_key_is_told_by_every_cloud(bench):
    """A key that nobody knows ends the task with OMS's code for the source's credentials."""
    if bench.spec.scheme == "gs":
        key = bench.home / "other.json"
        key.write_text(account_of(bench.cloud, number=1))
        wrong = {"GOOGLE_APPLICATION_CREDENTIALS": str(key)}
    else:
        names = cloud_of_scheme(bench.spec.scheme).keys[-1]
        wrong = {names.secret: "bm90IHRoZSBrZXk="}
    done = bench.migrate("-q", environ=wrong)
    assert done.returncode == 3
    assert "TRF.015" in done.stderr, done.stderr


def test_restores_are_refused_where_there_are_none(bench):
    """``--restore`` of a cloud that archives and cannot restore is refused with OMS's code before anything is sent."""
    done = bench.migrate("--restore", "--restore-days", "1")
    if bench.spec.archived and not bench.spec.restorable:
        assert done.returncode == 2
        assert "S3M.0082" in done.stderr
    else:
        assert "S3M.0082" not in done.stderr


def test_crc64_is_refused_where_there_is_none(bench):
    """``crc64`` is taken for the four clouds that state one, and refused for the others with OMS.1003."""
    bench.source.put("k", b"x", crc64=True)
    done = bench.migrate("--check", "crc64", "--overwrite", "crc64")
    if bench.spec.scheme in {"obs", "oss", "cos", "ks3"}:
        assert done.returncode == 0, done.stderr
        assert bench.records("success")[0][6] == "crc64"
    else:
        assert done.returncode == 2
        assert "OMS.1003" in done.stderr


def test_no_task_body_shows_a_secret(bench):
    """The parsed plan of every cloud's body renders without its secrets."""
    settings = load_settings(None, {"OPENOMS_SOURCE_ENDPOINT": bench.cloud.url, "HOME": str(bench.home)})
    shown = repr(parse_task(json.dumps(body_of(bench)), settings))
    assert bench.cloud.secret_key not in shown
    assert "PRIVATE KEY" not in shown
