"""Azure's clouds and regions: an account's endpoint depends on the cloud alone, which a region's name tells.

https://learn.microsoft.com/en-us/azure/storage/common/storage-account-overview#standard-endpoints
"""

from __future__ import annotations

import re

PUBLIC, CHINA, GOVERNMENT = "core.windows.net", "core.chinacloudapi.cn", "core.usgovcloudapi.net"
"""https://learn.microsoft.com/en-us/azure/china/resources-developer-guide and
https://learn.microsoft.com/en-us/azure/azure-government/compare-azure-government-global-azure"""

REGIONS: tuple[str, ...] = tuple(
    """australiacentral australiacentral2 australiaeast australiasoutheast austriaeast belgiumcentral brazilsouth
    brazilsoutheast canadacentral canadaeast centralindia centralus chilecentral denmarkeast eastasia eastus eastus2
    francecentral francesouth germanynorth germanywestcentral indonesiacentral israelcentral italynorth japaneast
    japanwest koreacentral koreasouth malaysiawest mexicocentral newzealandnorth northcentralus northeurope norwayeast
    norwaywest polandcentral qatarcentral southafricanorth southafricawest southcentralus southeastasia southindia
    spaincentral swedencentral swedensouth switzerlandnorth switzerlandwest uaecentral uaenorth uksouth ukwest
    westcentralus westeurope westindia westus westus2 westus3
    chinaeast chinaeast2 chinaeast3 chinanorth chinanorth2 chinanorth3
    usdodcentral usdodeast usgovarizona usgovtexas usgovvirginia""".split()  # noqa: SIM905 - a table
)
"""https://learn.microsoft.com/en-us/azure/reliability/regions-list"""

SHAPE = re.compile(r"[a-z]{5,}\d?")
"""What a region's name looks like: one that is newer than the table is let through."""

_BLOB_HOST = re.compile(r"([a-z0-9]{3,24})(?:-secondary)?\.(?:z\d+\.)?blob\..+")


def suffix_of(region: str) -> str:
    """Return the domain of the cloud a region is in."""
    if region.startswith("china"):
        return CHINA
    return GOVERNMENT if region.startswith(("usgov", "usdod")) else PUBLIC


def account_of_host(host: str) -> str | None:
    """Return the storage account a host names in its first label, None for a host of others."""
    found = _BLOB_HOST.fullmatch(host)
    return found[1] if found else None
