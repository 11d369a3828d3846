"""What of a request is secret: read from bodies, kept apart from what is stored, and asked for again at a start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, model_validator
from pydantic_core import PydanticCustomError

from oms_engine.errors import ConfigError
from oms_engine.model import Secret
from oms_worker.shapes.base import Body
from oms_worker.shapes.nodes import AccessKey, AuthFile, CdnKey, ConnectionString, Crypto, KeyId, SecretKey
from oms_worker.shapes.words import MISSING

_SECRET_OF_NODE: Final = frozenset({"ak", "sk", "security_token", "json_auth_file", "connection_string"})
_SECRET: Final = {
    "src_node": _SECRET_OF_NODE,
    "dst_node": _SECRET_OF_NODE,
    "source_cdn": frozenset({"authentication_key"}),
}
HIDDEN: Final[Mapping[str, frozenset[str]]] = {
    part: names | {"crypto_type", "kms_key_id"} for part, names in _SECRET.items()
}
"""What of a create body is not stored, by its part."""


class Keys(Body):
    """Credentials as *start* and *retry* take them."""

    src_ak: AccessKey | None = None
    src_sk: SecretKey | None = None
    connection_string: ConnectionString | None = None
    json_auth_file: AuthFile | None = None
    dst_ak: AccessKey | None = None
    dst_sk: SecretKey | None = None
    src_crypto_type: Crypto | None = None
    src_kms_key_id: KeyId | None = None
    dst_crypto_type: Crypto | None = None
    dst_kms_key_id: KeyId | None = None
    source_cdn_authentication_key: CdnKey | None = None
    source_cdn_crypto_type: Crypto | None = None
    source_cdn_kms_key_id: KeyId | None = None

    @model_validator(mode="after")
    def _plain(self) -> Keys:
        if "KMS" in {self.src_crypto_type, self.dst_crypto_type, self.source_cdn_crypto_type}:
            raise PydanticCustomError("OMS.1003", "credentials encrypted with KMS cannot be opened here")
        return self

    def secrets(self) -> dict[str, Secret]:
        """Return what must be sealed, named as :func:`secrets_of` does."""
        return {
            path: Secret(value.get_secret_value())
            for name, path in _PATHS.items()
            if (value := getattr(self, name, None))
        }


_PATHS: Final = {
    "src_ak": "src_node.ak",
    "src_sk": "src_node.sk",
    "src_security_token": "src_node.security_token",
    "connection_string": "src_node.connection_string",
    "json_auth_file": "src_node.json_auth_file",
    "dst_ak": "dst_node.ak",
    "dst_sk": "dst_node.sk",
    "dst_security_token": "dst_node.security_token",
    "source_cdn_authentication_key": "source_cdn.authentication_key",
}


KEYLESS: Final = frozenset({"NONE", "QINIU_PRIVATE_AUTHENTICATION", "KSYUN_PRIVATE_AUTHENTICATION"})
"""Authentications of a CDN that sign with nothing, or with the source's own keys."""
NO_CDN_KEY: Final = "OMS.1032"


def check_secrets(given: Mapping[str, Secret], request: Mapping[str, Any]) -> None:
    """Refuse a start without the keys that a stored request needs: they were wiped when it stopped.

    ``given`` is named as :func:`secrets_of` does.

    Raises:
        ConfigError: OMS.1004, OMS.1032.
    """
    cloud = request["src_node"].get("cloud_type")
    alone = {"Google": "src_node.json_auth_file", "Azure": "src_node.connection_string"}.get(cloud, "")
    needed = ["dst_node.ak", "dst_node.sk"]
    if cloud != "URLSource" and not given.get(alone):
        needed += ["src_node.ak", "src_node.sk"]
    for path in needed:
        if not given.get(path):
            name = path.replace("_node.", "_")
            raise ConfigError(f"{name} is missing: keys are not kept while a task stands still.", code=MISSING)
    cdn = request.get("source_cdn") or {}
    if cdn.get("authentication_type", "NONE") not in KEYLESS and not given.get("source_cdn.authentication_key"):
        raise ConfigError("source_cdn_authentication_key is missing.", code=NO_CDN_KEY)


def secrets_of(body: BaseModel) -> dict[str, Secret]:
    """Return the secrets of a create body by their paths in it, e.g. ``src_node.sk``."""
    found: dict[str, Secret] = {}
    for part, names in _SECRET.items():
        inner = getattr(body, part, None)
        for name in sorted(names):
            value = getattr(inner, name, None)
            if value:
                found[f"{part}.{name}"] = Secret(value.get_secret_value())
    return found
