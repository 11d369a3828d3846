"""Listings of the S3 family: a fast path for the order of elements all large stores use, expat for anything else.

Both ways give the same page; a property test holds that. OSS and COS put each element on a line of its own: such a page
is joined first. Keys come with ``encoding-type=url``, so that control
characters, which XML cannot hold, arrive too. A page is followed by the token it gives (``NextContinuationToken``,
``NextMarker``), else by its last key. Its keys stay in the order they came.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from oms_adapters.dialects.times import parse_listed_time
from oms_adapters.dialects.xml import find_text, parse_xml, refuse_web_page
from oms_adapters.signing.quoting import unquote_form
from oms_engine.errors import UnexpectedReply
from oms_engine.model import UNKNOWN_TIME, ListedObject, ListPage, strong_etag

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_SKIPPED = r"(?:<Owner>(?:<ID>[^<&]*</ID>|<DisplayName>[^<&]*</DisplayName>)*</Owner>|<Type>[^<&]*</Type>)*"
_CHECKSUM = r"(?:<Checksum(?:Algorithm|Type)>[^<&]*</Checksum(?:Algorithm|Type)>)*"
_QUOTE = r'(?:"|&quot;|&#34;)?'
_OBJECT = re.compile(
    r"<Contents><Key>([^<&]*)</Key><LastModified>([0-9T:.-]+Z)</LastModified>"
    rf'<ETag>{_QUOTE}((?!W/)[^<&"]*){_QUOTE}</ETag>{_CHECKSUM}{_SKIPPED}<Size>([0-9]+)</Size>'
    rf"{_SKIPPED}(?:<StorageClass>([^<&]*)</StorageClass>)?{_SKIPPED}</Contents>",
    re.ASCII,
)
_HEAD = re.compile(
    r"\s*(?:<\?xml[^<>]*\?>)?\s*<ListBucketResult(?: xmlns=[\"'][^\"'<]*[\"'])?>(?:<(\w+)>[^<]*</\1>|<\w+ ?/>|\s)*",
    re.ASCII,
)
_TAIL = re.compile(r"(?:<(\w+)>[^<]*</\1>|<\w+ ?/>|\s)*</ListBucketResult>\s*", re.ASCII)
_INDENTED = re.compile(rb"\s*(?:<\?xml[^<>]*\?>)?\s*<ListBucketResult[^<>]*>\s")
_TRUNCATED = re.compile(r"<IsTruncated>(true|false)</IsTruncated>")
_NEW = partial(tuple.__new__, ListedObject)
_FROM_ISO = datetime.fromisoformat
_TIMESTAMP = datetime.timestamp


def parse_listing(body: bytes, *, prefix: str = "", start_after: str = "", version: int = 2) -> ListPage:
    """Return one page of a listing.

    Raises:
        UnexpectedReply: not a listing, or one that ignores ``prefix``, or that says more follows and not where.
    """
    body = without_indent(body)
    root: Element | None = None
    found = parse_fast(body)
    if found is None:
        root = listing_root(body)
        found = read_listing(root)
    objects, truncated = found
    if objects and not (objects[0].key.startswith(prefix) and objects[-1].key.startswith(prefix)):
        raise UnexpectedReply("the listing holds keys outside the prefix it was asked for")
    if not truncated:
        return ListPage(objects, None)
    last = objects[-1].key if objects else None
    token = _token(body, root) if version == 2 else _marker(body, root, last)
    if last is None and token is None:
        raise UnexpectedReply("the listing says that more follows, but holds no object and no token to go on with")
    return ListPage(objects, start_after if last is None else last, token)


def _token(body: bytes, root: Element | None) -> str | None:
    """Return the token of a page of version 2, None where it gives none."""
    return _text(body, root, "NextContinuationToken") or None


def _marker(body: bytes, root: Element | None, last: str | None) -> str | None:
    """Return the marker of a page of version 1, None where it gives none, or the last key, as any key may be one.

    A marker is a name, and encoded where names are: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html
    """
    text = _text(body, root, "NextMarker")
    if b"<EncodingType>url</EncodingType>" in body and text != last:
        text = unquote_form(text)
    return text if text and text != last else None


def _text(body: bytes, root: Element | None, name: str) -> str:
    """Return the text of an element that stands once in a page; of one in the common form without reading it anew."""
    if root is not None:
        return find_text(root, name).strip()
    tag = f"<{name}>".encode()
    at = body.find(tag)
    if at < 0:
        return ""
    text = body[at + len(tag) : body.index(b"<", at + len(tag))]
    return ((parse_xml(b"<t>%b</t>" % text).text or "") if b"&" in text else text.decode()).strip()


def without_indent(body: bytes) -> bytes:
    """Return a listing without line breaks and blanks between its elements: a third of the time to read.

    Names are encoded, so no line ends inside one; a listing of plain names stays as it is.
    """
    if not _INDENTED.match(body) or b"<EncodingType>url</EncodingType>" not in body:
        return body
    return b"".join([line.strip() for line in body.split(b"\n")])


def parse_fast(body: bytes) -> tuple[list[ListedObject], bool] | None:
    """Return the objects and whether more follow, or None when the page is not of the common form."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return None
    head = _HEAD.match(text)
    flags = _TRUNCATED.findall(text)
    if head is None or len(flags) != 1 or "\r" in text or _has_markup(text):
        return None
    found = _OBJECT.findall(text, head.end())
    last = text.rfind("</Contents>")
    tail = head.end() if last < 0 else last + len("</Contents>")
    # Each object's element opens and closes once; any other mention (a namespace, a key's text) is left to expat.
    if 2 * len(found) != text.count("Contents") or not _TAIL.fullmatch(text, tail):
        return None
    decoded = "<EncodingType>url</EncodingType>" in text
    return _build(found, decoded=decoded), flags[0] == "true"


def _has_markup(text: str) -> bool:
    """Whether comments, CDATA, a DTD or processing instructions stand in the page; a rare byte is sought first."""
    return ("!" in text and "<!" in text) or (text.count("?") > 2 and text.count("<?") > 1)


def _build(found: list[tuple[str, str, str, str, str]], *, decoded: bool) -> list[ListedObject]:
    # Column by column through C functions: three times as fast as a comprehension with the same calls.
    if not found:
        return []
    keys, times, etags, sizes, words = zip(*found, strict=True)
    if decoded:
        keys = tuple([unquote_form(key) if "%" in key or "+" in key else key for key in keys])
    try:
        # Most stores state whole seconds, so many objects of a page share one: each text is read once.
        moments = {text: _TIMESTAMP(_FROM_ISO(text)) for text in set(times)}
    except ValueError:
        moments = {text: parse_listed_time(text) for text in set(times)}
    if min(moments.values()) < UNKNOWN_TIME:
        moments = {text: max(moment, UNKNOWN_TIME) for text, moment in moments.items()}
    at = map(moments.__getitem__, times)
    return list(map(_NEW, zip(keys, map(int, sizes), at, etags, words, strict=True)))


def parse_slow(body: bytes) -> tuple[list[ListedObject], bool]:
    """Return the objects and whether more follow, from any well-formed listing.

    Raises:
        UnexpectedReply: not a listing.
    """
    return read_listing(listing_root(body))


def listing_root(body: bytes) -> Element:
    """Return the root of a listing.

    Raises:
        UnexpectedReply: another document.
    """
    refuse_web_page(body)
    root = parse_xml(body)
    if root.tag not in {"ListBucketResult", "ListObjectsResult", "ListObjectsV2Result"}:
        raise UnexpectedReply(f"expected a listing, got <{root.tag}>")
    return root


def read_listing(root: Element) -> tuple[list[ListedObject], bool]:
    """Return the objects and whether more follow."""
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
            parse_listed_time(find_text(element, "LastModified").strip()),
            strong_etag(find_text(element, "ETag")),
            find_text(element, "StorageClass").strip(),
        )
    except ValueError as error:
        raise UnexpectedReply(f"the listing states no size that can be read: {error}") from None
