"""Azure's List Blobs: https://learn.microsoft.com/en-us/rest/api/storageservices/list-blobs.

Accounts with a hierarchical name space list directories among the blobs; clients of flat ones store empty blobs in
their place, which say ``hdi_isfolder`` in their metadata. What becomes of either is :class:`Directories`:
https://learn.microsoft.com/en-us/azure/storage/blobs/data-lake-storage-introduction.

A fast path for blobs as the service writes them, five times as fast as expat, which reads any other page; both give the
same. What stands in a page as text is escaped, so a tag is a tag.
"""

from __future__ import annotations

import re
from enum import StrEnum
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
MARKER = "hdi_isfolder"
"""Name in the metadata of a directory, and of an empty blob that stands for one; its value is ``true``.
https://learn.microsoft.com/en-us/rest/api/storageservices/get-blob-properties, rclone's backend/azureblob"""
_MARKED = re.compile(rf"<{MARKER}>true</{MARKER}>", re.IGNORECASE)


class Directories(StrEnum):
    """What becomes of directories, and of empty blobs that stand for one.

    ========  =============================  ===============================
    .         directory of a hierarchy       blob marked as a directory
    ========  =============================  ===============================
    plain     left out                       a blob like others
    skip      left out                       left out
    keep      the empty object ``A/``        the empty object ``A/``
    ========  =============================  ===============================
    """

    PLAIN = "plain"
    SKIP = "skip"
    KEEP = "keep"


_TIER = "<AccessTier>"
_END = re.compile(r"</Blobs>\s*(?:<NextMarker>([^<&]*)</NextMarker>|<NextMarker ?/>)\s*</EnumerationResults>\s*")


def parse_blobs(body: bytes, directories: Directories = Directories.PLAIN) -> tuple[list[ListedObject], str]:
    """Return the blobs of one page and its NextMarker, empty on the last page.

    Raises:
        UnexpectedReply: not such a page.
    """
    return parse_fast(body, directories) or parse_slow(body, directories)


def parse_fast(body: bytes, directories: Directories = Directories.PLAIN) -> tuple[list[ListedObject], str] | None:
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
        return [entry for blob in blobs if (entry := _fast(blob, directories)) is not None], end[1] or ""
    except ValueError:
        return None


def _fast(blob: str, directories: Directories) -> ListedObject | None:
    """Return one blob, None for a directory that is left out; ValueError when it is not of the common form."""
    found = _FIRST.match(blob)
    if found is None:
        raise ValueError(blob)
    name, when, etag, kind, size = found.groups()
    if kind == DIRECTORY or (size == "0" and directories is not Directories.PLAIN and _MARKED.search(blob)):
        if directories is not Directories.KEEP:
            return None
        name, size = f"{name}/", "0"
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


def parse_slow(body: bytes, directories: Directories = Directories.PLAIN) -> tuple[list[ListedObject], str]:
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
        listed = [_blob(element, directories) for element in blobs.findall("Blob")]
        return [entry for entry in listed if entry is not None], find_text(root, "NextMarker").strip()
    except (KeyError, ValueError):
        raise UnexpectedReply("the listing states no size that can be read") from None


def _blob(element: Element, directories: Directories) -> ListedObject | None:
    properties = element.find("Properties")
    fields = {} if properties is None else {child.tag: child.text or "" for child in properties}
    listed = _listed(blob_name(element), fields)
    marked = directories is not Directories.PLAIN and listed.size == 0 and _is_marked(element)
    if fields.get("ResourceType") != DIRECTORY and not marked:
        return listed
    return listed._replace(key=f"{listed.key}/", size=0) if directories is Directories.KEEP else None


def _is_marked(element: Element) -> bool:
    metadata = element.find("Metadata")
    named = () if metadata is None else metadata
    return any(child.tag.lower() == MARKER and (child.text or "").lower() == "true" for child in named)


def blob_name(element: Element) -> str:
    """Return a blob's name; one with characters that XML cannot hold comes percent-encoded, and says so."""
    found = element.find("Name")
    if found is None or not found.text:
        raise UnexpectedReply("the listing holds a blob without a name")
    if found.get("Encoded", "").lower() == "true":
        return unquote_to_bytes(found.text).decode("utf-8", "surrogateescape")
    return found.text
