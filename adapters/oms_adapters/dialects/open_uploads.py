"""Listings of open multipart uploads, as the whole S3 family writes them.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html,
https://www.alibabacloud.com/help/en/oss/developer-reference/listmultipartuploads,
https://www.tencentcloud.com/document/product/436/7736,
https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0097.html,
https://cloud.google.com/storage/docs/xml-api/get-bucket-uploads
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oms_adapters.dialects.times import parse_http_date, parse_iso_time
from oms_adapters.dialects.xml import find_text, parse_xml
from oms_adapters.signing.quoting import unquote_form
from oms_engine.model import OpenUpload, UploadsPage
from oms_engine.store import Reply

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


def parse_uploads(reply: Reply, after: tuple[str, str] | None) -> UploadsPage | None:
    """Return one page of a listing of open uploads; None when the document is none (an error inside a 200 reply).

    ``after`` is what the page was asked to start after: a page that would lead there again is the last one.

    Raises:
        UnexpectedReply: the document is no XML.
    """
    root = parse_xml(reply.body)
    if not root.tag.endswith("Result"):
        return None
    encoded = find_text(root, "EncodingType").strip() == "url"
    uploads = [_upload(element, encoded) for element in root.findall("Upload")]
    now = parse_http_date(reply.headers.get("date", "")) or None
    return UploadsPage(uploads, _next(root, uploads, after, encoded), now)


def _upload(element: Element, encoded: bool) -> OpenUpload:
    try:
        initiated = parse_iso_time(find_text(element, "Initiated").strip())
    except ValueError:
        initiated = None
    return OpenUpload(_key(element, "Key", encoded), find_text(element, "UploadId"), initiated)


def _next(
    root: Element, uploads: list[OpenUpload], after: tuple[str, str] | None, encoded: bool
) -> tuple[str, str] | None:
    """Return where the next page starts: where the store says, or after the last upload where it says nothing."""
    if find_text(root, "IsTruncated").strip() != "true":
        return None
    stated = _key(root, "NextKeyMarker", encoded), find_text(root, "NextUploadIdMarker")
    last = (uploads[-1].key, uploads[-1].upload_id) if uploads else None
    following = stated if stated[0] else last
    return None if following == after else following


def _key(element: Element, name: str, encoded: bool) -> str:
    text = find_text(element, name)
    return unquote_form(text) if encoded else text
