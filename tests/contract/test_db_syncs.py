"""Sync tasks on both databases: events, batches, order, counters, states; under a clock of the test."""

import asyncio
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from oms_engine.errors import ConfigError
from oms_engine.model import Secret
from oms_engine.records import decode_key, encode_key
from oms_engine.task import Counters, Result, TaskState
from oms_worker.db import syncs as rows
from oms_worker.db import tasks as task_rows
from oms_worker.db.engine import open_database
from oms_worker.db.syncs import Counts, SyncFilter
from oms_worker.db.tasks import TaskFilter
from oms_worker.errors import ApiError
from oms_worker.services.syncs import NewSync, SyncService
from oms_worker.settings import Quotas, Syncs
from oms_worker.states import Event, Task
from oms_worker.sync import LARGEST, MOST_OPEN, RETRY_SECONDS, SyncWorker
from support.tasks import open_office

KEYS = {f"{node}.{name}": Secret(f"{node}-{name}") for node in ("src_node", "dst_node") for name in ("ak", "sk")}
REQUEST = {"task_type": "object", "src_node": {"cloud_type": "AWS", "bucket": "src"}, "dst_node": {"bucket": "dst"}}
LIMITS = Syncs(batch_keys=10, batch_seconds=5.0, waiting_keys=500)
SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.fixture
async def office(database, tmp_path):
    """Services on an empty database, with two projects."""
    return await open_office(database, tmp_path, limits=LIMITS)


@pytest.fixture
def worker(office):
    """What batches, moved by hand."""
    return SyncWorker(office.database, office.ring, LIMITS, clock=lambda: office.now)


async def create(office, caller=None):
    """Create a sync task; return its id."""
    office.now += 1
    return (await office.syncs.create(caller or office.alice, NewSync(REQUEST, KEYS))).id


async def send(office, sync_id, *names):
    """Send events."""
    await office.syncs.add_events(office.alice, sync_id, [name.encode() for name in names])


async def subtasks(office, sync_id):
    """The sub-tasks of a sync task, oldest first, and the keys of each."""
    page = await office.tasks.list(office.alice, TaskFilter("", sync_task_id=sync_id, limit=1000))
    async with office.database.read() as connection:
        return [(row, await keys_of(connection, row.id)) for row in page.tasks[::-1]]


async def keys_of(connection, number):
    """The keys of a sub-task as they are."""
    return [decode_key(key) for key in await task_rows.inline_keys(connection, number)]


async def end(office, worker, number, event=Event.SUCCEEDED, *, complete=True, **counts):
    """Let the runner end a sub-task, with the hook in the transaction of its end."""
    await office.event(number, Event.CLAIMED)
    await office.event(number, event, ended_at=office.now)
    state = TaskState.SUCCEEDED if event is Event.SUCCEEDED else TaskState.FAILED
    async with office.database.write() as connection:
        row = await task_rows.get_task(connection, number)
        await worker.on_task_end(connection, row, Result(state, Counters(**counts), 1.0, complete=complete))


async def waiting(office, sync_id):
    """How many keys wait."""
    async with office.database.read() as connection:
        return await rows.count_waiting(connection, sync_id)


async def refusal(call):
    """Return code and HTTP status with which a call is refused."""
    with pytest.raises((ApiError, ConfigError)) as refused:
        await call
    return refused.value.code, refused.value.http_status


async def month(office, sync_id, at=None):
    """The sums of a month."""
    return (await office.syncs.show(office.alice, sync_id, at))[1]


async def test_a_key_that_waits_stands_there_once(office, worker):
    """Sent again while it waits a key is counted as asked for, copied once, and keeps its place."""
    sync_id = await create(office)
    await send(office, sync_id, "a", "b", "a")
    office.now += 1
    await send(office, sync_id, "b", "c")
    assert await waiting(office, sync_id) == 3
    assert (await month(office, sync_id)).requests == 5
    office.now += LIMITS.batch_seconds
    await worker.turn()
    assert [keys for _, keys in await subtasks(office, sync_id)] == [["a", "b", "c"]]


async def test_a_batch_is_due_when_keys_are_many_or_have_waited(office, worker):
    """Below the size of a batch keys wait for their time; at its size they do not; a clock set back holds nothing up."""
    sync_id = await create(office)
    await send(office, sync_id, "a")
    await worker.turn()
    assert await subtasks(office, sync_id) == []
    await send(office, sync_id, *[f"k{number}" for number in range(LIMITS.batch_keys - 1)])
    await worker.turn()
    assert [len(keys) for _, keys in await subtasks(office, sync_id)] == [LIMITS.batch_keys]
    await send(office, sync_id, "late")
    office.now -= 3600
    await worker.turn()
    assert [len(keys) for _, keys in await subtasks(office, sync_id)] in ([10, 1], [1, 10])


async def test_many_keys_make_larger_batches_but_few_of_them(office, worker):
    """A flood becomes batches of up to ten times the size, four at a time; each key in one of them."""
    sync_id = await create(office)
    names = {f"k{number:03}" for number in range(450)}
    await send(office, sync_id, *names)
    await worker.turn()
    made = await subtasks(office, sync_id)
    assert len(made) == MOST_OPEN
    assert all(len(keys) <= LARGEST * LIMITS.batch_keys for _, keys in made)
    taken = [key for _, keys in made for key in keys]
    assert len(set(taken)) == len(taken) == 400
    assert await waiting(office, sync_id) == 50
    for row, keys in made:
        assert (row.group_type, row.total_num, row.range) == ("SYNC_TASK", len(keys), {"keys": len(keys)})
        await end(office, worker, row.id, listed=len(keys), migrated=len(keys))
    office.now += LIMITS.batch_seconds
    await worker.turn()
    assert {key for _, keys in await subtasks(office, sync_id) for key in keys} == names


async def test_of_one_key_no_two_copies_run_and_the_last_event_wins(office, worker):
    """A key sent again while it is copied waits for that copy's end, and is copied once more."""
    sync_id = await create(office)
    await send(office, sync_id, "k", "other")
    office.now += 10
    await worker.turn()
    ((first, _),) = await subtasks(office, sync_id)
    for _ in range(3):
        await send(office, sync_id, "k")
        office.now += 10
        await worker.turn()
    assert len(await subtasks(office, sync_id)) == 1
    await end(office, worker, first.id, listed=2, migrated=2)
    assert await waiting(office, sync_id) == 1
    office.now += 10
    await worker.turn()
    assert [keys for _, keys in await subtasks(office, sync_id)] == [["k", "other"], ["k"]]
    assert await month(office, sync_id) == Counts(requests=5, success=2)


async def test_any_bytes_are_a_key(office, worker):
    """Keys that are no UTF-8, have line feeds or look encoded come to their sub-task as they are."""
    sync_id = await create(office)
    odd = [b"\xff\xfe", b"a\nb", b"%41", b"a+b", b"a b", "é".encode(), b"\x00"]
    await office.syncs.add_events(office.alice, sync_id, odd)
    office.now += 10
    await worker.turn()
    ((_, keys),) = await subtasks(office, sync_id)
    assert keys == [key.decode("utf-8", "surrogateescape") for key in sorted(odd)]
    assert [decode_key(encode_key(key)) for key in keys] == keys


async def test_what_is_accepted_is_there_for_another_process(office, database_url):
    """An accepted event is committed: a second connection sees it although the first process says no further word."""
    sync_id = await create(office)
    await send(office, sync_id, "a", "b")
    other = open_database(database_url)
    try:
        async with other.read() as connection:
            assert await rows.count_waiting(connection, sync_id) == 2
    finally:
        await other.close()


async def test_sends_at_once_lose_nothing(office):
    """Many requests at the same time, with keys in common, queue every key once and count every request."""
    sync_id = await create(office)
    requests = [[f"k{(first + step) % 40}" for step in range(20)] for first in range(0, 200, 7)]
    await asyncio.gather(*(send(office, sync_id, *names) for names in requests))
    assert await waiting(office, sync_id) == len({name for names in requests for name in names})
    assert (await month(office, sync_id)).requests == 20 * len(requests)


async def test_too_many_waiting_keys_are_busy(office, worker):
    """Beyond the limit all of a request is OMS.2004 (503), until batches have made room."""
    sync_id = await create(office)
    await send(office, sync_id, *[f"k{number}" for number in range(450)])
    assert await refusal(send(office, sync_id, *[f"n{number}" for number in range(51)])) == ("OMS.2004", 503)
    assert await waiting(office, sync_id) == 450
    await worker.turn()
    office.now += 10  # the backlog is counted anew
    await send(office, sync_id, *[f"n{number}" for number in range(51)])
    assert await waiting(office, sync_id) == 101


async def test_a_stop_refuses_events_holds_sub_tasks_and_wipes_the_keys(office, worker):
    """Stopped: OMS.2002, nothing is batched, sub-tasks stand still, no credentials are kept; a start needs them again."""
    sync_id = await create(office)
    await send(office, sync_id, "a")
    office.now += 10
    await worker.turn()
    await send(office, sync_id, "b")
    assert await office.kept(f"sync:{sync_id}") == KEYS
    await office.syncs.stop(office.alice, sync_id)
    assert await office.kept(f"sync:{sync_id}") is None
    assert await refusal(send(office, sync_id, "c")) == ("OMS.2002", 400)
    assert await refusal(office.syncs.stop(office.alice, sync_id)) == ("OMS.0066", 400)
    office.now += 100
    await worker.turn()
    assert [row.status for row, _ in await subtasks(office, sync_id)] == [Task.PAUSED]
    assert await waiting(office, sync_id) == 1
    await office.syncs.start(office.alice, sync_id, KEYS)
    assert await office.kept(f"sync:{sync_id}") == KEYS
    assert await refusal(office.syncs.start(office.alice, sync_id, KEYS)) == ("OMS.0065", 400)
    await worker.turn()
    assert [(row.status, keys) for row, keys in await subtasks(office, sync_id)] == [(1, ["a"]), (1, ["b"])]


async def test_a_started_sync_task_keeps_its_keys_however_long(office, worker):
    """While it is started its credentials are needed and kept, also after 30 days; its sub-tasks have none of their own."""
    sync_id = await create(office)
    office.now += 40 * 86_400
    await send(office, sync_id, "a")
    office.now += 10
    await worker.turn()
    assert await office.kept(f"sync:{sync_id}") == KEYS
    ((row, _),) = await subtasks(office, sync_id)
    assert await office.kept(row.subject) is None


async def test_a_deleted_sync_task_takes_events_counters_and_sub_tasks_along(office, worker):
    """Only a stopped one is deleted; then nothing of it is left, and its events are OMS.2002 with 404."""
    sync_id = await create(office)
    await send(office, sync_id, "a")
    office.now += 10
    await worker.turn()
    await send(office, sync_id, "b")
    assert await refusal(office.syncs.delete(office.alice, sync_id)) == ("OMS.0063", 400)
    await office.syncs.stop(office.alice, sync_id)
    await office.syncs.delete(office.alice, sync_id)
    assert await refusal(send(office, sync_id, "c")) == ("OMS.2002", 404)
    assert await refusal(office.syncs.show(office.alice, sync_id)) == ("OMS.1009", 404)
    office.now += 60
    await worker.turn()
    assert await subtasks(office, sync_id) == []
    assert await waiting(office, sync_id) == 0


async def test_a_sub_task_that_failed_as_a_whole_is_tried_again(office, worker):
    """Its keys have no end yet, so it is started again after a while; one whose objects failed is not."""
    sync_id = await create(office)
    await send(office, sync_id, "a")
    office.now += 10
    await worker.turn()
    ((row, _),) = await subtasks(office, sync_id)
    await end(office, worker, row.id, Event.FAILED, complete=False)
    office.now += RETRY_SECONDS / 2
    await worker.turn()
    assert (await office.row(row.id)).status == Task.FAILED
    office.now += RETRY_SECONDS
    await worker.turn()
    assert (await office.row(row.id)).status == Task.WAITING
    await end(office, worker, row.id, Event.FAILED, listed=1, failed=1)
    assert await month(office, sync_id) == Counts(requests=1, failure=1)
    office.now += 10 * RETRY_SECONDS
    await worker.turn()
    assert (await office.row(row.id)).status == Task.FAILED


async def test_keys_of_a_deleted_sub_task_wait_again(office, worker):
    """Who deletes a sub-task of a sync task deletes no event: its keys are batched anew."""
    sync_id = await create(office)
    await send(office, sync_id, "a")
    office.now += 10
    await worker.turn()
    ((row, _),) = await subtasks(office, sync_id)
    await office.tasks.delete(office.alice, row.id)
    office.now += 60
    await worker.turn()
    office.now += 60
    await worker.turn()
    ((again, keys),) = await subtasks(office, sync_id)
    assert (again.id != row.id, keys) == (True, ["a"])


async def test_months_end_where_the_zone_says(database, tmp_path):
    """What happens at 23:59 of a month's last day and a minute later counts in two months, of the service's zone."""
    office = await open_office(database, tmp_path, limits=LIMITS)
    service = SyncService(database, office.ring, limits=LIMITS, zone="Asia/Shanghai", clock=lambda: office.now)
    worker = SyncWorker(database, office.ring, LIMITS, clock=lambda: office.now)
    last = datetime(2027, 12, 31, 23, 59, tzinfo=SHANGHAI).timestamp()
    office.now = last - 3600
    sync_id = (await service.create(office.alice, NewSync(REQUEST, KEYS))).id

    async def happen(at, *names, **counts):
        office.now = at - 10
        await service.add_events(office.alice, sync_id, [name.encode() for name in names])
        office.now = at
        await worker.turn()
        row, _ = (await subtasks(office, sync_id))[-1]
        await end(office, worker, row.id, listed=len(names), **counts)

    await happen(last, "a", "b", migrated=2, migrated_bytes=7)
    await happen(last + 70, "c", skipped=1)  # 00:00:10; it was asked for at 00:00:00
    for at, counts in ((last, Counts(2, 2, 0, 0, 7)), (last + 70, Counts(1, 0, 0, 1, 0))):
        assert (await service.show(office.alice, sync_id, at))[1] == counts
    assert (await service.show(office.alice, sync_id))[1] == Counts(1, 0, 0, 1, 0)
    first = datetime(2027, 12, 1, tzinfo=SHANGHAI).timestamp()
    assert (await service.show(office.alice, sync_id, first))[1] == Counts(2, 2, 0, 0, 7)
    assert (await service.show(office.alice, sync_id, first - 1))[1] == Counts()
    in_utc = await office.syncs.show(office.alice, sync_id, last)
    assert in_utc[1] == Counts(3, 2, 0, 1, 7)  # in UTC all of it lies in December


async def test_statistics_are_sums_of_what_happened(office, worker):
    """Five minutes each up to a day, hours beyond, without the empty ones; more than 1,000 hours are refused."""
    office.now = 1_800_000_000.0  # a full hour
    sync_id = await create(office)
    begin = office.now - 1
    for step, names in ((1, ["a", "b"]), (310, ["c"]), (4000, ["d"])):
        office.now = begin + step
        await send(office, sync_id, *names)
    found = await office.syncs.statistics(office.alice, sync_id, ["REQUEST", "SIZE"], begin, begin + 7200)
    assert found.interval == "FIVE_MINUTES"
    assert [(point.at - begin, point.value) for point in found.series["REQUEST"]] == [(0, 2), (300, 1), (3900, 1)]
    assert found.series["SIZE"] == []
    found = await office.syncs.statistics(office.alice, sync_id, ["REQUEST"], begin, begin + 90_000)
    assert found.interval == "ONE_HOUR"
    assert [(point.at - begin, point.value) for point in found.series["REQUEST"]] == [(0, 3), (3600, 1)]
    for end_ in (begin - 1, begin + 1001 * 3600):
        asked = office.syncs.statistics(office.alice, sync_id, ["REQUEST"], begin, end_)
        assert (await refusal(asked))[0] == "OMS.1003"


async def test_quota_projects_and_roles(database, tmp_path):
    """A project has so many sync tasks and sees its own alone; who only reads sends no events."""
    office = await open_office(database, tmp_path, Quotas(sync_tasks=2))
    made = [await create(office) for _ in range(2)]
    assert await refusal(create(office)) == ("OMS.0077", 400)
    other = await create(office, office.bob)
    page = await office.syncs.list(office.alice, SyncFilter(""))
    assert ([row.id for row in page.tasks], page.count) == (made[::-1], 2)
    assert await refusal(office.syncs.show(office.alice, other)) == ("OMS.1009", 404)
    assert await refusal(office.syncs.add_events(office.rita, made[0], [b"k"])) == ("OMS.0205", 403)
