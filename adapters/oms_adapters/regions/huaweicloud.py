"""Huawei Cloud regions with OBS: https://console-intl.huaweicloud.com/apiexplorer/#/endpoint/OBS."""

from __future__ import annotations

import re

REGIONS: tuple[str, ...] = tuple(
    """af-north-1 af-south-1 ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 cn-east-2
    cn-east-3 cn-east-4 cn-east-5 cn-north-1 cn-north-2 cn-north-4 cn-north-9 cn-north-11 cn-north-12 cn-south-1
    cn-south-2 cn-south-4 cn-southwest-2 eu-west-101 la-north-2 la-south-2 me-east-1 my-kualalumpur-1
    na-mexico-1 ru-moscow-1 sa-argentina-1 sa-brazil-1 sa-chile-1 sa-peru-1 tr-west-1""".split()  # noqa: SIM905 - a table
)

SHAPE = re.compile(r"[a-z]{2}(-[a-z]+)+-\d{1,3}")
"""What a region's name looks like: one that is newer than the table is let through."""

HOME = "myhuaweicloud.com"

DOMAINS = {
    "eu-west-101": "myhuaweicloud.eu",  # https://support.huaweicloud.com/eu/api-obs/obs_04_0003.html
    "my-kualalumpur-1": "alphaedge.tmone.com.my",  # TM's own SDK: https://support.alphaedge.tmone.com.my
    "ru-moscow-1": "hc.sbercloud.ru",  # no page of Huawei's; links to files there are public
}
"""Regions of Huawei Cloud Europe and of partners, which have domains of their own; seen on 2026-11-30."""

UNSETTLED = frozenset({"ae-ad-1", "eu-west-0", "tr-central-201"})
"""Partners' regions whose public domain no page settles: ae-ad-1 is reached by two. Their users know the endpoint."""

_HOST = re.compile(r"(?:.+\.)?obs\.([a-z0-9-]+)\.([a-z0-9.-]+)")


def endpoint_of(region: str) -> str:
    """Return the OBS endpoint of a region."""
    return f"https://obs.{region}.{DOMAINS.get(region, HOME)}"


def region_of_host(host: str) -> str | None:
    """Return the region an OBS host belongs to, None for a host of others."""
    found = _HOST.fullmatch(host)
    return found[1] if found and found[2] in {HOME, DOMAINS.get(found[1])} else None


def names_shared_in(host: str) -> str:
    """Return what OBS hosts share, a bucket's name being given once in all regions; empty for hosts of others.

    https://support.huaweicloud.com/intl/en-us/ugobs-obs/obs_41_0009.html
    """
    head, mark, domain = host.rpartition(".myhuaweicloud.")
    return domain if head and mark else ""
