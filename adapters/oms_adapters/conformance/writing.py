"""Writing: attributes, metadata, classes, digests and encryption are stored as given and stated as stored."""

from __future__ import annotations

import hashlib
import time
from email.header import decode_header, make_header

from fastcrc import crc64

from oms_adapters.conformance.case import case
from oms_adapters.conformance.harness import Harness
from oms_engine.errors import DigestRefused, InvalidRequest, NotFound
from oms_engine.model import Attributes, Span, StorageClass
from oms_engine.store import Capabilities

DEFAULT_TYPES = {None, "binary/octet-stream", "application/octet-stream"}
"""What stores state for an object stored without a Content-Type (AWS: binary/octet-stream)."""


@case()
def check_attributes_round_trip(harness: Harness) -> None:
    """The six system headers come back unchanged."""
    key = f"{harness.prefix}write/attributes"
    given = Attributes(
        content_type="text/x-test; charset=utf-8",
        content_encoding="x-none",
        cache_control="max-age=60, public",
        content_disposition='attachment; filename="a  b.txt"',
        content_language="de-CH",
        expires="Thu, 01 Dec 2094 16:00:00 GMT",
    )
    harness.put(key, b"x", attributes=given)
    stated = harness.head(key).attributes
    assert stated == given, f"stated as {stated}"


@case()
def check_user_metadata_round_trip(harness: Harness) -> None:
    """User metadata comes back unchanged: names, percent signs, blanks inside, empty values, many of them."""
    key = f"{harness.prefix}write/metadata"
    user = {"a": "1", "with-hyphen": "x y  z", "chinese": "%E4%B8%AD%E6%96%87", "empty": "", "equals": "a=b;c,d"}
    user |= {f"n{number}": str(number) * 10 for number in range(30)}
    harness.put(key, b"x", attributes=Attributes(content_type="a/b", user=user))
    stated = harness.head(key).attributes.user
    assert stated == user, f"stated as {stated}"


@case()
def check_metadata_bytes(harness: Harness) -> None:
    """User metadata of raw UTF-8 bytes is kept, refused, or stated as RFC 2047 encoded words; never mangled."""
    key = f"{harness.prefix}write/bytes"
    text = "中文 é"
    try:
        harness.put(key, b"x", attributes=Attributes(user={"name": text.encode().decode("latin-1")}))
    except InvalidRequest:
        return  # OBS: https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0080.html, US-ASCII only
    stated = harness.head(key).attributes.user["name"]
    words = str(make_header(decode_header(stated)))  # S3 states non-ASCII metadata so
    assert text in {stated.encode("latin-1").decode("utf-8", "replace"), words}, f"stated as {stated!r}"


@case()
def check_absent_content_type(harness: Harness) -> None:
    """Without a Content-Type the store states none, or its one default; nothing is guessed from the key."""
    key = f"{harness.prefix}write/untyped.jpg"
    harness.put(key, b"x")
    stated = harness.head(key).attributes
    assert stated.content_type in DEFAULT_TYPES, f"guessed {stated.content_type}"
    assert stated == Attributes(content_type=stated.content_type), f"attributes appeared: {stated}"


@case()
def check_overwrite_replaces_all(harness: Harness) -> None:
    """A second write replaces bytes, attributes and metadata; nothing of the first remains."""
    key = f"{harness.prefix}write/twice"
    harness.put(key, b"first", attributes=Attributes(content_type="a/a", cache_control="no-store", user={"old": "1"}))
    harness.put(key, b"second", attributes=Attributes(content_type="b/b"))
    assert harness.body(key) == b"second"
    assert harness.head(key).attributes == Attributes(content_type="b/b")


@case(lambda capabilities: bool(capabilities.storage_classes))
def check_storage_classes(harness: Harness) -> None:
    """Each of OMS's storage classes that the store offers is stored, and stated by HEAD and listing."""
    capabilities = harness.store.capabilities
    assert StorageClass.STANDARD in capabilities.storage_classes
    for wanted in sorted(capabilities.storage_classes):
        key = f"{harness.prefix}write/class/{wanted}"
        harness.put(key, b"x", storage_class=wanted)
        stated = capabilities.class_of(harness.head(key).storage_class)
        listed = capabilities.class_of(harness.perform(harness.store.list_page(key)).objects[0].storage_class)
        assert (stated, listed) == (wanted, wanted), f"{wanted}: HEAD says {stated}, the listing {listed}"


@case()
def check_content_md5(harness: Harness) -> None:
    """A right Content-MD5 is accepted."""
    key = f"{harness.prefix}write/md5"
    harness.put(key, b"body", md5=hashlib.md5(b"body").digest())
    assert harness.body(key) == b"body"


@case()
def check_wrong_content_md5(harness: Harness) -> None:
    """Bytes that are not those announced by Content-MD5 are refused, and nothing is stored."""
    key = f"{harness.prefix}write/wrong-md5"
    try:
        harness.put(key, b"body", md5=hashlib.md5(b"other").digest())
    except DigestRefused:
        pass
    else:
        raise AssertionError("the damaged body was accepted")
    try:
        harness.head(key)
    except NotFound:
        return
    raise AssertionError("the damaged body was stored")


@case()
def check_written_states(harness: Harness) -> None:
    """The reply to a write states the ETag and the store's clock; the object's own time is never later."""
    key = f"{harness.prefix}write/states"
    written = harness.put(key, b"body")
    head = harness.head(key)
    assert written.etag == head.etag != ""
    assert abs(written.last_modified - time.time()) < 900, "the store's clock is more than 15 minutes off"
    assert head.last_modified <= written.last_modified


@case(lambda capabilities: capabilities.etag_is_md5)
def check_etag_is_md5(harness: Harness) -> None:
    """The MD5 that is stated of an object written at once is that of its bytes."""
    key = f"{harness.prefix}write/etag"
    digest = hashlib.md5(b"body").digest()
    assert harness.put(key, b"body").md5 == digest
    assert harness.head(key).md5 == digest


def _states_crc64(capabilities: Capabilities) -> bool:
    return capabilities.states_crc64


@case(_states_crc64)
def check_crc64(harness: Harness) -> None:
    """A CRC-64/XZ that was sent is stated by the write, by HEAD and with a read; a wrong one is refused."""
    key = f"{harness.prefix}write/crc64"
    body = b"123456789" * 100
    expected = int(crc64.xz(body))
    assert harness.put(key, body, crc64=expected).crc64 == expected
    assert harness.head(key).crc64 == expected
    assert harness.fetch(harness.store.read(key))[0].crc64 == expected
    assert harness.fetch(harness.store.read(key, span=Span(0, 1)))[0].crc64 in {None, expected}, "the CRC of a range"
    try:
        harness.put(key, body, crc64=expected ^ 1)
    except DigestRefused:
        return
    raise AssertionError("a body with another CRC-64 was accepted")


@case(lambda capabilities: capabilities.kms)
def check_kms(harness: Harness) -> None:
    """An object asked to be encrypted with KMS is stated as such, and its ETag is not taken for an MD5."""
    key = f"{harness.prefix}write/kms"
    assert harness.put(key, b"body", kms=True).encryption == "kms"
    head = harness.head(key)
    assert (head.encryption, head.md5) == ("kms", None)
    assert harness.body(key) == b"body"


@case()
def check_delete_missing(harness: Harness) -> None:
    """Deleting an object that is not there is no error."""
    harness.perform(harness.store.delete(f"{harness.prefix}write/never"))
