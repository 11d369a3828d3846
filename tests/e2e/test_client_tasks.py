"""``openoms task …`` as a process, against a real ``openoms serve`` that migrates real bytes."""

from __future__ import annotations

import json
import signal

import pytest

from e2e.client_support import SLOW, Desk, Terminal, fill
from oms_adapters.sandbox import Sandbox
from support.served import Role, Served, running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def sandbox():
    """An S3 and an OBS that verify signatures."""
    with Sandbox(process=True) as made:
        yield made


@pytest.fixture(scope="module")
def served(sandbox, tmp_path_factory):
    """A running service: alice operates, rita reads."""
    made = Served(tmp_path_factory.mktemp("client"), [("AWS", sandbox.s3), ("HuaweiCloud", sandbox.obs)])
    made.users = made.add_users(alice={}, rita={"role": Role.READONLY})
    with running(made):
        yield made


@pytest.fixture
def desk(served, sandbox, tmp_path):
    """Alice's desk."""
    return Desk(served, served.users.alice, sandbox, tmp_path)


def test_the_life_of_a_task(desk):
    """Created from a file without keys, watched to its end, listed, shown and deleted; every byte arrives."""
    objects = {"a b": b"1", "d/ü": b"22", "日本": b"333"}
    desk.source.put_many(objects.items())
    file = desk.home / "task.json"
    file.write_text(json.dumps(desk.body(description="photos of März")))
    created = desk.run("task", "create", str(file))
    number = created.stdout.split()[1]
    assert f"openoms task watch {number}" in created.stdout
    watched = desk.run("task", "watch", number)
    assert watched.stdout.splitlines()[-1].startswith(f"task {number}: succeeded 100 %, 3 objects: migrated 3 ")
    assert desk.copied() == objects
    header, *rows = desk.run("task", "list", "--status", "succeeded").stdout.splitlines()
    assert header.split()[:5] == ["ID", "STATE", "DONE", "OBJECTS", "FAILED"]
    [row] = [row.split() for row in rows if row.startswith(number)]
    assert row[1:6] == ["succeeded", "100", "%", "3/3", "0"]
    assert row[-2:] == [f"s3://{desk.source.name}", f"obs://{desk.destination.name}"]
    shown = dict(line.split("  ", 1) for line in desk.run("task", "show", number).stdout.splitlines())
    assert {shown[name].strip() for name in ("state", "objects", "description")} == {
        "succeeded", "everything", "photos of März",
    }  # fmt: skip
    assert desk.run("task", "delete", number).stdout == f"task {number} is deleted.\n"
    gone = desk.run("task", "show", number, expect=2)
    assert gone.stderr.startswith("openoms: OMS.1009: ")
    assert "(request " in gone.stderr


def test_a_destination_that_speaks_s3(desk, sandbox):
    """DST s3:// is ``cloud_type`` AWS: created, shown, stopped and started with the keys of an S3 destination."""
    desk.source.put("a", b"1", user={"colour": "red"})
    destination = sandbox.s3.create_bucket(f"{desk.source.name}-copy")
    keys = sandbox.s3.credentials
    given = {"OPENOMS_DESTINATION_AK": keys.access_key, "OPENOMS_DESTINATION_SK": keys.secret_key.reveal()}
    region = ["--source-region", sandbox.s3.region, "--destination-region", sandbox.s3.region]
    places = [f"s3://{desk.source.name}", f"s3://{destination.name}"]
    made = desk.json("task", "create", *places, *region, "--metadata", **given)
    desk.run("task", "watch", str(made["id"]))
    (copy,) = [item for item in destination.objects() if item.key == "a"]
    assert copy.user == {"colour": "red"}
    told = desk.json("task", "show", str(made["id"]))
    assert told["dst_node"]["cloud_type"] == "AWS"
    assert desk.run("task", "list").stdout.splitlines()[1].split()[-2:] == places


def test_a_task_from_two_places(desk):
    """SRC, DST and options are the body: prefixes, a save prefix, rules, windows, description and priority."""
    desk.source.put_many([("2024/a", b"1"), ("2025/b", b"2"), ("other", b"3")])
    src, dst, *regions = desk.places
    told = desk.json(
        "task", "create", src, f"{dst}/backup", *regions, "--prefix", "2024/", "--prefix", "2025/", "--metadata",
        "--overwrite", "always", "--bandwidth", "08:00-18:00=50M", "--description", "two years", "--priority", "high",
    )  # fmt: skip
    task = desk.json("task", "watch", str(told["id"]))
    assert (task["status"], task["description"], task["task_priority"]) == (5, "two years", "HIGH")
    assert (task["enable_metadata_migration"], task["object_overwrite_mode"]) == (True, "FULL_OVERWRITE")
    assert task["bandwidth_policy"] == [{"start": "08:00", "end": "18:00", "max_bandwidth": 50 * 1024**2}]
    assert desk.copied() == {"backup/2024/a": b"1", "backup/2025/b": b"2"}


def test_stop_and_start(desk):
    """Stopped, a watcher ends with 130; started again with the keys of the environment, it goes on to its end."""
    objects = fill(desk.source)
    number = desk.create("task", bandwidth_policy=SLOW)
    desk.until("task", number, 2)
    watcher = desk.start("task", "watch", number, "--every", "0.1")
    assert watcher.stdout.readline().startswith(f"task {number}: migrating")
    assert desk.run("task", "stop", number).stdout == f"task {number} is told to stop.\n"
    _, said = watcher.communicate(timeout=60)
    assert (watcher.returncode, "is paused" in said) == (130, True)
    lost = desk.run("task", "start", number, expect=2, OPENOMS_SOURCE_SK=None, OPENOMS_SOURCE_AK=None)
    assert "set OPENOMS_SOURCE_AK and OPENOMS_SOURCE_SK" in lost.stderr
    assert desk.run("task", "bandwidth", number, "none").returncode == 0
    assert desk.json("task", "show", number)["bandwidth_policy"] == []
    assert desk.json("task", "start", number) == {"results": [{"id": number}]}
    assert desk.json("task", "watch", number)["successful_num"] == len(objects)
    assert desk.copied() == objects


def test_ctrl_c_ends_the_watching_only(desk):
    """The task goes on, the watcher says so and ends with 130."""
    fill(desk.source)
    number = desk.create("task", bandwidth_policy=SLOW)
    desk.until("task", number, 2)
    watcher = desk.start("task", "watch", number, "--every", "0.1")
    watcher.stdout.readline()
    watcher.send_signal(signal.SIGINT)
    out, said = watcher.communicate(timeout=60)
    desk.judge(out + said)
    assert (watcher.returncode, "goes on" in said) == (130, True)
    assert desk.json("task", "show", number)["status"] == 2
    desk.run("task", "bandwidth", number, "none")
    assert desk.json("task", "watch", number)["status"] == 5


def test_a_terminal_gets_a_live_view(desk):
    """On a terminal a panel with a bar is redrawn in place; lists and fields are drawn in colour."""
    fill(desk.source)
    number = desk.create("task", bandwidth_policy=SLOW)
    left = Terminal(desk, "task", "watch", number).until("migrating")
    left.process.send_signal(signal.SIGINT)
    assert (left.end(), "the task goes on" in left.text) == (130, True)
    live = Terminal(desk, "task", "watch", number).until("migrating")
    desk.run("task", "bandwidth", number, "none")
    assert live.end() == 0
    desk.judge(live.text)
    assert "\x1b[1A" in live.drawn, "it moves up to draw again"
    for word in (
        "╭",
        f"task {number}",
        "succeeded 100 %",
        "60 objects: migrated 60 skipped 0 failed 0",
        "28.6 MiB of 28.6 MiB",
    ):
        assert word in live.text, live.text[-700:]
    listed = Terminal(desk, "task", "list", COLUMNS="200")
    assert listed.end() == 0
    assert "\x1b[32msucceeded" in listed.drawn
    assert number in listed.text
    dumb = Terminal(desk, "task", "watch", number, TERM="dumb")
    assert dumb.end() == 0
    assert dumb.text.startswith(f"task {number}: succeeded")


def test_exit_codes_of_what_failed(desk):
    """Failed objects are 1; a task that fails as a whole is 3, with its code and sentence."""
    desk.source.put_many([("good", b"1")])
    number = desk.create(
        "task", task_type="object", src_node={**desk.body()["src_node"], "object_key": ["good", "missing"]}
    )
    some = desk.run("task", "watch", number, expect=1)
    assert "1 objects failed" in some.stderr
    started = desk.run("task", "start", number, "--retry-failed")
    assert started.stdout == f"task {number} is started.\n"
    again = desk.json("task", "watch", number, expect=1)
    assert (again["status"], again["failed_num"]) == (4, 1)
    node = {**desk.body()["src_node"], "ak": "another", "sk": "another"}
    whole = desk.run("task", "watch", desk.create("task", src_node=node), expect=3)
    assert whole.stderr.startswith("openoms: TRF.")


def test_several_ids_and_what_becomes_of_each(desk):
    """Each is tried; what fails is told by its id, the worst exit code is that of all, also as one JSON document."""
    desk.source.put_many([("k", b"1")])
    number = desk.create("task")
    desk.until("task", number, 5)
    done = desk.json("task", "delete", "99999", number, "7x", expect=2)
    codes = [(one["id"], one.get("error_code")) for one in done["results"]]
    assert codes == [("99999", "OMS.1009"), (number, None), ("7x", "OMS.0054")]
    desk.run("task", "show", number, expect=2)


def test_lists_are_filtered_and_paged(desk):
    """By state, group and part of the name; --offset goes on where --limit ended, --all tells everything once."""
    desk.source.put_many([("k", b"1")])
    made = [desk.create("task") for _ in range(5)]
    for number in made:
        desk.until("task", number, 5)
    mine = ["--name", desk.source.name]
    everything = desk.json("task", "list", "--all", *mine)
    assert ([str(task["id"]) for task in everything["tasks"]], everything["count"]) == (made[::-1], 5)
    page = desk.json("task", "list", "--limit", "2", "--offset", "1", *mine)
    assert ([str(task["id"]) for task in page["tasks"]], page["count"]) == (made[::-1][1:3], 5)
    told = desk.run("task", "list", "--limit", "2", *mine)
    assert "2 of 5 are shown; --offset 2 goes on" in told.stderr
    assert len(told.stdout.splitlines()) == 3
    assert desk.json("task", "list", "--status", "failed", *mine)["tasks"] == []
    assert desk.json("task", "list", "--status", "5", *mine)["count"] == 5
    assert desk.json("task", "list", "--group", "none-such", *mine)["count"] == 0
    wrong = desk.run("task", "list", "--status", "suceeded", expect=2)
    assert "did you mean 'succeeded'?" in wrong.stderr


def test_json_is_the_services_own(desk):
    """What --json prints for one task is, byte for byte, what the service answers."""
    desk.source.put_many([("ä", b"1")])
    number = desk.create("task", description="ümläut — ok")
    desk.until("task", number, 5)
    printed = desk.run("task", "show", number, "--json", PYTHONIOENCODING="ascii").stdout
    with desk.served.http("alice") as client:
        assert printed == client.get(f"/v2/{desk.keys['project_id']}/tasks/{number}").text + "\n"


def test_a_reader_may_not_change_anything(desk, served, sandbox, tmp_path):
    """The service's refusal is one sentence with its code, exit code 2."""
    reader = Desk(served, served.users.rita, sandbox, tmp_path / "rita")
    assert reader.json("task", "list")["tasks"] is not None
    refused = reader.run("task", "create", "-", stdin=json.dumps(reader.body()), expect=2)
    assert refused.stderr.splitlines()[-1].startswith("openoms: OMS.0205: ")
