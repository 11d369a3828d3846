"""A migration into its own source is refused at every door, by one rule, with one sentence and one code."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import openoms
from oms_adapters.config import StoreConfig
from oms_adapters.registry import open_store
from oms_engine.errors import ConfigError
from oms_engine.memory_ledger import MemoryLedger
from oms_engine.migration import Migration
from oms_engine.model import TaskType
from oms_engine.places import trouble_in_one_bucket
from oms_engine.task import MigrationSpec, Scope
from oms_worker.planning import Planner
from oms_worker.settings import ServiceSettings
from oms_worker.shapes.base import judge
from oms_worker.shapes.create import check_create, public_part
from oms_worker.shapes.credentials import secrets_of
from oms_worker.shapes.group import CreateGroup, stored_part
from oms_worker.shapes.sync import CreateSync, request_of
from oms_worker.shapes.task import CreateTask
from oms_worker.shapes.v1 import CreateV1
from openoms import preflight
from openoms.configfile import parse_config
from openoms.plan import build_plan
from openoms.settings import Settings
from openoms.taskjson import parse_task

KEYS = {"ak": "an-access-key", "sk": "a-secret-key"}
ENVIRON = {f"OPENOMS_{side}_{part}": "x" for side in ("SOURCE", "DESTINATION") for part in ("AK", "SK")}
HERE, THERE = "http://127.0.0.1:9000", "http://localhost:9000"
"""One place in two spellings: the source's and the destination's."""
FILE = parse_config({"endpoints": {"AWS": {"here": HERE}, "HuaweiCloud": {"here": HERE, "there": THERE}}})
PLANNER = Planner(
    ServiceSettings(
        endpoints={
            "AWS": {"here": {"endpoint": HERE, "addressing": "path"}},
            "HuaweiCloud": {name: {"endpoint": url, "addressing": "path"} for name, url in (("here", HERE), ("there", THERE))},
        }
    )
)  # fmt: skip


def body_of(cloud, keys, save_prefix, kind):
    """A body of OMS's create call, inside one bucket."""
    source = {"cloud_type": cloud, "region": "here", "bucket": "photos", "object_key": keys, **KEYS}
    destination = {"region": "there", "bucket": "photos", "save_prefix": save_prefix, **KEYS}
    return {"task_type": kind, "src_node": source, "dst_node": destination}


def by_service(cloud, keys, save_prefix, kind):
    """``POST /v2/{project_id}/tasks``, as far as it goes before anything is kept."""
    body = judge(CreateTask, body_of(cloud, keys, save_prefix, kind))
    check_create(body)
    PLANNER.judge(public_part(body), secrets_of(body))


def by_group(cloud, keys, save_prefix, kind):
    """``POST /v2/{project_id}/taskgroups``; a group has no objects but by list, so all is by prefix."""
    body = judge(CreateGroup, body_of(cloud, keys, save_prefix, "PREFIX"))
    check_create(body)
    PLANNER.judge(stored_part(body), secrets_of(body))


def by_first_version(cloud, keys, save_prefix, kind):
    """``POST /v1/{project_id}/objectstorage/task``: its destination is a folder."""
    node = {"region": "there", "bucket": "photos", "object_key": save_prefix or "/", "cloud_type": "HEC", **KEYS}
    source = {
        "cloud_type": cloud,
        "region": "here",
        "bucket": "photos",
        "object_key": {"path": "", "keys": keys},
        **KEYS,
    }
    body = judge(
        CreateV1, {"src_node": source, "dst_node": node, "thread_num": 1, "enableKMS": False, "task_type": kind}
    )
    task = body.translated()
    check_create(task)
    PLANNER.judge(public_part(task), secrets_of(task))


def by_run(cloud, keys, save_prefix, kind):
    """``openoms run task.json``."""
    parse_task(json.dumps(body_of(cloud, keys, save_prefix, kind)), Settings({}, FILE))


SCHEMES = {"AWS": "s3", "HuaweiCloud": "obs"}


def by_migrate(cloud, keys, save_prefix, kind):
    """``openoms migrate SRC DST`` and ``openoms.migrate``."""
    chosen = {"prefixes": keys} if kind == "prefix" and keys != [""] else {} if keys == [""] else {"objects": keys}
    options = {"source_endpoint": HERE, "source_region": "here", "destination_endpoint": THERE, **chosen}
    source, destination = f"{SCHEMES[cloud]}://photos", "obs://photos"
    plan = build_plan(
        source, destination, Settings(ENVIRON), {**options, "save_prefix": save_prefix, "destination_region": "there"}
    )
    preflight.judge(plan)


DOORS = [by_service, by_group, by_first_version, by_run, by_migrate]


def refusal_or_none(door, *arguments):
    """What a door answers."""
    try:
        door(*arguments)
    except ConfigError as error:
        return error.code, str(error)
    return None


FOLDERS = st.sampled_from(["a/", "b/", "a/b/", "b/a/", "ab/", "a/a/"])


@given(
    st.sampled_from(sorted(SCHEMES)),
    st.lists(FOLDERS, min_size=1, max_size=3, unique=True) | st.just([""]),
    st.just("") | FOLDERS,
    st.sampled_from(["prefix", "object"]),
)
def test_every_door_gives_the_same_verdict(cloud, keys, save_prefix, kind):
    """Whatever moves inside one bucket, all doors refuse it with one sentence and code, or all let it through."""
    if keys == [""]:
        kind = "prefix"
    spec = MigrationSpec("", "", scope=Scope(TaskType(kind), tuple(keys)), save_prefix=save_prefix)
    problem = trouble_in_one_bucket(spec)
    expected = None if problem is None else ("OMS.0058", problem)
    for door in DOORS:
        assert refusal_or_none(door, cloud, keys, save_prefix, kind) == expected, door.__name__


@pytest.mark.parametrize(("keys", "save_prefix"), [(["photos/"], ""), ([""], ""), (["photos/"], "photos/")])
def test_a_bucket_onto_itself_is_refused_everywhere(keys, save_prefix):
    """So it was by the command; the service rewrote every object over itself."""
    for door in DOORS:
        code, sentence = refusal_or_none(door, "HuaweiCloud", keys, save_prefix, "prefix")
        assert (code, "bucket" in sentence) == ("OMS.0058", True), door.__name__


def test_a_move_inside_a_bucket_is_let_through_everywhere():
    """``a/`` to ``b/`` harms nobody; the command refused it."""
    for door in DOORS:
        assert refusal_or_none(door, "HuaweiCloud", ["a/"], "b/", "prefix") is None, door.__name__


def test_a_sync_task_onto_its_own_bucket_is_refused():
    """A sync task keeps keys as they are."""
    keys = {f"{side}_{name}": value for side in ("src", "dst") for name, value in KEYS.items()}
    place = {"src_cloud_type": "HuaweiCloud", "src_region": "here", "src_bucket": "photos", "dst_region": "there"}
    same, other = (judge(CreateSync, {**place, "dst_bucket": name, **keys}) for name in ("photos", "copies"))
    assert refusal_or_none(PLANNER.judge, request_of(same), same.secrets())[0] == "OMS.0058"
    assert refusal_or_none(PLANNER.judge, request_of(other), other.secrets()) is None


async def test_the_engine_refuses_by_itself():
    """Whoever builds a migration without a door of ours is refused before a single request."""

    def opener(url):
        return lambda: open_store(StoreConfig("obs", "photos", endpoint=url))

    spec = MigrationSpec("obs://photos", "obs://photos", scope=Scope(TaskType.PREFIX, ("photos/",)))
    with pytest.raises(ConfigError) as refused:
        await Migration(spec, source=opener(HERE), destination=opener(THERE), ledger=MemoryLedger()).run()
    assert refused.value.code == "OMS.0058"


def test_the_python_api_refuses_too(monkeypatch, tmp_path):
    """And leaves no state behind."""
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with pytest.raises(ConfigError) as refused:
        openoms.migrate("s3://photos/a", "s3://photos/a/b", source_endpoint=HERE, destination_endpoint=THERE)
    assert refused.value.code == "OMS.0058"
    assert not list(tmp_path.iterdir())
