"""Huawei Cloud OBS's dialect, its signatures verified by esdk-obs-python's own signing code."""

from __future__ import annotations

import hmac
import re
from email.utils import parsedate_to_datetime
from types import MappingProxyType

from obs.auth import Authentication
from obs.convertor import Adapter

from oms_adapters.sandbox.conditions import Range, parse_range
from oms_adapters.sandbox.core import Object, Stored
from oms_adapters.sandbox.dialect import Accounts, Dialect, parse_days_and_tier
from oms_adapters.sandbox.refusal import Refusal
from oms_adapters.sandbox.request import Incoming
from oms_adapters.sandbox.s3 import S3, check_skew, check_token, known_account
from oms_adapters.sandbox.xmltext import tag


class Obs(Dialect):
    """https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0005.html."""

    name = "obs"
    prefix = "x-obs-"
    server = "OBS"
    xmlns = "http://obs.myhwclouds.com/doc/2015-06-30/"
    # https://support.huaweicloud.com/intl/en-us/ugobs-obs/obs_03_0107.html
    classes = frozenset({"STANDARD", "WARM", "COLD", "DEEP_ARCHIVE"})
    archived = frozenset({"COLD", "DEEP_ARCHIVE"})
    min_part = 100 * 1024  # https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0099.html
    max_user_metadata = 8192  # https://support.huaweicloud.com/ugobs-obs/obs_41_0025.html
    list_v2 = False
    # https://docs.otc.t-systems.com/en-us/api_obs/obs/en-us_topic_0031666072.html
    next_marker_always = True
    list_milliseconds = True
    bucket_region_header = "x-obs-bucket-location"

    def for_request(self, incoming: Incoming) -> Dialect:
        """Return the S3 face for requests signed as S3's, old or new: OBS takes them at the same endpoint.

        https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0005.html
        """
        return _S3_FACE if incoming.headers.get("authorization", "").startswith("AWS") else self

    def authenticate(self, incoming: Incoming, accounts: Accounts, now: float) -> str | None:
        """Verify ``Authorization: OBS AK:signature``.

        https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0010.html
        """
        verify_v2(incoming, accounts, now, scheme="OBS")
        return incoming.headers.get("x-obs-content-sha256")

    def parse_user(self, headers: dict[str, str]) -> dict[str, str]:
        """Return user metadata, refusing what is not US-ASCII.

        https://support.huaweicloud.com/ugobs-obs/obs_41_0025.html
        """
        return _ascii(super().parse_user(headers))

    def parse_range(self, headers: dict[str, str], size: int) -> Range | None:
        """Return the range; one whose end is not behind its beginning is ignored.

        https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0083.html
        """
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", headers.get("range", "").strip())
        if found is not None and int(found[2]) <= int(found[1]):
            return None
        return parse_range(headers.get("range"), size)

    def parse_encryption(self, headers: dict[str, str]) -> tuple[str | None, str | None]:
        """Read x-obs-server-side-encryption.

        https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0106.html
        """
        word = headers.get("x-obs-server-side-encryption")
        if word is None or word == "AES256":
            return word, None
        if word != "kms":
            raise Refusal("InvalidArgument", "The encryption method specified is not supported")
        return "kms", headers.get("x-obs-server-side-encryption-kms-key-id", "sandbox:key/default")

    def render_encryption(self, stored: Stored) -> list[tuple[str, str]]:
        """State x-obs-server-side-encryption."""
        if stored.encryption is None:
            return []
        key = [("x-obs-server-side-encryption-kms-key-id", stored.kms_key)] if stored.kms_key else []
        return [("x-obs-server-side-encryption", stored.encryption), *key]

    def render_bucket(self, region: str) -> str:
        """State the bucket's region."""
        return tag("Location", region)

    def render_location(self, region: str) -> tuple[str, str]:
        """Return the element Location: https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0030.html."""
        return "Location", region

    def object_type(self, item: Object) -> str:
        """Return Appendable; others state no type: https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0084.html."""
        return "Appendable" if item.kind == "appendable" else ""

    def render_listed(self, item: Object) -> str:
        """State the type of an object that is not Normal.

        https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0022.html
        """
        return tag("Type", "Appendable") if item.kind == "appendable" else ""

    def parse_restore(self, body: bytes, storage_class: str) -> tuple[int, str]:
        """Read a RestoreRequest: 1 to 30 days, Expedited or Standard.

        https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0087.html
        """
        del storage_class
        days, tier = parse_days_and_tier(body, "RestoreJob")
        if days > 30:
            raise Refusal("InvalidArgument")
        if tier not in {"Expedited", "Standard"}:
            raise Refusal("MalformedXML")
        return days, tier


class ObsS3(S3):
    """OBS to S3's own clients: ``x-amz-`` headers and S3's words for the same classes.

    https://support.huaweicloud.com/intl/en-us/ugobs-obs/obs_03_0107.html
    """

    name = "obs"
    server = "OBS"
    classes = frozenset({"STANDARD", "STANDARD_IA", "GLACIER", "DEEP_ARCHIVE"})
    archived = Obs.archived
    max_user_metadata = Obs.max_user_metadata
    list_milliseconds = True

    render_bucket = Obs.render_bucket
    render_location = Obs.render_location
    object_type = Obs.object_type
    parse_range = Obs.parse_range
    render_listed = Obs.render_listed

    _CORE = MappingProxyType({"STANDARD_IA": "WARM", "GLACIER": "COLD"})
    _WIRE = MappingProxyType({"WARM": "STANDARD_IA", "COLD": "GLACIER"})

    def authenticate(self, incoming: Incoming, accounts: Accounts, now: float) -> str | None:
        """Verify a signature of S3, version 4 or 2."""
        if incoming.headers["authorization"].startswith("AWS4-"):
            return super().authenticate(incoming, accounts, now)
        verify_v2(incoming, accounts, now, scheme="AWS")
        return None

    def parse_class(self, word: str) -> str:
        """Return OBS's word."""
        word = super().parse_class(word)
        return self._CORE.get(word, word)

    def render_class(self, storage_class: str) -> str:
        """Return S3's word."""
        return self._WIRE.get(storage_class, storage_class)

    def parse_user(self, headers: dict[str, str]) -> dict[str, str]:
        """Return user metadata, refusing what is not US-ASCII."""
        return _ascii(super().parse_user(headers))


_S3_FACE = ObsS3()


def _ascii(user: dict[str, str]) -> dict[str, str]:
    if not all(value.isascii() for value in user.values()):
        raise Refusal("InvalidArgument", "User metadata must be US-ASCII")
    return user


def verify_v2(incoming: Incoming, accounts: Accounts, now: float, *, scheme: str) -> None:
    """Verify an HMAC-SHA1 signature of scheme ``OBS``, or of ``AWS``: S3's old one, version 2.

    Raises:
        Refusal: as :meth:`Dialect.authenticate`.
    """
    headers = incoming.headers
    word, _, rest = headers.get("authorization", "").partition(" ")
    access_key, colon, signature = rest.strip().rpartition(":")
    if word != scheme or not colon:
        raise Refusal("AccessDenied")
    account = known_account(accounts, access_key)
    adapter = Adapter("obs" if scheme == "OBS" else "v2")
    check_token(account, headers.get(adapter.security_token_header()))
    check_skew(_parse_date(headers.get(adapter.date_header()) or headers.get("date", "")), now)
    # A path-style request for a bucket is signed with and without the slash after its name, by SDK version.
    candidates = [
        _recompute(incoming, account.access_key, account.secret_key, adapter, path_style=path_style)
        for path_style in (True, False)
    ]
    if not any(hmac.compare_digest(candidate.encode(), signature.encode("latin-1")) for candidate in candidates):
        raise Refusal("SignatureDoesNotMatch")


def _recompute(incoming: Incoming, access_key: str, secret_key: str, adapter: Adapter, *, path_style: bool) -> str:
    server, bound = incoming.domain or "sandbox", incoming.domain != ""
    signer = Authentication(access_key, secret_key, path_style, adapter, server, is_cname=bound)
    headers = {name: _utf8(value) for name, value in incoming.headers.items()}
    try:
        key = incoming.key.decode("utf-8")
    except UnicodeDecodeError:
        raise Refusal("InvalidURI") from None
    answer = signer.getSignature(incoming.method, incoming.bucket, key, incoming.query, headers)
    return str(answer["Signature"])


def _parse_date(text: str) -> float:
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        raise Refusal("AccessDenied", "A valid Date or x-obs-date header is required") from None


def _utf8(value: str) -> str:
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return value
