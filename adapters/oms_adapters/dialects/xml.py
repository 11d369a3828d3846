"""XML replies of object stores: parsed by expat, without namespaces, and without any DTD.

A document type declaration is the door to entity bombs and external entities; no store sends one, so it is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oms_engine.errors import UnexpectedReply

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_DEPTH = 32
"""Of elements; the deepest reply of a store has eight levels."""
MAX_ELEMENTS = 300_000
"""A page of 5000 Azure blobs has some 100,000."""

__all__ = ["escape", "find_text", "is_error", "parse_location", "parse_xml", "refuse_web_page"]


def escape(text: str) -> str:
    """Return text as it stands between tags."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _refuse_doctype(*_details: object) -> None:
    raise UnexpectedReply("the reply declares a document type, which no store does; it was not read")


def parse_xml(body: bytes) -> Element:
    """Return the root of a document, names without namespace.

    Raises:
        UnexpectedReply: not well-formed, cut short, with a document type, or larger than any store's.
    """
    from xml.etree.ElementTree import TreeBuilder  # noqa: PLC0415 - listings are read without, and small runs see no other
    from xml.parsers import expat  # noqa: PLC0415

    builder = TreeBuilder()
    depth = elements = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, elements
        depth += 1
        elements += 1
        if depth > MAX_DEPTH or elements > MAX_ELEMENTS:
            raise UnexpectedReply("the reply nests deeper, or has more elements, than any store's; it was not read")
        builder.start(name.rpartition(" ")[2], attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name.rpartition(" ")[2])

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.buffer_text = True
    try:
        parser.Parse(body.lstrip(), True)  # CompleteMultipartUpload keeps alive with leading blanks
    except expat.ExpatError as error:
        raise UnexpectedReply(f"the reply is no well-formed XML ({error})") from None
    return builder.close()


def find_text(root: Element, name: str) -> str:
    """Return the text of a direct child, empty when it is missing."""
    return root.findtext(name) or ""


def parse_location(body: bytes) -> str:
    """Return the region that GetBucketLocation states: ``LocationConstraint``, at OBS ``Location``; empty for none.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html,
    https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0024.html

    Raises:
        UnexpectedReply: not such a document.
    """
    root = parse_xml(body)
    if root.tag not in {"LocationConstraint", "Location", "CreateBucketConfiguration"}:
        raise UnexpectedReply(f"expected the location of a bucket, got <{root.tag}>")
    return (root.text or find_text(root, "LocationConstraint") or find_text(root, "Location")).strip()


def is_error(body: bytes) -> bool:
    """Whether a reply is an error document; where one was answered with 200, too."""
    return b"<Error" in body[:200] and b"<Code>" in body


def refuse_web_page(body: bytes) -> None:
    """Refuse a page made for people where a document is expected.

    Raises:
        UnexpectedReply: it is one.
    """
    start = body[:400].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")) or b"<html" in start:
        raise UnexpectedReply(
            "the endpoint answers with a web page (HTML), not as an object store does: check the endpoint's URL; "
            "a console, a login page or a proxy may stand there"
        )
