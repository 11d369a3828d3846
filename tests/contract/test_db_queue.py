"""The queue on both databases: who waits and runs, claims within quota and room, and what dead owners leave."""

import pytest

from oms_engine.errors import RepositoryError
from oms_worker.claiming import MOST_AT_ONCE, Claims
from oms_worker.db import credentials, keys, nodes, queue
from oms_worker.db.events import transitions_of
from oms_worker.ends import Ends
from oms_worker.secrets import KeyRing, fresh_key
from oms_worker.settings import load_service_settings
from oms_worker.states import Task
from oms_worker.takeover import release_all
from support.tasks import SECRETS, open_office


@pytest.fixture
async def office(database, tmp_path):
    """Services, and two projects with users."""
    return await open_office(database, tmp_path)


def claims(office, tmp_path, **quotas):
    """The claims of a node."""
    settings = load_service_settings(None, data_dir=str(tmp_path), quotas=quotas)
    return Claims(office.database, office.ring, settings, "node", Ends(office.database, "node", []))


async def crowds(office):
    """Who waits and runs, by user."""
    async with office.database.read() as connection:
        found = await queue.crowds(connection)
    return {name: tuple(found.get(getattr(office, name).project_id, (0, 0))) for name in ("alice", "bob")}


async def test_claims_keep_to_quota_and_room(office, tmp_path):
    """Each project runs its quota, a node no more than it has room for; with no room nothing is taken."""
    for caller in [office.alice] * 4 + [office.bob] * 2:
        await office.create(caller)
    node = claims(office, tmp_path, running_tasks=3)
    assert await node.take(0, office.now) == ([], False)
    first, more = await node.take(4, office.now)
    assert (len(first), more) == (4, False)
    second, _ = await node.take(4, office.now)
    assert len(second) == 1
    assert await node.take(4, office.now) == ([], False)
    assert await crowds(office) == {"alice": (1, 3), "bob": (0, 2)}
    for item in (*first, *second):
        assert (item.row.status, item.row.owner, item.row.generation) == (Task.MIGRATING, "node", 1)
        assert item.row == await office.row(item.row.id)
        assert item.secrets == SECRETS


async def test_many_claims_are_made_a_few_at_a_time(office, tmp_path):
    """What may start at once is taken in short transactions, oldest first; each tells whether there is more."""
    made = [(await office.create()).id for _ in range(MOST_AT_ONCE + 3)]
    node = claims(office, tmp_path, running_tasks=0)
    first, more = await node.take(100, office.now)
    second, none = await node.take(100, office.now)
    assert (more, none) == (True, False)
    assert [item.row.id for item in (*first, *second)] == made
    assert len(second) == 3


async def test_what_a_dead_node_ran_waits_again(office):
    """Running tasks wait, pausing ones have paused and lose their credentials; the journal and the time spent are right."""
    running, pausing, other = [(await office.create()).id for _ in range(3)]
    begun = office.now
    for number, owner in ((running, "dead"), (pausing, "dead"), (other, "alive")):
        await office.claim(number, owner)
    await office.tasks.stop(office.alice, pausing)
    async with office.database.write() as connection:
        await nodes.beat(connection, "dead", begun + 20)
        assert await release_all(connection, ["dead"], begun + 50, "its node died") == 2
        assert await release_all(connection, ["dead"], begun + 60, "its node died") == 0
    rows = [await office.row(number) for number in (running, pausing, other)]
    assert [row.status for row in rows] == [Task.WAITING, Task.PAUSED, Task.MIGRATING]
    assert [row.owner for row in rows] == [None, None, "alive"]
    assert [row.spent_ms for row in rows] == [20_000, 20_000, 0]
    assert await office.kept(f"task:{running}") == SECRETS
    assert await office.kept(f"task:{pausing}") is None
    async with office.database.read() as connection:
        (*_, last) = await transitions_of(connection, f"task:{pausing}")
    assert (last.before, last.after, last.cause) == ("7", "3", "its node died")


async def test_a_node_without_the_key_leaves_the_task_to_others(office, tmp_path):
    """A task whose credentials a node cannot open waits again, for a node that can, and is not taken twice."""
    task = await office.create()
    foreign = KeyRing(fresh_key())
    settings = load_service_settings(None, data_dir=str(tmp_path))
    node = Claims(office.database, foreign, settings, "foreign", Ends(office.database, "foreign", []))
    assert await node.take(5, office.now) == ([], False)
    row = await office.row(task.id)
    assert (row.status, row.owner, row.generation) == (Task.WAITING, None, 1)
    assert await node.take(5, office.now) == ([], False)
    assert (await office.row(task.id)).generation == 1, "it was claimed once only"
    (claimed,), _ = await claims(office, tmp_path).take(5, office.now)
    assert claimed.secrets == SECRETS


async def test_a_node_with_another_ring_claims_nothing(office, tmp_path):
    """Where the database knows keys that a node lacks, the node neither claims nor seals, and says why."""
    await office.create()
    async with office.database.write() as connection:
        await keys.add_check(connection, office.ring, office.ring.first, office.now)
    foreign = KeyRing(fresh_key())

    async def watch(connection):
        return ", ".join(foreign.unopened(await keys.checks(connection)))

    settings = load_service_settings(None, data_dir=str(tmp_path))
    node = Claims(office.database, foreign, settings, "foreign", Ends(office.database, "foreign", []), watch=watch)
    assert await node.take(5, office.now) == ([], False)
    assert node.complaint == office.ring.first
    async with office.database.write() as connection:
        with pytest.raises(RepositoryError, match="which other nodes do not use"):
            await credentials.keep(connection, foreign, "task:1", SECRETS, office.now)
    assert len((await claims(office, tmp_path).take(5, office.now))[0]) == 1


async def test_claims_follow_room_over_nodes(office, tmp_path, monkeypatch):
    """Two nodes share what may start by their room; what one was left and does not take goes to the other soon."""
    if office.database.on_sqlite:  # one process alone
        for _ in range(6):
            await office.create()
        assert len((await claims(office, tmp_path, running_tasks=0).take(10, office.now))[0]) == 6
        return
    made = [(await office.create()).id for _ in range(6)]
    node = claims(office, tmp_path, running_tasks=0)
    async with office.database.write() as connection:
        await nodes.beat(connection, "other", await nodes.clock(connection), capacity=node_room(tmp_path))
    first, more = await node.take(node_room(tmp_path), office.now)
    assert ([item.row.id for item in first], more) == (made[:3], False)
    assert await node.take(node_room(tmp_path) - 3, office.now) == ([], False)
    monkeypatch.setattr("oms_worker.claiming.LEFT_SECONDS", -1.0)
    rest, _ = await node.take(node_room(tmp_path) - 3, office.now)
    assert [item.row.id for item in rest] == made[3:]


def node_room(tmp_path):
    """How many tasks a node of these settings runs at once."""
    return load_service_settings(None, data_dir=str(tmp_path)).work.tasks
