"""Azure's List Blobs: https://learn.microsoft.com/en-us/rest/api/storageservices/list-blobs.

Accounts with a hierarchical name space list directories among the blobs; they are no objects, and left out:
https://learn.microsoft.com/en-us/azure/storage/blobs/data-lake-storage-introduction.

A fast path for blobs as the service writes them, five times as fast as expat, which reads any other page; both give the
same. What stands in a page as text is escaped, so a tag is a tag.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from oms_adapters.dialects.times import parse_listed_time
from oms_adapters.dialects.xml import find_text, parse_xml, refuse_web_page
from oms_engine.errors import UnexpectedReply
from oms_engine.model import ListedObject, strong_etag

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_FIRST = re.compile(
    r"<Blob><Name>([^<&]*)</Name>(?:<[A-Za-z]+>[^<]*</[A-Za-z]+>)*<Properties>"
    r"(?:<Creation-Time>[^<]*</Creation-Time>)?<Last-Modified>([^<]*)</Last-Modified><Etag>([^<&]*)</Etag>"
    r"(?:<ResourceType>([^<]*)</ResourceType>)?<Content-Length>([0-9]+)</Content-Length>",
    re.ASCII,
)
"""What each blob begins with, as the service writes it."""

DIRECTORY = "directory"
_TIER = "<AccessTier>"
_END = re.compile(r"</Blobs>\s*(?:<NextMarker>([^<&]*)</NextMarker>|<NextMarker ?/>)\s*</EnumerationResults>\s*")


def parse_blobs(body: bytes) -> tuple[list[ListedObject], str]:
    """Return the blobs of one page and its NextMarker, empty on the last page.

    Raises:
        UnexpectedReply: not such a page.
    """
    return parse_fast(body) or parse_slow(body)


def parse_fast(body: bytes) -> tuple[list[ListedObject], str] | None:
    """Return blobs and NextMarker, or None when the page is not of the common form."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    _, opened, rest = text.partition("<Blobs>")
    *blobs, tail = rest.split("</Blob>")
    end = _END.fullmatch(tail)
    if not opened or end is None or "\r" in text or "<!" in text or text.count("<?") > 1:
        return None
    try:
        return [entry for blob in blobs if (entry := _fast(blob)) is not None], end[1] or ""
    except ValueError:
        return None


def _fast(blob: str) -> ListedObject | None:
    """Return one blob, None for a directory; ValueError when it is not of the common form."""
    found = _FIRST.match(blob)
    if found is None:
        raise ValueError(blob)
    name, when, etag, kind, size = found.groups()
    if kind == DIRECTORY:
        return None
    at = blob.find(_TIER, found.end())
    tier = blob[at + len(_TIER) : blob.index("</AccessTier>", at)] if at >= 0 else ""
    return ListedObject(name, int(size), parse_listed_time(when), strong_etag(etag), tier)


def _listed(name: str, fields: dict[str, str]) -> ListedObject:
    return ListedObject(
        name,
        int(fields["Content-Length"]),
        parse_listed_time(fields.get("Last-Modified", "")),
        strong_etag(fields.get("Etag", "")),
        fields.get("AccessTier", ""),
    )


def parse_slow(body: bytes) -> tuple[list[ListedObject], str]:
    """Return blobs and NextMarker of any well-formed page.

    Raises:
        UnexpectedReply: not a page of List Blobs.
    """
    refuse_web_page(body)
    root = parse_xml(body)
    blobs = root.find("Blobs")
    if root.tag != "EnumerationResults" or blobs is None:
        raise UnexpectedReply(f"expected a listing, got <{root.tag}>")
    try:
        listed = [_blob(element) for element in blobs.findall("Blob")]
        return [entry for entry in listed if entry is not None], find_text(root, "NextMarker").strip()
    except (KeyError, ValueError):
        raise UnexpectedReply("the listing states no size that can be read") from None


def _blob(element: Element) -> ListedObject | None:
    properties = element.find("Properties")
    fields = {} if properties is None else {child.tag: child.text or "" for child in properties}
    return None if fields.get("ResourceType") == DIRECTORY else _listed(blob_name(element), fields)


def blob_name(element: Element) -> str:
    """Return a blob's name; one with characters that XML cannot hold comes percent-encoded, and says so."""
    found = element.find("Name")
    if found is None or not found.text:
        raise UnexpectedReply("the listing holds a blob without a name")
    if found.get("Encoded", "").lower() == "true":
        return unquote_to_bytes(found.text).decode("utf-8", "surrogateescape")
    return found.text
