"""The life of tasks, task groups and sync tasks, as tables: (state, what happens) -> next state or OMS's refusal.

Rules:

* The tables are the only place where a state follows another; services and the runner look up, they never compare.
* Every state of a table has an answer for every call, so a call is either carried out or refused with a code.
* A word of the runner (an event) that a state does not know is late and changes nothing.
* A group that is pausing goes on to do so whatever its cutting comes to: the next start meets the error again.
* A task that is complete when Terraform's provider stops it is paused all the same (``HALT``), and its next start goes
  through its whole scope again; a group that is complete stays so. The provider sends its stop five seconds or more
  after the creation, when a small task is done, and waits for 3, or for 3 and 6.
* A task that is pausing ends paused, whatever it came to meanwhile: who asked for a stop is told 3. Its run stays
  open, so the next start tells the end at once, with its true counters.

Sources: the status lists of https://support.huaweicloud.com/intl/en-us/api-oms/ShowTask.html and
https://support.huaweicloud.com/intl/en-us/api-oms/ShowTaskGroup.html, the codes of
https://support.huaweicloud.com/intl/en-us/api-oms/ErrorCode.html, and the sequence of calls of
https://github.com/huaweicloud/terraform-provider-huaweicloud (``huaweicloud/services/oms``).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import NamedTuple, TypeVar

from oms_worker.errors import Refused


class Task(IntEnum):
    """``status`` of a task. 6 (retrying) is read by newer clients; a retry here is 2 like any migration."""

    WAITING = 1
    MIGRATING = 2
    PAUSED = 3
    FAILED = 4
    SUCCEEDED = 5
    PAUSING = 7


class Group(IntEnum):
    """``status`` of a task group."""

    WAITING = 0
    CREATING = 1
    MONITORING = 2
    PAUSED = 3
    CREATION_FAILED = 4
    FAILED = 5
    COMPLETED = 6
    PAUSING = 7
    TO_DELETE = 8
    DELETING = 9


class Sync(StrEnum):
    """``status`` of a sync task."""

    SYNCHRONIZING = "SYNCHRONIZING"
    STOPPED = "STOPPED"


class Call(StrEnum):
    """What an API call asks for."""

    START = "start"
    STOP = "stop"
    HALT = "halt"
    """A stop by a client that takes any refusal, and any state but paused, for an error: Terraform's provider."""
    DELETE = "delete"
    BANDWIDTH = "bandwidth"
    PRIORITY = "priority"
    RETRY = "retry"
    EVENTS = "events"


class Event(StrEnum):
    """What the service itself reports."""

    CLAIMED = "claimed"
    """A node runs it now."""
    PAUSED = "paused"
    """Everything under way is finished or parked."""
    RELEASED = "released"
    """Its node shuts down, or died: another may go on."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"
    """It waited for 30 days."""
    CUT = "cut"
    """All sub-tasks of a group have been made."""
    CUT_FAILED = "cut_failed"
    REOPENED = "reopened"
    """A sub-task of a group that has failed was started again by itself."""
    REMOVING = "removing"
    """The sub-tasks of a group are being deleted."""


class Go(NamedTuple):
    """Carried out; the state that follows. ``GONE`` means that the row is deleted."""

    to: int | str


class No(NamedTuple):
    """Refused with this code."""

    code: str


GONE = -1

_STARTED = No("OMS.0065")
_NOT_RUNNING = No("OMS.0066")
_COMPLETE = No("OMS.0070")
_BUSY = No("OMS.0063")

TASK: Mapping[tuple[Task, Call | Event], Go | No] = {
    (Task.WAITING, Call.START): _STARTED,
    (Task.MIGRATING, Call.START): _STARTED,
    (Task.PAUSED, Call.START): Go(Task.WAITING),
    (Task.FAILED, Call.START): Go(Task.WAITING),
    (Task.SUCCEEDED, Call.START): _COMPLETE,
    (Task.PAUSING, Call.START): _STARTED,
    (Task.WAITING, Call.STOP): _NOT_RUNNING,
    (Task.MIGRATING, Call.STOP): Go(Task.PAUSING),
    (Task.PAUSED, Call.STOP): _NOT_RUNNING,
    (Task.FAILED, Call.STOP): _NOT_RUNNING,
    (Task.SUCCEEDED, Call.STOP): _COMPLETE,
    (Task.PAUSING, Call.STOP): _NOT_RUNNING,
    (Task.WAITING, Call.HALT): _NOT_RUNNING,
    (Task.MIGRATING, Call.HALT): Go(Task.PAUSING),
    (Task.PAUSED, Call.HALT): _NOT_RUNNING,
    (Task.FAILED, Call.HALT): _NOT_RUNNING,
    (Task.SUCCEEDED, Call.HALT): Go(Task.PAUSED),
    (Task.PAUSING, Call.HALT): _NOT_RUNNING,
    (Task.WAITING, Call.DELETE): Go(GONE),
    (Task.MIGRATING, Call.DELETE): _BUSY,
    (Task.PAUSED, Call.DELETE): Go(GONE),
    (Task.FAILED, Call.DELETE): Go(GONE),
    (Task.SUCCEEDED, Call.DELETE): Go(GONE),
    (Task.PAUSING, Call.DELETE): _BUSY,
    (Task.WAITING, Call.BANDWIDTH): Go(Task.WAITING),
    (Task.MIGRATING, Call.BANDWIDTH): Go(Task.MIGRATING),
    (Task.PAUSED, Call.BANDWIDTH): Go(Task.PAUSED),
    (Task.FAILED, Call.BANDWIDTH): Go(Task.FAILED),
    (Task.SUCCEEDED, Call.BANDWIDTH): No("OMS.0086"),
    (Task.PAUSING, Call.BANDWIDTH): Go(Task.PAUSING),
    (Task.WAITING, Call.PRIORITY): Go(Task.WAITING),
    (Task.MIGRATING, Call.PRIORITY): No("OMS.1003"),
    (Task.PAUSED, Call.PRIORITY): Go(Task.PAUSED),
    (Task.FAILED, Call.PRIORITY): Go(Task.FAILED),
    (Task.SUCCEEDED, Call.PRIORITY): No("OMS.1003"),
    (Task.PAUSING, Call.PRIORITY): No("OMS.1003"),
    (Task.WAITING, Event.CLAIMED): Go(Task.MIGRATING),
    (Task.WAITING, Event.EXPIRED): Go(Task.FAILED),
    (Task.MIGRATING, Event.SUCCEEDED): Go(Task.SUCCEEDED),
    (Task.MIGRATING, Event.FAILED): Go(Task.FAILED),
    (Task.MIGRATING, Event.PAUSED): Go(Task.WAITING),
    (Task.MIGRATING, Event.RELEASED): Go(Task.WAITING),
    (Task.PAUSING, Event.SUCCEEDED): Go(Task.PAUSED),
    (Task.PAUSING, Event.FAILED): Go(Task.PAUSED),
    (Task.PAUSING, Event.PAUSED): Go(Task.PAUSED),
    (Task.PAUSING, Event.RELEASED): Go(Task.PAUSED),
}

_NOT_EXECUTING = No("OMS.1038")
_NOT_PAUSED = No("OMS.1039")
_NOT_FAILED = No("OMS.1040")
_WRONG_STATE = No("OMS.1036")

GROUP: Mapping[tuple[Group, Call | Event], Go | No] = {
    (Group.WAITING, Call.STOP): _NOT_EXECUTING,
    (Group.CREATING, Call.STOP): Go(Group.PAUSING),
    (Group.MONITORING, Call.STOP): Go(Group.PAUSING),
    (Group.PAUSED, Call.STOP): _NOT_EXECUTING,
    (Group.CREATION_FAILED, Call.STOP): _NOT_EXECUTING,
    (Group.FAILED, Call.STOP): _NOT_EXECUTING,
    (Group.COMPLETED, Call.STOP): _NOT_EXECUTING,
    (Group.PAUSING, Call.STOP): _NOT_EXECUTING,
    (Group.TO_DELETE, Call.STOP): _NOT_EXECUTING,
    (Group.DELETING, Call.STOP): _NOT_EXECUTING,
    (Group.WAITING, Call.HALT): _NOT_EXECUTING,
    (Group.CREATING, Call.HALT): Go(Group.PAUSING),
    (Group.MONITORING, Call.HALT): Go(Group.PAUSING),
    (Group.PAUSED, Call.HALT): _NOT_EXECUTING,
    (Group.CREATION_FAILED, Call.HALT): _NOT_EXECUTING,
    (Group.FAILED, Call.HALT): _NOT_EXECUTING,
    (Group.COMPLETED, Call.HALT): Go(Group.COMPLETED),
    (Group.PAUSING, Call.HALT): _NOT_EXECUTING,
    (Group.TO_DELETE, Call.HALT): _NOT_EXECUTING,
    (Group.DELETING, Call.HALT): _NOT_EXECUTING,
    (Group.WAITING, Call.START): _NOT_PAUSED,
    (Group.CREATING, Call.START): _NOT_PAUSED,
    (Group.MONITORING, Call.START): _NOT_PAUSED,
    (Group.PAUSED, Call.START): Go(Group.CREATING),
    (Group.CREATION_FAILED, Call.START): _NOT_PAUSED,
    (Group.FAILED, Call.START): _NOT_PAUSED,
    (Group.COMPLETED, Call.START): _NOT_PAUSED,
    (Group.PAUSING, Call.START): _NOT_PAUSED,
    (Group.TO_DELETE, Call.START): _NOT_PAUSED,
    (Group.DELETING, Call.START): _NOT_PAUSED,
    (Group.WAITING, Call.RETRY): _NOT_FAILED,
    (Group.CREATING, Call.RETRY): _NOT_FAILED,
    (Group.MONITORING, Call.RETRY): _NOT_FAILED,
    (Group.PAUSED, Call.RETRY): _NOT_FAILED,
    (Group.CREATION_FAILED, Call.RETRY): Go(Group.CREATING),
    (Group.FAILED, Call.RETRY): Go(Group.MONITORING),
    (Group.COMPLETED, Call.RETRY): _NOT_FAILED,
    (Group.PAUSING, Call.RETRY): _NOT_FAILED,
    (Group.TO_DELETE, Call.RETRY): _NOT_FAILED,
    (Group.DELETING, Call.RETRY): _NOT_FAILED,
    (Group.WAITING, Call.DELETE): Go(Group.TO_DELETE),
    (Group.CREATING, Call.DELETE): _BUSY,
    (Group.MONITORING, Call.DELETE): _BUSY,
    (Group.PAUSED, Call.DELETE): Go(Group.TO_DELETE),
    (Group.CREATION_FAILED, Call.DELETE): Go(Group.TO_DELETE),
    (Group.FAILED, Call.DELETE): Go(Group.TO_DELETE),
    (Group.COMPLETED, Call.DELETE): Go(Group.TO_DELETE),
    (Group.PAUSING, Call.DELETE): _BUSY,
    (Group.TO_DELETE, Call.DELETE): Go(Group.TO_DELETE),
    (Group.DELETING, Call.DELETE): Go(Group.DELETING),
    (Group.WAITING, Call.BANDWIDTH): Go(Group.WAITING),
    (Group.CREATING, Call.BANDWIDTH): Go(Group.CREATING),
    (Group.MONITORING, Call.BANDWIDTH): Go(Group.MONITORING),
    (Group.PAUSED, Call.BANDWIDTH): Go(Group.PAUSED),
    (Group.CREATION_FAILED, Call.BANDWIDTH): Go(Group.CREATION_FAILED),
    (Group.FAILED, Call.BANDWIDTH): Go(Group.FAILED),
    (Group.COMPLETED, Call.BANDWIDTH): No("OMS.0086"),
    (Group.PAUSING, Call.BANDWIDTH): Go(Group.PAUSING),
    (Group.TO_DELETE, Call.BANDWIDTH): _WRONG_STATE,
    (Group.DELETING, Call.BANDWIDTH): _WRONG_STATE,
    (Group.WAITING, Event.CLAIMED): Go(Group.CREATING),
    (Group.WAITING, Event.EXPIRED): Go(Group.CREATION_FAILED),
    (Group.FAILED, Event.REOPENED): Go(Group.MONITORING),
    (Group.CREATING, Event.CUT): Go(Group.MONITORING),
    (Group.CREATING, Event.CUT_FAILED): Go(Group.CREATION_FAILED),
    (Group.MONITORING, Event.SUCCEEDED): Go(Group.COMPLETED),
    (Group.MONITORING, Event.FAILED): Go(Group.FAILED),
    (Group.PAUSING, Event.PAUSED): Go(Group.PAUSED),
    (Group.PAUSING, Event.SUCCEEDED): Go(Group.COMPLETED),
    (Group.TO_DELETE, Event.REMOVING): Go(Group.DELETING),
}

SYNC: Mapping[tuple[Sync, Call | Event], Go | No] = {
    (Sync.SYNCHRONIZING, Call.START): _STARTED,
    (Sync.STOPPED, Call.START): Go(Sync.SYNCHRONIZING),
    (Sync.SYNCHRONIZING, Call.STOP): Go(Sync.STOPPED),
    (Sync.STOPPED, Call.STOP): _NOT_RUNNING,
    (Sync.SYNCHRONIZING, Call.DELETE): _BUSY,
    (Sync.STOPPED, Call.DELETE): Go(GONE),
    (Sync.SYNCHRONIZING, Call.EVENTS): Go(Sync.SYNCHRONIZING),
    (Sync.STOPPED, Call.EVENTS): No("OMS.2002"),
}

S = TypeVar("S", Task, Group, Sync)


def after_call(table: Mapping[tuple[S, Call | Event], Go | No], state: S, call: Call) -> int | str:
    """Return the state that a call leads to, ``GONE`` when the row is deleted.

    Raises:
        Refused: the state does not allow the call; with OMS's code.
    """
    match table[state, call]:
        case Go(to):
            return to
        case No(code):
            raise Refused(code)


def after_event(table: Mapping[tuple[S, Call | Event], Go | No], state: S, event: Event) -> int | str | None:
    """Return the state that an event leads to, None when it is late and changes nothing."""
    found = table.get((state, event))
    return found.to if isinstance(found, Go) else None
