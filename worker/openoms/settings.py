"""Where the answers come from: the only reader of the environment and of the configuration file.

Precedence, as rclone has it: option > ``OPENOMS_*`` variable > the vendor's variable > profile in the configuration
file > default. Credentials come whole from one place: an access key is never joined with a secret found elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from oms_adapters.config import Addressing, parse_endpoint
from oms_engine.errors import ConfigError
from oms_engine.model import Credentials, Secret
from openoms.configfile import ConfigFile, Profile, read_config_file
from openoms.urls import BucketUrl
from openoms.words import unknown

SideName = Literal["source", "destination"]

VENDOR_VARIABLES = {
    "s3": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    "obs": ("OBS_ACCESS_KEY_ID", "OBS_SECRET_ACCESS_KEY", "OBS_SECURITY_TOKEN"),
}
"""Scheme -> the vendor's variables. AWS: https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-envvars.html
OBS: https://support.huaweicloud.com/intl/en-us/sdk-python-devg-obs/obs_22_0501.html"""

VENDOR_REGIONS = {"s3": ("AWS_REGION", "AWS_DEFAULT_REGION"), "obs": ()}
VENDOR_ENDPOINTS = {"s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"), "obs": ()}
"""https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html"""

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
        profile = self._profile(name, options)
        credentials, origin = self._credentials(name, url.scheme, options, profile)
        endpoint = self._first(name, "ENDPOINT", options.endpoint, VENDOR_ENDPOINTS[url.scheme], profile.endpoint)
        region = self._first(name, "REGION", options.region, VENDOR_REGIONS[url.scheme], profile.region)
        addressing = self._first(name, "ADDRESSING", options.addressing, (), profile.addressing) or "auto"
        if addressing not in ADDRESSING:
            raise unknown("addressing", addressing, ADDRESSING, where=f"--{name}-addressing")
        endpoint = check_endpoint(endpoint, f"--{name}-endpoint") if endpoint else None
        return Side(
            url=url,
            credentials=credentials,
            endpoint=endpoint or self.endpoint_of(url.cloud_type, region),
            region=region,
            addressing=ADDRESSING[addressing],
            origin=origin,
        )

    def endpoint_of(self, cloud_type: str, region: str | None) -> str | None:
        """Return the endpoint the configuration file gives a region, None when it gives none."""
        found = self.file.endpoints.get(cloud_type, {}).get(region or "")
        return check_endpoint(found, f"endpoints.{cloud_type} in {self.file.where}") if found else None

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
        self, name: SideName, scheme: str, options: SideOptions, profile: Profile
    ) -> tuple[Credentials, str]:
        if options.credentials is not None:
            return options.credentials, "the caller"
        ours = tuple(f"OPENOMS_{name.upper()}_{part}" for part in ("AK", "SK", "TOKEN"))
        for variables in (ours, VENDOR_VARIABLES[scheme]):
            found = self._from_variables(variables)
            if found:
                return found, variables[0]
        if profile.secret_key:
            return Credentials(profile.access_key, profile.secret_key, profile.token), "the profile"
        vendor = VENDOR_VARIABLES[scheme]
        raise ConfigError(
            f"no credentials for the {name}: set {ours[0]} and {ours[1]}, or {vendor[0]} and {vendor[1]}, "
            f"or name a profile of the configuration file with --{name}-profile."
        )

    def _from_variables(self, variables: tuple[str, ...]) -> Credentials | None:
        access, secret, token = (self.environ.get(variable, "") for variable in variables)
        if bool(access) != bool(secret):
            have, lack = (variables[0], variables[1]) if access else (variables[1], variables[0])
            raise ConfigError(f"{have} is set, but {lack} is not; set both.")
        if not access:
            return None
        return Credentials(access, Secret(secret), Secret(token) if token else None)


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
