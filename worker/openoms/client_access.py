"""Which service is called, and as whom: options, then ``OPENOMS_*`` variables, then ``[service]`` of the file.

The keys come whole from one place, and the project from where the keys are: a project belongs to its keys.
"""

from __future__ import annotations

from argparse import Namespace

from oms_engine.errors import ConfigError
from oms_engine.frozen import dataclass
from oms_engine.model import Credentials, Secret
from openoms.options import Parser
from openoms.settings import Settings, check_endpoint

URL, ACCESS, SECRET, PROJECT = "OPENOMS_URL", "OPENOMS_AK", "OPENOMS_SK", "OPENOMS_PROJECT"

ACCESS_HELP = (
    f"The service's address comes from --url, {URL}, or url in the section [service] of the configuration file; the "
    f"keys, which `openoms user add` has shown, from {ACCESS} and {SECRET}, or access_key and secret_key there. Keys "
    "of the buckets come from the same variables and profiles as for openoms migrate, never from options: every user "
    "of the machine could read them."
)


@dataclass(frozen=True, slots=True)
class Access:
    """Where the service is, who calls, and what is trusted."""

    url: str
    """``scheme://host[:port]``."""
    keys: Credentials
    project: str | None = None
    """Its id or its name; None: the only one there is."""
    ca_file: str | None = None
    verify_tls: bool = True


def add_access(parser: Parser) -> None:
    """Add the options that every command of the client has."""
    from pathlib import Path  # noqa: PLC0415

    group = parser.add_argument_group("service")
    group.add_argument("--url", metavar="URL", help=f"https://host[:port] of the service; default: {URL}")
    group.add_argument(
        "--config", metavar="PATH", type=Path,
        help="configuration file; default: $OPENOMS_CONFIG, ~/.config/openoms/config.toml",
    )  # fmt: skip
    group.add_argument("--ca-file", metavar="PEM", help="trust these authorities beside the system's")
    group.add_argument(
        "--no-verify-tls", "--insecure", dest="verify_tls", action="store_false",
        help="accept any certificate (testing only)",
    )  # fmt: skip
    group.add_argument(
        "--json", dest="as_json", action="store_true",
        help="print the service's JSON as it is, one document and nothing else, or error_code and error_msg",
    )  # fmt: skip


def find_access(said: Namespace, settings: Settings) -> Access:
    """Settle where to call and as whom.

    Raises:
        ConfigError: what is missing, and how to set it.
    """
    section = settings.file.service
    url = said.url or settings.environ.get(URL) or section.url
    if not url:
        raise ConfigError(
            f"no service is named: set {URL}, or give --url, or url in [service] of {settings.file.where}; "
            "e.g. http://127.0.0.1:8080."
        )
    keys, project = _keys(settings)
    return Access(
        url=check_endpoint(url, "the address of the service"),
        keys=keys,
        project=project,
        ca_file=said.ca_file or section.ca_file or settings.file.defaults.ca_file,
        verify_tls=said.verify_tls,
    )


def _keys(settings: Settings) -> tuple[Credentials, str | None]:
    access, secret = settings.environ.get(ACCESS, ""), settings.environ.get(SECRET, "")
    named = settings.environ.get(PROJECT) or None
    if bool(access) != bool(secret):
        have, lack = (ACCESS, SECRET) if access else (SECRET, ACCESS)
        raise ConfigError(f"{have} is set, but {lack} is not; set both.")
    if access:
        return Credentials(access, Secret(secret)), named
    section = settings.file.service
    if section.access_key and section.secret_key:
        return Credentials(section.access_key, section.secret_key), named or section.project
    raise ConfigError(
        f"no keys for the service: set {ACCESS} and {SECRET}, which `openoms user add NAME` shows, or access_key and "
        f"secret_key in [service] of {settings.file.where}."
    )
