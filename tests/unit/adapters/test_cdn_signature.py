"""The URL authentications of CDNs: the vendors' published examples, an SDK's signer, and what holds for all."""

from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs, quote, unquote

import pytest
from azure.storage.blob import BlobClient
from botocore.auth import HmacV1QueryAuth
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as st

from oms_adapters.signing.cdn import BY_CREDENTIALS, BY_KEY, Asked, CdnAuth, Style, sign_target
from oms_adapters.signing.quoting import quote_key
from oms_engine.model import Credentials, Secret

KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
TIMES = st.integers(1_000_000_000, 4_000_000_000)
WORDS = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=6, max_size=40)
ORIGIN = "https://cdn.example.com"


def asked(key="", *, bucket="bkt", access="", secret="", origin=ORIGIN):
    """Return what to sign with."""
    credentials = Credentials(access, Secret(secret)) if access else None
    return Asked(origin, bucket, Secret(key), credentials)


def at(year, month, day, hour, minute, second=0):
    """Return an instant given in Beijing's time, as the vendors' examples are."""
    return datetime(year, month, day, hour, minute, second, tzinfo=timezone(timedelta(hours=8))).timestamp()


ALIYUN = "aliyuncdnexp1234"
TENCENT = "dimtm5evg50ijsx2hvuwyfoiu65"
EDGEONE = "DvYmqE81E1F9R791H6lmht"

PUBLISHED = [
    # https://www.alibabacloud.com/help/en/cdn/user-guide/type-a-signing
    (CdnAuth.ALIYUN_A, ALIYUN, "/video/standard/1K.html", 1444435200, "0",
     "/video/standard/1K.html?auth_key=1444435200-0-0-80cd3862d699b7118eed99103f2a3a4f"),
    # https://www.alibabacloud.com/help/doc-detail/85114.htm
    (CdnAuth.ALIYUN_B, ALIYUN, "/4/44/44c0909bcfc20a01afaf256ca99a8b8b.mp3", at(2015, 8, 15, 8, 0), "0",
     "/201508150800/9044548ef1527deadafa49a890a377f0/4/44/44c0909bcfc20a01afaf256ca99a8b8b.mp3"),
    # https://www.alibabacloud.com/help/doc-detail/85115.htm
    (CdnAuth.ALIYUN_C, ALIYUN, "/test.flv", 0x55CE8100, "0",
     "/a37fa50a5fb8f71214b1e7c95ec7a1bd/55CE8100/test.flv"),
    # https://www.tencentcloud.com/document/product/228/35222
    (CdnAuth.TENCENT_A, TENCENT, "/test.jpg", 1582791032, "im1acp76sx9sdqe601v",
     "/test.jpg?sign=1582791032-im1acp76sx9sdqe601v-0-3fbb88382c9356b6faaf9d68c7b2ae3a"),
    # https://www.tencentcloud.com/document/product/1552/109330
    (CdnAuth.TENCENT_B, EDGEONE, "/foo.jpg", at(2024, 7, 15, 15, 33, 50), "0",
     "/202407151533/d1f0b51c6894231fc12e054fcc7f0b3e/foo.jpg"),
    # https://www.tencentcloud.com/document/product/1552/109331
    (CdnAuth.TENCENT_C, EDGEONE, "/foo.jpg", 0x6694D30A, "0",
     "/6688749e8906a726c12fe1be3aacd016/6694d30a/foo.jpg"),
    # https://www.tencentcloud.com/document/product/1552/109332, whose parameter is called token
    (CdnAuth.TENCENT_D, EDGEONE, "/foo.jpg", 1721029907, "0",
     "/foo.jpg?sign=cadcec4a04e67b9c2abf4b61c642a0dd&t=1721029907"),
]  # fmt: skip


@pytest.mark.parametrize(("auth", "key", "path", "now", "nonce", "expected"), PUBLISHED)
def test_the_vendors_examples(auth, key, path, now, nonce, expected):
    """Path and query are those the vendor's page shows."""
    signed = sign_target(auth, asked(key), path, now=now, nonce=nonce)
    assert signed.path + ("" if signed.query is None else f"?{signed.query}") == expected


def test_qinius_example():
    """The token is that of Qiniu's page: https://developer.qiniu.com/kodo/1202/download-token."""
    signed = sign_target(
        CdnAuth.QINIU,
        asked(access="MY_ACCESS_KEY", secret="MY_SECRET_KEY", origin="http://78re52.com1.z0.glb.clouddn.com"),
        "/resource/flower.jpg",
        now=1451491200 - 3600,
    )
    assert signed.path == "/resource/flower.jpg"
    assert signed.query == "e=1451491200&token=MY_ACCESS_KEY:438dd8pXocjYuF-6dTcKMtETB2g="


KS3_SDK = {
    "plain.txt": ("/plain.txt", "ytHURhZesR/m8yUR6DCVF/JOGks="),
    "a b/ü+(1)~*'.txt": ("/a%20b/%C3%BC%2B%281%29~%2A%27.txt", "Ul61CqhkW8dRuiqdOXdA4Ud1Ruk="),
    "a//b": ("/a/%2Fb", "qwjTrOSQHhwlzJmzYcKv6mx9vN4="),
    "dir/": ("/dir/", "zLIL0iIKabsCDYz7T4vJUvazHc8="),
    "/lead": ("/%2Flead", "yscVjoWYvMJPQJAa2wPXrPWEh2c="),
}
"""Addresses made by ks3sdk 1.18.0 (``Connection.generate_url``) for bucket bkt until 1700000000."""


@pytest.mark.parametrize("key", KS3_SDK)
def test_ks3_signs_as_its_sdk(key):
    """Path and signature are those of Kingsoft's own SDK, slashes after slashes included."""
    account = asked(access="AKExample+/", secret="secret")
    signed = sign_target(CdnAuth.KSYUN, account, f"/{quote_key(key)}", now=1700000000 - 3600)
    path, signature = KS3_SDK[key]
    assert signed.path == path
    assert parse_qs(signed.query) == {
        "KSSAccessKeyId": ["AKExample+/"],
        "Expires": ["1700000000"],
        "Signature": [signature],
    }


@given(st.text("abc-._~ é中+%&?#/", min_size=1, max_size=20).filter(lambda key: "//" not in f"/{key}"), TIMES, WORDS)
def test_ks3_signs_as_s3s_version_2(key, now, secret):
    """KS3's query signature is S3's version 2, as botocore computes it, under other names."""
    path = f"/{quote_key(key)}"
    signed = sign_target(CdnAuth.KSYUN, asked(access="AK", secret=secret), path, now=now)
    oracle = HmacV1QueryAuth(BotoCredentials("AK", secret))
    text = "\n".join(["GET", "", "", str(now + 3600), f"/bkt{path}"])
    assert parse_qs(signed.query)["Signature"] == [oracle.sign_string(text)]


def test_azure_hands_the_token_on():
    """Azure's token is sent as it is, with or without its question mark, behind container and blob."""
    for token in ("?sv=2023-11-03&sig=a%2Bb%3D", "sv=2023-11-03&sig=a%2Bb%3D"):
        signed = sign_target(CdnAuth.AZURE_SAS, asked(token, bucket="$web"), "/dir/a%20b", now=0)
        assert signed == ("/$web/dir/a%20b", "sv=2023-11-03&sig=a%2Bb%3D")


@given(st.sampled_from(CdnAuth), KEYS, TIMES, WORDS, WORDS)
def test_every_key_stays_itself_and_fits_a_request_line(auth, key, now, word, nonce):
    """Whatever the key, path and query are printable, and the path still names the very key."""
    account = asked(word, access="AK", secret=word)
    signed = sign_target(auth, account, f"/{quote_key(key)}", now=now, nonce=nonce)
    assert signed.path.startswith("/")
    assert all("!" <= char <= "~" and char not in "?#" for char in signed.path)
    assert all("!" <= char <= "~" and char != "#" for char in signed.query or "")
    assert unquote(signed.path).endswith(f"/{key}" if not key.startswith("/") else key)


@given(st.sampled_from(sorted(BY_KEY - {CdnAuth.AZURE_SAS})), KEYS, TIMES, WORDS, WORDS)
def test_another_key_time_or_path_signs_otherwise(auth, key, now, word, nonce):
    """The signature depends on key, path and minute."""
    path = f"/{quote_key(key)}"
    signed = sign_target(auth, asked(word), path, now=now, nonce=nonce)
    assert signed != sign_target(auth, asked(word + "x"), path, now=now, nonce=nonce)
    assert signed != sign_target(auth, asked(word), path, now=now + 60, nonce=nonce)
    other = sign_target(auth, asked(word), path + "x", now=now, nonce=nonce)
    assert (other.path.replace(path + "x", ""), other.query) != (signed.path.replace(path, ""), signed.query)


QINIU_SDK = {
    "plain.txt": "/plain.txt?sign=a9081bc1e70da257cf6086ea7d8ca52d&t=6553f100",
    "dir/a b.txt": "/dir/a%20b.txt?sign=b3b9c3eb8da2fb19280441870bf62028&t=6553f100",
    "ü/中文.mp4": "/%C3%BC/%E4%B8%AD%E6%96%87.mp4?sign=4140c4c0d53bcdc95ba186a794fbf915&t=6553f100",
    "a+b&c=d%41?#": "/a%2Bb%26c%3Dd%2541%3F%23?sign=d33c2a6bd2cf7b8efb6aa667d2d6943b&t=6553f100",
    "~tilde-._": "/~tilde-._?sign=3f964057c7543eb557144575248b9258&t=6553f100",
    "a//b": "/a//b?sign=e703b345892277bb8691ef201e673d2d&t=6553f100",
    "dir/": "/dir/?sign=513c6df52c6a468a88fd5521095db1d4&t=6553f100",
    "(1)*'!": "/%281%29%2A%27%21?sign=ed5cf650107bce7396cf9d077f563ae0&t=6553f100",
}
"""Addresses made by qiniu 7.18.0 (``create_timestamp_anti_leech_url``) for a deadline of 1700000000."""


@pytest.mark.parametrize("key", QINIU_SDK)
def test_qinius_timestamps_are_its_sdks(key):
    """Path, signature and deadline are those of Qiniu's own SDK."""
    account = asked("the-key-of-the-domain")
    signed = sign_target(CdnAuth.QINIU_TIMESTAMP, account, f"/{quote_key(key)}", now=1700000000 - 3600)
    assert f"{signed.path}?{signed.query}" == QINIU_SDK[key]


@given(KEYS.filter(lambda key: "/../" not in f"/{key}/" and "/./" not in f"/{key}/"))
def test_azures_address_is_its_sdks(key):
    """Container, blob and token are put together as azure-storage-blob does it."""
    token = "sv=2023-11-03&sig=a%2Bb%3D"
    signed = sign_target(CdnAuth.AZURE_SAS, asked(token), f"/{quote_key(key)}", now=0)
    theirs = BlobClient(ORIGIN, container_name="bkt", blob_name=key, credential=token).url
    assert unquote(f"{ORIGIN}{signed.path}") == unquote(theirs.partition("?")[0])
    assert parse_qs(signed.query) == parse_qs(theirs.partition("?")[2])


def styled(key, **style):
    """Return what to sign with, with options."""
    return Asked(ORIGIN, "bkt", Secret(key), None, Style(**style))


def test_options_as_the_vendors_let_users_set_them():
    """Names of parameters, hexadecimal times and the second form of type C change the address and nothing else."""
    path, key = "/foo.jpg", EDGEONE
    named = sign_target(CdnAuth.TENCENT_D, styled(key, sign_name="token", time_name="when"), path, now=1721029907)
    assert named.query == "token=cadcec4a04e67b9c2abf4b61c642a0dd&when=1721029907"
    hexed = sign_target(CdnAuth.TENCENT_D, styled(key, hex_time=True), path, now=0x6694D30A)
    assert hexed.query == "sign=6688749e8906a726c12fe1be3aacd016&t=6694d30a"  # type C's example has the same fields
    for auth in (CdnAuth.ALIYUN_A, CdnAuth.TENCENT_A):
        plain, other = (sign_target(auth, asked, path, now=1) for asked in (styled(key), styled(key, sign_name="k")))
        assert other.query == f"k={plain.query.partition('=')[2]}"
    # https://www.alibabacloud.com/help/doc-detail/85115.htm
    queried = sign_target(CdnAuth.ALIYUN_C, styled(ALIYUN, in_query=True), "/test.flv", now=0x55CE8100)
    assert queried == ("/test.flv", "KEY1=a37fa50a5fb8f71214b1e7c95ec7a1bd&KEY2=55CE8100")


def test_types_are_omss():
    """Eleven words are OMS's, one is ours, and each knows what it signs with."""
    assert len(CdnAuth) == 12
    assert not BY_KEY & BY_CREDENTIALS
    assert frozenset(CdnAuth) - BY_KEY - BY_CREDENTIALS == {CdnAuth.NONE}
    assert sign_target(CdnAuth.NONE, asked(), f"/{quote('ü')}", now=0) == ("/%C3%BC", None)
