"""The TOML configuration file: profiles, endpoints of regions, defaults. Parsing and judging only, no I/O elsewhere.

::

    [profiles.production]          # --source-profile production
    access_key = "…"
    secret_key = "…"
    token      = "…"               # temporary credentials only; Azure: a SAS; Google: an access token
    connection_string = "…"        # Azure, instead of the keys
    json_auth_file = "/path/key.json"   # Google, instead of the keys
    app_id     = "1250000000"      # Tencent
    endpoint   = "https://obs.example.com"
    region     = "eu-1"
    addressing = "virtual"         # or "path"

    [endpoints.HuaweiCloud]        # private clouds: region -> endpoint
    my-region = "https://obs.my-region.example.com"

    [endpoints.HuaweiCloud.rack-7] # with what the service's settings may say of one
    endpoint = "https://minio.example.com"
    dialect  = "s3"

    [service]                      # for `openoms task`, `group` and `sync`
    url        = "https://oms.example.com"
    access_key = "…"
    secret_key = "…"
    project    = "…"               # its id or its name; not needed where the keys have one only
    ca_file    = "/etc/ssl/oms.pem"

    [defaults]
    connections = 256

The service reads the same file: its settings are known here by their names, and left to it.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import field, fields, replace
from pathlib import Path
from typing import Any

from oms_adapters.config import parse_endpoint
from oms_engine.errors import ConfigError
from oms_engine.frozen import dataclass
from oms_engine.model import Secret, StorageClass
from oms_worker.setting_words import COMMANDS_OWN, holds_secrets, service_names, words_of
from openoms.clouds import HUAWEI, cloud_of_scheme, cloud_of_type, every_cloud
from openoms.words import unknown

_PLACE_WORDS: dict[str, tuple[str, ...]] = {"dialect": ("obs", "s3"), "region": (), "addressing": ("path", "virtual")}
"""Texts of a place -> what they may be; empty: anything."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A named set of credentials and where they are good for."""

    access_key: str = ""
    """Access key; Azure's is the account's name."""
    secret_key: Secret | None = None
    """Secret key."""
    token: Secret | None = None
    """Of temporary credentials; Azure: a SAS; Google: an access token."""
    endpoint: str | None = None
    """Where the bucket is reached; None: the vendor's endpoint of the region."""
    region: str | None = None
    """The bucket's region."""
    addressing: str | None = None
    """Where the bucket's name stands, path or virtual (in the host); None: as the cloud recommends."""
    connection_string: Secret | None = None
    """Azure's connection string, instead of the keys."""
    json_auth_file: str | None = None
    """Path of a Google service account's key file."""
    app_id: str | None = None
    """Tencent's, which ends the real names of its buckets."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """Values used when neither an option nor a variable says otherwise."""

    state: str | None = None
    """The state file of every migration; None: one of its own for each."""
    processes: int | None = None
    """Processes at most; None: one per core, up to 8."""
    connections: int | None = None
    """Connections at most, in all processes together; None: 512."""
    patience: int | None = None
    """Seconds for which a store that does not answer is waited for; None: 900."""
    min_rate: int | None = None
    """Bytes a second that a transfer must reach over a minute of waiting for the other end; None: 1024."""
    ca_file: str | None = None
    """Certificates (PEM) that stores' certificates are held against; None: the system's."""
    bandwidth_zone: str | None = None
    """Time zone of --bandwidth; None: UTC."""
    invalid_metadata: str | None = None
    """What becomes of metadata that a destination cannot hold: fail, drop or encode; None: fail."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a region of a cloud is reached, and what the store there speaks."""

    endpoint: str
    dialect: str | None = None
    region: str | None = None
    """What S3 requests are signed for; None: the region's own name."""
    addressing: str | None = None
    extra: tuple[tuple[str, str | bool], ...] = ()
    """Options of the adapter."""
    storage_classes: tuple[StorageClass, ...] | None = None
    """The classes that it keeps; None: all that its dialect has. The rest is what it can: None, as its dialect."""
    metadata: bool | None = None
    kms: bool | None = None
    crc64: bool | None = None


@dataclass(frozen=True, slots=True)
class ServiceSection:
    """The service that ``openoms task``, ``group`` and ``sync`` call, and as whom."""

    url: str | None = None
    """Its address."""
    access_key: str = ""
    """Access key of a user."""
    secret_key: Secret | None = None
    """The user's secret key."""
    project: str | None = None
    """Id or name of the project; None: the only one that the keys have."""
    ca_file: str | None = None
    """Certificates (PEM) that the service's certificate is held against; None: the system's."""


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """One configuration file as read; empty when there is none."""

    profiles: Mapping[str, Profile] = field(default_factory=dict)
    endpoints: Mapping[str, Mapping[str, Place]] = field(default_factory=dict)
    """cloud_type -> region -> how it is reached."""
    defaults: Defaults = field(default_factory=Defaults)
    service: ServiceSection = field(default_factory=ServiceSection)
    path: Path | None = None

    def profile(self, name: str) -> Profile:
        """Return a profile by name.

        Raises:
            ConfigError: there is none of that name.
        """
        if name in self.profiles:
            return self.profiles[name]
        if not self.profiles:
            raise ConfigError(f"profile {name!r} is asked for, but {self.where} defines no profiles.")
        raise unknown("profile", name, self.profiles, where=self.where)

    @property
    def where(self) -> str:
        """Name the file in messages."""
        return str(self.path) if self.path else "the configuration (no file was found)"


def read_config_file(path: Path, *, required: bool) -> ConfigFile:
    """Read a file; one that is missing is empty unless ``required``.

    Raises:
        ConfigError: missing, unreadable, no TOML, an unknown key, a wrong type, or secrets others can read.
    """
    try:
        raw = path.read_bytes()
        mode = path.stat().st_mode
    except FileNotFoundError:
        if required:
            raise ConfigError(f"configuration file {path} does not exist; create it or name another one.") from None
        return ConfigFile()
    except OSError as error:
        raise ConfigError(f"configuration file {path} cannot be read: {error.strerror}.") from None
    document = _parse_toml(raw, path)
    config = parse_config(document, path)
    if mode & stat.S_IRWXO and holds_secrets(document):
        raise ConfigError(f"{path} holds secrets and every user can open it; run: chmod 600 {path}")
    return config


def _parse_toml(raw: bytes, path: Path) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415 - most commands have no configuration file

    try:
        return tomllib.loads(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from None


def parse_config(document: Mapping[str, Any], path: Path | None = None) -> ConfigFile:
    """Judge a parsed document.

    Raises:
        ConfigError: an unknown key (with the nearest known one) or a value of the wrong type.
    """
    own = (*COMMANDS_OWN, "endpoints")
    if not set(document) <= set(own):
        _known("key", document, (*own, *service_names()), path, "")
    profiles = _table(document, "profiles", path)
    return ConfigFile(
        profiles={name: _profile(name, _table(profiles, name, path, "profiles"), path) for name in profiles},
        endpoints=_endpoints(_table(document, "endpoints", path), path),
        defaults=_defaults(_table(document, "defaults", path), path),
        service=_service(_table(document, "service", path), path),
        path=path,
    )


def _profile(name: str, table: Mapping[str, Any], path: Path | None) -> Profile:
    place = f"profiles.{name}"
    _known("key", table, [item.name for item in fields(Profile)], path, place)
    text = {key: _value(table, key, str, path, place) for key in table}
    if bool(text.get("access_key")) != bool(text.get("secret_key")) and "token" not in text:
        raise ConfigError(f"[{place}] in {path} needs both access_key and secret_key, or neither.")
    hidden: dict[str, Any] = {
        key: Secret(text[key]) for key in ("secret_key", "token", "connection_string") if key in text
    }
    plain = {key: value for key, value in text.items() if key not in hidden}
    return replace(Profile(**plain), **hidden)


def _endpoints(table: Mapping[str, Any], path: Path | None) -> dict[str, dict[str, Place]]:
    found: dict[str, dict[str, Place]] = {}
    for word in table:
        cloud = cloud_of_type(HUAWEI if word.upper() == "HEC" else word) or cloud_of_scheme(word.lower())
        if cloud is None:
            raise unknown("cloud", word, [item.cloud_type for item in every_cloud()], where=f"[endpoints] of {path}")
        if cloud.cloud_type in found:
            raise ConfigError(f"[endpoints.{word}] in {path}: {cloud.cloud_type} is named twice.")
        regions = _table(table, word, path, "endpoints")
        found[cloud.cloud_type] = {name: _place(f"endpoints.{word}", name, regions, path) for name in regions}
    return found


def _place(table: str, name: str, regions: Mapping[str, Any], path: Path | None) -> Place:
    stated = regions[name]
    if not isinstance(stated, dict):
        return Place(_checked(_value(regions, name, str, path, table), f"{table}.{name}", path))
    where = f"{table}.{name}"
    _known("key", stated, [word.name for word in words_of("EndpointSettings")], path, where)
    if "endpoint" not in stated:
        raise ConfigError(f"[{where}] in {path} lacks its endpoint, like https://obs.example.com.")
    text = {key: _value(stated, key, str, path, where) for key in ("endpoint", *_PLACE_WORDS) if key in stated}
    if "dialect" in text:
        text["dialect"] = text["dialect"].lower()
    for key, known in _PLACE_WORDS.items():
        if known and text.get(key, known[0]) not in known:
            raise unknown(key, text[key], known, where=f"[{where}] of {path}")
    extra = _table(stated, "extra", path, where)
    if not all(isinstance(value, str | bool) for value in extra.values()):
        raise ConfigError(f"{where}.extra in {path} holds options: text in quotes, true or false.")
    text["endpoint"] = _checked(text["endpoint"], where, path)
    return Place(**text, **_abilities(stated, where, path), extra=tuple(extra.items()))


def _abilities(stated: Mapping[str, Any], where: str, path: Path | None) -> dict[str, Any]:
    """Return what a store can do, as far as the file says."""
    found: dict[str, Any] = {key: stated[key] for key in ("metadata", "kms", "crc64") if key in stated}
    if wrong := next((key for key, value in found.items() if not isinstance(value, bool)), None):
        raise ConfigError(f"{where}.{wrong} in {path} must be true or false.")
    classes = stated.get("storage_classes")
    if classes is None:
        return found
    known = [item.value for item in StorageClass]
    if not isinstance(classes, list):
        raise ConfigError(f"{where}.storage_classes in {path} must be a list of {', '.join(known)}.")
    for word in classes:
        if word not in known:
            raise unknown("storage class", str(word), known, where=f"[{where}] of {path}")
    return {**found, "storage_classes": tuple(StorageClass(word) for word in classes)}


def _checked(endpoint: str, where: str, path: Path | None) -> str:
    try:
        parse_endpoint(endpoint)
    except ConfigError as error:
        raise ConfigError(f"{where} in {path}: {error}.") from None
    return endpoint


def _defaults(table: Mapping[str, Any], path: Path | None) -> Defaults:
    _known("key", table, [item.name for item in fields(Defaults)], path, "defaults")
    kinds: dict[str, type] = {"processes": int, "connections": int, "patience": int, "min_rate": int}
    return Defaults(**{key: _value(table, key, kinds.get(key, str), path, "defaults") for key in table})


def _service(table: Mapping[str, Any], path: Path | None) -> ServiceSection:
    _known("key", table, [item.name for item in fields(ServiceSection)], path, "service")
    text = {key: _value(table, key, str, path, "service") for key in table}
    if bool(text.get("access_key")) != bool(text.get("secret_key")):
        raise ConfigError(f"[service] in {path} needs both access_key and secret_key, or neither.")
    secret = text.pop("secret_key", None)
    return ServiceSection(**text, secret_key=Secret(secret) if secret else None)


def _known(kind: str, table: Mapping[str, Any], names: Any, path: Path | None, place: str) -> None:
    for key in table:
        if key not in names:
            section = f"[{place}] of " if place else ""
            raise unknown(kind, key, names, where=f"{section}{path or 'the configuration'}")


def _table(table: Mapping[str, Any], key: str, path: Path | None, place: str = "") -> Mapping[str, Any]:
    value = table.get(key, {})
    if not isinstance(value, dict):
        full = f"{place}.{key}" if place else key
        raise ConfigError(f"{full} in {path} must be a table; write [{full}] on a line of its own.")
    return value


def _value(table: Mapping[str, Any], key: str, kind: type, path: Path | None, place: str) -> Any:
    value = table[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        word = "a whole number" if kind is int else "text in quotes"
        raise ConfigError(f"{place}.{key} in {path} must be {word}.")
    return value
