"""Azure Blob Storage (``cloud_type`` Azure, ``az://container``).

Credentials are one of:

- ``access_key`` the storage account's name, ``secret_key`` one of its keys (Shared Key);
- ``token`` a SAS token of the account, the container or a stored policy (``access_key`` the account's name, unless the
  endpoint names it);
- ``secret_key`` a whole connection string (OMS's ``connection_string``), ``access_key`` empty.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import urlsplit

from oms_adapters.config import StoreConfig, is_address, known_extra, parse_endpoint
from oms_adapters.control import Account
from oms_adapters.dialects.accounts import AzureAccount
from oms_adapters.dialects.azure import AzureDialect
from oms_adapters.dialects.azure_listing import Directories
from oms_adapters.dialects.azure_versions import capabilities_in, choose_version
from oms_adapters.dialects.profile import ClassTable
from oms_adapters.regions.azure import PUBLIC, SHAPE, account_of_host, suffix_of
from oms_adapters.signing.azure import SharedAccess, SharedKey
from oms_adapters.signing.sigv4 import anonymous
from oms_engine.errors import ConfigError
from oms_engine.model import KeyOrder, Secret, StorageClass
from oms_engine.store import KIB, MIB, BucketStore, Capabilities, Endpoint, Signer

CLASSES = ClassTable(
    words={
        "Hot": StorageClass.STANDARD,
        "Premium": StorageClass.STANDARD,
        "Cool": StorageClass.IA,
        "Cold": StorageClass.ARCHIVE,
        "Archive": StorageClass.DEEP_ARCHIVE,
    },
    archived=frozenset({"Archive"}),
)
"""https://learn.microsoft.com/en-us/azure/storage/blobs/access-tiers-overview; Cold is read at once."""

CLASS_WORDS = {
    StorageClass.STANDARD: "Hot",
    StorageClass.IA: "Cool",
    StorageClass.ARCHIVE: "Cold",
    StorageClass.DEEP_ARCHIVE: "Archive",
}

CAPABILITIES = Capabilities(
    # Flat accounts list by UTF-16 units, hierarchical ones folder by folder; no page of the vendor says which:
    # https://github.com/blobfile/blobfile/pull/238, https://github.com/Azure/azure-sdk-for-go/issues/24210
    order=KeyOrder.UTF16,
    list_limit=5000,  # https://learn.microsoft.com/en-us/rest/api/storageservices/list-blobs
    etag_is_md5=False,
    part_etag_is_md5=False,
    # https://learn.microsoft.com/en-us/azure/storage/blobs/scalability-targets
    min_part_size=1,
    max_part_size=4000 * MIB,
    max_parts=50_000,
    max_single_write=5000 * MIB,
    max_object_size=50_000 * 4000 * MIB,
    requester_pays=False,
    kms=False,
    max_user_metadata_bytes=8 * KIB,
    class_of=CLASSES.class_of,
    is_archived_class=CLASSES.is_archived,
)

EXTRA: dict[str, type] = {
    "api_version": str,
    "directories": str,
    "list_start_from": bool,
    "md5": str,
    "rehydrate_to": str,
}
"""``list_start_from`` False for services older than version 2026-02-06 (Azure Stack Hub, Azurite): a resumed listing
then begins at the beginning, and is not split, and requests are of an older version. ``api_version``: the very version
of requests, where neither fits. ``directories``: see :class:`oms_adapters.dialects.azure_listing.Directories`.
``rehydrate_to``: the tier, for good, of a blob that must leave the archive to be read: ``Hot`` (the default), ``Cool``
or ``Cold``. ``md5``: what becomes of a blob whose Content-MD5 is not that of its bytes: ``warn`` (the default: it is
read twice and copied, the success list says so), ``fail``, or ``ignore`` (the stated MD5s are not looked at)."""

_MD5_MODES = ("warn", "fail", "ignore")

_CONTAINER = re.compile(r"[a-z0-9](?:-?[a-z0-9]){2,62}|\$root|\$web|\$logs")
"""https://learn.microsoft.com/en-us/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata"""

_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")

_DEVELOPMENT = "http://127.0.0.1:10000/devstoreaccount1"


class _Access(NamedTuple):
    """How an account is reached, once every form of credentials is read."""

    account: str
    key: Secret | None
    sas: Secret | None
    endpoint: str | None
    suffix: str
    scheme: str = "https"


class AzureAdapter:
    """Opens containers and lists them; see :class:`oms_adapters.registry.Adapter`."""

    cloud_type = "Azure"
    scheme = "az"

    def endpoint_for(self, region: str) -> str:
        """Return the Blob endpoint of a region's cloud; the account's name goes before its host.

        Raises:
            ConfigError: not the name of a region.
        """
        name = region.lower().replace(" ", "")
        if not SHAPE.fullmatch(name):
            raise ConfigError(f"{region!r} is no Azure region; write one like westeurope or chinanorth3")
        return f"https://blob.{suffix_of(name)}"

    def open(self, config: StoreConfig) -> BucketStore:
        """Return the container as a store; nothing is sent.

        Raises:
            ConfigError: bad container name, endpoint, option or credentials.
        """
        if not _CONTAINER.fullmatch(config.bucket):
            raise ConfigError(
                f"{config.bucket!r} cannot be a container: 3 to 63 lower-case letters, digits and single hyphens, "
                "beginning and ending with a letter or digit; write az://container/prefix"
            )
        if config.requester_pays:
            raise ConfigError("Azure has no requester pays; leave it out")
        access = self._access(config)
        endpoint, root = self._place(config, access)
        ways = _tuned(config)
        return AzureDialect(
            bucket=config.bucket,
            endpoint=endpoint,
            root=root,
            signer=_signer(access),
            capabilities=ways.capabilities,
            class_words=CLASS_WORDS,
            rehydrate_to=ways.rehydrate_to,
            claims_md5=ways.claims_md5,
            version=ways.version,
            directories=ways.directories,
        )

    def _access(self, config: StoreConfig) -> _Access:
        keys = config.credentials
        suffix = self.endpoint_for(config.region).removeprefix("https://blob.") if config.region else PUBLIC
        if keys is not None and ";" in keys.secret_key.reveal():
            access = parse_connection_string(keys.secret_key, suffix)
        elif keys is None:
            access = _Access("", None, None, None, suffix)
        else:
            access = _Access(keys.access_key, keys.secret_key or None, keys.token, None, suffix)
        access = access._replace(endpoint=config.endpoint or access.endpoint)
        return access if access.account else access._replace(account=_account_of(access.endpoint))

    def account(self, config: StoreConfig) -> Account:
        """Return the account; see :class:`oms_adapters.control.Account`.

        Raises:
            ConfigError: bad endpoint or credentials.
        """
        access = self._access(config)
        endpoint, root = self._place(config, access)
        return AzureAccount(
            endpoint=endpoint,
            root=root,
            signer=_signer(access),
            container=config.bucket,
            region=(config.region or "").lower().replace(" ", ""),
            version=_tuned(config).version,
        )

    def _place(self, config: StoreConfig, access: _Access) -> tuple[Endpoint, str]:
        """Return where an account is reached; what only its credentials name is guarded."""
        endpoint, root = _place(access, path_style=config.addressing == "path")
        if config.guard is not None and config.endpoint is None:
            endpoint = config.guard.guarded(endpoint)
        return endpoint, root


def parse_connection_string(text: Secret, suffix: str = PUBLIC) -> _Access:
    """Return what a connection string names.

    https://learn.microsoft.com/en-us/azure/storage/common/storage-configure-connection-string

    Raises:
        ConfigError: not a connection string; the message holds nothing of it.
    """
    fields: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in text.reveal().split(";"))):
        name, equals, value = item.partition("=")
        if not equals:
            raise ConfigError("the connection string must be name=value pairs between semicolons; copy it whole")
        fields[name.strip().lower()] = value.strip()
    account, key = fields.get("accountname", ""), fields.get("accountkey", "")
    sas, endpoint = fields.get("sharedaccesssignature", ""), fields.get("blobendpoint")
    if fields.get("usedevelopmentstorage", "").lower() == "true":
        raise ConfigError(f"UseDevelopmentStorage names no key; give the emulator's whole string ({_DEVELOPMENT})")
    if not sas and not (account and key):
        raise ConfigError("the connection string needs AccountName and AccountKey, or SharedAccessSignature")
    scheme = fields.get("defaultendpointsprotocol", "https")
    return _Access(
        account,
        Secret(key) if key else None,
        Secret(sas) if sas else None,
        endpoint,
        fields.get("endpointsuffix", suffix),
        scheme,
    )


class _Ways(NamedTuple):
    """How a container is spoken to."""

    version: str
    capabilities: Capabilities
    rehydrate_to: str
    claims_md5: bool
    directories: Directories


def _tuned(config: StoreConfig) -> _Ways:
    extra = known_extra(config, EXTRA)
    tier = str(extra.get("rehydrate_to", "Hot"))
    if tier not in {"Hot", "Cool", "Cold"}:
        raise ConfigError(f"rehydrate_to is {tier!r}; a blob leaves the archive for Hot, Cool or Cold")
    mode = str(extra.get("md5", "warn"))
    if mode not in _MD5_MODES:
        raise ConfigError(f"md5 is {mode!r}; a stated MD5 that does not hold can {', '.join(_MD5_MODES)}")
    word = str(extra.get("directories", Directories.PLAIN))
    if word not in set(Directories):
        raise ConfigError(f"directories is {word!r}; directories can be {', '.join(Directories)}")
    start_from = bool(extra.get("list_start_from", True))
    version = choose_version(str(extra.get("api_version", "")), start_from=start_from)
    capabilities = capabilities_in(version, CAPABILITIES, start_from=start_from)
    if mode == "fail":
        capabilities = replace(capabilities, claimed_md5_holds=True)
    if word == Directories.KEEP:  # `A/` comes where `A` stands
        capabilities = replace(capabilities, order=KeyOrder.UNORDERED)
    return _Ways(version, capabilities, tier, mode != "ignore", Directories(word))


def _account_of(endpoint: str | None) -> str:
    """Return the account an endpoint names: in its host, or in the path of an emulator's."""
    if endpoint is None:
        return ""
    parts = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
    return account_of_host(parts.hostname or "") or parts.path.strip("/").partition("/")[0]


def _place(access: _Access, *, path_style: bool) -> tuple[Endpoint, str]:
    """Return the endpoint, and the part of the path that names the account (empty: the host does)."""
    if access.endpoint is None:
        if not _ACCOUNT.fullmatch(access.account):
            raise ConfigError(
                f"{access.account!r} is no storage account: 3 to 24 lower-case letters and digits; give its name as "
                "the access key, or an endpoint like https://name.blob.core.windows.net"
            )
        return parse_endpoint(f"{access.scheme}://{access.account}.blob.{access.suffix}"), ""
    parts = urlsplit(access.endpoint if "://" in access.endpoint else f"https://{access.endpoint}")
    endpoint = parse_endpoint(f"{parts.scheme}://{parts.netloc}")
    if parts.path.strip("/"):
        return endpoint, "/" + parts.path.strip("/")
    if path_style or is_address(endpoint.host):
        return endpoint, f"/{access.account}"
    return endpoint, ""


def _signer(access: _Access) -> Signer:
    if access.sas:
        return SharedAccess(access.sas)
    if not access.key:
        return anonymous
    if not access.account:
        raise ConfigError("an account key needs the storage account's name as the access key")
    return SharedKey(access.account, access.key)


ADAPTER = AzureAdapter()
