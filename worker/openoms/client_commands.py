"""``openoms task``, ``group`` and ``sync``: a client of the service's API; the table of its commands.

Exit codes: those of ``openoms migrate``. 2 means that the service, or this program, refused what was asked, and changed
nothing; 3 that the service did not answer, or could not do it.
"""

from __future__ import annotations

from openoms.client_access import ACCESS_HELP
from openoms.client_call import GROUP, SYNC, TASK, Noun, declare_id, declare_ids, running
from openoms.client_changing import (
    declare_bandwidth,
    declare_create,
    declare_retry,
    declare_start,
    delete,
    each,
    retry,
    run_bandwidth,
    run_create,
    start,
    stop,
)
from openoms.client_events import declare_events, declare_statistics, run_events, run_statistics
from openoms.client_reading import declare_list, declare_watch, run_list, run_show, run_watch
from openoms.command import Command


def _commands(noun: Noun, what: str) -> dict[str, Command]:
    from_where = "FILE|- [options]  or  SRC DST [options]"
    again = "" if noun is SYNC else ", where it was"
    ids = "ID... [options]"
    return {
        "create": Command(
            f"Create a {noun.title}, which starts by itself; keys that the body leaves out come from the environment.",
            declare_create(noun), running(noun, run_create), from_where, ACCESS_HELP,
        ),
        "list": Command(
            f"List {what}, newest first.", declare_list(noun), running(noun, run_list), "[options]", ACCESS_HELP,
        ),
        "show": Command(f"Show one {noun.title}.", declare_id, running(noun, run_show), "ID [options]", ACCESS_HELP),
        "watch": Command(
            f"Watch a {noun.title} until it ends; Ctrl-C ends the watching only.",
            declare_watch, running(noun, run_watch), "ID [options]", ACCESS_HELP,
        ),
        "stop": Command(
            f"Stop {what}; their keys are forgotten.",
            declare_ids, running(noun, each("is told to stop", stop)), ids, ACCESS_HELP,
        ),
        "start": Command(
            f"Let stopped {what} go on{again}, with keys of the environment.",
            declare_start(noun), running(noun, each("is started", start)), ids, ACCESS_HELP,
        ),
        "delete": Command(
            f"Delete {what} that stand still; what was migrated stays.",
            declare_ids, running(noun, each("is deleted", delete)), ids, ACCESS_HELP,
        ),
    }  # fmt: skip


def _bandwidth_command(noun: Noun) -> Command:
    return Command(
        f"Set the bandwidth windows of a {noun.title}; they hold at once.",
        declare_bandwidth, running(noun, run_bandwidth), "ID WINDOW... [options]", ACCESS_HELP,
    )  # fmt: skip


ACTIONS = {
    "task": {**_commands(TASK, "tasks"), "bandwidth": _bandwidth_command(TASK)},
    "group": {
        **_commands(GROUP, "task groups"),
        "retry": Command(
            "Run the failed tasks of task groups again.",
            declare_retry, running(GROUP, each("is tried again", retry)), "ID... [options]", ACCESS_HELP,
        ),
        "update": _bandwidth_command(GROUP),
    },
    "sync": {
        **_commands(SYNC, "sync tasks"),
        "events": Command(
            "Have objects copied, now; keys that are not named are read from standard input, one per line.",
            declare_events, running(SYNC, run_events), "ID [KEY...] [options]", ACCESS_HELP,
        ),
        "statistics": Command(
            "Tell what a sync task did over time.",
            declare_statistics, running(SYNC, run_statistics), "ID [options]", ACCESS_HELP,
        ),
    },
}  # fmt: skip
