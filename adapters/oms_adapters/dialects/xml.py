"""XML replies of object stores: parsed by expat, without namespaces, and without any DTD.

A document type declaration is the door to entity bombs and external entities; no store sends one, so it is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oms_engine.errors import UnexpectedReply

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = ["escape", "find_text", "parse_xml"]


def escape(text: str) -> str:
    """Return text as it stands between tags."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _refuse_doctype(*_details: object) -> None:
    raise UnexpectedReply("the reply declares a document type, which no store does; it was not read")


def parse_xml(body: bytes) -> Element:
    """Return the root of a document, names without namespace.

    Raises:
        UnexpectedReply: not well-formed, cut short, or with a document type.
    """
    from xml.etree.ElementTree import TreeBuilder  # noqa: PLC0415 - listings are read without, and small runs see no other
    from xml.parsers import expat  # noqa: PLC0415

    builder = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = lambda name, attributes: builder.start(name.rpartition(" ")[2], attributes)
    parser.EndElementHandler = lambda name: builder.end(name.rpartition(" ")[2])
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
