"""Where the answers come from: the only reader of the environment and of the configuration file.

Precedence, as rclone has it: option > ``OPENOMS_*`` variable > the vendor's variable > profile in the configuration
file > default. Credentials come whole from one place: an access key is never joined with a secret found elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from oms_adapters.config import Addressing, StoreConfig, parse_endpoint
from oms_engine.errors import ConfigError
from oms_engine.frozen import dataclass
from oms_engine.model import Credentials
from openoms.configfile import ConfigFile, Place, Profile, read_config_file
from openoms.keys import SideName, check_written, find_credentials
from openoms.urls import BucketUrl
from openoms.words import unknown

if TYPE_CHECKING:
    from oms_adapters.cdn import CdnConfig

Extra = tuple[tuple[str, str | bool], ...]
"""Options of one cloud's adapter, by name."""

OPTIONS_OF = {"app_id": "Tencent", "account": "Azure"}
"""Option -> the cloud that has it."""

ADDRESSING: dict[str, Addressing | None] = {"auto": None, "path": "path", "virtual": "virtual"}


@dataclass(frozen=True, slots=True)
class SideOptions:
    """What the caller said about one side; None where nothing was said."""

    endpoint: str | None = None
    region: str | None = None
    addressing: str | None = None
    profile: str | None = None
    credentials: Credentials | None = None
    """Given in Python only: on a command line everybody could read it."""
    app_id: str | None = None
    """Tencent's APPID."""
    account: str | None = None
    """Azure's storage account, where the credentials do not name it."""
    extra: Extra = ()
    """Options of the cloud's adapter."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side, settled: everything needed to open its bucket."""

    url: BucketUrl
    credentials: Credentials
    endpoint: str | None = None
    """None: the vendor's public endpoint of the region."""
    region: str | None = None
    addressing: Addressing | None = None
    """None: what the cloud recommends."""
    origin: str = ""
    """Where the credentials were found, for messages."""
    extra: Extra = ()
    """Options of the cloud's adapter, e.g. ``app_id``."""
    cdn: CdnConfig | None = None
    """Read through this CDN."""
    place: Place | None = None
    """What the configuration file says of the store: what it speaks and can."""

    def store_config(self, *, requester_pays: bool = False) -> StoreConfig:
        """Return the adapter's configuration."""
        return StoreConfig(
            cloud_type=(self.place.dialect if self.place else None) or self.url.cloud_type,
            bucket=self.url.bucket,
            endpoint=self.endpoint,
            region=(self.place.region if self.place else None) or self.region,
            addressing=self.addressing,
            credentials=self.credentials,
            requester_pays=requester_pays,
            extra=dict(self.extra),
            cdn=self.cdn,
        )


@dataclass(frozen=True, slots=True)
class Proxies:
    """Proxy of each scheme, and the hosts reached without one, as the usual variables state them."""

    http: str | None = None
    https: str | None = None
    no_proxy: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """The environment and the configuration file, read once."""

    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    file: ConfigFile = field(default_factory=ConfigFile, repr=False)

    def side(self, name: SideName, url: BucketUrl, options: SideOptions) -> Side:
        """Settle one side.

        Raises:
            ConfigError: no or half a credential, an unknown profile, addressing or endpoint form.
        """
        profile, cloud = self._profile(name, options), url.cloud
        account = self._of_cloud(name, "account", options.account, cloud.cloud_type)
        credentials, origin = self._credentials(name, url, options, profile, account)
        endpoint = self._first(name, "ENDPOINT", options.endpoint, cloud.endpoints, profile.endpoint)
        region = self._first(name, "REGION", options.region, cloud.regions, profile.region)
        place = self.file.endpoints.get(cloud.cloud_type, {}).get(region or "")
        if place is not None and endpoint in {None, place.endpoint}:
            endpoint = place.endpoint
        else:
            place = None
        chosen = self._first(name, "ADDRESSING", options.addressing, (), profile.addressing)
        addressing = chosen or (place.addressing if place else None) or "auto"
        if addressing not in ADDRESSING:
            raise unknown("addressing", addressing, ADDRESSING, where=f"--{name}-addressing")
        endpoint = check_endpoint(endpoint, f"--{name}-endpoint") if endpoint else None
        return Side(
            url=url,
            credentials=credentials,
            endpoint=endpoint,
            region=region,
            addressing=ADDRESSING[addressing],
            origin=origin,
            extra=(*(place.extra if place else ()), *self._extra(name, cloud.cloud_type, options, profile)),
            place=place,
        )

    def endpoint_of(self, cloud_type: str, region: str | None) -> str | None:
        """Return the endpoint the configuration file gives a region, None when it gives none."""
        place = self.file.endpoints.get(cloud_type, {}).get(region or "")
        return place.endpoint if place else None

    def state_dir(self) -> Path:
        """Return the folder of state files: ``$XDG_STATE_HOME/openoms``.

        Raises:
            ConfigError: the user has no home folder.
        """
        base = _xdg_base(self.environ, "XDG_STATE_HOME", ".local/state")
        if base is None:
            raise ConfigError("there is no home folder to remember the migration in; name a file with --state.")
        return base / "openoms"

    def proxies(self) -> Proxies:
        """Return the proxies of the usual variables; lower case wins, as in curl."""
        get = self._proxy_variable
        everything = get("ALL_PROXY") or None
        return Proxies(get("HTTP_PROXY") or everything, get("HTTPS_PROXY") or everything, get("NO_PROXY"))

    def _proxy_variable(self, name: str) -> str:
        return self.environ.get(name.lower()) or self.environ.get(name, "")

    def debug(self) -> bool:
        """Whether tracebacks are wanted (``OPENOMS_DEBUG=1``)."""
        return self.environ.get("OPENOMS_DEBUG", "") not in {"", "0"}

    def _profile(self, name: SideName, options: SideOptions) -> Profile:
        wanted = options.profile or self.environ.get(f"OPENOMS_{name.upper()}_PROFILE")
        return self.file.profile(wanted) if wanted else Profile()

    def _first(
        self, name: SideName, what: str, option: str | None, vendor: tuple[str, ...], profile: str | None
    ) -> str | None:
        variables = (f"OPENOMS_{name.upper()}_{what}", *vendor)
        return option or next((self.environ[item] for item in variables if self.environ.get(item)), None) or profile

    def _credentials(
        self, name: SideName, url: BucketUrl, options: SideOptions, profile: Profile, account: str | None
    ) -> tuple[Credentials, str]:
        if options.credentials is None:
            found, origin = find_credentials(name, url.cloud, self.environ, profile, account)
        else:
            given, origin = options.credentials, "the caller"
            found = replace(given, access_key=account) if account else given
        check_written(found, name, origin)
        return found, origin

    def _extra(self, name: SideName, cloud_type: str, options: SideOptions, profile: Profile) -> Extra:
        app_id = self._of_cloud(name, "app_id", options.app_id, cloud_type)
        if cloud_type == OPTIONS_OF["app_id"]:  # a variable or profile may be there for another migration
            app_id = self._first(name, "APP_ID", app_id, (), profile.app_id)
        return (*options.extra, ("app_id", app_id)) if app_id else options.extra

    def _of_cloud(self, name: SideName, option: str, value: str | None, cloud_type: str) -> str | None:
        """Return an option that only one cloud has.

        Raises:
            ConfigError: it is given for another cloud.
        """
        if value and cloud_type != OPTIONS_OF[option]:
            dashed = option.replace("_", "-")
            raise ConfigError(f"--{name}-{dashed} is for {OPTIONS_OF[option]} only; {cloud_type} has none.")
        return value


def load_settings(config: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the environment and the configuration file (option, ``OPENOMS_CONFIG``, else the XDG place).

    Raises:
        ConfigError: the file is named but missing, or unreadable, or not as it should be.
    """
    variables = dict(os.environ if environ is None else environ)
    named = config or (Path(variables["OPENOMS_CONFIG"]) if variables.get("OPENOMS_CONFIG") else None)
    if named is not None:
        return Settings(variables, read_config_file(named, required=True))
    base = _xdg_base(variables, "XDG_CONFIG_HOME", ".config")
    return Settings(
        variables, read_config_file(base / "openoms" / "config.toml", required=False) if base else ConfigFile()
    )


def _xdg_base(environ: Mapping[str, str], variable: str, below_home: str) -> Path | None:
    """Return a base folder of the XDG specification, None for a user without a home (containers under a random id).

    https://specifications.freedesktop.org/basedir-spec/latest/: relative paths are to be ignored.
    """
    named = environ.get(variable, "")
    if Path(named).is_absolute():
        return Path(named)
    home = environ.get("HOME", "")
    return Path(home, below_home) if Path(home).is_absolute() else None


def check_endpoint(text: str, where: str) -> str:
    """Return an endpoint as ``scheme://host[:port]``; a bare host means https.

    Raises:
        ConfigError: another scheme, a path, a port that is none.
    """
    try:
        endpoint = parse_endpoint(text)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    return f"{endpoint.scheme}://{endpoint.netloc}"
