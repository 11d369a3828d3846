"""Alibaba Cloud regions with OSS: https://www.alibabacloud.com/help/en/oss/user-guide/regions-and-endpoints.

Only public endpoints are made from a region; ``-internal`` ones, which serve machines inside the region, are given as
an endpoint.
"""

from __future__ import annotations

import re

REGIONS: tuple[str, ...] = tuple(
    """ap-northeast-1 ap-northeast-2 ap-southeast-1 ap-southeast-3 ap-southeast-5 ap-southeast-6 ap-southeast-7
    cn-beijing cn-beijing-finance-1 cn-chengdu cn-fuzhou cn-guangzhou cn-hangzhou cn-hangzhou-finance cn-heyuan
    cn-hongkong cn-huhehaote cn-nanjing cn-north-2-gov-1 cn-qingdao cn-shanghai cn-shanghai-finance-1 cn-shenzhen
    cn-shenzhen-finance-1 cn-wuhan-lr cn-wulanchabu cn-zhangjiakou eu-central-1 eu-west-1 me-central-1 me-east-1
    na-south-1 us-east-1 us-west-1""".split()  # noqa: SIM905 - a table
)

SHAPE = re.compile(r"(?!.*-internal$)[a-z]{2}(-[a-z0-9]+)+")
"""What a region's name looks like: one that is newer than the table is let through."""

_FINANCE = {
    "cn-hangzhou-finance": "cn-hzfinance",
    "cn-shanghai-finance-1": "cn-shanghai-finance-1-pub",
    "cn-shenzhen-finance-1": "cn-szfinance",
    "cn-beijing-finance-1": "cn-beijing-finance-1-pub",
}
"""The finance clouds' public endpoints do not bear their region's name (the vendor's page above)."""
_OF_FINANCE = {name: region for region, name in _FINANCE.items()}

_HOST = re.compile(r"(?:.+\.)?oss-([a-z]{2}-[a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com")
_DUAL_STACK = re.compile(r"(?:.+\.)?([a-z]{2}-[a-z0-9-]+)\.oss\.aliyuncs\.com")


def plain_region(name: str) -> str:
    """Return a region's id, also from OSS's own name of it: ``oss-cn-hangzhou`` is ``cn-hangzhou``."""
    return name.removeprefix("oss-")


def endpoint_of(region: str) -> str:
    """Return the public OSS endpoint of a region."""
    return f"https://oss-{_FINANCE.get(region, region)}.aliyuncs.com"


def region_of_host(host: str) -> str | None:
    """Return the region an OSS host belongs to; None for a host of others and for the acceleration endpoints."""
    found = _HOST.fullmatch(host) or _DUAL_STACK.fullmatch(host)
    return _OF_FINANCE.get(found[1], found[1]) if found else None


def is_aliyun_host(host: str) -> bool:
    """Whether a host is Alibaba Cloud's own."""
    return host.endswith(".aliyuncs.com")


def names_shared_in(host: str) -> str:
    """Return what all OSS hosts share, a bucket's name being given once in all regions; empty for hosts of others.

    https://www.alibabacloud.com/help/en/oss/user-guide/bucket-naming-conventions
    """
    return "aliyuncs.com" if is_aliyun_host(host) else ""
