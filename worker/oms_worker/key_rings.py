"""Where the key ring lies, and whether it is the one that the database's credentials are sealed under.

==============  =========================  ============================================================================
``key_ring``    ``key_envelope``           the ring
==============  =========================  ============================================================================
not given       false                      is the key file, which nodes share or have copies of
given           false                      is that text, from the environment or the settings
either          true                       lies in the database, sealed under the key file or the text: all nodes use
                                           one ring, and a new key reaches them by itself
==============  =========================  ============================================================================

Each key that seals anything has a check value in the database, made when a node first seals under it. A ring that does
not open all of them is another ring: its node must neither seal nor claim.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from oms_engine.errors import ConfigError
from oms_engine.model import Secret
from oms_worker.db import keys as rows
from oms_worker.db.credentials import reseal
from oms_worker.db.engine import KEY_LOCK, Database
from oms_worker.secrets import KeyRing, add_key, fresh_key, keep_keys, load_ring, parse_ring
from oms_worker.settings import KEY_RING_VARIABLE, ServiceSettings

log = logging.getLogger(__name__)

_OWNER, _TEXT = "key-ring", "keys"


class KeyWatch(Protocol):
    """Says what is wrong with the ring of this node; empty when it opens all that is sealed in the database."""

    async def __call__(self, connection: AsyncConnection) -> str:
        """Look."""
        ...


async def nothing_wrong(connection: AsyncConnection) -> str:
    """Look at nothing."""
    del connection
    return ""


class KeyPlace:
    """The ring of a node: opened at the start, and held against the database ever after."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._text = settings.key_ring.get_secret_value() if settings.key_ring is not None else ""
        self.ring: KeyRing
        self._wrapper: KeyRing | None = None

    @property
    def where(self) -> str:
        """How messages name the ring that this node was given."""
        return f"the key ring in {KEY_RING_VARIABLE}" if self._text else f"the key ring in {self._settings.key_path}"

    # ---- the start --------------------------------------------------------------------------------------------------

    async def open(self, database: Database) -> KeyRing:
        """Open the ring; where nothing is sealed yet a missing one is made.

        Raises:
            ConfigError: it is missing or damaged, readable for others, or not the one that the database's credentials
                are sealed under.
        """
        async with database.read() as connection:
            known, used = await rows.checks(connection), await rows.sealed_under(connection)
        given = self._given(create=not (known or used), keys=known or used)
        if self._settings.key_envelope or not known or given.first not in known:
            async with database.lock(KEY_LOCK) as connection:
                await self._settle(connection, given)
        else:
            self.ring = given
            self._refuse(given.unopened(known))
        self.ring.renew = self.complaint
        return self.ring

    def _given(self, *, create: bool, keys: Collection[str]) -> KeyRing:
        if self._text:
            return KeyRing(parse_ring(Secret(self._text), KEY_RING_VARIABLE))
        path = self._settings.key_path
        if not create and not path.exists():
            raise ConfigError(
                f"the key file {path} is missing, and the database's credentials are sealed under key {min(keys)}: "
                f"give this node the ring of the others (key_file, {KEY_RING_VARIABLE} or key_envelope)."
            )
        return load_ring(path, create=create)

    async def _settle(self, connection: AsyncConnection, given: KeyRing) -> None:
        """Agree with other nodes, alone among them: on the ring in the database, and on the key that seals."""
        known = await rows.checks(connection)
        self.ring = given
        if self._settings.key_envelope:
            self._wrapper = given
            self.ring = KeyRing(await self._enveloped(connection) or await self._wrap(connection, given, known))
        missing = self.ring.unopened(known)
        if not known:
            missing = sorted(await rows.sealed_under(connection) - set(self.ring.keys))
        self._refuse(missing)
        for key_id in {self.ring.first, *(set() if known else await rows.sealed_under(connection))}:
            await rows.add_check(connection, self.ring, key_id, time.time())

    async def _enveloped(self, connection: AsyncConnection) -> Mapping[str, Secret] | None:
        """Return the keys in the database; None when there are none yet.

        Raises:
            ConfigError: this node's ring does not open them.
        """
        sealed = await rows.envelope(connection)
        if sealed is None or self._wrapper is None:
            return None
        if self._wrapper.unknown(sealed):
            raise ConfigError(
                f"{self.where} does not open the key ring in the database: give every node the same key_file or "
                f"{KEY_RING_VARIABLE}."
            )
        return parse_ring(self._wrapper.open(_OWNER, sealed)[_TEXT], "the key ring in the database")

    async def _wrap(self, connection: AsyncConnection, given: KeyRing, known: Collection[str]) -> Mapping[str, Secret]:
        """Put a ring into the database: the given one where it seals there already, else a new one."""
        begun = known or await rows.sealed_under(connection)
        made = given.keys if begun else fresh_key()
        await rows.set_envelope(connection, _envelope(given, made), time.time())
        return made

    def _refuse(self, missing: Collection[str]) -> None:
        if missing:
            raise ConfigError(self.mismatch(missing))

    def mismatch(self, missing: Collection[str]) -> str:
        """Return what is wrong with a ring that lacks keys."""
        return (
            f"{self.where} is not the one that the database's credentials are sealed under (key {min(missing)} is "
            f"missing): give every node the same ring by key_file, {KEY_RING_VARIABLE} or key_envelope; if that key is "
            "lost for good, run: openoms keys forget-lost"
        )

    # ---- while it serves --------------------------------------------------------------------------------------------

    async def complaint(self, connection: AsyncConnection) -> str:
        """Return what is wrong with this node's ring; what others have added meanwhile is taken up first."""
        known = await rows.checks(connection)
        if not self.ring.unopened(known):
            return ""
        try:
            fresh = await self._enveloped(connection)
            if fresh is not None:
                self.ring.replace(fresh)
            else:
                self.ring.reload()
        except ConfigError as error:
            log.warning("%s", error)
        missing = self.ring.unopened(known)
        return self.mismatch(missing) if missing else ""

    # ---- changes ----------------------------------------------------------------------------------------------------

    async def rotate(self, database: Database, *, drop_old: bool) -> int:
        """Put a new key first and seal everything anew under it; return how many secrets were.

        Whatever is killed when: a key that seals anything is in the ring before, and leaves it after.

        Raises:
            ConfigError: the ring is given as text, which this program cannot change.
        """
        if self._text and not self._settings.key_envelope:
            raise ConfigError(
                f"{KEY_RING_VARIABLE} cannot be changed from here: put a key of `openoms keys new` behind the others "
                "at every node and start them anew, move it to the front, then run: openoms keys reseal --drop-old"
            )
        async with database.lock(KEY_LOCK) as connection:
            if self._settings.key_envelope:
                self.ring.replace({**fresh_key(), **(await self._enveloped(connection) or {})})
            else:
                self.ring.replace(add_key(self._settings.key_path).keys)
            changed = await self._reseal(connection, drop_old=drop_old)
        await self._trim(database, drop_old=drop_old)
        return changed

    async def reseal(self, database: Database, *, drop_old: bool) -> int:
        """Seal everything anew under the first key; with ``drop_old`` no other key is needed any more."""
        async with database.lock(KEY_LOCK) as connection:
            changed = await self._reseal(connection, drop_old=drop_old)
        await self._trim(database, drop_old=drop_old)
        return changed

    async def _reseal(self, connection: AsyncConnection, *, drop_old: bool) -> int:
        first = self.ring.first
        await rows.add_check(connection, self.ring, first, time.time())
        changed = await reseal(connection, self.ring)
        if drop_old:
            await rows.drop_checks(connection, besides=[first])
            self.ring.replace({first: self.ring.keys[first]})
        if self._wrapper is not None:
            await rows.set_envelope(connection, _envelope(self._wrapper, self.ring.keys), time.time())
        return changed

    async def _trim(self, database: Database, *, drop_old: bool) -> None:
        """Take keys out of the file that seal nothing any more."""
        if drop_old and not self._text and not self._settings.key_envelope:
            async with database.lock(KEY_LOCK) as connection:
                keep_keys(self._settings.key_path, await rows.checks(connection))

    async def forget_lost(self, database: Database) -> tuple[int, list[str]]:
        """Give up what the ring of this node does not open; return how many credentials, and users without keys.

        Raises:
            ConfigError: the ring is damaged, or readable for others.
        """
        self.ring = self._given(create=True, keys=())
        async with database.lock(KEY_LOCK) as connection:
            if self._settings.key_envelope:
                self._wrapper = self.ring
                try:
                    self.ring = KeyRing(await self._enveloped(connection) or fresh_key())
                except ConfigError:
                    self.ring = KeyRing(fresh_key())
                await rows.set_envelope(connection, _envelope(self._wrapper, self.ring.keys), time.time())
            gone = await rows.forget_sealed(connection, self.ring)
            await rows.add_check(connection, self.ring, self.ring.first, time.time())
        return gone


def _envelope(wrapper: KeyRing, keys: Mapping[str, Secret]) -> bytes:
    return wrapper.seal(_OWNER, {_TEXT: KeyRing(keys).text}).data
