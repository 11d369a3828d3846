"""Sealing of credentials: AES-256-GCM envelopes under a ring of keys.

Each sealing has a data key of its own, which a key of the ring seals. Both seals are bound to the owner, so a row
copied to another task does not open. The first key of the ring seals, every key opens. Only :class:`Secret` goes in and
comes out.

A ring is written as a line ``<key id> <base64 of 32 bytes>`` per key: in a file that is readable for its owner only, in
an environment variable, or in the database (``key_rings.py``).
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import stat
import tempfile
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from oms_engine.errors import ConfigError, RepositoryError
from oms_engine.model import Secret

KEY_BYTES = 32
NONCE_BYTES = 12
"""https://nvlpubs.nist.gov/nistpubs/Legacy/SP/nistspecialpublication800-38d.pdf, 5.2.1.1"""
TAG_BYTES = 16
_WRAPPED = NONCE_BYTES + KEY_BYTES + TAG_BYTES
_VERSION = 1
_ID_BYTES = 8
_CHECK = "key-check:"


class Sealed(NamedTuple):
    """An envelope and the id of the key that seals it."""

    data: bytes
    key_id: str


Renewal = Callable[[Any], Awaitable[object]]
"""Looks into the database, given a connection to it."""


async def _nothing_new(connection: object) -> None:
    del connection


class UnknownKey(RepositoryError):
    """The ring does not hold the key that something is sealed under: another node may hold it."""


class KeyRing:
    """Keys by their ids. A key that another process added to the file is looked for when it is first needed."""

    def __init__(self, keys: Mapping[str, Secret], path: Path | None = None) -> None:
        if not keys:
            raise ConfigError("the key ring holds no key; make one with `openoms keys rotate`.")
        self._keys = dict(keys)
        self._path = path
        self._checked: set[tuple[str, bytes]] = set()
        self.renew: Renewal = _nothing_new
        """Takes up what other nodes have added; set where the ring lies in the database."""

    @property
    def first(self) -> str:
        """The id of the key that seals."""
        return next(iter(self._keys))

    @property
    def keys(self) -> Mapping[str, Secret]:
        """The keys by their ids, the one that seals first."""
        return dict(self._keys)

    @property
    def text(self) -> Secret:
        """The ring as it is written."""
        return Secret("".join(f"{key_id} {key.reveal()}\n" for key_id, key in self._keys.items()))

    def replace(self, keys: Mapping[str, Secret]) -> None:
        """Hold these keys from now on."""
        self._keys = dict(keys)

    def reload(self) -> None:
        """Read the file again, where the ring has one.

        Raises:
            ConfigError: as :func:`load_ring`.
        """
        if self._path is not None:
            self._keys = _read(self._path)

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self._keys)})"

    def seal(self, owner: str, secrets: Mapping[str, Secret], *, under: str = "") -> Sealed:
        """Seal named secrets for ``owner``, under the first key or the one named."""
        plain = json.dumps({name: secret.reveal() for name, secret in secrets.items()}).encode()
        key_id, bound = under or self.first, owner.encode()
        data_key = AESGCM.generate_key(KEY_BYTES * 8)
        head = bytes([_VERSION]) + bytes.fromhex(key_id)
        wrapped = _encrypt(_raw(self._keys[key_id]), data_key, head + bound)
        return Sealed(head + wrapped + _encrypt(data_key, plain, head + bound), key_id)

    def open(self, owner: str, data: bytes) -> dict[str, Secret]:
        """Open what was sealed for ``owner``.

        Raises:
            UnknownKey: it is sealed under a key that the ring does not hold.
            RepositoryError: it was altered, or it is another owner's.
        """
        head = data[: 1 + _ID_BYTES]
        if len(data) < len(head) + _WRAPPED or head[0] != _VERSION:
            raise RepositoryError(f"the credentials of {owner} are damaged")
        bound = head + owner.encode()
        wrapped, body = data[len(head) : len(head) + _WRAPPED], data[len(head) + _WRAPPED :]
        try:
            data_key = _decrypt(_raw(self._key(head[1:].hex(), owner)), wrapped, bound)
            plain = json.loads(_decrypt(data_key, body, bound))
        except InvalidTag:
            raise RepositoryError(f"the credentials of {owner} were altered, or the key file was") from None
        return {name: Secret(value) for name, value in plain.items()}

    def unknown(self, sealed: bytes) -> bool:
        """Whether something is sealed under a key that this ring does not hold."""
        return key_id_of(sealed) not in self._keys

    def check_value(self, key_id: str) -> bytes:
        """Return a known text, sealed under one of the keys."""
        return self.seal(_CHECK + key_id, {}, under=key_id).data

    def unopened(self, checks: Mapping[str, bytes]) -> list[str]:
        """Return the ids of those check values that this ring does not open; it holds another key, or none."""
        return [key_id for key_id, sealed in checks.items() if not self._opens(key_id, sealed)]

    def _opens(self, key_id: str, sealed: bytes) -> bool:
        if (key_id, sealed) not in self._checked:
            try:
                self.open(_CHECK + key_id, sealed)
            except (RepositoryError, ConfigError):
                return False
            self._checked.add((key_id, sealed))
        return key_id in self._keys

    def _key(self, key_id: str, owner: str) -> Secret:
        if key_id not in self._keys:
            self.reload()
        try:
            return self._keys[key_id]
        except KeyError:
            message = f"the credentials of {owner} are sealed under key {key_id}, which the key ring does not hold"
            raise UnknownKey(message) from None


def key_id_of(sealed: bytes) -> str:
    """Return the id of the key that something is sealed under."""
    return sealed[1 : 1 + _ID_BYTES].hex()


def fresh_key() -> dict[str, Secret]:
    """Return a new key under its id."""
    return {_new_id(): _new_key()}


def parse_ring(text: Secret, where: str) -> dict[str, Secret]:
    """Return the keys of a ring that is written as lines, or with ``;`` in place of line feeds.

    Raises:
        ConfigError: it holds no key, or something else; ``where`` is named, never the text.
    """
    lines = text.reveal().replace(";", "\n").splitlines()
    keys = dict(_parse(where, number, line) for number, line in enumerate(lines, 1) if line.strip())
    if not keys:
        raise ConfigError(f"{where} holds no key; `openoms keys new` prints one.")
    return keys


def _raw(secret: Secret) -> bytes:
    return base64.b64decode(secret.reveal())


def _encrypt(key: bytes, plain: bytes, bound: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, bound)


def _decrypt(key: bytes, data: bytes, bound: bytes) -> bytes:
    return AESGCM(key).decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], bound)


def load_ring(path: Path, *, create: bool = False) -> KeyRing:
    """Read the key file; with ``create`` a missing one is made, with one key.

    Raises:
        ConfigError: it is missing, damaged, or readable for others than its owner.
    """
    if create and not path.exists():
        with suppress(FileExistsError):
            _write(path, fresh_key(), replace=False)
    return KeyRing(_read(path), path)


def add_key(path: Path) -> KeyRing:
    """Put a new key first in the file, which is replaced as a whole; the others go on opening. Makes a missing file.

    Raises:
        ConfigError: as :func:`load_ring`.
    """
    old = _read(path) if path.exists() else {}
    _write(path, {**fresh_key(), **old}, replace=True)
    return KeyRing(_read(path), path)


def keep_keys(path: Path, ids: Collection[str]) -> KeyRing:
    """Keep only these keys of the file, and its first one: after every row was sealed anew.

    Raises:
        ConfigError: as :func:`load_ring`.
    """
    keys = _read(path)
    first = next(iter(keys))
    _write(path, {key_id: key for key_id, key in keys.items() if key_id == first or key_id in ids}, replace=True)
    return KeyRing(_read(path), path)


def _new_id() -> str:
    return os.urandom(_ID_BYTES).hex()


def _new_key() -> Secret:
    return Secret(base64.b64encode(os.urandom(KEY_BYTES)).decode())


def _read(path: Path) -> dict[str, Secret]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        with os.fdopen(descriptor, encoding="ascii") as file:
            _check_mode(path, os.fstat(descriptor).st_mode)
            text = Secret(file.read())
    except OSError as error:
        raise ConfigError(f"the key file {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"the key file {path} is damaged.") from None
    return parse_ring(text, f"the key file {path}")


def _check_mode(path: Path, mode: int) -> None:
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigError(
            f"the key file {path} can be read by others (mode {stat.S_IMODE(mode):04o}): chmod 600 it, and rotate the "
            "keys if anybody else may have read it."
        )


def _parse(where: str, number: int, line: str) -> tuple[str, Secret]:
    key_id, _, key = line.strip().partition(" ")
    try:
        right = len(bytes.fromhex(key_id)) == _ID_BYTES and len(base64.b64decode(key, validate=True)) == KEY_BYTES
    except (ValueError, binascii.Error):
        right = False
    if not right:
        raise ConfigError(f"line {number} of {where} is no key: `<16 hex digits> <base64 of 32 bytes>`.")
    return key_id.lower(), Secret(key)


def _write(path: Path, keys: Mapping[str, Secret], *, replace: bool) -> None:
    """Write the file whole and durably; with ``replace`` over an existing one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".keys-")  # made with mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.writelines(f"{key_id} {key.reveal()}\n" for key_id, key in keys.items())
            file.flush()
            os.fsync(file.fileno())
        if replace:
            os.replace(name, path)  # noqa: PTH105 - beside os.link
        else:
            os.link(name, path)  # fails when another process made one meanwhile
    except FileExistsError:
        raise
    except OSError as error:
        raise ConfigError(f"the key file {path} cannot be written: {error.strerror}.") from None
    finally:
        if Path(name).exists():
            Path(name).unlink()
