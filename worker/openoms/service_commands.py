"""``openoms serve``, ``user``, ``keys`` and ``config``: their options and what they do."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oms_engine.errors import ConfigError
from oms_engine.model import Secret
from openoms.configfile import read_config_file
from openoms.options import Parser
from openoms.terminal import complain, say

if TYPE_CHECKING:
    from oms_worker.db.users import UserRow
    from oms_worker.services.users import NewKey, UserService
    from oms_worker.settings import ServiceSettings

USER_ACTIONS = ("add", "list", "disable", "enable", "role", "passwd", "rotate-keys", "remove")


def declare_settings(parser: Parser) -> None:
    """Add the options that every command of the service has."""
    parser.add_argument("--config", metavar="FILE", type=Path, help="settings of the service, TOML")
    parser.add_argument("--data-dir", metavar="DIR", type=Path, help="where database, keys and ledgers lie")
    parser.add_argument("--database", metavar="URL", help="postgresql+asyncpg://…; default: SQLite in the data folder")
    parser.add_argument("--key-file", metavar="FILE", type=Path, help="the key ring that seals credentials")


def declare_serve(parser: Parser) -> None:
    """Add the options of ``serve``."""
    declare_settings(parser)
    parser.add_argument("--host", metavar="ADDRESS", help="address to listen on; default 127.0.0.1")
    parser.add_argument("--port", metavar="PORT", type=int, help="port to listen on, 0 for a free one; default 8080")
    parser.add_argument("--tls-certificate", metavar="FILE", type=Path, help="serve HTTPS with this certificate chain")
    parser.add_argument("--tls-key", metavar="FILE", type=Path, help="the certificate's key")


def settings_of(said: Namespace) -> ServiceSettings:
    """Read the settings that the options name.

    Raises:
        ConfigError: what is wrong and where.
    """
    from oms_worker.settings import load_service_settings, settings_path  # noqa: PLC0415

    if path := settings_path(said.config):
        read_config_file(path, required=True)  # the command line's own tables, where both share a file
    return load_service_settings(path, **_options(said))


def _options(said: Namespace) -> dict[str, Any]:
    names = ("data_dir", "database", "key_file", "host", "port", "tls_certificate", "tls_key")
    return {name: getattr(said, name, None) for name in names}


def run_service(said: Namespace) -> int:
    """Serve until a signal."""
    import gc  # noqa: PLC0415

    gc.disable()  # what is imported stays: looking for garbage in it takes a sixth of the start, and time ever after
    from openoms.serve import run_serve  # noqa: PLC0415

    gc.freeze()
    gc.enable()
    return run_serve(settings_of(said))


def declare_config(parser: Parser) -> None:
    """Add the options of ``config``: those of ``serve``, whose settings it shows."""
    declare_serve(parser)
    parser.add_argument(
        "--explain", action="store_true", help="of each setting: its meaning, its default, and where its value is from"
    )
    parser.add_argument("--json", dest="as_json", action="store_true", help="print JSON")


def show_settings(said: Namespace) -> int:
    """Print every setting, secrets masked; explained too, with those of the command line."""
    from oms_worker.setting_explain import explain_settings, render_explained  # noqa: PLC0415
    from oms_worker.settings import render_settings, settings_path  # noqa: PLC0415
    from openoms.explaining import explain_defaults  # noqa: PLC0415

    settings = settings_of(said)
    if not (said.explain or said.as_json):
        say(render_settings(settings))
        return 0
    explained = explain_settings(settings, settings_path(said.config), _options(said)) + explain_defaults(said.config)
    names = ("name", "value", "default", "origin", "meaning")
    rows = [{name: getattr(item, name) for name in names} for item in explained]
    say(json.dumps(rows) if said.as_json else render_explained(explained))
    return 0


def declare_user(parser: Parser) -> None:
    """Add the options of ``user``."""
    parser.add_argument(
        "action",
        choices=USER_ACTIONS,
        help="role, passwd and rotate-keys end the tokens and temporary keys issued before, remove also the keys",
    )
    parser.add_argument("name", nargs="?", help="the user")
    parser.add_argument("--project", metavar="NAME", help="project of a new user; default: the service's first one")
    parser.add_argument(
        "--role", choices=("admin", "operator", "readonly"), help="what it may do; a new user: operator"
    )
    parser.add_argument(
        "--password", action="store_true", help="give it a password too, asked for or read from standard input"
    )
    parser.add_argument("--json", dest="as_json", action="store_true", help="print JSON")
    declare_settings(parser)


def manage_users(said: Namespace) -> int:
    """Add, list, change or remove users."""
    import asyncio  # noqa: PLC0415 - usage errors of other commands do not wait for it

    if said.action != "list" and not said.name:
        raise ConfigError(f"name the user: openoms user {said.action} NAME")
    if said.action == "role" and not said.role:
        raise ConfigError("give the role: openoms user role NAME --role readonly")
    return asyncio.run(_manage_users(said, settings_of(said)))


async def _manage_users(said: Namespace, settings: ServiceSettings) -> int:
    from oms_worker.services.caller import Role  # noqa: PLC0415
    from oms_worker.services.users import UserService  # noqa: PLC0415
    from openoms.foundations import open_foundations  # noqa: PLC0415

    async with open_foundations(settings) as found:
        users = UserService(found.database, found.keys)
        match said.action:
            case "add":
                await _add_user(users, said, settings)
            case "list":
                _say_users(await users.users(), as_json=said.as_json)
            case "role":
                await users.set_role(said.name, Role(said.role))
            case "passwd":
                await users.set_password(said.name, _ask_password())
            case "rotate-keys":
                _say_key(await users.rotate_keys(said.name), as_json=said.as_json)
            case "remove":
                await users.remove(said.name)
            case action:
                await users.set_enabled(said.name, enabled=action == "enable")
    return 0


async def _add_user(users: UserService, said: Namespace, settings: ServiceSettings) -> None:
    from oms_worker.services.caller import Role  # noqa: PLC0415

    password = _ask_password() if said.password else None
    project = said.project or settings.project
    made = await users.add(said.name, project=project, role=Role(said.role or Role.OPERATOR), password=password)
    _say_key(made, as_json=said.as_json)


def _ask_password() -> Secret:
    import getpass  # noqa: PLC0415

    text = getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    return Secret(text)


def _say_key(made: NewKey, *, as_json: bool) -> None:
    told = {
        "access_key": made.access_key,
        "secret_key": made.secret_key.reveal(),  # shown once, here
        "project_id": made.project.id,
        "project": made.project.name,
    }
    if as_json:
        say(json.dumps(told))
        return
    say("\n".join(f"{name:<12}{value}" for name, value in told.items()))
    complain("keep the secret key now: it is not shown again.")


def _say_users(found: list[UserRow], *, as_json: bool) -> None:
    rows = [
        {
            "name": user.name,
            "role": user.role,
            "project": user.project.name,
            "project_id": user.project.id,
            "access_key": user.access_key,
            "enabled": user.enabled,
        }
        for user in found
    ]
    if as_json:
        say(json.dumps(rows))
        return
    for row in rows:
        state = "" if row["enabled"] else "  disabled"
        say(f"{row['name']:<20} {row['role']:<9} {row['project']:<20} {row['project_id']} {row['access_key']}{state}")


def declare_keys(parser: Parser) -> None:
    """Add the options of ``keys``."""
    parser.add_argument(
        "action",
        choices=("rotate", "reseal", "new", "forget-lost"),
        help="rotate: a new key, and everything is sealed anew under it; reseal: under the ring's first key; new: "
        "print a key, for OPENOMS_KEY_RING; forget-lost: give up what is sealed under keys that are lost for good",
    )
    parser.add_argument(
        "--drop-old", action="store_true", help="forget the old keys too; stop every serve process first"
    )
    declare_settings(parser)


def manage_keys(said: Namespace) -> int:
    """Change the key ring, and seal everything anew under it."""
    import asyncio  # noqa: PLC0415 - as above

    if said.action == "new":
        from oms_worker.secrets import KeyRing, fresh_key  # noqa: PLC0415

        say(KeyRing(fresh_key()).text.reveal().strip())
        return 0
    settings = settings_of(said)
    if said.action == "forget-lost":
        asyncio.run(_forget_lost(settings))
        return 0
    changed = asyncio.run(_reseal(settings, rotate=said.action == "rotate", drop_old=said.drop_old))
    which = "a new key" if said.action == "rotate" else "the first key"
    say(f"{which} seals from now on; {changed} secrets were sealed anew")
    return 0


async def _reseal(settings: ServiceSettings, *, rotate: bool, drop_old: bool) -> int:
    from openoms.foundations import open_foundations  # noqa: PLC0415

    async with open_foundations(settings) as found:
        place = found.key_place
        return await (place.rotate if rotate else place.reseal)(found.database, drop_old=drop_old)


async def _forget_lost(settings: ServiceSettings) -> None:
    from oms_worker.key_rings import KeyPlace  # noqa: PLC0415
    from openoms.foundations import open_upgraded  # noqa: PLC0415

    async with open_upgraded(settings) as database:
        gone, users = await KeyPlace(settings).forget_lost(database)
    say(f"{gone} credentials were given up: tasks that wait for them are started again with credentials")
    if users:
        say(f"give these users new keys with `openoms user rotate-keys NAME`: {', '.join(users)}")
