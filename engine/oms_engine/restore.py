"""Archived objects: ask for the restore, look again later, copy when readable. Nobody waits in a connection."""

from __future__ import annotations

from oms_engine.ledger import Parked
from oms_engine.model import ArchiveState, Restore
from oms_engine.session import Session
from oms_engine.task import RestorePolicy


async def thaw(session: Session, entry: Parked, policy: RestorePolicy) -> bool:
    """Ask for an archived object, or look at one that was asked for; True when its bytes can be read now.

    Raises:
        StoreError: the store refuses the restore.
    """
    if entry.attempts:
        head = await session.wire.call(session.source.head(entry.key))
        if head.archive is not ArchiveState.ARCHIVED:
            return head.archive is ArchiveState.READABLE
        # Neither readable nor under way: the store dropped the request, or the restored copy has expired.
    call = session.source.restore(entry.key, days=policy.days, tier=policy.tier, storage_class=entry.storage_class)
    return await session.wire.call(call) is Restore.READABLE
