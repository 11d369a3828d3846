"""Task groups on both databases: calls, states, sums, credentials; the worker's turns under a clock of the test."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oms_adapters.config import StoreConfig
from oms_engine.errors import ConfigError
from oms_engine.model import Credentials, Secret, TaskType
from oms_engine.task import MigrationSpec, Scope
from oms_worker.db import credentials, nodes
from oms_worker.db import groups as rows
from oms_worker.db import tasks as task_rows
from oms_worker.db.groups import GroupFilter
from oms_worker.db.tasks import TaskFilter
from oms_worker.errors import ApiError
from oms_worker.group_cutting import Cutter, GroupEnds
from oms_worker.groups import GroupWorker
from oms_worker.running import RunPlan
from oms_worker.services.groups import NewGroup
from oms_worker.services.tasks import BatchUpdate, StartTask
from oms_worker.settings import Quotas, load_service_settings
from oms_worker.states import Event, Group, Task
from support.tasks import POLICY, open_office

KEYS = {f"{node}.{name}": Secret(f"{node}-{name}") for node in ("src_node", "dst_node") for name in ("ak", "sk")}
REQUEST = {
    "task_type": "prefix",
    "src_node": {"cloud_type": "AWS", "bucket": "src", "object_key": [""]},
    "dst_node": {"bucket": "dst"},
}
DAY = 86_400.0


@pytest.fixture
async def office(database, tmp_path):
    """Services on an empty database, with two projects."""
    return await open_office(database, tmp_path)


def refuse_to_plan(_task, _secrets, _keys):
    """Plan nothing: what is cut here fails."""
    raise ConfigError("the source is wrong", code="OMS.0057")


def worker_of(office, *, node="node", heard=None, **options):
    """Return a worker of groups that is moved by hand; ``heard`` is told of ends."""

    async def hear(_connection, group):
        heard.append(group.status)

    return GroupWorker(
        office.database,
        office.ring,
        load_service_settings(None, **options),
        refuse_to_plan,
        node_id=node,
        hooks=() if heard is None else (hear,),
        clock=lambda: office.now,
    )


async def create(office, caller=None, **fields):
    """Create a group; return its id."""
    office.now += 1
    new = NewGroup(REQUEST, KEYS, **fields)
    return (await office.groups.create(caller or office.alice, new)).id


async def become(office, group_id, status, **values):
    """Bring a group into a state."""
    async with office.database.write() as connection:
        row = await rows.get_group(connection, group_id)
        assert await rows.change_group(connection, row, int(status), office.now, "test", **values)


async def status_of(office, group_id):
    """The status of a group, None when it is gone."""
    async with office.database.read() as connection:
        row = await rows.get_group(connection, group_id)
    return row and Group(row.status)


async def monitored(office, *statuses, **fields):
    """Make a group that is cut, with sub-tasks in these states; return its id and theirs."""
    group_id = await create(office, **fields)
    await become(office, group_id, Group.MONITORING, cut_done=True, started_at=office.now)
    numbers = []
    for status in statuses:
        row = await office.subtask(group_type="GROUP_TASK", group_id=group_id)
        async with office.database.write() as connection:
            await task_rows.set_task(connection, row.id, status=int(status), ended_at=office.now)
        numbers.append(row.id)
    return group_id, numbers


async def figures(office, number, **values):
    """Set figures of a sub-task."""
    async with office.database.write() as connection:
        await task_rows.set_task(connection, number, **values)


async def refusal(call):
    """Return the code with which a call is refused."""
    with pytest.raises((ApiError, ConfigError)) as refused:
        await call
    return refused.value.code


NUMBERS = st.integers(0, 10**13)
SUMMED = (
    "total_num", "successful_num", "failed_num", "skipped_num", "total_size", "complete_size", "real_size",
)  # fmt: skip
FIGURES = st.fixed_dictionaries(
    dict.fromkeys([*SUMMED, "migrate_speed"], NUMBERS) | {"status": st.sampled_from([int(state) for state in Task])}
)


async def test_counters_are_the_sums_over_the_sub_tasks(office):
    """A group states the sums of its sub-tasks, the speed of those that run, and how many are in which state."""

    async def check(parts):
        group_id, numbers = await monitored(office, *[Task.WAITING] * len(parts))
        for number, part in zip(numbers, parts, strict=True):
            await figures(office, number, **part)
        sums = (await office.groups.show(office.alice, group_id)).counters
        for name in SUMMED:
            assert getattr(sums, name) == sum(part[name] for part in parts)
        states = [part["status"] for part in parts]
        assert sums.migrate_speed == sum(part["migrate_speed"] for part in parts if part["status"] in {2, 7})
        assert sums.failed_lists == sum(part["failed_num"] > 0 for part in parts)
        assert (sums.tasks, sums.running_tasks) == (len(parts), states.count(2) + states.count(7))
        in_state = (sums.waiting_tasks, sums.paused_tasks, sums.failed_tasks, sums.succeeded_tasks)
        assert in_state == tuple(states.count(state) for state in (1, 3, 4, 5))

    loop = asyncio.get_running_loop()

    @given(st.lists(FIGURES, max_size=4))
    @settings(max_examples=15, deadline=None)
    def every(parts):
        asyncio.run_coroutine_threadsafe(check(parts), loop).result(30)

    await asyncio.to_thread(every)


async def test_groups_are_isolated_by_project_and_listed_newest_first(office):
    """A project sees its own groups, newest first, by status; another's are OMS.1009."""
    made = [await create(office) for _ in range(3)]
    await become(office, made[1], Group.COMPLETED)
    page = await office.groups.list(office.alice, GroupFilter("", limit=2))
    assert ([view.row.id for view in page.groups], page.count) == (made[:0:-1], 3)
    page = await office.groups.list(office.alice, GroupFilter("", statuses=(6,)))
    assert [view.row.id for view in page.groups] == [made[1]]
    assert await refusal(office.groups.show(office.bob, made[0])) == "OMS.1009"
    assert await refusal(office.groups.stop(office.rita, made[0])) == "OMS.0205"


async def test_a_hundred_groups_a_day(database, tmp_path):
    """Beyond the quota of a day a group is OMS.1037; a day later there is room again."""
    office = await open_office(database, tmp_path, Quotas(groups_per_day=2))
    await create(office)
    await create(office)
    assert await refusal(create(office)) == "OMS.1037"
    await create(office, office.bob)
    office.now += DAY
    await create(office)


async def test_new_windows_reach_group_and_sub_tasks(office):
    """An update gives the windows to the group and to every sub-task that has not succeeded; each has them for itself."""
    group_id, (waiting, running, done) = await monitored(office, Task.WAITING, Task.MIGRATING, Task.SUCCEEDED)
    await office.groups.update(office.alice, group_id, POLICY)
    assert list((await office.groups.show(office.alice, group_id)).row.bandwidth_policy) == POLICY
    policies = [list((await office.row(number)).bandwidth_policy) for number in (waiting, running, done)]
    assert policies == [POLICY, POLICY, []]
    wrong = [{"start": "08:00", "end": "18:00", "max_bandwidth": 1}]
    assert await refusal(office.groups.update(office.alice, group_id, wrong)) == "OMS.0084"
    await become(office, group_id, Group.COMPLETED)
    assert await refusal(office.groups.update(office.alice, group_id, [])) == "OMS.0086"
    await become(office, group_id, Group.TO_DELETE)
    assert await refusal(office.groups.update(office.alice, group_id, [])) == "OMS.1036"


async def test_a_pause_holds_every_sub_task_and_wipes_all_credentials(office):
    """Stopped: what waits pauses at once and loses keys of its own, what runs begins to; 3 when it stands; then no keys."""
    heard, group = [], await monitored(office, Task.WAITING, Task.MIGRATING, Task.SUCCEEDED)
    group_id, (waiting, running, done) = group
    async with office.database.write() as connection:
        await credentials.keep(connection, office.ring, f"task:{waiting}", KEYS, office.now)
    worker = worker_of(office, heard=heard)
    await office.groups.stop(office.alice, group_id)
    assert [(await office.row(number)).status for number in (waiting, running, done)] == [3, 7, 5]
    assert await office.kept(f"task:{waiting}") is None
    await worker.turn()
    assert await status_of(office, group_id) is Group.PAUSING
    assert await office.kept(f"group:{group_id}") == KEYS
    await office.event(running, Event.PAUSED)
    await worker.turn()
    assert await status_of(office, group_id) is Group.PAUSED
    assert await office.kept(f"group:{group_id}") is None
    assert heard in ([], [Group.PAUSED])


async def test_a_paused_group_needs_its_keys_again(office):
    """A start without all keys is OMS.1004 and changes nothing; with them the sub-tasks wait again, and they are kept."""
    group_id, (one, two) = await monitored(office, Task.PAUSED, Task.FAILED)
    await become(office, group_id, Group.PAUSED)
    for missing in KEYS:
        few = {name: value for name, value in KEYS.items() if name != missing}
        assert await refusal(office.groups.start(office.alice, group_id, few)) == "OMS.1004"
    assert [(await office.row(number)).status for number in (one, two)] == [3, 4]
    await office.groups.start(office.alice, group_id, KEYS)
    assert await status_of(office, group_id) is Group.CREATING
    assert [(await office.row(number)).status for number in (one, two)] == [1, 4]
    assert await office.kept(f"group:{group_id}") == KEYS
    assert await refusal(office.groups.start(office.alice, group_id, KEYS)) == "OMS.1039"


async def test_a_group_that_has_failed_keeps_its_keys_for_thirty_days(office):
    """A retry needs no keys until the 30 days are over; after that they are wiped, and a retry must bring all of them."""
    group_id, (failed,) = await monitored(office, Task.FAILED)
    worker = worker_of(office)
    await worker.turn()
    assert await status_of(office, group_id) is Group.FAILED
    office.now += 29 * DAY
    await worker.turn()
    await office.groups.retry(office.alice, group_id, {}, only_failed_objects=False)
    assert (await office.row(failed)).status == Task.WAITING
    await office.event(failed, Event.CLAIMED)
    await office.event(failed, Event.FAILED)
    await worker.turn()
    assert await status_of(office, group_id) is Group.FAILED
    office.now += 31 * DAY
    await worker.turn()
    assert await office.kept(f"group:{group_id}") is None
    few = {name: value for name, value in KEYS.items() if name.startswith("dst")}
    assert await refusal(office.groups.retry(office.alice, group_id, few, only_failed_objects=False)) == "OMS.1004"
    assert (await office.row(failed)).status == Task.FAILED
    await office.groups.retry(office.alice, group_id, KEYS, only_failed_objects=False)
    assert await office.kept(f"group:{group_id}") == KEYS


async def test_a_retry_takes_new_keys_for_old_ones(office):
    """Keys that are given at a retry take the place of those that are kept; the others stay."""
    group_id, _ = await monitored(office, Task.FAILED)
    await worker_of(office).turn()
    await office.groups.retry(office.alice, group_id, {"src_node.sk": Secret("new")}, only_failed_objects=False)
    assert await office.kept(f"group:{group_id}") == {**KEYS, "src_node.sk": Secret("new")}


async def test_a_retry_reaches_what_failed_alone(office):
    """Only failed sub-tasks run again; for their failed objects alone where they know these."""
    group_id, (some, all_, done) = await monitored(office, Task.FAILED, Task.FAILED, Task.SUCCEEDED)
    await figures(office, some, failed_num=3, successful_num=5)
    await figures(office, done, successful_num=1)
    await worker_of(office).turn()
    await office.groups.retry(office.alice, group_id, {}, only_failed_objects=True)
    found = [await office.row(number) for number in (some, all_, done)]
    assert [(row.status, row.migrate_failed_object, row.run) for row in found] == [
        (1, True, 2),
        (1, False, 2),
        (5, False, 1),
    ]
    assert await status_of(office, group_id) is Group.MONITORING
    assert await refusal(office.groups.retry(office.alice, group_id, {}, only_failed_objects=True)) == "OMS.1040"


async def test_a_sub_task_started_by_itself_brings_its_group_back(office):
    """A group that has failed is watched again when one of its sub-tasks is started, and ends anew with it."""
    heard = []
    group_id, (failed, done) = await monitored(office, Task.FAILED, Task.SUCCEEDED)
    await figures(office, done, successful_num=1)
    worker = worker_of(office, heard=heard)
    await worker.turn()
    await office.tasks.start(office.alice, failed, StartTask(KEYS))
    assert await status_of(office, group_id) is Group.MONITORING
    await office.event(failed, Event.CLAIMED)
    await office.event(failed, Event.SUCCEEDED)
    await worker.turn()
    assert await status_of(office, group_id) is Group.COMPLETED
    assert heard == [Group.FAILED, Group.COMPLETED]


async def test_a_group_whose_objects_have_all_gone_fails_clearly(office):
    """Parts that are empty by now have succeeded; when none met an object the group is TRF.0012, and a retry repeats them."""
    group_id, (one, two) = await monitored(office, Task.SUCCEEDED, Task.SUCCEEDED)
    worker = worker_of(office)
    await worker.turn()
    row = (await office.groups.show(office.alice, group_id)).row
    assert (row.status, row.error_code) == (Group.FAILED, "TRF.0012")
    await office.groups.retry(office.alice, group_id, {}, only_failed_objects=False)
    assert [(await office.row(number)).status for number in (one, two)] == [1, 1]
    for number in (one, two):
        await office.event(number, Event.CLAIMED)
        await office.event(number, Event.SUCCEEDED)
    await figures(office, two, skipped_num=1)
    await worker.turn()
    assert await status_of(office, group_id) is Group.COMPLETED
    assert await office.kept(f"group:{group_id}") is None


async def test_groups_wait_for_room_and_expire(office):
    """Beyond the quota of running groups one waits; after 30 days it has failed with TRF.0003, its credentials gone."""
    heard, worker_options = [], {"quotas": {"running_groups": 1}}
    first, _ = await monitored(office, Task.WAITING)
    second = await create(office)
    worker = worker_of(office, heard=heard, **worker_options)
    await worker.turn()
    assert await status_of(office, second) is Group.WAITING
    office.now += 31 * DAY
    await worker.turn()
    row = (await office.groups.show(office.alice, second)).row
    assert (row.status, row.error_code, heard) == (Group.CREATION_FAILED, "TRF.0003", [Group.CREATION_FAILED])
    assert await office.kept(f"group:{second}") is None
    assert await status_of(office, first) is Group.MONITORING


async def test_what_cannot_be_planned_fails_the_creation(office):
    """A group whose source is wrong is 4 with the code; while it pauses meanwhile it is paused, and meets the error again."""
    group_id = await create(office)
    worker = worker_of(office)
    await until(worker, office, group_id, Group.CREATION_FAILED)
    assert (await office.groups.show(office.alice, group_id)).row.error_code == "OMS.0057"
    await office.groups.retry(office.alice, group_id, {}, only_failed_objects=False)
    await office.groups.stop(office.alice, group_id)
    await until(worker, office, group_id, Group.PAUSED)
    await office.groups.start(office.alice, group_id, KEYS)
    await until(worker, office, group_id, Group.CREATION_FAILED)
    await worker.stop()


async def until(worker, office, group_id, status):
    """Turn the worker until a group has this status."""
    async with asyncio.timeout(20):
        while await status_of(office, group_id) is not status:
            await worker.turn()
            await asyncio.sleep(0.01)


async def test_sub_tasks_cut_after_an_update_have_the_new_windows(office, world):
    """Windows that change while a group is cut hold for the sub-tasks that come after; each covers its part."""
    world.source.put_many([(f"k{number}", b"x") for number in range(5)])
    config = StoreConfig(
        "AWS",
        world.source.name,
        endpoint=world.s3.url,
        region=world.s3.region,
        addressing="path",
        credentials=Credentials(world.s3.credentials.access_key, world.s3.credentials.secret_key),
    )

    def plan(_task, _secrets, _keys):
        spec = MigrationSpec("s3://src", "obs://dst", scope=Scope(TaskType.PREFIX, ("",)))
        return RunPlan(spec, config, config)

    group_id = await create(office)
    await become(office, group_id, Group.CREATING, generation=1, owner="node")
    async with office.database.read() as connection:
        claimed = await rows.get_group(connection, group_id)
    await office.groups.update(office.alice, group_id, POLICY)
    cutter = Cutter(
        office.database, office.ring, load_service_settings(None, groups={"keys_per_task": 2}), plan,
        ends=GroupEnds(()), clock=lambda: office.now, wake_runner=lambda: None,
    )  # fmt: skip
    await cutter.cut(claimed, KEYS)
    assert await status_of(office, group_id) is Group.MONITORING
    made = (await office.tasks.list(office.alice, TaskFilter("", group_id=group_id, limit=10))).tasks
    assert [list(row.bandwidth_policy) for row in made] == [POLICY] * 3
    assert sorted(row.total_num for row in made) == [1, 2, 2]
    assert {(row.group_type, row.status) for row in made} == {("GROUP_TASK", Task.WAITING)}
    await cutter.cut(claimed, KEYS)  # a second cutter of the same claim comes too late
    assert (await office.tasks.list(office.alice, TaskFilter("", group_id=group_id))).count == 3


async def test_a_group_of_a_dead_node_is_cut_by_another(office):
    """A group is left to a node that lives by the setting ``dead_seconds``; on SQLite, where one serves, to none."""
    group_id = await create(office)
    await become(office, group_id, Group.CREATING, owner="other", generation=1)
    async with office.database.write() as connection:
        await nodes.beat(connection, "other", await nodes.clock(connection) - 45)
    worker = worker_of(office, node="mine", work={"dead_seconds": 60})
    await worker.turn()
    async with office.database.read() as connection:
        owner = (await rows.get_group(connection, group_id)).owner
    assert (owner == "other") == (not office.database.on_sqlite)
    worker = worker_of(office, node="mine", work={"dead_seconds": 30})
    await until(worker, office, group_id, Group.CREATION_FAILED)
    await worker.stop()


async def test_a_deleted_group_goes_with_all_it_has(office):
    """Deleted: 8, then 9, then gone, with sub-tasks and every credential; what runs is waited for."""
    group_id, (running, done) = await monitored(office, Task.MIGRATING, Task.SUCCEEDED)
    assert await refusal(office.groups.delete(office.alice, group_id)) == "OMS.0063"
    await become(office, group_id, Group.FAILED)
    await office.groups.delete(office.alice, group_id)
    assert await office.kept(f"group:{group_id}") is None
    worker = worker_of(office)
    await worker.turn()
    await worker.turn()
    assert await status_of(office, group_id) is Group.DELETING
    assert ((await office.row(running)).status, await office.row(done)) == (Task.PAUSING, None)
    await office.event(running, Event.PAUSED)
    await worker.turn()
    assert await status_of(office, group_id) is None
    assert await office.row(running) is None


async def test_sub_tasks_leave_the_waiting_quota_alone(database, tmp_path):
    """Waiting sub-tasks of groups and sync tasks take no place of the queue: OMS.0077 counts the project's own tasks."""
    office = await open_office(database, tmp_path, Quotas(waiting_tasks=2))
    await monitored(office, Task.WAITING, Task.WAITING, Task.WAITING)
    await office.subtask(group_type="SYNC_TASK", sync_task_id="s")
    await office.create()
    await office.create()
    assert await refusal(office.create()) == "OMS.0077"


async def test_a_batch_update_of_a_group_changes_what_may_change(office):
    """By its group's id: windows of all but those that have succeeded, priority of those that wait; the group's too."""
    group_id, (waiting, running, done) = await monitored(office, Task.WAITING, Task.MIGRATING, Task.SUCCEEDED)
    await office.tasks.batch_update(office.alice, BatchUpdate(POLICY, group_id=group_id, priority="HIGH"))
    found = [await office.row(number) for number in (waiting, running, done)]
    assert [row.priority for row in found] == ["HIGH", "MEDIUM", "MEDIUM"]
    assert [list(row.bandwidth_policy) for row in found] == [POLICY, POLICY, []]
    assert list((await office.groups.show(office.alice, group_id)).row.bandwidth_policy) == POLICY
    assert await refusal(office.tasks.batch_update(office.bob, BatchUpdate([], group_id=group_id))) == "OMS.1009"
    assert list((await office.groups.show(office.alice, group_id)).row.bandwidth_policy) == POLICY
