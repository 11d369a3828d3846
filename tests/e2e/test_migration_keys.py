"""Which objects a task covers: keys and folders, prefixes, list files, and the retry of what failed."""

import asyncio

import pytest

from oms_adapters.sandbox import Answer, Cut, Fault, Match, put_item
from oms_engine.errors import ConfigError
from oms_engine.model import TaskType
from oms_engine.records import encode_key
from oms_engine.task import RestorePolicy, Scope, TaskState
from support.migrations import MIB, opener, quick, requests_of

TEXT = {"content-type": "text/plain"}


@pytest.fixture
def tree(world):
    """A small tree with names that are beginnings of each other."""
    keys = ["a", "a/", "a/1", "a/2", "a/b/3", "ab", "ab/4", "b", "b/5", "c+d", "e f"]
    world.source.put_many((key, key.encode()) for key in keys)
    return world


def covered(world, **scope):
    """Run over a scope; return the keys that arrived, each of which must have one end."""
    ran = world.run(scope=Scope(**scope))
    assert set(world.arrived()) == set(ran.lists["success"])
    return ran


@pytest.mark.parametrize(
    ("prefixes", "expected"),
    [
        (("",), {"a", "a/", "a/1", "a/2", "a/b/3", "ab", "ab/4", "b", "b/5", "c+d", "e f"}),
        (("a/",), {"a/", "a/1", "a/2", "a/b/3"}),
        (("a",), {"a", "a/", "a/1", "a/2", "a/b/3", "ab", "ab/4"}),
        (("a/", "a/b/", "a", "b/", "a/"), {"a", "a/", "a/1", "a/2", "a/b/3", "ab", "ab/4", "b/5"}),
        (("a/b", "", "zz"), {"a", "a/", "a/1", "a/2", "a/b/3", "ab", "ab/4", "b", "b/5", "c+d", "e f"}),
        (("c+", "e "), {"c+d", "e f"}),
    ],
)
def test_prefixes_cover_each_key_once(tree, prefixes, expected):
    """Prefixes that cover each other meet every key once."""
    ran = covered(tree, keys=prefixes)
    assert set(ran.lists["success"]) == expected
    assert ran.counts == (len(expected), len(expected), 0, 0)


def test_object_keys_and_folders(tree):
    """A task of objects takes single keys, and folders with all that is in them; a missing key fails alone."""
    ran = covered(tree, task_type=TaskType.OBJECT, keys=("a", "a/b/", "a/b/3", "b", "a", "missing", "e f"))
    assert set(ran.lists["success"]) == {"a", "a/b/3", "b", "e f"}
    assert ran.codes() == {"missing": "GET_SRC_OBJ_META_FAILURE"}


def test_the_whole_bucket_as_objects(tree):
    """The empty key of a task of objects is the whole bucket."""
    ran = covered(tree, task_type=TaskType.OBJECT, keys=("", "a"))
    tree.check_clean(ran)


def test_named_objects_of_every_kind(world):
    """Named objects may be empty, streamed, large, archived or there already: each ends as a listed one would."""
    world.source.put_many([("empty", b""), ("streamed", bytes(2 * MIB)), ("big", bytes(20 * MIB)), ("there", b"1")])
    world.source.put("cold", b"2", storage_class="GLACIER")
    world.source.put("frozen", b"3", storage_class="DEEP_ARCHIVE")
    world.s3.restore_seconds = 0.2
    world.destination.put("there", b"1")
    keys = ("empty", "streamed", "big", "there", "cold", "frozen")
    ran = world.run(scope=Scope(TaskType.OBJECT, keys), restore=RestorePolicy(poll_seconds=0.1))
    assert set(ran.lists["skip"]) == {"there"}
    assert ran.counts == (6, 5, 1, 0)
    world.check_clean(ran)


def run_list(world, body, *, headers=TEXT, key="lists/keys.txt", **fields):
    """Run over a list file that lies in the destination bucket's cloud."""
    lists = world.obs.create_bucket("lists-bucket")
    lists.put(key, body, headers=headers, **{name: fields.pop(name) for name in ("storage_class",) if name in fields})
    scope = Scope(TaskType.LIST, list_key=key)
    return world.run(scope=scope, list_store=opener(world.obs, "lists-bucket"), **fields)


def test_a_list_file_names_the_objects(tree):
    """A list file's keys are decoded; blank lines, CRLF and repeated names are harmless, missing ones fail alone."""
    body = b"a\r\na/b/3\n\nc%2Bd\ne+f\na\nb\nnot%20here\nb\nb/5"
    ran = run_list(tree, body)
    assert set(ran.lists["success"]) == {"a", "a/b/3", "c+d", "e f", "b", "b/5"}
    assert ran.codes() == {"not here": "GET_SRC_OBJ_META_FAILURE"}
    assert ran.result.duplicates == 2
    assert set(tree.arrived()) == set(ran.lists["success"])


def test_odd_keys_of_a_list_file(world):
    """Any key goes through a list file, URL-encoded as the record lists write it."""
    keys = ["new\nline", "tab\t", "\x10", "%41", "+", "a//b", "é", "e\u0301", "dir/", "k" * 1024]
    world.source.put_many((key, key.encode()) for key in keys)
    ran = run_list(world, "".join(f"{encode_key(key)}\n" for key in keys).encode())
    assert set(ran.lists["success"]) == set(keys)
    world.check_clean(ran)


@pytest.mark.parametrize(
    ("body", "options", "code"),
    [
        (b"\xef\xbb\xbfa\n", {}, "TRF.0013"),
        (b"a\n" + b"x" * 65_536 + b"\n", {}, "TRF.0018"),
        (b"a\n", {"headers": {"content-type": "application/json"}}, "TRF.0019"),
        (b"a\n", {"headers": {**TEXT, "content-encoding": "gzip"}}, "TRF.0019"),
        (b"", {}, "TRF.0017"),
        (b"\n\n", {}, "TRF.0017"),
        (b"a\n", {"key": "keys.csv"}, "TRF.0014"),
        (b"a\n", {"storage_class": "COLD"}, "TRF.0301"),
        (b"missing\na\n", {}, "OMS.0089"),
    ],
)
def test_list_files_that_break_a_rule(tree, body, options, code):
    """A list file that breaks a rule ends the task with the rule's code, and no object is listed as failed."""
    ran = run_list(tree, body, **options)
    assert ran.result.state is TaskState.FAILED
    assert ran.result.counters.failed == 0
    assert ran.result.error_code == code


def test_a_list_file_that_is_missing(tree):
    """A list file that is not there ends the task with TRF.0013."""
    tree.obs.create_bucket("lists-bucket")
    scope = Scope(TaskType.LIST, list_key="none.txt")
    ran = tree.run(scope=scope, list_store=opener(tree.obs, "lists-bucket"))
    assert (ran.result.state, ran.result.error_code) == (TaskState.FAILED, "TRF.0013")


def test_a_list_file_that_is_not_given(tree):
    """A task of a list without a list is refused."""
    with pytest.raises(ConfigError):
        tree.run(scope=Scope(TaskType.LIST))


@pytest.mark.parametrize("action", [Cut(body=5000), Cut(), Answer(500, "InternalError")], ids=repr)
def test_a_list_file_is_read_on_after_a_break(world, action):
    """A connection that breaks while the list is read is mended: every line is met, none twice."""
    world.source.put_many((f"key-{number:05}", b"x") for number in range(1500))
    body = "".join(f"key-{number:05}\n" for number in range(1500)).encode()
    number = world.obs.faults.add(Fault(Match(operation="GetObject", key="lists/*"), action, times=3))
    ran = run_list(world, body)
    assert world.obs.faults.hits(number) == 3
    assert ran.counts == (1500, 1500, 0, 0)
    world.check_clean(ran)


def test_a_paused_list_goes_on(world):
    """A task of a list that was paused goes on where it was; repeated names are still known."""
    count = 2300
    world.source.put_many((f"key-{number:05}", b"x") for number in range(count))
    names = [f"key-{number:05}\n" for number in range(count)]
    body = "".join([*names, *names[:700]]).encode()
    world.s3.latency = 0.004

    async def pause(migration):
        while len(world.arrived()) < 300:
            await asyncio.sleep(0.01)
        migration.pause()

    paused = run_list(world, body, meanwhile=pause, settings=quick(connections=32))
    assert paused.result.state is TaskState.PAUSED
    world.s3.latency = 0.0
    ran = run_list(world, body)
    assert ran.counts == (count, count, 0, 0)
    assert ran.result.duplicates == 700
    world.check_clean(ran)


def test_retry_moves_the_failed_objects_alone(world):
    """A retry goes through the objects that failed, of whatever size, and asks for no other."""
    world.source.put_many((f"k{number:03}", b"x") for number in range(300))
    world.source.put("big", bytes(20 * MIB))
    bad = {"big", "k000", "k150", "k299"}
    for key in bad:
        world.s3.faults.add(Fault(Match(operation="GetObject", key=key), Answer(403, "AccessDenied"), times=None))
    ran = world.run()
    assert set(ran.codes()) == bad
    world.s3.faults.clear()
    world.s3.faults.add(Fault(Match(operation="GetObject", key="k150"), Answer(403, "AccessDenied"), times=None))
    world.s3.clear_log()
    again = world.run(retry_failed=True)
    assert again.counts == (4, 3, 0, 1)
    assert set(again.codes()) == {"k150"}
    assert {entry.key for entry in world.s3.log if entry.operation in {"GetObject", "HeadObject"}} == bad
    world.s3.faults.clear()
    last = world.run(retry_failed=True)
    assert last.counts == (1, 1, 0, 0)
    assert set(world.arrived()) == set(world.source.keys())
    with pytest.raises(ConfigError) as nothing:
        world.run(retry_failed=True)
    assert nothing.value.code == "OMS.1027"


def test_nothing_to_retry_is_refused(world):
    """A retry without a run before is refused with OMS.1027."""
    with pytest.raises(ConfigError) as nothing:
        world.run(retry_failed=True)
    assert nothing.value.code == "OMS.1027"


def test_a_state_file_of_another_task_is_refused(world, clouds):
    """The state of one task cannot be used for another."""
    world.source.put("a", b"1")
    world.run()
    with pytest.raises(ConfigError):
        world.run(scope=Scope(keys=("b/",)))


def test_a_run_under_other_rules_begins_anew(world):
    """An unfinished run that is started with other rules goes through everything again under these."""
    world.source.put_many(
        put_item(f"k{number:04}", b"x", headers={"cache-control": "no-cache"}) for number in range(800)
    )
    world.obs.latency = 0.01

    async def pause(migration):
        while len(world.arrived()) < 50:
            await asyncio.sleep(0.01)
        migration.pause()

    assert world.run(meanwhile=pause, settings=quick(connections=16)).result.state is TaskState.PAUSED
    world.obs.latency = 0.0
    done = len(world.arrived())
    ran = world.run(metadata=True)
    assert ran.counts == (800, 800 - done, done, 0)
    world.check_copy(ran, attributes=True)


def test_pausing_before_the_first_listing(world):
    """A pause asked for before anything began ends at once, and the run can be resumed."""
    world.source.put_many((f"k{number}", b"x") for number in range(20))

    async def pause(migration):
        migration.pause()

    ran = world.run(meanwhile=pause)
    assert ran.result.state in {TaskState.PAUSED, TaskState.SUCCEEDED}
    world.run()
    assert set(world.arrived()) == set(world.source.keys())
    assert requests_of(world.obs, world.destination.name)["PutObject"] == 20
