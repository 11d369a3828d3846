"""URL authentications of CDNs in front of a bucket: each turns a path into what the CDN accepts. Pure.

The eleven types of OMS's ``source_cdn.authentication_type``, and Qiniu's timestamps. The letters A to D are the
vendors' own names of their CDN authentications. All hash the path as it is sent, percent-encoded: nothing else is seen.

* Alibaba Cloud A, B, C: https://www.alibabacloud.com/help/en/cdn/user-guide/type-a-signing, -b-, -c- (and the examples
  on https://www.alibabacloud.com/help/en/cdn/user-guide/url-signing-examples)
* Tencent Cloud A, B, C, D: https://www.tencentcloud.com/document/product/228/35222 to 35225; the English page of C
  swaps two fields, EdgeOne's (https://www.tencentcloud.com/document/product/1552/109331) and the Chinese one agree
* Qiniu timestamps: ``create_timestamp_anti_leech_url`` of its SDK, https://pypi.org/project/qiniu/ (services/cdn)
* Qiniu private download: https://developer.qiniu.com/kodo/1202/download-token
* Kingsoft Cloud KS3: the query signature of its SDK, https://github.com/ks3sdk/ks3-python-sdk
* Azure: a shared access signature is made by Azure and only handed on,
  https://learn.microsoft.com/en-us/azure/storage/common/storage-sas-overview
"""

from __future__ import annotations

import hmac
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from enum import StrEnum
from hashlib import md5
from typing import Final, NamedTuple
from urllib.parse import quote

from oms_engine.frozen import dataclass
from oms_engine.model import Credentials, Secret

VALID_SECONDS: Final = 3600
"""How long an address with a deadline of its own is good for; the others live as long as the CDN is told to."""

_BEIJING: Final = 8 * 3600
"""Types B write the time of UTC+8."""


class CdnAuth(StrEnum):
    """``source_cdn.authentication_type``."""

    NONE = "NONE"
    QINIU = "QINIU_PRIVATE_AUTHENTICATION"
    ALIYUN_A = "ALIYUN_OSS_A"
    ALIYUN_B = "ALIYUN_OSS_B"
    ALIYUN_C = "ALIYUN_OSS_C"
    KSYUN = "KSYUN_PRIVATE_AUTHENTICATION"
    AZURE_SAS = "AZURE_SAS_TOKEN"
    TENCENT_A = "TENCENT_COS_A"
    TENCENT_B = "TENCENT_COS_B"
    TENCENT_C = "TENCENT_COS_C"
    TENCENT_D = "TENCENT_COS_D"
    QINIU_TIMESTAMP = "QINIU_TIMESTAMP_AUTHENTICATION"
    """Beyond OMS's eleven."""


BY_KEY: Final = frozenset(CdnAuth) - {CdnAuth.NONE, CdnAuth.QINIU, CdnAuth.KSYUN}
"""Types that sign with ``authentication_key``."""

BY_CREDENTIALS: Final = frozenset({CdnAuth.QINIU, CdnAuth.KSYUN})
"""Types that sign with the access key of the source bucket."""


class SignedTarget(NamedTuple):
    """What is asked of a CDN; ``query`` is sent as it stands, None is no query."""

    path: str
    query: str | None


class Style(NamedTuple):
    """What vendors let their users set of an authentication; empty: the vendor's default.

    ==========  =====================================  ================================================
    type        option                                 the vendor's page
    ==========  =====================================  ================================================
    TENCENT_A   sign_name                              tencentcloud.com/document/product/228/35222
    TENCENT_D   sign_name, time_name, hex_time         tencentcloud.com/document/product/1145/62478
    ALIYUN_A    sign_name                              alibabacloud.com/help/en/dcdn/type-a-signing
    ALIYUN_C    in_query; then sign_name, time_name    alibabacloud.com/help/en/doc-detail/119860.html
    ==========  =====================================  ================================================
    """

    sign_name: str = ""
    """Name of the parameter that holds the signature."""
    time_name: str = ""
    """Name of the parameter that holds the time."""
    hex_time: bool = False
    """The time is a hexadecimal number instead of a decimal one."""
    in_query: bool = False
    """The second form of Alibaba Cloud's type C: ``?KEY1=<hash>&KEY2=<time>``."""


STYLES: Final[dict[CdnAuth, frozenset[str]]] = {
    CdnAuth.ALIYUN_A: frozenset({"sign_name"}),
    CdnAuth.ALIYUN_C: frozenset({"in_query", "sign_name", "time_name"}),
    CdnAuth.TENCENT_A: frozenset({"sign_name"}),
    CdnAuth.TENCENT_D: frozenset({"sign_name", "time_name", "hex_time"}),
}
"""Which options a type has; the others have none."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Everything an authentication may sign with."""

    origin: str
    """``scheme://domain``."""
    bucket: str
    key: Secret
    """``authentication_key``; empty where the type has none."""
    credentials: Credentials | None = None
    style: Style = Style()


def sign_target(auth: CdnAuth, asked: Asked, path: str, *, now: float, nonce: str = "0") -> SignedTarget:
    """Return path and query of an object at a CDN.

    ``path`` is percent-encoded and begins with ``/``; ``now`` are seconds since the epoch; ``nonce`` are letters and
    digits, for the types that ask for a random word.
    """
    return _SIGNERS[auth](asked, path, int(now), nonce)


def _hash(*parts: str) -> str:
    return md5("".join(parts).encode("latin-1"), usedforsecurity=False).hexdigest()


def _sha1(secret: Secret, text: str) -> bytes:
    return hmac.digest(secret.reveal().encode(), text.encode("latin-1"), "sha1")


def _none(_asked: Asked, path: str, _now: int, _nonce: str) -> SignedTarget:
    return SignedTarget(path, None)


def _type_a(name: str) -> Callable[[Asked, str, int, str], SignedTarget]:
    def sign(asked: Asked, path: str, now: int, nonce: str) -> SignedTarget:
        stamp = f"{now}-{nonce}-0"
        return SignedTarget(
            path, f"{asked.style.sign_name or name}={stamp}-{_hash(path, '-', stamp, '-', asked.key.reveal())}"
        )

    return sign


def _type_b(asked: Asked, path: str, now: int, _nonce: str) -> SignedTarget:
    stamp = time.strftime("%Y%m%d%H%M", time.gmtime(now + _BEIJING))
    return SignedTarget(f"/{stamp}/{_hash(asked.key.reveal(), stamp, path)}{path}", None)


def _type_c(form: str) -> Callable[[Asked, str, int, str], SignedTarget]:
    def sign(asked: Asked, path: str, now: int, _nonce: str) -> SignedTarget:
        stamp, style = format(now, form), asked.style
        hashed = _hash(asked.key.reveal(), path, stamp)
        if style.in_query:
            return SignedTarget(path, f"{style.sign_name or 'KEY1'}={hashed}&{style.time_name or 'KEY2'}={stamp}")
        return SignedTarget(f"/{hashed}/{stamp}{path}", None)

    return sign


def _type_d(asked: Asked, path: str, now: int, _nonce: str) -> SignedTarget:
    style = asked.style
    stamp = format(now, "x" if style.hex_time else "d")
    hashed = _hash(asked.key.reveal(), path, stamp)
    return SignedTarget(path, f"{style.sign_name or 'sign'}={hashed}&{style.time_name or 't'}={stamp}")


def _qiniu_timestamp(asked: Asked, path: str, now: int, _nonce: str) -> SignedTarget:
    until = format(now + VALID_SECONDS, "x")
    return SignedTarget(path, f"sign={_hash(asked.key.reveal(), path, until)}&t={until}")


def _qiniu(asked: Asked, path: str, now: int, _nonce: str) -> SignedTarget:
    account = _credentials(asked)
    query = f"e={now + VALID_SECONDS}"
    token = urlsafe_b64encode(_sha1(account.secret_key, f"{asked.origin}{path}?{query}")).decode()
    return SignedTarget(path, f"{query}&token={account.access_key}:{token}")


def _ksyun(asked: Asked, path: str, now: int, _nonce: str) -> SignedTarget:
    account = _credentials(asked)
    expires = now + VALID_SECONDS
    # A slash after a slash is encoded, in the signature and in the address: ks3/auth.py, canonical_resource.
    resource = f"/{asked.bucket}{path}".replace("//", "/%2F")
    signature = b64encode(_sha1(account.secret_key, f"GET\n\n\n{expires}\n{resource}")).decode()
    query = (
        f"KSSAccessKeyId={quote(account.access_key, safe='')}&Expires={expires}&Signature={quote(signature, safe='')}"
    )
    return SignedTarget(resource.removeprefix(f"/{asked.bucket}"), query)


def _azure(asked: Asked, path: str, _now: int, _nonce: str) -> SignedTarget:
    return SignedTarget(f"/{quote(asked.bucket, safe='$')}{path}", asked.key.reveal().removeprefix("?"))


def _credentials(asked: Asked) -> Credentials:
    if asked.credentials is None:
        raise AssertionError("checked where the CDN is configured")
    return asked.credentials


_SIGNERS: Final[dict[CdnAuth, Callable[[Asked, str, int, str], SignedTarget]]] = {
    CdnAuth.NONE: _none,
    CdnAuth.QINIU: _qiniu,
    CdnAuth.ALIYUN_A: _type_a("auth_key"),
    CdnAuth.ALIYUN_B: _type_b,
    CdnAuth.ALIYUN_C: _type_c("X"),
    CdnAuth.KSYUN: _ksyun,
    CdnAuth.AZURE_SAS: _azure,
    CdnAuth.TENCENT_A: _type_a("sign"),
    CdnAuth.TENCENT_B: _type_b,
    CdnAuth.TENCENT_C: _type_c("x"),
    CdnAuth.TENCENT_D: _type_d,
    CdnAuth.QINIU_TIMESTAMP: _qiniu_timestamp,
}
