"""Migrations of a bucket that is read through a CDN: what the CDN serves is held against what the bucket states."""

import functools
import hashlib
import hmac
import re
import time
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import parse_qs, unquote

import pytest

from oms_adapters.cdn import parse_cdn
from oms_adapters.registry import open_store
from oms_adapters.sandbox import put_item
from oms_adapters.signing.cdn import CdnAuth
from oms_engine.model import Secret
from oms_engine.store import MIB
from oms_engine.task import TaskState
from support.migrations import requests_of, store_config
from support.webserver import Page, serving

KEY = "cdn1234secret"


def md5(text):
    """Return an MD5 in hexadecimal."""
    return hashlib.md5(text.encode()).hexdigest()


class Cdn:
    """A CDN in front of a sandbox bucket. It checks addresses the way the vendors' pages tell a CDN to."""

    def __init__(self, web, bucket, auth):
        self.web, self.bucket, self.auth = web, bucket, auth
        self.stale = {}
        self.refused = set()
        self.etags = True
        self.ranges = True
        web.decide = self.decide

    def decide(self, asked):
        path, _, query = asked.target.partition("?")
        key = self.key_of(path, query)
        if key is None or key in self.refused:
            return Page(get_status=403)
        if key in self.stale:
            return self.stale[key]
        item = {entry.key: entry for entry in self.bucket.objects()}.get(key)
        if item is None:
            return Page(get_status=404)
        etag = f'"{item.etag}"' if self.etags else None
        return Page(self.bucket.get(key), "application/x-cdn", etag, item.mtime, {"X-Cache": "HIT"}, ranges=self.ranges)

    def key_of(self, path, query):
        """Return the key an address names, None when it is not signed as it should be."""
        fields = {name: values[0] for name, values in parse_qs(query).items()}
        now = time.time()
        match self.auth:
            case CdnAuth.NONE:
                return unquote(path[1:])
            case CdnAuth.ALIYUN_A | CdnAuth.TENCENT_A:
                stamp, nonce, user, digest = fields[{"A": "auth_key", "T": "sign"}[self.auth[0]]].split("-")
                good = digest == md5(f"{path}-{stamp}-{nonce}-{user}-{KEY}") and abs(now - int(stamp)) < 60
            case CdnAuth.ALIYUN_B | CdnAuth.TENCENT_B:
                stamp, digest, path = re.fullmatch(r"/(\d{12})/([0-9a-f]{32})(/.*)", path).groups()
                made = time.mktime(time.strptime(stamp, "%Y%m%d%H%M")) - time.mktime(time.gmtime(0)) - 8 * 3600
                good = digest == md5(KEY + stamp + path) and abs(now - made) < 120
            case CdnAuth.ALIYUN_C | CdnAuth.TENCENT_C:
                digest, stamp, path = re.fullmatch(r"/([0-9a-f]{32})/([0-9a-fA-F]{8})(/.*)", path).groups()
                good = digest == md5(KEY + path + stamp) and abs(now - int(stamp, 16)) < 60
            case CdnAuth.TENCENT_D:
                good = fields["sign"] == md5(KEY + path + fields["t"]) and abs(now - int(fields["t"])) < 60
            case CdnAuth.QINIU_TIMESTAMP:
                # https://developer.qiniu.com/fusion/3841/timestamp-hotlinking-prevention-fusion
                stamp = parse_qs(query)["t"][0]
                good = query == f"sign={md5(KEY + path + stamp)}&t={stamp}" and int(stamp, 16) > time.time()
            case CdnAuth.AZURE_SAS:
                good = query == KEY
                path = path.removeprefix(f"/{self.bucket.name}")
            case CdnAuth.QINIU:
                good = self._by_account(f"{self.web.url}{path}?e={fields['e']}", fields["token"], urlsafe_b64encode)
            case CdnAuth.KSYUN:
                text = f"GET\n\n\n{fields['Expires']}\n/{self.bucket.name}{path}"
                token = f"{fields['KSSAccessKeyId']}:{fields['Signature']}"
                good = self._by_account(text, token, b64encode)
        return unquote(path[1:]) if good else None

    @staticmethod
    def _by_account(text, token, encode):
        access, _, signature = token.partition(":")
        digest = hmac.new(SECRETS[access].encode(), text.encode(), "sha1").digest()
        return signature == encode(digest).decode()


SECRETS = {}


@pytest.fixture
def web():
    """The CDN's server."""
    with serving() as server:
        yield server


def run(world, web, auth=CdnAuth.NONE, **fields):
    """Run a migration whose source is read through the CDN."""
    account = world.s3.credentials
    SECRETS[account.access_key] = account.secret_key.reveal()
    cdn = parse_cdn(f"{web.host}:{web.port}", protocol="HTTP", auth=auth, key=Secret(KEY))
    config = store_config(world.s3, world.source.name, credentials=account, cdn=cdn)
    return world.run(source=functools.partial(open_store, config), **fields)


ODD = ["plain", "a b/ü+(1)~*'", "中文/名字", "%41", "q?x=1&y#z", "dir/", "a//b", "tab\there"]


@pytest.mark.parametrize("auth", CdnAuth)
def test_objects_are_listed_by_the_bucket_and_read_through_the_cdn(world, web, auth):
    """Under each authentication every object arrives, with the bucket's metadata; the bucket itself is not read."""
    Cdn(web, world.source, auth)
    world.source.put_many(
        put_item(
            key, key.encode() * 3, headers={"content-type": "text/x", "cache-control": "no-cache"}, user={"a": "b"}
        )
        for key in ODD
    )
    ran = run(world, web, auth, metadata=True)
    world.check_clean(ran, attributes=True)
    assert ran.counts == (len(ODD), len(ODD), 0, 0)
    asked = requests_of(world.s3, world.source.name)
    assert asked["GetObject"] == 0
    assert len(web.asked("GET")) == len(ODD)
    secrets = world.s3.credentials.secret_key.reveal()
    for entry in web.log:
        assert not [name for name in entry.headers if name.startswith("x-") or name in {"authorization", "if-match"}]
        assert secrets not in str(entry)


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("size", [MIB + 1, 20 * MIB])
def test_large_objects_come_through_the_cdn_too(world, web, size, ranges):
    """Streamed objects and parts come through the CDN; where it reads no ranges, the object is read at once."""
    cdn = Cdn(web, world.source, CdnAuth.TENCENT_A)
    cdn.ranges = ranges
    world.source.put_many([("large", b"0123456789" * (size // 10))])
    ran = run(world, web, cdn.auth)
    world.check_clean(ran)
    assert requests_of(world.s3, world.source.name)["GetObject"] == 0


@pytest.mark.parametrize("size", [10, 2 * MIB, 20 * MIB])
def test_what_is_stale_refused_or_missing_fails_by_name(world, web, size):
    """A stale, refused or missing object fails with its own code; the others arrive."""
    cdn = Cdn(web, world.source, CdnAuth.NONE)
    world.source.put_many((key, key[:1].encode() * size) for key in ("good", "older", "other", "refused", "shorter"))
    now = float(int(time.time()))
    cdn.stale = {
        "older": Page(b"o" * size, modified=now - 86_400),
        "other": Page(b"o" * size, etag=f'"{"0" * 32}"', modified=now),
        "shorter": Page(b"s" * (size - 1), modified=now),
    }
    cdn.refused = {"refused"}
    ran = run(world, web)
    assert ran.result.state is TaskState.FAILED
    assert ran.codes() == {
        "older": "CHECK_SRC_CDN_OBJ_STALE_FAILURE",
        "other": "CHECK_SRC_CDN_OBJ_STALE_FAILURE",
        "shorter": "CHECK_SRC_CDN_OBJ_STALE_FAILURE",
        "refused": "GET_SRC_CDN_OBJ_REFUSED_FAILURE",
    }
    texts = {failure.key: failure.message for failure in ran.failures}
    assert "Refresh its cache" in texts["older"]
    assert "hotlink" in texts["refused"]
    assert sorted(world.arrived()) == ["good"]


def test_damage_in_the_cdn_is_found_by_the_buckets_checksum(world, web):
    """A CDN that serves other bytes under the right size and time is found out: the bucket states their MD5."""
    cdn = Cdn(web, world.source, CdnAuth.NONE)
    world.source.put_many([("a", b"right")])
    stated = next(iter(world.source.objects()))
    cdn.stale["a"] = Page(b"wrong", modified=stated.mtime)
    ran = run(world, web)
    assert ran.codes() == {"a": "CHECK_DST_OBJ_CONSISTENCY_FAILURE"}
    assert world.arrived() == {}


def test_a_wrong_key_refuses_every_object(world, web):
    """With another key than the CDN's every object is refused, and says which authentication was used."""
    Cdn(web, world.source, CdnAuth.ALIYUN_A)
    world.source.put_many([("a", b"1"), ("b", b"2")])
    ran = _run_with_key(world, web)
    assert set(ran.codes().values()) == {"GET_SRC_CDN_OBJ_REFUSED_FAILURE"}
    assert "ALIYUN_OSS_A" in ran.failures[0].message
    assert "another-key" not in str(ran.failures)


def _run_with_key(world, web):
    cdn = parse_cdn(f"{web.host}:{web.port}", protocol="http", auth="aliyun_oss_a", key=Secret("another-key"))
    config = store_config(world.s3, world.source.name, credentials=world.s3.credentials, cdn=cdn)
    return world.run(source=functools.partial(open_store, config))


@pytest.mark.parametrize("size", [10, 2 * MIB, 20 * MIB])
def test_a_cdn_without_etags_is_believed_by_size_and_time(world, web, size):
    """Where the CDN states no ETag and reads no ranges, size and time suffice; the metadata is the bucket's."""
    cdn = Cdn(web, world.source, CdnAuth.NONE)
    cdn.etags = cdn.ranges = False
    world.source.put_many([put_item("a", b"0123456789" * (size // 10), headers={"content-type": "text/x"})])
    ran = run(world, web)
    world.check_clean(ran, attributes=False)


def test_a_private_cdn_is_refused_where_others_name_it(world, web):
    """A service that lets others name the domain refuses one that leads to a private address."""
    Cdn(web, world.source, CdnAuth.NONE)
    world.source.put_many([("a", b"1")])
    cdn = parse_cdn(f"{web.host}:{web.port}", protocol="http", public=True)
    config = store_config(world.s3, world.source.name, credentials=world.s3.credentials, cdn=cdn)
    ran = world.run(source=functools.partial(open_store, config))
    assert ran.codes() == {"a": "CHECK_SRC_URL_ADDRESS_FAILURE"}
    assert web.log == []
