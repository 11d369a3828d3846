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

    [endpoints.HuaweiCloud]        # private clouds: region -> endpoint, for `openoms run task.json`
    my-region = "https://obs.my-region.example.com"

    [service]                      # for `openoms task`, `group` and `sync`
    url        = "https://oms.example.com"
    access_key = "…"
    secret_key = "…"
    project    = "…"               # its id or its name; not needed where the keys have one only
    ca_file    = "/etc/ssl/oms.pem"

    [defaults]
    connections = 256
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import field, fields, replace
from pathlib import Path
from typing import Any

from oms_engine.errors import ConfigError
from oms_engine.frozen import dataclass
from oms_engine.model import Secret
from openoms.clouds import cloud_of_type, every_cloud
from openoms.words import unknown


@dataclass(frozen=True, slots=True)
class Profile:
    """A named set of credentials and where they are good for."""

    access_key: str = ""
    secret_key: Secret | None = None
    token: Secret | None = None
    endpoint: str | None = None
    region: str | None = None
    addressing: str | None = None
    connection_string: Secret | None = None
    """Azure's."""
    json_auth_file: str | None = None
    """Path of a Google service account's key file."""
    app_id: str | None = None
    """Tencent's, which ends the real names of its buckets."""

    @property
    def holds_secrets(self) -> bool:
        """Whether nobody else should read it."""
        return bool(self.secret_key or self.token or self.connection_string)


@dataclass(frozen=True, slots=True)
class Defaults:
    """Values used when neither an option nor a variable says otherwise."""

    state: str | None = None
    processes: int | None = None
    connections: int | None = None
    patience: int | None = None
    """Seconds."""
    min_rate: int | None = None
    """Bytes a second."""
    ca_file: str | None = None
    bandwidth_zone: str | None = None
    invalid_metadata: str | None = None


@dataclass(frozen=True, slots=True)
class ServiceSection:
    """The service that ``openoms task``, ``group`` and ``sync`` call, and as whom."""

    url: str | None = None
    access_key: str = ""
    secret_key: Secret | None = None
    project: str | None = None
    ca_file: str | None = None


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """One configuration file as read; empty when there is none."""

    profiles: Mapping[str, Profile] = field(default_factory=dict)
    endpoints: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """cloud_type -> region -> endpoint URL."""
    defaults: Defaults = field(default_factory=Defaults)
    service: ServiceSection = field(default_factory=ServiceSection)
    path: Path | None = None

    @property
    def holds_secrets(self) -> bool:
        """Whether nobody else should read it."""
        return bool(self.service.secret_key) or any(profile.holds_secrets for profile in self.profiles.values())

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
    config = parse_config(_parse_toml(raw, path), path)
    if mode & stat.S_IRWXO and config.holds_secrets:
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
    _known("key", document, ("profiles", "endpoints", "defaults", "service"), path, "")
    profiles = _table(document, "profiles", path)
    endpoints = _table(document, "endpoints", path)
    for cloud in endpoints:
        if cloud_of_type(cloud) is None:
            raise unknown("cloud", cloud, [item.cloud_type for item in every_cloud()], where=f"[endpoints] of {path}")
    return ConfigFile(
        profiles={name: _profile(name, _table(profiles, name, path, "profiles"), path) for name in profiles},
        endpoints={cloud: _endpoints(cloud, _table(endpoints, cloud, path, "endpoints"), path) for cloud in endpoints},
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


def _endpoints(cloud: str, table: Mapping[str, Any], path: Path | None) -> dict[str, str]:
    return {region: _value(table, region, str, path, f"endpoints.{cloud}") for region in table}


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
