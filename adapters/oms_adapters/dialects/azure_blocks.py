"""Azure's blocks as parts of an upload: their ids, the upload's id, the list of uncommitted ones. Pure."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode

from oms_adapters.dialects.xml import find_text, parse_xml
from oms_engine.errors import UploadGone
from oms_engine.model import WrittenPart


def render_upload_id(token: str, headers: dict[str, str]) -> str:
    """Return an upload's id: what names its blocks, and the headers its commit sends."""
    return f"{token}.{urlsafe_b64encode(json.dumps(headers).encode()).decode()}"


def parse_upload_id(upload_id: str) -> tuple[str, dict[str, str]]:
    """Return what names an upload's blocks, and its headers.

    Raises:
        UploadGone: not an id of ours.
    """
    token, _, packed = upload_id.partition(".")
    try:
        headers: dict[str, str] = json.loads(urlsafe_b64decode(packed))
    except ValueError:
        raise UploadGone("the upload's id is none of Azure's") from None
    return token, headers


def block_id(token: str, number: int) -> str:
    """Return a part's block id; all ids of a blob are of one length."""
    return b64encode(f"{token}{number:06}".encode()).decode()


def parse_blocks(body: bytes, token: str) -> list[WrittenPart]:
    """Return an upload's blocks out of a Get Block List, by number.

    Raises:
        UnexpectedReply: not a block list.
    """
    parts = []
    for block in parse_xml(body).iter("Block"):
        name = find_text(block, "Name")
        try:
            text = b64decode(name).decode()
            if text.startswith(token):
                parts.append(WrittenPart(int(text[len(token) :]), name, int(find_text(block, "Size"))))
        except ValueError:
            continue  # another client's block
    return sorted(parts)
