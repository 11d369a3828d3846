"""AWS regions with S3, and its hosts: https://docs.aws.amazon.com/general/latest/gr/s3.html.

The partitions' domains are held by a test against those that botocore carries.
"""

from __future__ import annotations

import re

REGIONS: tuple[str, ...] = tuple(
    """af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2 ap-southeast-1
    ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7 ca-central-1 ca-west-1
    cn-north-1
    cn-northwest-1 eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3 il-central-1
    me-central-1 me-south-1 mx-central-1 sa-east-1 us-east-1 us-east-2 us-gov-east-1 us-gov-west-1 us-west-1
    us-west-2 eusc-de-east-1 eu-isoe-west-1 us-iso-east-1 us-iso-west-1 us-isob-east-1 us-isob-west-1 us-isof-east-1
    us-isof-south-1""".split()  # noqa: SIM905 - a table
)

SHAPE = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d{1,2}")
"""What a region's name looks like: one that is newer than the table is let through."""

PUBLIC = "amazonaws.com"

DOMAINS: dict[str, str] = {
    "cn-": "amazonaws.com.cn",
    "eusc-": "amazonaws.eu",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "us-isof-": "csp.hci.ic.gov",
    "eu-isoe-": "cloud.adc-e.uk",
}
"""How the regions of a partition begin -> the domain of its hosts; others have ``PUBLIC``.
https://github.com/boto/botocore/blob/develop/botocore/data/partitions.json"""

_SUFFIXES = (PUBLIC, *DOMAINS.values())
_ANY = "|".join(re.escape(suffix) for suffix in _SUFFIXES)
_HOST = re.compile(rf"((?:.+\.)?)(s3(?:-fips)?(?:\.dualstack)?)(?:[.-]([a-z0-9-]+))?\.({_ANY})")
"""What stands before S3's name, its kind, the region, the partition's domain."""


def domain_of(region: str) -> str:
    """Return the domain of the partition a region belongs to."""
    return next((domain for front, domain in DOMAINS.items() if region.startswith(front)), PUBLIC)


def endpoint_of(region: str) -> str:
    """Return the S3 endpoint of a region."""
    return f"https://s3.{region}.{domain_of(region)}"


def region_of_host(host: str) -> str | None:
    """Return the region an S3 host belongs to, None for a host of others or the global one."""
    found = _HOST.fullmatch(host)
    return found[3] if found and found[3] and SHAPE.fullmatch(found[3]) else None


def host_in_region(host: str, region: str) -> str | None:
    """Return an S3 host of AWS moved to another region, with the bucket that stands in front; None for other hosts.

    One of FIPS or of both IP versions stays of its kind: who chose it needs it in every region.
    """
    found = _HOST.fullmatch(host)
    if found is None or not SHAPE.fullmatch(region):
        return None
    return f"{found[1]}{found[2]}.{region}.{domain_of(region)}"


def is_aws_host(host: str) -> bool:
    """Whether a host is AWS's own."""
    return host.endswith(tuple(f".{suffix}" for suffix in _SUFFIXES))


def names_shared_in(host: str) -> str:
    """Return the partition of an AWS host, in which a bucket's name is given once; empty for hosts of others.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    """
    if not is_aws_host(host):
        return ""
    if ".us-gov-" in host:
        return "aws-us-gov"
    return next(suffix for suffix in _SUFFIXES if host.endswith(f".{suffix}"))
