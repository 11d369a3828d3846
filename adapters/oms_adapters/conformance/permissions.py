"""Which permission a refused call lacks, in the words in which each cloud's users grant it."""

from __future__ import annotations

from collections.abc import Mapping

from oms_engine.frozen import dataclass

_S3 = {
    "list_page": "s3:ListBucket",
    "head": "s3:GetObject",
    "read": "s3:GetObject",
    "write": "s3:PutObject",
    "delete": "s3:DeleteObject",
    "start_upload": "s3:PutObject",
    "write_part": "s3:PutObject",
    "complete_upload": "s3:PutObject",
    "abort_upload": "s3:AbortMultipartUpload",
    "list_parts": "s3:ListMultipartUploadParts",
    "list_uploads": "s3:ListBucketMultipartUploads",
    "restore": "s3:RestoreObject",
}
"""Operation of the store protocol -> S3's action; other tables have the same keys."""

BUCKET_CALLS = frozenset({"list_page", "list_uploads"})
"""Operations whose permission is granted on the bucket, not on its objects."""


def _renamed(words: str) -> dict[str, str]:
    """Return a table of actions in the order of ``_S3``."""
    return dict(zip(_S3, words.split(), strict=True))


@dataclass(frozen=True, slots=True)
class Rights:
    """How one cloud names what may be done, and on what."""

    actions: Mapping[str, str]
    bucket: str
    """Resource of a bucket; ``{bucket}`` stands for its name. Empty: the actions name all there is to grant."""
    objects: str
    """Resource of the objects under ``{prefix}``."""
    source: str


_OBS = Rights(
    _renamed(
        "obs:bucket:ListBucket obs:object:GetObject obs:object:GetObject obs:object:PutObject obs:object:DeleteObject "
        "obs:object:PutObject obs:object:PutObject obs:object:PutObject obs:object:AbortMultipartUpload "
        "obs:object:ListMultipartUploadParts obs:bucket:ListBucketMultipartUploads obs:object:RestoreObject"
    ),
    "OBS:*:*:bucket:{bucket}",
    "OBS:*:*:object:{bucket}/{prefix}*",
    "https://support.huaweicloud.com/en-us/api-obs/obs_04_0112.html",
)
_COS_ACTIONS = _renamed(
    "GetBucket HeadObject GetObject PutObject DeleteObject InitiateMultipartUpload UploadPart CompleteMultipartUpload "
    "AbortMultipartUpload ListParts ListMultipartUploads PostObjectRestore"
)
_KODO_ACTIONS = _renamed(
    "List Stat Get Upload Delete Upload Upload Mkfile AbortMultipartUpload ListParts ListMultipartUploads restoreAr"
)
_BLOB_READER = "role Storage Blob Data Reader, or a SAS with sp="
_BLOB_WRITER = "role Storage Blob Data Contributor, or a SAS with sp="

RIGHTS: dict[str, Rights] = {
    "AWS": Rights(
        _S3,
        "arn:aws:s3:::{bucket}",
        "arn:aws:s3:::{bucket}/{prefix}*",
        "https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html",
    ),
    "HuaweiCloud": _OBS,
    "Aliyun": Rights(
        _renamed(
            "oss:ListObjects oss:GetObject oss:GetObject oss:PutObject oss:DeleteObject oss:PutObject oss:PutObject "
            "oss:PutObject oss:AbortMultipartUpload oss:ListParts oss:ListMultipartUploads oss:RestoreObject"
        ),
        "acs:oss:*:*:{bucket}",
        "acs:oss:*:*:{bucket}/{prefix}*",
        "https://www.alibabacloud.com/help/en/oss/user-guide/ram-policy-overview",
    ),
    "Tencent": Rights(
        {operation: f"name/cos:{action}" for operation, action in _COS_ACTIONS.items()},
        "qcs::cos:*:uid/*:{bucket}/*",
        "qcs::cos:*:uid/*:{bucket}/{prefix}*",
        "https://www.tencentcloud.com/document/product/598/57092",
    ),
    "Azure": Rights(
        {
            **dict.fromkeys(_S3, f"{_BLOB_WRITER}w"),
            "list_page": f"{_BLOB_READER}l",
            "head": f"{_BLOB_READER}r",
            "read": f"{_BLOB_READER}r",
            "write": f"{_BLOB_WRITER}cw",
            "delete": f"{_BLOB_WRITER}d",
            "list_uploads": f"{_BLOB_READER}l",
            "list_parts": f"{_BLOB_READER}r",
        },
        "container {bucket}",
        "container {bucket}",
        "https://learn.microsoft.com/en-us/rest/api/storageservices/create-service-sas",
    ),
    "Google": Rights(
        _renamed(
            "storage.objects.list storage.objects.get storage.objects.get storage.objects.create "
            "storage.objects.delete storage.multipartUploads.create storage.multipartUploads.create "
            "storage.multipartUploads.create storage.multipartUploads.abort storage.multipartUploads.listParts "
            "storage.multipartUploads.list storage.objects.restore"
        ),
        "projects/_/buckets/{bucket}",
        "projects/_/buckets/{bucket}/objects/{prefix}*",
        "https://cloud.google.com/storage/docs/access-control/iam-permissions",
    ),
    "Baidu": Rights(
        {
            **dict.fromkeys(_S3, "WRITE"),
            **dict.fromkeys(("head", "read", "list_parts", "restore"), "READ"),
            **dict.fromkeys(("list_page", "list_uploads"), "LIST"),
        },
        "{bucket}",
        "{bucket}/{prefix}*",
        "https://cloud.baidu.com/doc/BOS/s/ikm2t1f9p",
    ),
    "KingsoftCloud": Rights(
        {operation: f"k{action}" for operation, action in _S3.items()} | {"restore": "ks3:PostObjectRestore"},
        "krn:ksc:ks3:::{bucket}",
        "krn:ksc:ks3:::{bucket}/{prefix}*",
        "https://docs.ksyun.com/documents/5178",
    ),
    "QingCloud": Rights(
        _renamed(
            "list_objects head_object get_object create_object delete_object initiate_multipart_upload "
            "upload_object_part complete_multipart_upload abort_multipart_upload list_object_parts owner owner"
        )
        | dict.fromkeys(("list_uploads", "restore"), "the key of the bucket's owner (no policy grants it)"),
        "{bucket}/*",
        "{bucket}/{prefix}*",
        "https://docsv4.qingcloud.com/user_guide/storage/object_storage/api/bucket/policy/put_policy/",
    ),
    "Qiniu": Rights(
        {operation: f"kodo/{action}" for operation, action in _KODO_ACTIONS.items()}
        | {"restore": "the permission to restore archived objects (restoreAr)"},  # its action's name is not published
        "qrn:kodo:::bucket/{bucket}",
        "qrn:kodo:::bucket/{bucket}/{prefix}*",
        "https://developer.qiniu.com/af/12495/kodo-iam-actions",
    ),
    "UCloud": Rights(
        {
            **dict.fromkeys(_S3, "TOKEN_ALLOW_WRITE"),
            **dict.fromkeys(("list_page", "list_uploads", "list_parts"), "TOKEN_ALLOW_LIST"),
            **dict.fromkeys(("head", "read", "restore"), "TOKEN_ALLOW_READ"),
            "delete": "TOKEN_ALLOW_DELETE",
        },
        "a token whose AllowedBuckets have {bucket}",
        "a token whose AllowedBuckets have {bucket}, and whose AllowedPrefixes cover {prefix}*",
        "https://ucloud-global.com/docs/api/ufile-api/create_ufile_token",
    ),
}
"""OMS's word for the cloud -> its rights."""


def rights_page(cloud_type: str) -> str | None:
    """Return the vendor's page on its permissions; None for a cloud of another package."""
    rights = RIGHTS.get(cloud_type)
    return rights.source if rights else None


def permission_for(cloud_type: str, operation: str, bucket: str, prefix: str = "") -> str:
    """Return the permission an operation needs, with what it is granted on."""
    rights = RIGHTS.get(cloud_type)
    if rights is None:
        action = _S3[operation].removeprefix("s3:")
        return f"the vendor's permission for {action} on {bucket}"
    resource = rights.bucket if operation in BUCKET_CALLS else rights.objects
    return f"{rights.actions[operation]} on {resource.format(bucket=bucket, prefix=prefix)}"
