"""Watching: lines per change, patience with a service that is away, what a panel shows."""

from __future__ import annotations

import io
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from oms_engine.model import Credentials, Secret
from openoms.client import Reply, Service, ServiceFailed
from openoms.client_access import Access
from openoms.client_looks import Look, task_look
from openoms.client_watch import ABSENT, BUSY, Lines, patiently, render_panel, watch
from openoms.report import ExitCode

COUNT = st.integers(0, 10**13)
LOOKS = st.builds(
    Look, title=st.text(max_size=12), state=st.sampled_from(["waiting", "migrating", "failed"]), ended=st.booleans(),
    exit_code=st.sampled_from(ExitCode), total=COUNT, migrated=COUNT, skipped=COUNT, failed=COUNT, total_size=COUNT,
    complete_size=COUNT, speed=COUNT, fraction=st.none() | st.floats(-1, 2), seconds=st.floats(0, 1e9),
    seconds_left=st.none() | st.floats(0, 1e9), listed=st.booleans(), error_code=st.none() | st.text(max_size=9),
    error_msg=st.none() | st.text(max_size=200),
)  # fmt: skip


def task(**fields):
    """A reply about a task."""
    return Reply(b"", {"id": 7, "status": 2, "progress": 0.1, **fields})


def watched(replies, every=0.0):
    """Watch tasks that are told one after the other; return the last look."""
    told = iter(replies)
    return watch(lambda: next(told), lambda reply: task_look(reply.told), Lines(every), every=0.0)[1]


def test_a_line_for_each_change_and_none_without(capsys):
    """What is told twice is said once; the end is said whatever the time since the last line."""
    look = watched([task(), task(), task(progress=0.2), task(progress=0.2), task(status=5, progress=1)])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "task 7: migrating 10 %", "task 7: migrating 20 %", "task 7: succeeded 100 %",
    ]  # fmt: skip
    assert look.exit_code is ExitCode.DONE


def test_between_two_lines_of_a_state_lies_some_time(capsys):
    """With an hour between two lines only changes of state are said."""
    watched([task(status=1), *(task(progress=part / 10) for part in range(9)), task(status=3)], every=3600)
    states = [line.split()[2] for line in capsys.readouterr().out.splitlines()]
    assert states == ["waiting", "migrating", "paused"]


def failing(times, status):
    """A call that fails so many times."""
    left = iter(range(times))

    def ask():
        if next(left, None) is not None:
            raise ServiceFailed("away.", status=status)
        return task()

    return ask


def test_a_service_that_is_away_is_asked_again_and_told_of_once(capsys):
    """Nobody there, or too busy: once a sentence, then what it answers."""
    assert patiently(failing(3, None), over=ABSENT, pause=0).told["id"] == 7
    assert patiently(failing(3, 503), over=BUSY, pause=0).told["id"] == 7
    assert capsys.readouterr().err.count("Trying again") == 2


@pytest.mark.parametrize(("status", "over"), [(500, ABSENT), (None, BUSY)])
def test_what_would_not_pass_is_not_waited_for(status, over):
    """An error of its own, or nobody there where only a busy service is waited for."""
    began = time.monotonic()
    with pytest.raises(ServiceFailed):
        patiently(failing(10**6, status), over=over, pause=60)
    assert time.monotonic() - began < 30


def test_patience_ends():
    """The last error is what is told."""
    with pytest.raises(ServiceFailed, match="away"):
        patiently(failing(10**9, None), over=ABSENT, patience=0.05, pause=0.01)


@given(LOOKS, st.sampled_from(["utf-8", "ascii"]), st.sampled_from([10, 60, 200]))
def test_any_look_can_be_drawn(look, encoding, width):
    """Whatever the numbers, texts, encoding and width; no text reaches the terminal as a sequence."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    Console(file=stream, width=width, color_system=None).print(render_panel(look, stream))
    stream.flush()
    drawn = stream.buffer.getvalue().decode(encoding)
    assert "\x1b" not in drawn
    if width == 200:
        assert f"migrated {look.migrated:,}" in drawn


@pytest.mark.parametrize(
    ("url", "open_to_all"),
    [("http://10.0.0.1:80", True), ("http://oms.example", True), ("https://oms.example", False),
     ("http://127.0.0.1:1", False), ("http://localhost:1", False), ("http://[::1]:1", False)],
)  # fmt: skip
def test_keys_on_plain_http_are_noticed(url, open_to_all):
    """Beyond this machine, and only there."""
    with Service(Access(url, Credentials("a", Secret("s")))) as service:
        assert service.exposes_secrets is open_to_all
