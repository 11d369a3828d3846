"""Use cases of users: made and listed by an administrator at the command line, recognised by the API.

An access key and its secret key are random and shown once. Secret keys are sealed (a signature needs them plain);
passwords and tokens are kept as digests only.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import re
import secrets as randomness
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from oms_engine.errors import ConfigError
from oms_engine.frozen import dataclass
from oms_engine.model import Secret
from oms_worker.db import users as rows
from oms_worker.db.engine import Database
from oms_worker.db.users import ProjectRow, UserRow
from oms_worker.errors import NO_MATCH, Forbidden, Unauthorized
from oms_worker.secrets import KeyRing, UnknownKey
from oms_worker.services.caller import Caller, Role
from oms_worker.services.temporary import MARK, TemporaryKey, open_token, seal_token

T = TypeVar("T")

TOKEN_SECONDS = 86_400.0
"""https://support.huaweicloud.com/intl/en-us/api-iam/iam_30_0001.html: a token is valid for 24 hours."""

_ACCESS_KEY_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_SECRET_KEY_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"  # noqa: S105 - letters to choose from
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

SCRYPT = {"n": 2**17, "r": 8, "p": 1}
"""https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#scrypt: 128 MiB and 0.3 s each."""
EARLIER_SCRYPT = {"n": 2**14, "r": 8, "p": 1}
"""Of hashes that name no parameters: made before 2026-12."""

WRONG_TOKEN = "OMS.0068"  # noqa: S105 - an error code
WRONG_KEYS = "APIGW.0301"


class NewKey(NamedTuple):
    """A pair of keys, told once."""

    access_key: str
    secret_key: Secret
    project: ProjectRow


@dataclass(frozen=True, slots=True)
class Signer:
    """Whose signature a request carries, and the key to verify it with."""

    caller: Caller
    secret_key: Secret


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token, told once, and whom it speaks for."""

    token: Secret
    issued_at: float
    expires_at: float
    user: UserRow


class UserService:
    """Users of all projects."""

    def __init__(
        self,
        database: Database,
        keys: KeyRing,
        *,
        clock: Callable[[], float] = time.time,
        password_cost: int = SCRYPT["n"],
    ) -> None:
        """``password_cost`` is scrypt's N of new hashes; each hash states its own."""
        self._database = database
        self._keys = keys
        self._clock = clock
        self._cost = password_cost

    async def add(
        self, name: str, *, project: str, role: Role = Role.OPERATOR, password: Secret | None = None
    ) -> NewKey:
        """Make a user with a pair of keys, and its project when it is new. Without a password it gets no tokens.

        Raises:
            ConfigError: the name is taken or no name, or the password is shorter than 8 characters.
        """
        for word in (name, project):
            if not _NAME.fullmatch(word):
                raise ConfigError(f"{word!r} is no name: up to 64 letters, digits, dots, hyphens and underscores.")
        if password is not None:
            _check_password_length(password)
        hashed = await _slowly(hash_password, password, self._cost) if password is not None else None
        access_key, secret_key = _new_pair()
        number, now = uuid.uuid4().hex, self._clock()
        sealed = self._keys.seal(f"user:{number}", {"secret_key": secret_key})
        async with self._database.write() as connection:
            if await rows.user_by_name(connection, name) is not None:
                raise ConfigError(f"the user {name} exists already; choose another name.")
            found = await rows.projects(connection, project)
            place = found[0] if found else ProjectRow(uuid.uuid4().hex, project, uuid.uuid4().hex)
            if not found:
                await rows.insert_project(connection, place, now)
            row = UserRow(number, name, role.value, access_key, sealed.data, hashed, True, now, place)
            await rows.insert_user(connection, row)
        return NewKey(access_key, secret_key, place)

    async def users(self) -> list[UserRow]:
        """Return all users."""
        async with self._database.read() as connection:
            return await rows.users(connection)

    async def set_enabled(self, name: str, *, enabled: bool) -> None:
        """Enable a user, or disable it with its keys and tokens.

        Raises:
            ConfigError: there is none.
        """
        await self._change(name, enabled=enabled)

    async def set_role(self, name: str, role: Role) -> None:
        """Give a user another role; its tokens and temporary keys end.

        Raises:
            ConfigError: there is none.
        """
        await self._change(name, role=role.value)

    async def set_password(self, name: str, password: Secret) -> None:
        """Give a user another password; its tokens and temporary keys end.

        Raises:
            ConfigError: there is none, or the password is shorter than 8 characters.
        """
        _check_password_length(password)
        await self._change(name, password_hash=await _slowly(hash_password, password, self._cost))

    async def rotate_keys(self, name: str) -> NewKey:
        """Give a user another pair of keys; the old pair, its tokens and temporary keys end at once.

        Raises:
            ConfigError: there is none.
        """
        async with self._database.read() as connection:
            row = await rows.user_by_name(connection, name)
        if row is None:
            raise _no_user(name)
        access_key, secret_key = _new_pair()
        sealed = self._keys.seal(row.owner, {"secret_key": secret_key})
        await self._change(name, access_key=access_key, sealed_secret_key=sealed.data)
        return NewKey(access_key, secret_key, row.project)

    async def remove(self, name: str) -> None:
        """Delete a user. Its tasks stay: they are its project's.

        Raises:
            ConfigError: there is none.
        """
        async with self._database.write() as connection:
            if not await rows.remove_user(connection, name):
                raise _no_user(name)

    async def _change(self, name: str, **values: Any) -> None:
        async with self._database.write() as connection:
            if not await rows.change_user(connection, name, **values):
                raise _no_user(name)

    async def signer(self, access_key: str) -> Signer:
        """Return whose access key this is.

        Raises:
            Unauthorized: APIGW.0301 nobody's, or a disabled user's.
        """
        async with self._database.read() as connection:
            row = await rows.user_by_key(connection, access_key)
        if row is None or not row.enabled:
            raise Unauthorized(WRONG_KEYS, NO_MATCH)
        return Signer(caller_of(row), await self._secret_key(row))

    async def _secret_key(self, row: UserRow) -> Secret:
        """Open a user's secret key, under a key that another process has just made, too."""
        try:
            opened = self._keys.open(row.owner, row.sealed_secret_key)
        except UnknownKey:
            async with self._database.read() as connection:
                await self._keys.renew(connection)
            opened = self._keys.open(row.owner, row.sealed_secret_key)
        return opened["secret_key"]

    async def temporary_signer(self, access_key: str, token: Secret) -> Signer:
        """Return whose temporary access key this is; it may what its user may now.

        Raises:
            Unauthorized: APIGW.0301 the security token is wrong or has expired, or its user is disabled.
        """
        opened = open_token(self._keys, access_key, token, self._clock())
        async with self._database.read() as connection:
            row = await rows.user_by_id(connection, opened.user_id)
        if row is None or not row.enabled or row.epoch != opened.epoch:
            raise Unauthorized(WRONG_KEYS, "The user of the temporary key is disabled, or its keys were changed since.")
        return Signer(replace(caller_of(row), temporary=True), opened.secret_key)

    async def issue_temporary_key(self, caller: Caller, seconds: float) -> TemporaryKey:
        """Return a new temporary key of the caller.

        Raises:
            Forbidden: OMS.0206 the caller signs with one itself: it would last for ever.
        """
        if caller.temporary:
            raise Forbidden("OMS.0206", "Temporary keys obtain no further ones: use a token, or the user's own keys.")
        async with self._database.read() as connection:
            row = await rows.user_by_name(connection, caller.user)
        if row is None:
            raise Unauthorized(WRONG_KEYS, NO_MATCH)
        access_key = MARK + _random(_ACCESS_KEY_LETTERS, 17)
        secret_key = Secret(_random(_SECRET_KEY_LETTERS, 40))
        return seal_token(self._keys, row.id, access_key, secret_key, self._clock() + seconds, row.epoch)

    async def issue_token(self, name: str, password: Secret, *, project: str | None = None) -> IssuedToken:
        """Return a new token for a user who proves the password; ``project`` is a name or id to hold against theirs.

        Raises:
            Unauthorized: OMS.0068 unknown user, wrong password, another project; which one is not told.
        """
        now = self._clock()
        async with self._database.read() as connection:
            row = await rows.user_by_name(connection, name)
        hashed = row.password_hash if row is not None and row.enabled and row.password_hash else _nobody()
        right = await _slowly(check_password, password, hashed)
        if row is None or not right:
            raise _no_token()
        return await self._issue(row, project, now)

    async def issue_token_for_key(
        self, access_key: str, secret_key: Secret, *, project: str | None = None
    ) -> IssuedToken:
        """Return a new token for a user who shows both keys.

        Raises:
            Unauthorized: OMS.0068 unknown or wrong key, another project; which one is not told.
        """
        now = self._clock()
        async with self._database.read() as connection:
            row = await rows.user_by_key(connection, access_key)
        known = (await self._secret_key(row)).reveal() if row is not None else ""
        right = hmac.compare_digest(known.encode(), secret_key.reveal().encode())
        if row is None or not row.enabled or not right:
            raise _no_token()
        return await self._issue(row, project, now)

    async def _issue(self, row: UserRow, project: str | None, now: float) -> IssuedToken:
        if project is not None and project not in {row.project.id, row.project.name}:
            raise _no_token()
        token = Secret(randomness.token_urlsafe(48))
        async with self._database.write() as connection:
            await rows.forget_expired_tokens(connection, now)
            await rows.insert_token(connection, digest_of(token), row.id, now + TOKEN_SECONDS)
        return IssuedToken(token, now, now + TOKEN_SECONDS, row)

    async def caller_of_token(self, token: Secret) -> Caller:
        """Return whom a token speaks for.

        Raises:
            Unauthorized: OMS.0068 unknown or expired, or its user is disabled.
        """
        async with self._database.read() as connection:
            row = await rows.user_of_token(connection, digest_of(token), self._clock())
        if row is None or not row.enabled:
            raise Unauthorized(WRONG_TOKEN, "The token is unknown or has expired.")
        return caller_of(row)

    async def projects(self, caller: Caller) -> list[ProjectRow]:
        """Return the caller's project."""
        async with self._database.read() as connection:
            return [row for row in await rows.projects(connection) if row.id == caller.project_id]


def _no_user(name: str) -> ConfigError:
    return ConfigError(f"there is no user {name}; see `openoms user list`.")


def _check_password_length(password: Secret) -> None:
    if len(password.reveal()) < 8:
        raise ConfigError("the password is too short: at least 8 characters.")


def _new_pair() -> tuple[str, Secret]:
    return _random(_ACCESS_KEY_LETTERS, 20), Secret(_random(_SECRET_KEY_LETTERS, 40))


def _no_token() -> Unauthorized:
    return Unauthorized(WRONG_TOKEN, "The user, the password or the project is wrong.")


def caller_of(row: UserRow) -> Caller:
    """Return the caller that a user is."""
    return Caller(row.project.id, row.name, Role(row.role))


def digest_of(token: Secret) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.reveal().encode()).hexdigest()


_HASHING = ThreadPoolExecutor(2, "openoms-scrypt")
"""Threads of their own: whatever else blocks a thread delays no login, and many logins take two processors at most."""


async def _slowly(work: Callable[..., T], *arguments: object) -> T:
    """Run what is slow on purpose in a thread."""
    return await asyncio.get_running_loop().run_in_executor(_HASHING, work, *arguments)


def hash_password(password: Secret, cost: int = SCRYPT["n"]) -> str:
    """Return ``scrypt-<n>$<salt>$<hash>``. Slow on purpose: call it in a thread."""
    salt = os.urandom(16)
    return f"scrypt-{cost}${salt.hex()}${_scrypt(password, salt, {**SCRYPT, 'n': cost}).hex()}"


def check_password(password: Secret, hashed: str) -> bool:
    """Whether the password is the hashed one. Slow on purpose."""
    kind, salt, known = hashed.split("$")
    _, _, cost = kind.partition("-")
    terms = {**EARLIER_SCRYPT, "n": int(cost)} if cost else EARLIER_SCRYPT
    return hmac.compare_digest(_scrypt(password, bytes.fromhex(salt), terms), bytes.fromhex(known))


def _scrypt(password: Secret, salt: bytes, terms: Mapping[str, int]) -> bytes:
    n, r, p = terms["n"], terms["r"], terms["p"]
    return hashlib.scrypt(password.reveal().encode(), salt=salt, n=n, r=r, p=p, maxmem=256 * n * r)


def _nobody() -> str:
    """Return a hash that no password has, so that an unknown user takes as long as a wrong password."""
    return f"scrypt-{SCRYPT['n']}${bytes(16).hex()}${bytes(64).hex()}"


def _random(letters: str, length: int) -> str:
    return "".join(randomness.choice(letters) for _ in range(length))
