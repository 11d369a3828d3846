"""Tasks on both databases: what every call does to rows, journal and credentials, and what it refuses."""

import asyncio
import re

import pytest
from sqlalchemy import text

from oms_engine.model import Secret
from oms_worker.db import credentials
from oms_worker.db import tasks as rows
from oms_worker.db.events import transitions_of
from oms_worker.db.tasks import ProgressUpdate, TaskFilter
from oms_worker.errors import ApiError, Forbidden, Refused
from oms_worker.figures import Figures
from oms_worker.services.tasks import BatchUpdate, NewTask, StartTask
from oms_worker.settings import Quotas
from oms_worker.states import Event, Task
from support.tasks import POLICY, SECRETS, open_office


@pytest.fixture
async def office(database, tmp_path):
    """Services on an empty database, with two projects."""
    return await open_office(database, tmp_path)


async def kept(office, row):
    """Return the credentials that are kept of a task."""
    async with office.database.read() as connection:
        return await credentials.secrets_of(connection, office.ring, row.subject)


async def refusal(call):
    """Return the code and HTTP status with which a call is refused."""
    with pytest.raises(ApiError) as refused:
        await call
    return refused.value.code, refused.value.http_status


async def test_create(office):
    """A created task waits, named as OMS names tasks, with an id of 15 digits; its secrets are sealed, a runner woken."""
    row = await office.create(bandwidth_policy=POLICY, priority="HIGH")
    assert row.status == Task.WAITING
    assert 10**14 <= row.id < 10**15
    assert re.fullmatch(r"src-dst-\d{17}_\d{1,3}", row.name)
    shown = await office.tasks.show(office.alice, row.id)
    assert (shown.priority, list(shown.bandwidth_policy), shown.created_at) == ("HIGH", POLICY, office.now)
    assert await kept(office, row) == SECRETS
    assert office.woken == 1


async def test_no_secret_is_readable(office):
    """No column of any table holds a secret in the clear."""
    await office.create()
    async with office.database.read() as connection:
        for table in rows.task.metadata.sorted_tables:
            for found in (await connection.execute(text(f'SELECT * FROM "{table.name}"'))).all():
                assert b"hush" not in repr(tuple(bytes(v) if isinstance(v, memoryview) else v for v in found)).encode()


async def test_inline_keys_come_back(office):
    """Inline keys come back in their order, however many."""
    keys = [f"k%2F{number}" for number in range(25_000)]
    row = await office.create(keys=keys, group_type="SYNC_TASK", sync_task_id="s")
    async with office.database.read() as connection:
        assert await rows.inline_keys(connection, row.id) == keys


async def test_list_newest_first(office):
    """Tasks are listed newest first; count is the number of matches, not of the page; offset and limit cut pages."""
    made = [(await office.create()).id for _ in range(7)]
    page = await office.tasks.list(office.alice, TaskFilter("", offset=2, limit=3))
    assert [row.id for row in page.tasks] == made[::-1][2:5]
    assert page.count == 7


async def test_list_filters(office):
    """Status, group and a part of the name in any case choose tasks; wildcards in the name are plain characters."""
    one, two, three = [await office.create(group_id=group) for group in ("g1", "g1", "")]
    await office.claim(two.id)
    find = office.tasks.list

    async def found(**fields):
        return {row.id for row in (await find(office.alice, TaskFilter("", **fields))).tasks}

    assert await found(statuses=(1,)) == {one.id, three.id}
    assert await found(group_id="g1") == {one.id, two.id}
    assert await found(group_id="") == {three.id}
    assert await found(name_part=two.name[-12:].upper()) == {two.id}
    assert await found(name_part="SRC-D") == {one.id, two.id, three.id}
    assert await found(name_part="%") == set()
    assert await found(name_part="src_dst") == set()


async def test_projects_are_isolated(office):
    """Nothing of another project can be seen or changed; its tasks are unknown, HTTP 400 with OMS.1009."""
    row = await office.create()
    service, bob = office.tasks, office.bob
    calls = (
        service.show(bob, row.id),
        service.delete(bob, row.id),
        service.stop(bob, row.id),
        service.start(bob, row.id, StartTask(SECRETS)),
        service.set_bandwidth(bob, row.id, POLICY),
        service.batch_update(bob, BatchUpdate(POLICY, ids=[row.id])),
        service.show(office.alice, 1),
    )
    for call in calls:
        assert await refusal(call) == ("OMS.1009", 400)
    assert (await service.list(bob, TaskFilter(office.alice.project_id))).count == 0
    assert await office.tasks.show(office.alice, row.id) == await office.row(row.id)


async def test_read_only_users_look(office):
    """A read-only user lists and shows, and is refused everything else with OMS.0205 and HTTP 403."""
    row = await office.create()
    service, rita = office.tasks, office.rita
    assert (await service.list(rita, TaskFilter(""))).count == 1
    assert (await service.show(rita, row.id)).id == row.id
    for call in (
        service.create(rita, NewTask({}, "a", "b")),
        service.delete(rita, row.id),
        service.stop(rita, row.id),
        service.start(rita, row.id, StartTask({})),
        service.set_bandwidth(rita, row.id, []),
        service.batch_update(rita, BatchUpdate([], ids=[row.id])),
    ):
        with pytest.raises(Forbidden) as refused:
            await call
        assert (refused.value.code, refused.value.http_status) == ("OMS.0205", 403)
    assert await office.row(row.id) == await service.show(rita, row.id)


async def test_stop_says_seven_at_once(office):
    """A stop sets 7 at once; the credentials are there until the task has paused."""
    row = await office.create()
    await office.claim(row.id)
    await office.tasks.stop(office.alice, row.id)
    assert (await office.row(row.id)).status == Task.PAUSING
    assert await refusal(office.tasks.stop(office.alice, row.id)) == ("OMS.0066", 400)
    assert await kept(office, row) is not None


async def test_start_again_goes_on_or_anew(office):
    """After a pause the run goes on with its numbers; one through the failed objects alone adds to what was reached."""
    row = await office.create()
    await office.claim(row.id)
    await office.event(row.id, Event.RELEASED, owner=None, successful_num=5, spent_ms=700) and None
    await office.claim(row.id)
    await office.tasks.stop(office.alice, row.id)
    await office.event(row.id, Event.PAUSED, owner=None, failed_num=2)
    office.now += 50
    fresh = {"src_node.sk": Secret("fresh")}
    await office.tasks.start(office.alice, row.id, StartTask(fresh))
    again = await office.row(row.id)
    assert (again.status, again.run, again.successful_num, again.queued_at) == (Task.WAITING, 1, 5, office.now)
    assert await kept(office, row) == fresh
    await office.claim(row.id)
    await office.event(row.id, Event.FAILED, owner=None, error_code="TRF.0062", ended_at=office.now)
    await office.tasks.start(office.alice, row.id, StartTask(fresh, migrate_failed_object=True))
    anew = await office.row(row.id)
    assert (anew.run, anew.successful_num, anew.failed_num, anew.spent_ms) == (2, 5, 0, 0)
    assert anew.carried.successful_num == 5
    assert (anew.error_code, anew.ended_at, anew.started_at, anew.migrate_failed_object) == (None, None, None, True)


async def test_retry_needs_failures(office):
    """A retry of failed objects is refused when none failed (OMS.1027) or they are not recorded (OMS.0167)."""
    row = await office.create()
    await office.claim(row.id)
    await office.event(row.id, Event.FAILED, owner=None)
    retry = StartTask(SECRETS, migrate_failed_object=True)
    assert await refusal(office.tasks.start(office.alice, row.id, retry)) == ("OMS.1027", 400)
    async with office.database.write() as connection:
        await rows.set_task(connection, row.id, request={"enable_failed_object_recording": False}, failed_num=3)
    assert await refusal(office.tasks.start(office.alice, row.id, retry)) == ("OMS.0167", 400)


async def test_delete_takes_everything(office):
    """A deleted task leaves no row, no keys and no credentials; the journal remembers who deleted it."""
    row = await office.create(keys=["a", "b"])
    await office.tasks.delete(office.alice, row.id)
    assert await office.row(row.id) is None
    assert await kept(office, row) is None
    async with office.database.read() as connection:
        assert await rows.inline_keys(connection, row.id) == []
        assert [change.cause for change in await transitions_of(connection, row.subject)] == [
            "created by alice",
            "deleted by alice",
        ]


@pytest.mark.parametrize(
    ("quotas", "code"), [(Quotas(tasks_per_day=3), "OMS.1021"), (Quotas(waiting_tasks=3), "OMS.0077")]
)
async def test_quotas(database, tmp_path, quotas, code):
    """The quota of a day and the waiting quota hold per project, and nothing is left of a refused task."""
    office = await open_office(database, tmp_path, quotas)
    for _ in range(3):
        await office.create()
    assert await refusal(office.create()) == (code, 400)
    assert (await office.tasks.list(office.alice, TaskFilter(""))).count == 3
    await office.create(office.bob)
    office.now += 86_400
    for row in (await office.tasks.list(office.alice, TaskFilter(""))).tasks:
        await office.claim(row.id)
    await office.create()


async def test_quotas_hold_against_a_crowd(database, tmp_path):
    """Fifty tasks created at once pass a quota of ten exactly ten times."""
    office = await open_office(database, tmp_path, Quotas(waiting_tasks=10))
    new = NewTask({}, "src", "dst", SECRETS)
    ends = await asyncio.gather(*(office.tasks.create(office.alice, new) for _ in range(50)), return_exceptions=True)
    assert sum(isinstance(end, Refused) for end in ends) == 40
    assert (await office.tasks.list(office.alice, TaskFilter(""))).count == 10


@pytest.mark.parametrize(
    ("policy", "code"),
    [
        ([*POLICY] * 6, "OMS.0083"),
        ([{**POLICY[0], "max_bandwidth": 1_048_575}], "OMS.0084"),
        ([{**POLICY[0], "max_bandwidth": 10 * 1024**3 + 1}], "OMS.0084"),
        ([POLICY[0], {**POLICY[0], "start": "17:00", "end": "19:00"}], "OMS.0085"),
        ([{**POLICY[0], "start": "25:00"}], "OMS.0087"),
        ([{**POLICY[0], "start": "19:00"}], "OMS.0087"),
    ],
)
async def test_bandwidth_rules(office, policy, code):
    """A policy that breaks a rule is refused with the rule's code wherever it is given, and nothing changes."""
    row = await office.create()
    assert await refusal(office.create(bandwidth_policy=policy)) == (code, 400)
    assert await refusal(office.tasks.set_bandwidth(office.alice, row.id, policy)) == (code, 400)
    assert await refusal(office.tasks.batch_update(office.alice, BatchUpdate(policy, ids=[row.id]))) == (code, 400)
    assert list((await office.row(row.id)).bandwidth_policy) == []


async def test_batch_update(office):
    """Windows and priority of chosen tasks change together; one that cannot change keeps all as they were."""
    first, second, running = [await office.create(group_id="g") for _ in range(3)]
    await office.claim(running.id)
    change = BatchUpdate(POLICY, ids=[first.id, running.id], priority="LOW")
    assert await refusal(office.tasks.batch_update(office.alice, change)) == ("OMS.1003", 400)
    assert (await office.row(first.id)).priority == "MEDIUM"
    await office.tasks.batch_update(office.alice, BatchUpdate(POLICY, ids=[first.id, second.id], priority="LOW"))
    assert [(await office.row(row.id)).priority for row in (first, second, running)] == ["LOW", "LOW", "MEDIUM"]
    await office.tasks.batch_update(office.alice, BatchUpdate([], group_id="g", priority="HIGH"))
    told = [await office.row(row.id) for row in (first, second, running)]
    assert [(row.priority, list(row.bandwidth_policy)) for row in told] == [("HIGH", []), ("HIGH", []), ("MEDIUM", [])]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (BatchUpdate(None, ids=[1]), "OMS.1004"),
        (BatchUpdate([]), "OMS.1003"),
        (BatchUpdate([], ids=[1], group_id="g"), "OMS.1003"),
        (BatchUpdate([], ids=list(range(21))), "OMS.1003"),
        (BatchUpdate([], ids=[1], priority="URGENT"), "OMS.1003"),
        (BatchUpdate([], ids=[1]), "OMS.1009"),
        (BatchUpdate([], group_id="nobody"), "OMS.1009"),
    ],
)
async def test_batch_update_refusals(office, change, code):
    """A batch update without policy, with ids and group or neither, too many ids or an unknown word is refused."""
    assert await refusal(office.tasks.batch_update(office.alice, change)) == (code, 400)


async def test_only_one_node_claims(office, database_url):
    """Of many nodes that reach for one task exactly one gets it."""
    row = await office.create()
    claims = await asyncio.gather(*(office.claim(row.id, f"node{number}") for number in range(20)))
    won = [claim for claim in claims if claim is not None]
    assert len(won) == 1
    assert (await office.row(row.id)).owner == won[0].owner


async def test_progress_is_fenced(office):
    """Figures of an owner that has lost the task, or of an earlier generation, change nothing."""
    row = await office.create()
    claimed = await office.claim(row.id, "old")
    figures = Figures(total_num=9, successful_num=4, progress=0.5).columns()
    async with office.database.write() as connection:
        await rows.write_progress(connection, "old", [ProgressUpdate(row.id, claimed.generation, figures)])
    assert (await office.row(row.id)).total_num == 9
    await office.event(row.id, Event.RELEASED, owner=None)
    await office.claim(row.id, "new")
    late = Figures(total_num=1).columns()
    async with office.database.write() as connection:
        await rows.write_progress(connection, "old", [ProgressUpdate(row.id, claimed.generation, late)])
        await rows.write_progress(connection, "new", [ProgressUpdate(row.id, claimed.generation, late)])
    assert (await office.row(row.id)).total_num == 9


async def test_a_stale_change_is_refused(office):
    """A change made on an old look at the row changes nothing and leaves no trace in the journal."""
    row = await office.create()
    await office.claim(row.id)
    async with office.database.write() as connection:
        assert not await rows.change_task(connection, row, 4, office.now, "late")
        assert len(await transitions_of(connection, row.subject)) == 2
    assert (await office.row(row.id)).status == Task.MIGRATING


async def test_delete_and_claim_at_once(office):
    """Of a delete and a claim that come together one wins: a claimed task keeps its row and its credentials."""
    for _ in range(10):
        row = await office.create()
        ends = await asyncio.gather(
            office.tasks.delete(office.alice, row.id), office.claim(row.id), return_exceptions=True
        )
        left = await office.row(row.id)
        if left is None:
            assert ends == [None, None]
        else:
            assert left.status == Task.MIGRATING
            assert ends[0].code == "OMS.0063"
            assert await kept(office, row) == SECRETS
