"""Listings of the S3 family: a fast path for the order of elements all large stores use, expat for anything else.

Both ways give the same page; a property test holds that. Keys come with ``encoding-type=url``, so that control
characters, which XML cannot hold, arrive too.
"""

from __future__ import annotations

import re
from operator import lt

from oms_adapters.dialects.times import parse_iso_time
from oms_adapters.dialects.xml import Element, find_text, parse_xml
from oms_adapters.signing.quoting import unquote_form
from oms_engine.errors import UnexpectedReply
from oms_engine.model import ListedObject, ListPage, key_bytes

_SKIPPED = r"(?:<Owner>(?:<ID>[^<&]*</ID>|<DisplayName>[^<&]*</DisplayName>)*</Owner>|<Type>[^<&]*</Type>)*"
_CHECKSUM = r"(?:<Checksum(?:Algorithm|Type)>[^<&]*</Checksum(?:Algorithm|Type)>)*"
_QUOTE = r'(?:"|&quot;|&#34;)?'
_OBJECT = re.compile(
    r"<Contents><Key>([^<&]*)</Key><LastModified>([^<&]*)</LastModified>"
    rf'<ETag>{_QUOTE}([^<&"]*){_QUOTE}</ETag>{_CHECKSUM}{_SKIPPED}<Size>([0-9]+)</Size>'
    rf"{_SKIPPED}(?:<StorageClass>([^<&]*)</StorageClass>)?{_SKIPPED}</Contents>",
    re.ASCII,
)
_HEAD = re.compile(
    r"\s*(?:<\?xml[^<>]*\?>)?\s*<ListBucketResult(?: xmlns=[\"'][^\"'<]*[\"'])?>(?:<(\w+)>[^<]*</\1>|<\w+ ?/>|\s)*",
    re.ASCII,
)
_TAIL = re.compile(r"(?:<(\w+)>[^<]*</\1>|<\w+ ?/>|\s)*</ListBucketResult>\s*", re.ASCII)
_TRUNCATED = re.compile(r"<IsTruncated>(true|false)</IsTruncated>")
_new = tuple.__new__


def parse_listing(body: bytes, *, prefix: str = "", start_after: str = "") -> ListPage:
    """Return one page of a listing.

    Raises:
        UnexpectedReply: not a listing, or one whose keys do not ascend, or that ignores ``prefix`` or ``start_after``.
    """
    objects, truncated = parse_fast(body) or parse_slow(body)
    _check_order(objects, prefix, start_after, truncated=truncated)
    return ListPage(objects, objects[-1].key if truncated else None)


def parse_fast(body: bytes) -> tuple[list[ListedObject], bool] | None:
    """Return the objects and whether more follow, or None when the page is not of the common form."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return None
    head = _HEAD.match(text)
    flags = _TRUNCATED.findall(text)
    if head is None or len(flags) != 1 or "<!" in text or "\r" in text or text.count("<?") > 1:
        return None
    found = _OBJECT.findall(text, head.end())
    last = text.rfind("</Contents>")
    tail = head.end() if last < 0 else last + len("</Contents>")
    if len(found) != text.count("Contents>") // 2 or text.count(":Contents") or not _TAIL.fullmatch(text, tail):
        return None
    decoded = "<EncodingType>url</EncodingType>" in text
    return _build(found, decoded=decoded), flags[0] == "true"


def _build(found: list[tuple[str, str, str, str, str]], *, decoded: bool) -> list[ListedObject]:
    try:
        if decoded:
            return [
                _new(ListedObject, (unquote_form(key), int(size), parse_iso_time(time), etag, word))
                for key, time, etag, size, word in found
            ]
        return [
            _new(ListedObject, (key, int(size), parse_iso_time(time), etag, word))
            for key, time, etag, size, word in found
        ]
    except ValueError as error:
        raise UnexpectedReply(f"the listing states a time that is none: {error}") from None


def parse_slow(body: bytes) -> tuple[list[ListedObject], bool]:
    """Return the objects and whether more follow, from any well-formed listing.

    Raises:
        UnexpectedReply: not a listing.
    """
    root = parse_xml(body)
    if root.tag not in {"ListBucketResult", "ListObjectsResult", "ListObjectsV2Result"}:
        raise UnexpectedReply(f"expected a listing, got <{root.tag}>")
    decoded = find_text(root, "EncodingType").strip() == "url"
    flag = find_text(root, "IsTruncated").strip()
    if flag not in {"true", "false"}:
        raise UnexpectedReply("the listing does not state whether more follows (IsTruncated)")
    return [_object(element, decoded=decoded) for element in root.findall("Contents")], flag == "true"


def _object(element: Element, *, decoded: bool) -> ListedObject:
    key = find_text(element, "Key")
    try:
        return ListedObject(
            unquote_form(key) if decoded else key,
            int(find_text(element, "Size")),
            parse_iso_time(find_text(element, "LastModified").strip()),
            find_text(element, "ETag").strip().strip('"'),
            find_text(element, "StorageClass").strip(),
        )
    except ValueError as error:
        raise UnexpectedReply(f"the listing states a size or time that is none: {error}") from None


def _check_order(objects: list[ListedObject], prefix: str, start_after: str, *, truncated: bool) -> None:
    keys = [entry[0] for entry in objects]
    if not keys:
        if truncated:
            raise UnexpectedReply("the listing says that more follows, but holds no object")
        return
    ascend = all(map(lt, keys, keys[1:]))
    if not all(map(str.isascii, keys)):
        raw = [key_bytes(key) for key in keys]
        ascend = all(map(lt, raw, raw[1:]))
    if not ascend:
        raise UnexpectedReply("the keys of the listing do not ascend by their bytes")
    if start_after and key_bytes(keys[0]) <= key_bytes(start_after):
        raise UnexpectedReply("the listing starts before the key it was asked to start after")
    if not (keys[0].startswith(prefix) and keys[-1].startswith(prefix)):
        raise UnexpectedReply("the listing holds keys outside the prefix it was asked for")
