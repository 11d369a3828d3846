"""Which open uploads are ours: decided from what is known of the request, and remembered in a note anyone may read."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.errors import AccessDenied, Throttled, Unavailable
from oms_engine.ledger import Orphan
from oms_engine.liveness import has_ended, mark_of_this_process
from oms_engine.marker import SILENT_SECONDS, is_abandoned, note_folder, parse_note, render_note
from oms_engine.model import OpenUpload
from oms_engine.orphans import CLOCK_SLACK, OPENING_SECONDS, Watched, may_be_ours
from oms_engine.store import Call, Endpoint, Reply, Request

REQUEST = Orphan("k", since=1000.0, known="first\nsecond")


@pytest.mark.parametrize(
    ("upload", "ours"),
    [
        (OpenUpload("k", "id", 1000.0), True),
        (OpenUpload("k", "id", 1000.0 - CLOCK_SLACK), True),
        (OpenUpload("k", "id", 1000.0 + OPENING_SECONDS), True),
        (OpenUpload("k", "id", None), True),
        (OpenUpload("k", "id", 999.0 - CLOCK_SLACK), False),
        (OpenUpload("k", "id", 1001.0 + OPENING_SECONDS), False),
        (OpenUpload("k", "kept", 1000.0), False),
        (OpenUpload("k", "first", 1000.0), False),
        (OpenUpload("k", "second", None), False),
        (OpenUpload("k2", "id", 1000.0), False),
        (OpenUpload("", "id", None), False),
    ],
)
def test_may_be_ours(upload, ours):
    """Key, time, and what was known before decide, each line of the table."""
    assert may_be_ours(upload, REQUEST, {"kept"}) is ours


def attempts(*answers):
    """Make an attempt for each answer (None: none came); return how many may have opened an upload."""

    def read(_reply):
        answer = next(replies)
        if isinstance(answer, Exception):
            raise answer
        return answer

    replies = iter([answer for answer in answers if answer is not None])
    request = Request("POST", Endpoint("http", "h", 80), "/k", (), {})
    watched = Watched(Call(request, lambda request, _now: request, read, "s3://b", "start_upload"))
    for answer in answers:
        watched.call.sign(request, 0.0)
        if isinstance(answer, Exception):
            with pytest.raises(type(answer)):
                watched.call.read(Reply(500, {}, b""))
        elif answer is not None:
            assert watched.call.read(Reply(200, {}, b"")) == answer
    return watched.unanswered


@pytest.mark.parametrize(
    ("answers", "open_"),
    [
        (["id"], 0),
        ([None, "id"], 1),
        ([None, None], 2),
        ([Throttled(""), "id"], 0),
        ([Unavailable(""), "id"], 1),
        ([AccessDenied("")], 0),
        ([None, AccessDenied("")], 1),
        ([], 0),
    ],
)
def test_answers_are_counted(answers, open_):
    """What was answered, or refused for certain, leaves nothing unknown; a lost reply or a failure inside does."""
    assert attempts(*answers) == open_


keys = st.text(st.characters(exclude_categories=[])).map(
    lambda text: text.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
)
orphans = st.builds(Orphan, keys, st.text(), st.floats(allow_nan=False), st.text())


@given(st.lists(orphans), st.text())
def test_a_note_says_what_was_written(some, mark):
    """A note gives back every orphan, whatever its key is made of."""
    assert parse_note(render_note(some, mark)) == (mark, some)


@given(st.binary() | st.sampled_from([b"[]", b"{}", b"null", b'{"process": 1, "uploads": [[1]]}', b'{"uploads": 5}']))
def test_what_is_no_note_is_none(body):
    """Whatever else lies there is left alone."""
    assert parse_note(body) is None


def test_notes_of_a_task_lie_together():
    """The folder is the task's, whichever state it has."""
    assert note_folder("a to b") == note_folder("a to b") != note_folder("a to c")
    assert note_folder("half \udcff").startswith("oms/task/open_uploads/")


def test_a_process_is_known_by_its_mark():
    """This process lives; one that has ended is known to have; of another machine nothing is known."""
    mark = mark_of_this_process()
    assert has_ended(mark) is False
    script = "from oms_engine.liveness import mark_of_this_process as m; print(m())"
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    assert other
    assert has_ended(other) is True
    assert has_ended(mark.replace(f" {os.getpid()} ", f" {os.getpid()} 1")) is True
    assert has_ended("another-boot " + mark.partition(" ")[2]) is None
    assert (has_ended(""), has_ended("a b"), has_ended("nonsense")) == (None, None, None)


def test_a_note_is_abandoned_when_its_run_has_ended():
    """A note counts once its process has ended, or nobody has written it anew for long."""
    assert not is_abandoned(mark_of_this_process(), 0.0)
    assert is_abandoned(mark_of_this_process(), SILENT_SECONDS)
    assert not is_abandoned("", SILENT_SECONDS - 1)
    assert is_abandoned("", SILENT_SECONDS)
