"""Replies that say 200 and are no success: an error document, a page of something between here and the store. Pure.

Gateways, load balancers and captive portals answer so; S3 itself does where it has begun to answer before it fails:
https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
"""

from __future__ import annotations

import re
from enum import Enum

_ROOT = re.compile(
    rb"\s*(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--.*?-->\s*)*<(?:[\w.-]+:)?(!doctype|[\w.-]+)",
    re.IGNORECASE | re.DOTALL,
)
_JSON_ERROR = re.compile(rb'\s*\{\s*"(?:error|code|errors)"', re.IGNORECASE)

PAGE = "a web page came instead of the store's answer: something between here and the store answers in its place"


class Hollow(Enum):
    """What stands in a reply whose status says success."""

    ERROR = "error"
    """The store's error document."""
    PAGE = "page"
    """A web page, or JSON that speaks of an error."""


def hollow(body: bytes) -> Hollow | None:
    """Return what makes a reply's success empty words, None when nothing in its body does."""
    if not body:
        return None
    found = _ROOT.match(body)
    if found is None:
        return Hollow.PAGE if _JSON_ERROR.match(body) else None
    root = found[1].lower()
    if root == b"error":
        return Hollow.ERROR
    return Hollow.PAGE if root in {b"html", b"!doctype"} else None
