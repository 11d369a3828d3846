"""Tencent Cloud regions with COS: https://www.tencentcloud.com/document/product/436/6224."""

from __future__ import annotations

import re

REGIONS: tuple[str, ...] = tuple(
    """ap-bangkok ap-beijing ap-beijing-1 ap-beijing-fsi ap-chengdu ap-chongqing ap-guangzhou ap-hongkong ap-jakarta
    ap-mumbai ap-nanjing ap-seoul ap-shanghai ap-shanghai-fsi ap-shenzhen-fsi ap-singapore ap-tokyo eu-frankfurt
    eu-moscow me-saudi-arabia na-ashburn na-siliconvalley na-toronto sa-saopaulo""".split()  # noqa: SIM905 - a table
)

SHAPE = re.compile(r"(?:af|ap|eu|me|na|sa)-(?!north|south|east|west|central)[a-z]{3,}(?:-[a-z]{2,7}|-1)?")
"""What a region's name looks like, a city's: one that is newer than the table is let through."""

_HOST = re.compile(r"(?:.+\.)?cos(?:-internal)?\.([a-z0-9-]+)\.(?:myqcloud\.com|tencentcos\.cn)")


def endpoint_of(region: str) -> str:
    """Return the COS endpoint of a region; buckets stand in front of it."""
    return f"https://cos.{region}.myqcloud.com"


def region_of_host(host: str) -> str | None:
    """Return the region a COS host belongs to, None for a host of others and for the global accelerator."""
    found = _HOST.fullmatch(host)
    return found[1] if found and SHAPE.fullmatch(found[1]) else None
