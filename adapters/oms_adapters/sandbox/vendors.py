"""Gateways that speak S3 with quirks of their own: what others and the vendors' pages tell of them, over the S3 face.

Where pages are silent the unkind case is played: an ETag that looks like an MD5 and is none, a marker not encoded.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType

from oms_adapters.sandbox.core import Stored
from oms_adapters.sandbox.dialect import Accounts, parse_days_and_tier
from oms_adapters.sandbox.refusal import Refusal
from oms_adapters.sandbox.request import Incoming
from oms_adapters.sandbox.s3 import S3

_CHINA = timezone(timedelta(hours=8))


class Gateway(S3):
    """S3's protocol without KMS, and with the quirks its subclasses switch on."""

    server = "gateway"
    checks_md5 = True
    """Whether Content-MD5 is looked at."""
    restores = True
    takes_tokens = True
    """Whether temporary keys are known."""
    takes_class = True
    """Whether a write may name a storage class."""
    max_key = 1024

    def authenticate(self, incoming: Incoming, accounts: Accounts, now: float) -> str | None:
        """Verify a Signature Version 4, then play the gateway's quirks."""
        if "x-amz-security-token" in incoming.headers and not self.takes_tokens:
            raise Refusal("InvalidAccessKeyId")
        payload_hash = super().authenticate(incoming, accounts, now)
        if incoming.operation == "ListObjectsV2" and not self.list_v2:
            incoming.operation = "ListObjects"  # list-type is a parameter it does not know, and leaves alone
        if incoming.operation == "RestoreObject" and not self.restores:
            raise Refusal("NotImplemented")
        if not self.checks_md5:
            incoming.headers.pop("content-md5", None)
        return payload_hash

    def parse_stored(self, incoming: Incoming, default_encryption: str | None) -> Stored:
        """Return what a write's headers fix, refusing a key that is too long."""
        if len(incoming.key) > self.max_key:
            raise Refusal("KeyTooLongError")
        if "x-amz-storage-class" in incoming.headers and not self.takes_class:
            raise Refusal("NotImplemented")
        return super().parse_stored(incoming, default_encryption)

    def parse_encryption(self, headers: dict[str, str]) -> tuple[str | None, str | None]:
        """Refuse to encrypt."""
        if "x-amz-server-side-encryption" in headers:
            raise Refusal("NotImplemented")
        return None, None

    def render_location(self, region: str) -> tuple[str, str]:
        """Return the region as it is."""
        return "LocationConstraint", region


class QingStor(Gateway):
    """https://docsv4.qingcloud.com/user_guide/storage/object_storage/s3/intro."""

    name = "qingstor"
    classes = frozenset({"STANDARD", "STANDARD_IA"})
    archived = frozenset()
    restores = False
    # https://github.com/yunify/qingcloud-docs/blob/master/content/storage/object-storage/s3/compatible_apis.md
    list_v2 = False
    list_url_encode = False
    list_replaces = True
    next_marker_always = True
    next_marker_encoded = False
    etag_style = "own-joined"
    takes_class = False
    takes_tokens = False  # compatible_headers.md, beside it
    max_key = 1023
    domains = ("s3.pek3b.qingstor.com",)


class Ks3(Gateway):
    """https://ks3.ksyun.com/doc/api/index.html."""

    name = "ks3"
    # https://github.com/ks3sdklib/aws-sdk-go/blob/master/service/s3/const.go
    classes = frozenset({"STANDARD", "STANDARD_IA", "DEEP_IA", "ARCHIVE", "COLD_ARCHIVE", "DEEP_COLD_ARCHIVE"})
    archived = frozenset({"ARCHIVE", "COLD_ARCHIVE", "DEEP_COLD_ARCHIVE"})
    crc64_policy = "always"  # https://github.com/ks3sdklib/aws-sdk-go/blob/master/service/s3/crc_check.go
    min_part = 100 * 1024  # https://docs.ksyun.com/documents/42468
    list_v2 = False
    next_marker_always = True
    next_marker_encoded = False
    etag_style = "own-joined"
    domains = ("ks3-cn-beijing.ksyuncs.com",)

    def authenticate(self, incoming: Incoming, accounts: Accounts, now: float) -> str | None:
        """Send requests for another region's host there, and refuse buckets in the path.

        https://docs.ksyun.com/documents/6762
        """
        host = incoming.headers.get("host", "")
        if (found := re.search(r"(?:^|\.)(ks3-[a-z0-9-]+)\.", host)) and found[1] != "ks3-cn-beijing":
            query = f"?{incoming.raw_query}" if incoming.raw_query else ""
            location = f"http://{host.replace(found[1], 'ks3-cn-beijing')}{incoming.path}{query}"
            raise Refusal("TemporaryRedirect", status=307, headers=(("location", location),))
        if incoming.bucket and not incoming.virtual_host:
            raise Refusal("InvalidRequest", "Name the bucket in the host")
        return super().authenticate(incoming, accounts, now)

    def parse_restore(self, body: bytes, storage_class: str) -> tuple[int, str]:
        """Read a RestoreRequest: 1 to 7 days without a tier; of the cold archives 1 to 365, with one.

        https://docs.ksyun.com/documents/42474, and ks3sdk's ``Bucket.restore_object``
        """
        cold = storage_class != "ARCHIVE"
        days, tier = parse_days_and_tier(body, "JobParameters")
        if days > (365 if cold else 7) or (b"Tier" in body) is not cold:
            raise Refusal("MalformedXML")
        return days, tier

    def render_list_time(self, when: float) -> str:
        """Return a time in China's zone, as clients have met it beside times in UTC."""
        return f"{datetime.fromtimestamp(when, UTC).astimezone(_CHINA):%Y-%m-%dT%H:%M:%S.000+08:00}"


class Bos(Gateway):
    """https://cloud.baidu.com/doc/BOS/s/Njwvyq8ho-en."""

    name = "bos"
    classes = frozenset({"STANDARD", "STANDARD_IA"})
    archived = frozenset({"ARCHIVE"})
    restores = False
    list_v2 = False  # a field report has version 2 answered in the form of version 1
    next_marker_always = True
    etag_style = "own-joined"
    max_key = 1023  # https://intl.cloud.baidu.com/en/doc/BOS/s/yl5jfscvi-intl-en
    domains = ("s3.bj.bcebos.com",)


class Kodo(Gateway):
    """https://github.com/rclone/rclone/blob/master/backend/s3/provider/Qiniu.yaml."""

    name = "kodo"
    classes = frozenset({"STANDARD", "INTELLIGENT_TIERING", "LINE", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"})
    archived = frozenset({"GLACIER", "DEEP_ARCHIVE"})
    list_url_encode = False
    list_replaces = True
    etag_style = "own-joined"
    takes_tokens = False  # https://developer.qiniu.com/kodo/4091
    domains = ("s3.cn-east-1.qiniucs.com",)


class Us3(Gateway):
    """https://docs.ucloud.cn/ufile/s3/s3_introduction."""

    name = "us3"
    classes = frozenset(
        {"STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "REDUCED_REDUNDANCY", "GLACIER",
         "DEEP_ARCHIVE"}
    )  # fmt: skip
    archived = frozenset({"GLACIER"})
    checks_md5 = False
    min_part = 8 * 1024 * 1024
    list_v2 = False
    etag_style = "own"
    domains = ("s3-cn-bj.ufileos.com",)

    _KEPT = MappingProxyType(
        {"STANDARD": "STANDARD", "STANDARD_IA": "STANDARD", "GLACIER": "GLACIER", "DEEP_ARCHIVE": "GLACIER"}
    )

    def parse_class(self, word: str) -> str:
        """Return the one of US3's three classes that a word of S3's means."""
        return self._KEPT.get(super().parse_class(word), "ONEZONE_IA")
