"""Settings of the service: one TOML file, ``OPENOMS_*`` variables over it, options of the command line over both.

The only reader of the service's environment. A nested setting is written with two underscores:
``OPENOMS_QUOTAS__RUNNING_TASKS=20``. :func:`render_settings` shows them all with secrets masked.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from oms_engine.errors import ConfigError
from oms_worker.setting_base import Part
from oms_worker.setting_endpoints import Endpoints, EndpointSettings, check_endpoints, spelled_out
from oms_worker.setting_parts import (
    Channel,
    Email,
    Groups,
    Limits,
    Queue,
    Quotas,
    Syncs,
    Webhook,
    Work,
    is_loopback,
)
from oms_worker.setting_words import COMMANDS_OWN, holds_secrets

__all__ = [
    "Channel",
    "Email",
    "EndpointSettings",
    "Groups",
    "Limits",
    "Part",
    "Queue",
    "Quotas",
    "ServiceSettings",
    "Syncs",
    "Webhook",
    "Work",
    "default_data_dir",
    "is_loopback",
    "load_service_settings",
    "render_settings",
]

PREFIX = "OPENOMS_"
CONFIG_VARIABLE = "OPENOMS_SERVICE_CONFIG"
CONFIG_VARIABLES = (CONFIG_VARIABLE, "OPENOMS_CONFIG")
"""Name the file when ``--config`` does not; the second is the command line's too."""

KEY_RING_VARIABLE = "OPENOMS_KEY_RING"
"""The key ring as text."""

DRIVERS = ("sqlite+aiosqlite", "postgresql+asyncpg")
MASK = "***"


def default_data_dir() -> Path:
    """Return ``$XDG_STATE_HOME/openoms/service``: https://specifications.freedesktop.org/basedir-spec/latest/."""
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "openoms" / "service"


class ServiceSettings(BaseSettings):
    """Everything ``openoms serve`` can be told. Frozen."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, hide_input_in_errors=True
    )
    file_content: ClassVar[Mapping[str, Any]] = {}

    data_dir: Path = Field(default_factory=default_data_dir)
    """Ledgers, the default database and the default key file."""
    database: str = Field(default="", repr=False)
    """URL of the database; empty: SQLite in the data directory."""
    key_file: Path | None = None
    """The key ring; None: ``keys`` in the data directory, made at the first start."""
    key_ring: SecretStr | None = None
    """The key ring as text, in place of the file: keys as in the file, with ``;`` or line feeds between them."""
    key_envelope: bool = False
    """Keep the ring that seals credentials in the database, sealed under the one of ``key_file`` or ``key_ring``."""
    database_wait_seconds: Annotated[float, Field(ge=0, le=3600)] = 60.0
    """How long ``openoms serve`` waits at its start for a database that is still starting."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    """Port to listen on; 0: a free one."""
    tls_certificate: Path | None = None
    """Certificate chain (PEM) with which HTTPS is served; None: plain HTTP, for loopback or behind a proxy."""
    tls_key: Path | None = None
    """The certificate's key (PEM)."""
    region: str = "local"
    """The region this service stands for: of its destinations and topics."""
    unknown_fields: Literal["ignore", "refuse"] = "ignore"
    """What becomes of fields of a body that this version does not know: ``ignore`` them with a warning in the log, as a
    newer SDK needs, or ``refuse`` the call (OMS.0074)."""
    zone: str = "UTC"
    """Zone of bandwidth windows and of months."""
    project: str = "default"
    """Name of the project made at the first start."""
    minimum_task_seconds: Annotated[float, Field(ge=0, le=3600)] = 0.0
    """A task stays in state 2 at least this long, for clients that must see it run. Terraform needs none of it."""
    shutdown_seconds: Annotated[float, Field(ge=0, le=3600)] = 10.0
    """At a graceful shutdown: time for what is under way before it is parked."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe lines of the log, which is written to standard error."""
    audit_days: Annotated[float, Field(gt=0)] = 90.0
    """Days for which the audit trail is kept."""
    task_days: Annotated[float, Field(ge=0, le=36_500)] = 0.0
    """Days after its end that a task of its own is deleted, with all that is known of it; 0: never."""
    quotas: Quotas = Quotas()
    """Limits per project."""
    queue: Queue = Queue()
    """How waiting tasks are chosen."""
    work: Work = Work()
    """How tasks run."""
    groups: Groups = Groups()
    """How task groups are cut."""
    limits: Limits = Limits()
    """What clients may take."""
    syncs: Syncs = Syncs()
    """How events of sync tasks are batched."""
    endpoints: Endpoints = Field(default_factory=dict)
    """Cloud type -> region -> how it is reached, where it is not the vendor's own endpoint."""
    channels: dict[str, Channel] = Field(default_factory=dict)
    """Name (last part of ``topic_urn``) -> notification channel."""
    templates: dict[str, str | dict[Literal["zh-cn", "en-us"], str]] = Field(default_factory=dict)
    """``message_template_name`` -> text, or text by language, with the thirteen variables as ``{Task_Name}``."""

    @field_validator("endpoints", mode="before")
    @classmethod
    def _plain_endpoints(cls, value: Any) -> Any:
        """Take every spelling of clouds and regions."""
        return spelled_out(value)

    @field_validator("endpoints")
    @classmethod
    def _usable_endpoints(cls, value: Endpoints) -> Endpoints:
        return check_endpoints(value)

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError("not a zone of the IANA database, e.g. Asia/Shanghai") from None
        return value

    @field_validator("database")
    @classmethod
    def _known_driver(cls, value: str) -> str:
        if not value:
            return value
        try:
            driver = make_url(value).drivername
        except (ArgumentError, ValueError):
            raise ValueError("not a database URL, e.g. postgresql+asyncpg://user@host/openoms") from None
        if driver not in DRIVERS:
            raise ValueError(f"the driver must be one of {', '.join(DRIVERS)}")
        return value

    @model_validator(mode="after")
    def _whole_tls(self) -> ServiceSettings:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together")
        return self

    @property
    def database_url(self) -> str:
        """The database that is used."""
        return self.database or f"sqlite+aiosqlite:///{self.data_dir / 'openoms.db'}"

    @property
    def on_sqlite(self) -> bool:
        """Whether this process is the only one on its database."""
        return self.database_url.startswith("sqlite")

    @property
    def key_path(self) -> Path:
        """Where the key ring lies."""
        return self.key_file or self.data_dir / "keys"

    @property
    def ledger_dir(self) -> Path:
        """Where the ledgers of tasks lie."""
        return self.data_dir / "ledgers"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Options over variables over the file."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, _FileSource(settings_cls)


class _FileSource(PydanticBaseSettingsSource):
    """The content of the TOML file, read by :func:`load_service_settings`."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Return one value."""
        del field
        return self().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return dict(getattr(self.settings_cls, "file_content", {}))


def load_service_settings(path: Path | None = None, **options: Any) -> ServiceSettings:
    """Read file, variables and options; options that are None are not given.

    Raises:
        ConfigError: names what is wrong and where; no value is repeated, it may be a secret.
    """
    named = settings_path(path)
    content = read_settings_file(named) if named else {}
    bound = type("ServiceSettings", (ServiceSettings,), {"file_content": content, "__module__": __name__})
    try:
        settings: ServiceSettings = bound(**{name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        raise ConfigError(_explain(error, named)) from None
    except SettingsError as error:
        field = re.search(r'field "([^"]*)"', str(error))
        raise ConfigError(f"{PREFIX}{field[1].upper() if field else '*'} must be JSON.") from None
    return settings


def settings_path(path: Path | None = None) -> Path | None:
    """Return the file that is read: ``path``, else what a variable names, else None."""
    variables = (os.environ.get(name) for name in CONFIG_VARIABLES)
    return path or next((Path(named) for named in variables if named), None)


def read_settings_file(path: Path) -> dict[str, Any]:
    """Read the service's part of a file, which it may share with the command line.

    Raises:
        ConfigError: it cannot be read, is no TOML, or holds secrets that others can read.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        open_to_others = bool(path.stat().st_mode & 0o007)
    except OSError as error:
        message = f"the settings {path} cannot be read ({error.strerror}); name a file with --config."
        raise ConfigError(message) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"the settings {path} are not TOML: {error}") from None
    if open_to_others and holds_secrets(content):
        raise ConfigError(f"the settings {path} hold secrets and others can read them; run: chmod 600 {path}")
    return {name: value for name, value in content.items() if name not in COMMANDS_OWN}


def _explain(error: ValidationError, path: Path | None) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    name = ".".join(str(part) for part in first["loc"]) or "the settings"
    variable = f"{PREFIX}{'__'.join(str(part) for part in first['loc']).upper()}"
    where = f" (in {path} or {variable})" if path else f" ({variable})"
    if first["type"] == "extra_forbidden":
        return f"unknown setting {name}{where}; known: {', '.join(ServiceSettings.model_fields)}."
    message = first["msg"].removeprefix("Value error, ")
    return f"{name}{where}: {message[:1].lower()}{message[1:]}."


def render_settings(settings: ServiceSettings) -> str:
    """Return all settings as ``name = value`` lines, secrets masked."""
    shown = settings.model_dump(mode="python")
    shown["database"] = without_password(make_url(settings.database_url).render_as_string(hide_password=True))
    shown["key_file"] = settings.key_path
    return "\n".join(_lines("", shown))


def _lines(prefix: str, values: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            lines += _lines(f"{prefix}{name}.", value)
        else:
            lines.append(f"{prefix}{name} = {shown_value(value) if name != 'url' else host_of(value)}")
    return lines


def host_of(url: str) -> str:
    """Return a URL whose path is masked: many services put a secret there."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}/{MASK}"


def without_password(url: str) -> str:
    """Return a URL whose password is masked, before the host or in the query."""
    masked = re.sub(r"(://[^/@:]*):[^/]*@", rf"\1:{MASK}@", url)
    return re.sub(r"([?&][^=&]*(?:password|secret|token)[^=&]*)=[^&]*", rf"\1={MASK}", masked, flags=re.IGNORECASE)


def shown_value(value: Any) -> str:
    """Return a value as it may be shown."""
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, str) and "://" in value:
        return without_password(value)
    return "(none)" if value is None else str(value)
