"""Closed sets of words, and texts that every database can hold, as pydantic types.

A word is taken in any case and with ``-`` for ``_``, and kept in OMS's own spelling. What is wrong is refused with
OMS's code, carried as the type of pydantic's error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from annotated_types import GroupedMetadata
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, WithJsonSchema
from pydantic_core import PydanticCustomError

WRONG_TYPE = "OMS.1002"
CONSTRAINT = "OMS.1003"
MISSING = "OMS.1004"
WRONG_FORMAT = "OMS.0002"
SOURCE_INVALID = "OMS.0057"
DESTINATION_INVALID = "OMS.0058"

CLOUD_TYPES = (
    "AWS", "Azure", "Aliyun", "Tencent", "HuaweiCloud", "QingCloud", "KingsoftCloud", "Baidu", "Google", "Qiniu",
    "URLSource", "UCloud",
)  # fmt: skip
DESTINATION_CLOUDS = ("HEC", "HuaweiCloud", "AWS")
"""``cloud_type`` of a destination: OMS has the first two; AWS stands for S3's protocol, there or elsewhere."""
DEFAULT_CLOUD_TYPE = "Aliyun"
"""OMS's own default, odd as it is: a body without ``cloud_type`` means it."""

TASK_TYPES = ("object", "prefix", "list", "url_list")
GROUP_TASK_TYPES = ("PREFIX", "LIST", "URL_LIST")
PRIORITIES = ("HIGH", "MEDIUM", "LOW")
OVERWRITE_MODES = (
    "NO_OVERWRITE", "SIZE_LAST_MODIFIED_COMPARISON_OVERWRITE", "CRC64_COMPARISON_OVERWRITE", "FULL_OVERWRITE",
)  # fmt: skip
STORAGE_POLICIES = ("STANDARD", "IA", "ARCHIVE", "DEEP_ARCHIVE", "SRC_STORAGE_MAPPING")
CONSISTENCY_CHECKS = ("size_last_modified", "crc64", "no_check")
CHECK_ALIASES = {"transmission": "no_check"}
"""Sync tasks call it so: https://support.huaweicloud.com/intl/en-us/api-oms/CreateSyncTask.html"""
CDN_AUTHENTICATIONS = (
    "NONE", "QINIU_PRIVATE_AUTHENTICATION", "ALIYUN_OSS_A", "ALIYUN_OSS_B", "ALIYUN_OSS_C",
    "KSYUN_PRIVATE_AUTHENTICATION", "AZURE_SAS_TOKEN", "TENCENT_COS_A", "TENCENT_COS_B", "TENCENT_COS_C",
    "TENCENT_COS_D",
)  # fmt: skip
TRIGGERS = ("SUCCESS", "FAILURE")
LANGUAGES = ("zh-cn", "en-us")
CRYPTO_TYPES = ("DEFAULT", "KMS")
FORBIDDEN_IN_DESCRIPTION = "^<>&\"'"

CRC64_CLOUDS = frozenset({"HuaweiCloud", "Aliyun", "Tencent"})
"""Clouds that state a CRC-64: https://support.huaweicloud.com/intl/en-us/api-oms/CreateTask.html"""


def fold(word: str) -> str:
    """Return ``word`` as it is compared: lower case, dashes for underscores."""
    return word.lower().replace("_", "-")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word most like ``word``; None when nothing is near."""
    folded = {fold(name): name for name in known}
    found = get_close_matches(fold(word)[:100], folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def chooser(known: Iterable[str], code: str, aliases: Mapping[str, str]) -> Callable[[Any], Any]:
    """Return what turns a word, in any case, into the known one."""
    names = tuple(known)
    table = {fold(name): name for name in names} | {fold(name): meant for name, meant in aliases.items()}

    def choose(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        found = table.get(fold(value))
        if found is None:
            raise PydanticCustomError(code, "must be one of {known}", {"known": ", ".join(names)})
        return found

    return choose


class Rules(GroupedMetadata):
    """Several pieces of pydantic's metadata as one: ``Annotated[str, choice("A", "B")]``."""

    def __init__(self, *parts: Any) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[Any]:
        return iter(self._parts)


def choice(*known: str, code: str = CONSTRAINT, aliases: Mapping[str, str] | None = None) -> Rules:
    """Return the rules of a word out of ``known``."""
    schema = {"type": "string", "enum": [*known, *(aliases or {})]}
    return Rules(BeforeValidator(chooser(known, code, aliases or {})), WithJsonSchema(schema))


def storable(value: str) -> str:
    """Return a text that UTF-8 and every database can hold: no NUL, no half of a surrogate pair.

    Raises:
        PydanticCustomError: OMS.0002.
    """
    if "\0" in value or (not value.isprintable() and any("\ud800" <= char <= "\udfff" for char in value)):
        raise PydanticCustomError("OMS.0002", "must be text without NUL characters and lone surrogates")
    return value


def text(most: int, least: int = 0, *, pattern: str | None = None) -> Rules:
    """Return the rules of a text of ``least`` to ``most`` characters."""
    return Rules(Field(min_length=least, max_length=most, pattern=pattern), AfterValidator(storable))


def secret(most: int) -> Rules:
    """Return the rules of a ``SecretStr``."""

    def check(value: SecretStr) -> SecretStr:
        storable(value.get_secret_value())
        return value

    return Rules(Field(max_length=most), AfterValidator(check))


def described(forbidden: str, most: int = 255) -> Rules:
    """Return the rules of a description without the forbidden characters (OMS.0078)."""

    def check(value: str) -> str:
        if any(char in forbidden for char in value):
            raise PydanticCustomError("OMS.0078", "must not contain any of {forbidden}", {"forbidden": forbidden})
        return value

    return Rules(Field(max_length=most), AfterValidator(storable), AfterValidator(check))
