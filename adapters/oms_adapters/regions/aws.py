"""AWS regions with S3: https://docs.aws.amazon.com/general/latest/gr/s3.html."""

from __future__ import annotations

import re

REGIONS: tuple[str, ...] = tuple(
    """af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2 ap-southeast-1
    ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7 ca-central-1 ca-west-1
    cn-north-1
    cn-northwest-1 eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3 il-central-1
    me-central-1 me-south-1 mx-central-1 sa-east-1 us-east-1 us-east-2 us-gov-east-1 us-gov-west-1 us-west-1
    us-west-2 eusc-de-east-1""".split()  # noqa: SIM905 - a table
)

SHAPE = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d{1,2}")
"""What a region's name looks like: one that is newer than the table is let through."""

_HOST = re.compile(r"(?:.+\.)?s3(?:-fips)?(?:\.dualstack)?[.-]([a-z0-9-]+)\.amazonaws\.(?:com|com\.cn|eu)")


def endpoint_of(region: str) -> str:
    """Return the S3 endpoint of a region."""
    suffix = {"cn": "com.cn", "eusc": "eu"}.get(region.partition("-")[0], "com")
    return f"https://s3.{region}.amazonaws.{suffix}"


def region_of_host(host: str) -> str | None:
    """Return the region an S3 host belongs to, None for a host of others or the global one."""
    found = _HOST.fullmatch(host)
    return found[1] if found and SHAPE.fullmatch(found[1]) else None


def host_in_region(host: str, region: str) -> str | None:
    """Return an S3 host of AWS moved to another region, with the bucket that stands in front; None for other hosts."""
    bucket, middle, _ = f".{host}".rpartition(".s3.")
    if not middle or not is_aws_host(host) or not SHAPE.fullmatch(region):
        return None
    return f"{bucket}.{endpoint_of(region).removeprefix('https://')}"[1:]


def is_aws_host(host: str) -> bool:
    """Whether a host is AWS's own."""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu"))


def names_shared_in(host: str) -> str:
    """Return the partition of an AWS host, in which a bucket's name is given once; empty for hosts of others.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    """
    if not is_aws_host(host):
        return ""
    return "aws-us-gov" if ".us-gov-" in host else host.partition(".amazonaws.")[2]
