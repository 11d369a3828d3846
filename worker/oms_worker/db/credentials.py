"""Sealed credentials of tasks, groups and sync tasks: kept while they may be needed, wiped as soon as not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from oms_engine.model import Secret
from oms_worker.db.keys import require_known
from oms_worker.db.tables import credential, user
from oms_worker.secrets import KeyRing, UnknownKey


async def keep(
    connection: AsyncConnection, keys: KeyRing, owner: str, secrets: Mapping[str, Secret], now: float
) -> None:
    """Seal and store what opens the stores of ``owner`` (``task:<id>``…), in place of what was kept before.

    Raises:
        RepositoryError: this node's key is not one that the others use.
    """
    await require_known(connection, keys.first)
    sealed = keys.seal(owner, secrets)
    await wipe(connection, [owner])
    row = {"owner": owner, "sealed": sealed.data, "key_id": sealed.key_id, "created_at": now}
    await connection.execute(insert(credential).values(row))


async def secrets_of(connection: AsyncConnection, keys: KeyRing, owner: str) -> dict[str, Secret] | None:
    """Open what is kept of an owner; None when it was wiped.

    Raises:
        UnknownKey: the ring does not hold its key; another node's may.
        RepositoryError: it was altered.
    """
    sealed = (await connection.execute(select(credential.c.sealed).where(credential.c.owner == owner))).scalar()
    return None if sealed is None else keys.open(owner, sealed)


async def wipe(connection: AsyncConnection, owners: Iterable[str]) -> None:
    """Delete what is kept of these owners."""
    names = list(owners)
    if names:
        await connection.execute(delete(credential).where(credential.c.owner.in_(names)))


async def reseal(connection: AsyncConnection, keys: KeyRing) -> int:
    """Seal everything anew under the ring's first key and return how many rows changed: credentials and users.

    Keys of users that were given up (``openoms keys forget-lost``) stay as they are.
    """
    changed = 0
    for owner, sealed in (
        await connection.execute(
            select(credential.c.owner, credential.c.sealed).where(credential.c.key_id != keys.first)
        )
    ).all():
        again = keys.seal(owner, keys.open(owner, sealed))
        values = {"sealed": again.data, "key_id": again.key_id}
        await connection.execute(update(credential).where(credential.c.owner == owner).values(values))
        changed += 1
    for number, sealed in (await connection.execute(select(user.c.id, user.c.sealed_secret_key))).all():
        owner = f"user:{number}"
        try:
            again = keys.seal(owner, keys.open(owner, sealed))
        except UnknownKey:
            continue
        await connection.execute(update(user).where(user.c.id == number).values(sealed_secret_key=again.data))
        changed += 1
    return changed
