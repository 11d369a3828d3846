"""Where credentials are found: variables, then a profile; always whole from one place, never joined from two."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from oms_engine.errors import ConfigError
from oms_engine.model import Credentials, Secret
from openoms.clouds import Cloud, KeyVariables
from openoms.configfile import Profile

SideName = Literal["source", "destination"]


def our_variables(name: SideName, cloud: Cloud) -> tuple[KeyVariables, ...]:
    """Return our own variables of one side, in the forms of credentials that the cloud knows."""
    front = f"OPENOMS_{name.upper()}_"
    plain = KeyVariables(f"{front}AK", f"{front}SK", f"{front}TOKEN")
    whole = {
        "az": KeyVariables(connection_string=f"{front}CONNECTION_STRING"),
        "gs": KeyVariables(json_auth_file=f"{front}JSON_AUTH_FILE"),
    }.get(cloud.scheme)
    return (whole, plain) if whole else (plain,)


def find_credentials(
    name: SideName, cloud: Cloud, environ: Mapping[str, str], profile: Profile, account: str | None = None
) -> tuple[Credentials, str]:
    """Return one side's credentials and where they were found: our variables, the vendor's, the profile.

    ``account`` stands for the access key where it is named apart from its key (Azure).

    Raises:
        ConfigError: there are none, or only a half of some.
    """
    ours = our_variables(name, cloud)
    for variables in (*ours, *cloud.keys):
        if found := _from_variables(variables, environ, cloud, account):
            return found
    if found := _from_profile(profile, cloud, account):
        return found
    ways = ", or ".join(str(variables) for variables in (*reversed(ours), *cloud.keys))
    raise ConfigError(
        f"no credentials for the {name}: set {ways}, or name a profile of the configuration file with --{name}-profile."
    )


def _from_variables(
    variables: KeyVariables, environ: Mapping[str, str], cloud: Cloud, account: str | None
) -> tuple[Credentials, str] | None:
    if text := environ.get(variables.connection_string):
        return Credentials("", Secret(text)), variables.connection_string
    if path := environ.get(variables.json_auth_file):
        return Credentials("", read_key_file(path, variables.json_auth_file)), variables.json_auth_file
    access, secret, token = (
        environ.get(variable, "") if variable else ""
        for variable in (variables.access, variables.secret, variables.token)
    )
    if not (access or secret or (token and cloud.lone_secrets)):
        return None
    access = account or access
    if not _enough(access, secret, token, cloud):
        have, lack = (variables.access, variables.secret) if access else (variables.secret, variables.access)
        more = f" (or {variables.token})" if cloud.lone_secrets and access and variables.token else ""
        raise ConfigError(f"{have} is set, but {lack}{more} is not; set both.")
    return _credentials(access, Secret(secret), Secret(token)), variables.access


def _enough(access: str, secret: str, token: str, cloud: Cloud) -> bool:
    return bool(access and secret) or (cloud.lone_secrets and bool(secret or token))


def _from_profile(profile: Profile, cloud: Cloud, account: str | None) -> tuple[Credentials, str] | None:
    where = "the profile"
    if profile.connection_string and cloud.scheme == "az":
        return Credentials("", profile.connection_string), where
    if profile.json_auth_file and cloud.scheme == "gs":
        return Credentials("", read_key_file(profile.json_auth_file, "json_auth_file of the profile")), where
    access, secret, token = account or profile.access_key, profile.secret_key or Secret(""), profile.token
    if _enough(access, secret.reveal(), token.reveal() if token else "", cloud):
        return _credentials(access, secret, token or Secret("")), where
    return None


def _credentials(access: str, secret: Secret, token: Secret) -> Credentials:
    return Credentials(access, secret, token or None)


def read_key_file(path: str, where: str) -> Secret:
    """Return the text of a service account's key file; the adapter judges it.

    Raises:
        ConfigError: it cannot be read; the message names ``where`` it is named.
    """
    try:
        return Secret(Path(path).expanduser().read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"{where}: the key file {path} cannot be read: {reason}.") from None


def check_written(credentials: Credentials, name: SideName, origin: str) -> None:
    """Refuse keys with white space around them, or control characters in them: copied badly, no store knows them.

    A secret without an access key may be a whole file, and is left to the adapter.

    Raises:
        ConfigError: it names the key and where it was found, never its text.
    """
    token = credentials.token.reveal() if credentials.token else ""
    secret = credentials.secret_key.reveal() if credentials.access_key else ""
    for what, text in (("access key", credentials.access_key), ("secret key", secret), ("token", token)):
        if text != text.strip() or any(ord(char) < 0x20 or ord(char) == 0x7F for char in text):
            raise ConfigError(
                f"the {what} of the {name} (from {origin}) has white space around it or a line break in it; "
                "leave that out."
            )
