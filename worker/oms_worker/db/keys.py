"""Queries about keys: the check values of those that seal anything here, and the key ring that nodes share."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from oms_engine.errors import RepositoryError
from oms_worker.db.tables import credential, key_check, key_envelope, user
from oms_worker.secrets import KeyRing, key_id_of

ENVELOPE = 1
"""The one row of ``key_envelope``."""


async def checks(connection: AsyncConnection) -> dict[str, bytes]:
    """Return the check values by key id."""
    found = await connection.execute(select(key_check.c.key_id, key_check.c.sealed))
    return {key_id: bytes(sealed) for key_id, sealed in found}


async def add_check(connection: AsyncConnection, ring: KeyRing, key_id: str, now: float) -> None:
    """Make it known that a key seals from now on; one that is known stays as it is."""
    known = await connection.execute(select(key_check.c.key_id).where(key_check.c.key_id == key_id))
    if known.first() is None:
        row = {"key_id": key_id, "sealed": ring.check_value(key_id), "created_at": now}
        await connection.execute(insert(key_check).values(row))


async def drop_checks(connection: AsyncConnection, *, besides: Collection[str]) -> None:
    """Forget the check values of all keys but these: nothing is sealed under the others from now on."""
    await connection.execute(delete(key_check).where(key_check.c.key_id.not_in(list(besides))))


async def require_known(connection: AsyncConnection, key_id: str) -> None:
    """Refuse to seal under a key that other nodes do not use: they could not open it.

    Raises:
        RepositoryError: the key was dropped, or this node's ring is another one.
    """
    known = set((await connection.execute(select(key_check.c.key_id))).scalars())
    if known and key_id not in known:
        raise RepositoryError(f"this node seals under key {key_id}, which other nodes do not use: give it their ring")


async def sealed_under(connection: AsyncConnection) -> set[str]:
    """Return the ids of the keys that credentials and users' keys are sealed under."""
    found = set((await connection.execute(select(credential.c.key_id).distinct())).scalars())
    users = await connection.execute(select(user.c.sealed_secret_key))
    return found | {key_id_of(bytes(sealed)) for (sealed,) in users}


async def envelope(connection: AsyncConnection) -> bytes | None:
    """Return the sealed key ring; None where nodes share one otherwise."""
    found = (await connection.execute(select(key_envelope.c.sealed).where(key_envelope.c.id == ENVELOPE))).scalar()
    return None if found is None else bytes(found)


async def set_envelope(connection: AsyncConnection, sealed: bytes, now: float) -> None:
    """Keep a sealed key ring in place of the last one."""
    values = {"sealed": sealed, "changed_at": now}
    changed = await connection.execute(update(key_envelope).where(key_envelope.c.id == ENVELOPE).values(values))
    if not changed.rowcount:
        await connection.execute(insert(key_envelope).values(id=ENVELOPE, **values))


async def forget_sealed(connection: AsyncConnection, ring: KeyRing) -> tuple[int, list[str]]:
    """Delete credentials and check values that a ring does not open.

    Returns:
        How many credentials, and the users whose keys it does not open.
    """
    gone = await connection.execute(delete(credential).where(credential.c.key_id.not_in(list(ring.keys))))
    await connection.execute(delete(key_check).where(key_check.c.key_id.in_(ring.unopened(await checks(connection)))))
    users = await connection.execute(select(user.c.name, user.c.sealed_secret_key).order_by(user.c.name))
    return gone.rowcount, [name for name, sealed in users if key_id_of(bytes(sealed)) not in ring.keys]
