"""Clouds and their regions, as the API tells them: the shipped tables, and what the settings add."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final

from oms_adapters.presets import shipped_presets
from oms_worker.settings import ServiceSettings

SOURCES: Final = (
    "AWS", "Aliyun", "Qiniu", "QingCloud", "Tencent", "Baidu", "KingsoftCloud", "Azure", "UCloud", "HuaweiCloud",
    "Google", "URLSource",
)  # fmt: skip
"""In the order of https://support.huaweicloud.com/intl/en-us/api-oms/ShowCloudType.html, with Google, newer than it."""
DESTINATIONS: Final = ("HEC",)

_TABLES: Final = ("AWS", "HuaweiCloud", "Aliyun", "Tencent", "Azure", "Google")

_DESCRIBED: Final = MappingProxyType(
    {
        "us-east-1": "US Standard (N. Virginia)",
        "us-west-1": "US West (N. California)",
        "us-west-2": "US West (Oregon)",
        "eu-west-1": "EU (Ireland)",
        "eu-central-1": "EU (Frankfurt)",
        "ap-northeast-1": "Asia Pacific (Tokyo)",
        "ap-northeast-2": "Asia Pacific (Seoul)",
        "ap-southeast-1": "Asia Pacific (Singapore)",
        "ap-southeast-2": "Asia Pacific (Sydney)",
        "ap-south-1": "Asia Pacific (Mumbai)",
        "sa-east-1": "South America (Sao Paulo)",
        "us-east-2": "US East (Ohio)",
        "eu-west-2": "EU (London)",
        "ca-central-1": "Canada (Central)",
        "ap-east-1": "Asia Pacific (Hong Kong)",
    }
)
"""AWS's, the only ones that are documented: https://support.huaweicloud.com/intl/en-us/api-oms/ShowRegionInfo.html"""


@cache
def shipped_regions(cloud: str) -> tuple[str, ...]:
    """Return the regions of a cloud that the shipped tables know; empty for clouds without regions."""
    if cloud in _TABLES:
        table = import_module(f"oms_adapters.regions.{cloud.lower()}")
        return (*table.REGIONS, *getattr(table, "MULTI_REGIONS", ()))
    found = (preset for preset in shipped_presets().values() if preset.cloud_type == cloud)
    return next((tuple(preset.regions) for preset in found), ())


def regions_of(cloud: str, settings: ServiceSettings) -> tuple[str, ...]:
    """Return the regions of a cloud, those of the settings first."""
    return tuple(dict.fromkeys((*settings.endpoints.get(cloud, {}), *shipped_regions(cloud))))


def region_info(settings: ServiceSettings) -> list[dict[str, Any]]:
    """Return every cloud's regions as the API tells them."""
    return [
        {"service_name": cloud, "region_list": [_told(cloud, region) for region in regions]}
        for cloud in SOURCES
        if (regions := regions_of(cloud, settings))
    ]


def _told(cloud: str, region: str) -> dict[str, str]:
    description = _DESCRIBED.get(region, region) if cloud == "AWS" else region
    return {"cloud_type": cloud, "value": region, "description": description}
