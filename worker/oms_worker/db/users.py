"""Queries about projects, users and tokens."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Select, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from oms_engine.frozen import dataclass
from oms_worker.db.tables import project, token, user


class ProjectRow(NamedTuple):
    """A project: everything lies in one, and nothing is seen from another."""

    id: str
    name: str
    domain_id: str


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user with its project; the secret key sealed."""

    id: str
    name: str
    role: str
    access_key: str
    sealed_secret_key: bytes
    password_hash: str | None
    enabled: bool
    created_at: float
    project: ProjectRow
    epoch: int = 0
    """Goes up whenever the user's keys, password or role change, or it is disabled: what was issued before is void."""

    @property
    def owner(self) -> str:
        """Whom the secret key is sealed for."""
        return f"user:{self.id}"


async def projects(connection: AsyncConnection, name: str | None = None) -> list[ProjectRow]:
    """Return all projects, or those of a name, by name."""
    query = select(project.c.id, project.c.name, project.c.domain_id).order_by(project.c.name)
    if name is not None:
        query = query.where(project.c.name == name)
    return [ProjectRow(*row) for row in await connection.execute(query)]


async def insert_project(connection: AsyncConnection, row: ProjectRow, now: float) -> None:
    """Add a project."""
    await connection.execute(insert(project).values(**row._asdict(), created_at=now))


async def insert_user(connection: AsyncConnection, row: UserRow) -> None:
    """Add a user."""
    values = {
        "id": row.id,
        "name": row.name,
        "project_id": row.project.id,
        "role": row.role,
        "access_key": row.access_key,
        "sealed_secret_key": row.sealed_secret_key,
        "password_hash": row.password_hash,
        "enabled": row.enabled,
        "created_at": row.created_at,
    }
    await connection.execute(insert(user).values(values))


async def lock_project(connection: AsyncConnection, project_id: str) -> None:
    """Make others who lock this project wait until the transaction ends: what is counted now stays true."""
    await connection.execute(select(project.c.id).where(project.c.id == project_id).with_for_update())


def _users() -> Select[Any]:
    return select(
        user.c.id,
        user.c.name,
        user.c.role,
        user.c.access_key,
        user.c.sealed_secret_key,
        user.c.password_hash,
        user.c.enabled,
        user.c.created_at,
        project.c.id,
        project.c.name,
        project.c.domain_id,
        user.c.epoch,
    ).join_from(user, project)


def _row(row: Any) -> UserRow | None:
    if row is None:
        return None
    number, name, role, key, sealed, password, enabled, created_at, *place, epoch = row
    return UserRow(number, name, role, key, sealed, password, enabled, created_at, ProjectRow(*place), epoch)


async def users(connection: AsyncConnection) -> list[UserRow]:
    """Return all users, by name."""
    found = (_row(row) for row in await connection.execute(_users().order_by(user.c.name)))
    return [row for row in found if row is not None]


async def user_by_name(connection: AsyncConnection, name: str) -> UserRow | None:
    """Return a user, disabled ones too."""
    return _row((await connection.execute(_users().where(user.c.name == name))).one_or_none())


async def user_by_key(connection: AsyncConnection, access_key: str) -> UserRow | None:
    """Return the user of an access key, disabled ones too."""
    return _row((await connection.execute(_users().where(user.c.access_key == access_key))).one_or_none())


async def user_by_id(connection: AsyncConnection, number: str) -> UserRow | None:
    """Return a user, disabled ones too."""
    return _row((await connection.execute(_users().where(user.c.id == number))).one_or_none())


async def change_user(connection: AsyncConnection, name: str, **values: Any) -> bool:
    """Change columns of a user; what was issued to it before is void. False when there is none."""
    changed = update(user).where(user.c.name == name).values(**values, epoch=user.c.epoch + 1)
    done = await connection.execute(changed)
    await connection.execute(delete(token).where(token.c.user_id.in_(select(user.c.id).where(user.c.name == name))))
    return done.rowcount == 1


async def remove_user(connection: AsyncConnection, name: str) -> bool:
    """Delete a user with its keys and tokens; what it created stays its project's. False when there is none."""
    await connection.execute(delete(token).where(token.c.user_id.in_(select(user.c.id).where(user.c.name == name))))
    return (await connection.execute(delete(user).where(user.c.name == name))).rowcount == 1


async def insert_token(connection: AsyncConnection, digest: str, user_id: str, expires_at: float) -> None:
    """Remember a token by its digest."""
    await connection.execute(insert(token).values(digest=digest, user_id=user_id, expires_at=expires_at))


async def user_of_token(connection: AsyncConnection, digest: str, now: float) -> UserRow | None:
    """Return the user of a token that has not expired."""
    query = _users().join(token, token.c.user_id == user.c.id)
    found = await connection.execute(query.where(token.c.digest == digest, token.c.expires_at > now))
    return _row(found.one_or_none())


async def forget_expired_tokens(connection: AsyncConnection, now: float) -> None:
    """Delete tokens that have expired."""
    await connection.execute(delete(token).where(token.c.expires_at <= now))
