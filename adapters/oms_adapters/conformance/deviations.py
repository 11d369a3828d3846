"""What whole clouds do otherwise than the suite says, with the reason: declared by their tests, told by check-store.

What a single server does otherwise (an emulator, an old gateway) stands in its own test.
"""

from __future__ import annotations

from collections.abc import Mapping

_COS_CRC64 = "COS states the CRC-64 it computes and takes none from the client, so it refuses no wrong one"
_OSS_CRC64 = "OSS states the CRC-64 it computes and compares none that is sent, so it refuses no wrong one"
_OSS_LEADING = "OSS takes no key that begins with a slash: alibabacloud.com/help/en/oss/support/http-400-status-code"
_KS3_CRC64 = "KS3 states the CRC-64 it computes; no page says that it compares one that is sent, so none is sent"
_US3_MD5 = "US3 does not look at Content-MD5: https://docs.ucloud.cn/ufile/s3/s3_introduction"

DEVIATIONS: Mapping[str, Mapping[str, str]] = {
    "Aliyun": {
        "crc64": _OSS_CRC64,
        "multipart_crc64": _OSS_CRC64,
        "odd_key[leading-slash]": _OSS_LEADING,
        "odd_key[leading-slashes]": _OSS_LEADING,
    },
    "Azure": {
        "attributes_round_trip": "blobs have no Expires",
        "user_metadata_round_trip": "names of metadata are C# identifiers: no hyphens",
        "resume": "blocks belong to a blob, not to an upload: none can be listed (resuming goes by the blob)",
        "abort": "blocks cannot be dropped; they vanish after a week, or with the next commit",
        "small_part": "blocks have no minimum size",
    },
    "Google": {
        "odd_key[newline]": "object names hold no line breaks: https://cloud.google.com/storage/docs/objects#naming",
        "attributes_round_trip": "Expires is no metadata of Google's: each reply makes one up",
    },
    "KingsoftCloud": {"crc64": _KS3_CRC64, "multipart_crc64": _KS3_CRC64},
    "Tencent": {"crc64": _COS_CRC64, "multipart_crc64": _COS_CRC64},
    "Qiniu": {
        "odd_key[control]": "Kodo lists in plain XML, which cannot hold it: the listing is refused, not guessed",
    },
    "QingCloud": {
        "odd_key[control]": "QingStor lists in plain XML, which cannot hold it: the listing is refused, not guessed",
    },
    "UCloud": {"wrong_content_md5": _US3_MD5, "wrong_part_md5": _US3_MD5},
}
"""OMS's word for the cloud -> case -> reason."""
