"""The state tables: complete for calls, closed under what happens, and as the documents have it."""

import pytest

from oms_worker import states
from oms_worker.error_codes import CODES
from oms_worker.errors import Refused
from oms_worker.states import GONE, GROUP, SYNC, TASK, Call, Event, Go, Group, No, Sync, Task, after_call, after_event

TASK_CALLS = {Call.START, Call.STOP, Call.HALT, Call.DELETE, Call.BANDWIDTH, Call.PRIORITY}
GROUP_CALLS = {Call.START, Call.STOP, Call.HALT, Call.RETRY, Call.DELETE, Call.BANDWIDTH}
SYNC_CALLS = {Call.START, Call.STOP, Call.DELETE, Call.EVENTS}
TABLES = [(TASK, Task, TASK_CALLS), (GROUP, Group, GROUP_CALLS), (SYNC, Sync, SYNC_CALLS)]


@pytest.mark.parametrize(("table", "kind", "calls"), TABLES)
def test_every_state_answers_every_call(table, kind, calls):
    """Each state has an answer for each call, and each refusal a code that OMS knows."""
    assert {key for key in table if isinstance(key[1], Call)} == {(state, call) for state in kind for call in calls}
    assert {found.code for found in table.values() if isinstance(found, No)} <= set(CODES)


@pytest.mark.parametrize(("table", "kind", "calls"), TABLES)
def test_tables_are_closed(table, kind, calls):
    """Whatever happens leads to a state of the table, or deletes the row."""
    assert {found.to for found in table.values() if isinstance(found, Go)} <= {GONE, *kind}


@pytest.mark.parametrize(("table", "kind", "calls"), TABLES)
def test_every_state_is_reached_and_left(table, kind, calls):
    """Every state can be reached from the first one, and from every state the row can be deleted in the end."""
    edges = {(key[0], found.to) for key, found in table.items() if isinstance(found, Go)}
    reached = {next(iter(kind))}
    while more := {to for state, to in edges if state in reached} - reached:
        reached |= more
    assert reached - {GONE} == set(kind)
    last = {GONE, Group.DELETING} if kind is Group else {GONE}
    ending = set(last)
    while more := {state for state, to in edges if to in ending} - ending:
        ending |= more
    assert ending >= set(kind)


def test_a_stopped_task_is_never_seen_running():
    """Whatever the runner says of a pausing task, it has paused: never 2, 4 or 5."""
    told = {after_event(TASK, Task.PAUSING, event) for event in Event}
    assert told == {None, Task.PAUSED}


@pytest.mark.parametrize(
    ("state", "call", "code"),
    [
        (1, Call.STOP, "OMS.0066"),
        (2, Call.START, "OMS.0065"),
        (2, Call.DELETE, "OMS.0063"),
        (5, Call.START, "OMS.0070"),
        (5, Call.STOP, "OMS.0070"),
        (5, Call.BANDWIDTH, "OMS.0086"),
        (7, Call.DELETE, "OMS.0063"),
    ],
)
def test_published_refusals(state, call, code):
    """Refusals of task calls carry the codes of OMS's error table."""
    with pytest.raises(Refused) as refused:
        after_call(TASK, Task(state), call)
    assert (refused.value.code, refused.value.http_status) == (code, 400)


@pytest.mark.parametrize(
    ("call", "code", "allowed"),
    [
        (Call.STOP, "OMS.1038", {Group.CREATING, Group.MONITORING}),
        (Call.START, "OMS.1039", {Group.PAUSED}),
        (Call.RETRY, "OMS.1040", {Group.CREATION_FAILED, Group.FAILED}),
    ],
)
def test_published_group_refusals(call, code, allowed):
    """Groups stop only while they execute, resume only when paused, retry only when failed; with OMS's codes."""
    assert {state for state in Group if isinstance(GROUP[state, call], Go)} == allowed
    assert {GROUP[state, call].code for state in set(Group) - allowed} == {code}


@pytest.mark.parametrize(
    ("table", "done", "after"), [(TASK, Task.SUCCEEDED, Task.PAUSED), (GROUP, *[Group.COMPLETED] * 2)]
)
def test_a_halt_is_a_stop_that_what_is_done_does_not_refuse(table, done, after):
    """What Terraform's provider asks for differs from a stop in one state alone: that of what is done."""
    differs = {key[0] for key, found in table.items() if key[1] is Call.HALT and found != table[key[0], Call.STOP]}
    assert differs == {done}
    assert table[done, Call.HALT] == Go(after)


def test_late_events_change_nothing():
    """An event that a state does not know is answered None."""
    assert after_event(TASK, Task.SUCCEEDED, Event.FAILED) is None
    assert after_event(TASK, Task.PAUSED, Event.CLAIMED) is None


def test_numbers_are_those_of_oms():
    """The states' numbers are the published ones."""
    assert [int(state) for state in Task] == [1, 2, 3, 4, 5, 7]
    assert [int(state) for state in Group] == list(range(10))
    assert states.Sync("SYNCHRONIZING") is Sync.SYNCHRONIZING
