"""Versions of Azure's Blob service: which one is asked for, and what it can do. Pure.

A service that is older than a request's ``x-ms-version`` refuses it; nothing but a new version brings new abilities. So
the version follows from what the store is used for.
https://learn.microsoft.com/en-us/rest/api/storageservices/versioning-for-the-azure-storage-services
"""

from __future__ import annotations

import re
from dataclasses import replace

from oms_engine.errors import ConfigError
from oms_engine.store import MIB, Capabilities

NEWEST = "2026-02-06"
"""The first whose List Blobs takes startFrom (the vendor's SDKs offer it since then).
https://learn.microsoft.com/en-us/rest/api/storageservices/version-2026-02-06"""

OLD = "2019-07-07"
"""For services without startFrom: all of them that are still sold know it, and it has all else that is asked for.
https://learn.microsoft.com/en-us/azure-stack/user/azure-stack-acs-differences"""

LEAST = "2019-02-02"
"""The first that takes x-ms-access-tier with a write and x-ms-rehydrate-priority.
https://learn.microsoft.com/en-us/rest/api/storageservices/version-2019-02-02"""

LARGE = "2019-12-12"
"""The first that takes blocks of 4,000 MiB and blobs of 5,000 MiB at once; before it is 100 and 256 MiB.
https://learn.microsoft.com/en-us/rest/api/storageservices/put-block"""

_DATE = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")


def choose_version(named: str, *, start_from: bool) -> str:
    """Return the version that requests are made in.

    ==========  ==========  =======
    named       start_from  version
    ==========  ==========  =======
    -           yes         NEWEST
    -           no          OLD
    a version   either      that one
    ==========  ==========  =======

    Raises:
        ConfigError: what is named is no version, or one that lacks what is asked for.
    """
    if not named:
        return NEWEST if start_from else OLD
    if not _DATE.fullmatch(named) or named < LEAST:
        raise ConfigError(f"api_version is {named!r}; write a version of the Blob service from {LEAST} on, as a date")
    return named


def capabilities_in(version: str, capabilities: Capabilities, *, start_from: bool) -> Capabilities:
    """Return what a store can do in a version; dates compare as text."""
    if version < LARGE:
        capabilities = replace(
            capabilities,
            max_part_size=100 * MIB,
            max_single_write=256 * MIB,
            max_object_size=capabilities.max_parts * 100 * MIB,
        )
    if start_from and version >= NEWEST:
        return capabilities
    return replace(capabilities, list_start_anywhere=False)
