"""Kinds of S3 buckets that are reached in another way than a bucket: each is refused in a sentence, with nothing sent.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html names the endings that AWS keeps for them.
"""

from __future__ import annotations

import re

_OUTPOSTS = (
    "S3 on Outposts signs for a service of its own and is not supported; copy the objects into a bucket of a region"
)
_MULTI_REGION = (
    "a multi-region access point is signed for with SigV4A, which is not supported; name one of the buckets behind it, "
    "with its region"
)
_LAMBDA = (
    "an Object Lambda access point gives other bytes than are stored, so no copy could be proved; "
    "name the bucket behind it"
)
_DIRECTORY = (
    "a directory bucket (S3 Express One Zone) asks for sessions (CreateSession), which are not supported; "
    "copy its objects into a general purpose bucket (aws s3 sync, or S3 Batch Operations)"
)
_TABLES = "a table bucket (S3 Tables) holds tables and no objects of its own; it cannot be migrated"
_ACCESS_POINT = "an access point is named by its alias (…-s3alias), not by its ARN; write s3://ALIAS/prefix"
_BUCKET = "a bucket is named without its ARN; write s3://BUCKET/prefix"
_OTHER = "this ARN names no bucket; write s3://BUCKET/prefix, or s3://ALIAS/prefix with an access point's alias"

ARNS: tuple[tuple[str, str], ...] = (
    (r"arn:[^:]*:s3-outposts:.*", _OUTPOSTS),
    (r"arn:[^:]*:s3-object-lambda:.*", _LAMBDA),
    (r"arn:[^:]*:s3express:.*", _DIRECTORY),
    (r"arn:[^:]*:s3tables:.*", _TABLES),
    (r"arn:[^:]*:s3::[0-9]*:accesspoint.*|arn:.*\.mrap", _MULTI_REGION),
    (r"arn:[^:]*:s3:[^:]+:[0-9]*:accesspoint.*", _ACCESS_POINT),
    (r"arn:[^:]*:s3:::.*", _BUCKET),
    (r"arn:.*", _OTHER),
)
"""What an ARN looks like, as a whole or up to its first slash -> what is said; the first that matches counts."""

ENDINGS: dict[str, str] = {
    "--x-s3": _DIRECTORY,
    "--xa-s3": _DIRECTORY,
    "--ol-s3": _LAMBDA,
    "--op-s3": _OUTPOSTS,
    "--table-s3": _TABLES,
    ".mrap": _MULTI_REGION,
}
"""Endings of names that AWS keeps for kinds of its own; not ``-s3alias``: an alias stands for a bucket."""

HOSTS: tuple[tuple[str, str], ...] = (
    (r"(.+\.)?s3express-[a-z0-9-]+\..*", _DIRECTORY),
    (r"(.+\.)?s3-outposts\..*", _OUTPOSTS),
    (r"(.+\.)?s3-object-lambda\..*", _LAMBDA),
    (r"(.+\.)?s3-accesspoint(-fips)?\..*", _ACCESS_POINT.replace("not by its ARN", "at the region's own endpoint")),
    (r"(.+\.)?accesspoint\.s3-global\..*", _MULTI_REGION),
)
"""Hosts of AWS that speak for one of those kinds."""


def arn_refusal(name: str) -> str | None:
    """Return why an ARN cannot stand for a bucket; None for a name that is none."""
    return next((text for pattern, text in ARNS if re.fullmatch(pattern, name)), None)


def kind_refusal(bucket: str, host: str) -> str | None:
    """Return why a bucket at one of AWS's hosts cannot be reached; None where it is a plain one."""
    named = next((text for ending, text in ENDINGS.items() if bucket.endswith(ending)), None)
    return named or next((text for pattern, text in HOSTS if re.fullmatch(pattern, host)), None)
