"""What the ledgers in PostgreSQL owe beside the contract of all: who may write, what outlives a host, what they cost."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from contract.ledgers import PostgresBox, failure, open_run, report, settlement, take_lists
from oms_engine.errors import ConfigError, RepositoryError
from oms_engine.ledger import Doubt, Orphan, Segment, Upload
from oms_engine.model import Outcome, Secret, WrittenPart
from oms_engine.task import Counters, Result, TaskState
from oms_worker.ledgers import FileLedgers
from oms_worker.postgres_ledger import PostgresLedger
from oms_worker.postgres_ledgers import PostgresLedgers
from oms_worker.postgres_link import connection_words
from oms_worker.settings import ServiceSettings, load_service_settings
from oms_worker.sql_database import LedgerLost
from oms_worker.sqlite_file import LedgerInUse
from openoms.serve import open_ledgers

UPLOAD = Upload("u", "id", "etag", 10, 5)


@pytest.fixture
def box(tmp_path: Path) -> PostgresBox:
    """A task in the database of all ledgers."""
    return PostgresBox(tmp_path, failure_cap=5)


@pytest.fixture
def ledger(box: PostgresBox) -> PostgresLedger:
    """A ledger with one of everything: a leased segment, a parked object, a failure, an upload, an orphan, a doubt, open lists."""
    opened = box.open()
    open_run(opened)
    opened.add_segments([Segment(0), Segment(0)])
    opened.claim()
    assert opened.checkpoint(report(1, 1, "m", migrated=("a",), failed=("f",), waiting=("w", "x")))
    assert opened.settle(settlement("x"))
    opened.save_upload(UPLOAD)
    opened.save_part("u", WrittenPart(1, "e", 5))
    opened.save_orphan(Orphan("u", "old"))
    opened.save_doubt(Doubt("d", "e"))
    return opened


WRITES: dict[str, Callable[[PostgresLedger], object]] = {
    "add_segments": lambda ledger: ledger.add_segments([Segment(0)]),
    "split": lambda ledger: ledger.split(1, 1, "z"),
    "claim": lambda ledger: ledger.claim(),
    "release_all": lambda ledger: ledger.release_all(),
    "release": lambda ledger: ledger.release(1, 1),
    "checkpoint": lambda ledger: ledger.checkpoint(
        report(1, 1, "n", migrated=("n",), failed=("o",), waiting=("p",), before=ledger.segments()[0].counters)
    ),
    "postpone": lambda ledger: ledger.postpone("w", 99.0),
    "settle": lambda ledger: ledger.settle(settlement("w", Outcome.FAILED)),
    "save_upload": lambda ledger: ledger.save_upload(UPLOAD._replace(upload_id="other")),
    "save_part": lambda ledger: ledger.save_part("u", WrittenPart(2, "e", 5)),
    "save_orphan": lambda ledger: ledger.save_orphan(Orphan("u", "other")),
    "forget_orphan": lambda ledger: ledger.forget_orphan(Orphan("u", "old")),
    "save_doubt": lambda ledger: ledger.save_doubt(Doubt("other", "e")),
    "forget_doubt": lambda ledger: ledger.forget_doubt("d"),
    "forget_upload": lambda ledger: ledger.forget_upload("u"),
    "records_ready": lambda ledger: ledger.records_ready(everything=True, limit_bytes=0),
    "record_uploaded": lambda ledger: ledger.record_uploaded(Outcome.MIGRATED, "20000101000000000"),
    "open_run": lambda ledger: open_run(ledger, rules="other"),
    "finish_run": lambda ledger: ledger.finish_run(succeeded=True),
    "conclude": lambda ledger: ledger.conclude(1, "{}", succeeded=True),
}


def whole(box: PostgresBox) -> dict[str, list[tuple[object, ...]]]:
    """Everything that the tables hold of a task."""
    with psycopg.connect(**connection_words(box.url.reveal())) as connection:
        return {
            name: connection.execute(f"SELECT * FROM {name} WHERE task_id = %s ORDER BY 1, 2", [box.number]).fetchall()
            for name in box.rows()
        }


# ---- who may write


@pytest.mark.parametrize("write", WRITES)
def test_the_claim_lets_writes_through(box: PostgresBox, ledger: PostgresLedger, write: str) -> None:
    """While the claim holds each of these writes goes through: the tests below would not pass for another reason."""
    before = whole(box)
    WRITES[write](ledger)
    assert write == "record_uploaded" or whole(box) != before


@pytest.mark.parametrize("write", WRITES)
def test_a_ledger_that_was_taken_over_commits_nothing(box: PostgresBox, ledger: PostgresLedger, write: str) -> None:
    """Once another process opened the ledger for a later claim, the earlier one's words change nothing."""
    box.claim()
    box.make()
    before = whole(box)
    with pytest.raises(LedgerLost, match=f"the ledger of task {box.number} is another process's"):
        WRITES[write](ledger)
    assert whole(box) == before


@pytest.mark.parametrize("write", WRITES)
def test_a_released_task_commits_nothing(box: PostgresBox, ledger: PostgresLedger, write: str) -> None:
    """A process that was taken for dead cannot write from the moment its task was given back, claimed or not."""
    before = whole(box)
    box.set_task(owner=None)
    with pytest.raises(LedgerLost):
        WRITES[write](ledger)
    box.claim()
    with pytest.raises(LedgerLost):
        WRITES[write](ledger)
    assert whole(box) == before


def test_an_earlier_claim_cannot_open(box: PostgresBox, ledger: PostgresLedger) -> None:
    """A process that comes late with an old claim is refused, and the holder goes on."""
    box.generation -= 1
    with pytest.raises(LedgerLost):
        box.make()
    box.generation += 1
    assert ledger.settle(settlement("w"))


def test_opening_waits_for_the_last_commit(box: PostgresBox, ledger: PostgresLedger) -> None:
    """While a transaction of the last process is open the ledger is in use; what it committed is seen afterwards."""
    with psycopg.connect(**connection_words(box.url.reveal())) as other:
        other.execute("UPDATE ledger_segment SET marker = 'seen' WHERE task_id = %s", [box.number])
        other.execute("SELECT 1 FROM ledger_task WHERE task_id = %s FOR NO KEY UPDATE", [box.number])
        box.claim()
        with pytest.raises(LedgerInUse):
            box.make()
    successor = box.make()
    assert [segment.marker for segment in successor.segments()] == ["seen", "seen"]


def test_what_goes_with_a_task(box: PostgresBox, ledger: PostgresLedger) -> None:
    """Deleting the task's row deletes all rows of its ledger, and no other's; its process commits nothing any more."""
    ledger.conclude(1, "{}", succeeded=False)
    assert all(number > 0 for number in box.rows().values()), "each table has a row to lose"
    other = PostgresBox(box._root, failure_cap=5)
    open_run(other.open())
    with psycopg.connect(**connection_words(box.url.reveal())) as connection:
        connection.execute("DELETE FROM task WHERE id = %s", [box.number])
    assert set(box.rows().values()) == {0}
    with pytest.raises(LedgerLost):
        ledger.claim()
    assert other.rows()["ledger_run"] == 1


# ---- what outlives a host


def test_lists_outlive_their_host(box: PostgresBox, ledger: PostgresLedger) -> None:
    """A closed list is offered by the next host under the same name with the same bytes, the open ones with theirs."""
    first = {name: Path(path).read_bytes() for _, name, path in ledger.records_ready(everything=True, limit_bytes=0)}
    assert ledger.checkpoint(report(1, 1, "n", migrated=("n",), before=ledger.segments()[0].counters))
    box.crash()
    for path in box._root.rglob("*.txt"):
        path.unlink()
    successor = box.open()
    open_run(successor)
    found = {name: Path(path).read_bytes() for _, name, path in successor.records_ready(everything=True, limit_bytes=0)}
    assert first.items() < found.items()
    assert sorted(b"".join(found.values()).split()) == [b"a", b"f", b"n", b"x"]


def test_uploaded_lists_leave_nothing(box: PostgresBox, ledger: PostgresLedger) -> None:
    """Lines of an uploaded list go from the database, and its copy from the disk; closing leaves no copy at all."""
    assert box.rows()["ledger_record_lines"] == 3
    ((outcome, name, path), _) = ledger.records_ready(everything=True, limit_bytes=0)
    ledger.record_uploaded(outcome, name)
    assert not Path(path).exists()
    assert box.rows()["ledger_record_lines"] == 1
    ledger.close()
    assert list(box._root.rglob("*.txt")) == []
    ledger.close()


def test_a_lost_copy_is_made_again(box: PostgresBox, ledger: PostgresLedger) -> None:
    """A copy that somebody removed before it was uploaded is offered again, whole."""
    before = {path: Path(path).read_bytes() for *_, path in ledger.records_ready(everything=True, limit_bytes=0)}
    for path in before:
        Path(path).unlink()
    after = {path: Path(path).read_bytes() for *_, path in ledger.records_ready(everything=True, limit_bytes=0)}
    assert after == before


def test_an_end_is_known_to_the_next_claim(box: PostgresBox, ledger: PostgresLedger) -> None:
    """The end of a task and of its ledger's run are one commit; another process finds it, for that run of the task."""
    ledgers = PostgresLedgers(box.url, box._root)
    result = Result(TaskState.FAILED, Counters(1, 0, 0, 1), 1.5, complete=True, error_code="TRF.0062", name="ü")
    assert ledgers.end_of(ledger, box.number, 3) is None
    ledgers.conclude(ledger, box.number, 3, result)
    box.crash()
    box.claim()
    successor = ledgers.open(box.number, box.generation)
    assert ledgers.end_of(successor, box.number, 3) == result
    assert ledgers.end_of(successor, box.number, 4) is None
    assert open_run(successor).run == 2
    successor.close()


# ---- a database that fails


def break_connection(ledger: PostgresLedger) -> None:
    """End the session on the server."""
    link = ledger._rows._link
    with link.explained() as connection, psycopg.connect(**link._words) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])


def test_a_broken_connection_is_told_and_mended(box: PostgresBox, ledger: PostgresLedger) -> None:
    """The call that meets it says so and has changed nothing; the next one has a connection again."""
    before = whole(box)
    break_connection(ledger)
    with pytest.raises(LedgerLost, match="does not answer"):
        WRITES["checkpoint"](ledger)
    assert whole(box) == before
    assert WRITES["checkpoint"](ledger)
    break_connection(ledger)
    assert open_run(box.open()).resumed, "a new claim does not fail for a connection that broke before"


def test_a_refused_statement_spoils_nothing(box: PostgresBox, ledger: PostgresLedger) -> None:
    """When PostgreSQL refuses one statement of a report, the whole report is, with a sentence; the ledger goes on."""
    before = whole(box)
    told = report(1, 1, "n", migrated=("n",), before=ledger.segments()[0].counters)
    with pytest.raises(RepositoryError, match=r"refuses a statement .*out of range") as caught:
        ledger.checkpoint(replace(told, counters=replace(told.counters, listed_bytes=2**63)))
    assert not isinstance(caught.value, LedgerLost)
    assert whole(box) == before
    assert WRITES["checkpoint"](ledger)


def test_a_key_too_long_for_an_index(box: PostgresBox, ledger: PostgresLedger) -> None:
    """A failed object with a key beyond what PostgreSQL indexes is counted and listed, and its missing row is said."""
    long = os.urandom(3000).hex()
    counters = ledger.segments()[0].counters
    assert ledger.checkpoint(report(1, 1, "n", failed=(long, "g"), before=counters))
    assert [item.key for item in ledger.failures()] == ["f", "g"]
    assert ledger.failures_overflowed()
    assert long in take_lists(ledger)[Outcome.FAILED]


def test_nul_in_a_message(box: PostgresBox, ledger: PostgresLedger) -> None:
    """A message with NUL, which PostgreSQL's text cannot hold, is kept with an escape."""
    told = report(1, 1, "n", failed=("g",), before=ledger.segments()[0].counters)
    item = failure("g")._replace(message="a\x00b")
    assert ledger.checkpoint(type(told)(1, 1, "n", told.counters, reasons=told.reasons, failures=(item,)))
    assert ledger.failures(after="f") == [item._replace(message="a\\x00b")]


def test_a_database_that_ledgers_cannot_reach(tmp_path: Path) -> None:
    """The service says so when it starts, without the password."""
    url = f"postgresql+asyncpg://u:hunter2@/x?host={tmp_path}"
    ledgers = PostgresLedgers(Secret(url), tmp_path)
    with pytest.raises(ConfigError) as caught:
        ledgers.check()
    assert "No such file" in str(caught.value)
    assert "hunter2" not in f"{caught.value} {ledgers!r}"


def settings(tmp_path: Path, database: str) -> ServiceSettings:
    """Settings of a service on a database."""
    return load_service_settings(None, data_dir=str(tmp_path), database=database)


def test_ledgers_lie_where_the_tasks_lie(box: PostgresBox, tmp_path: Path) -> None:
    """Beside the tasks in PostgreSQL; in files on SQLite."""
    assert open_ledgers(settings(tmp_path, "")) == FileLedgers(tmp_path / "ledgers")
    assert open_ledgers(settings(tmp_path, box.url.reveal())) == PostgresLedgers(box.url, tmp_path / "ledgers")


def test_a_missing_driver_is_named(box: PostgresBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service says what to install."""
    monkeypatch.setitem(sys.modules, "oms_worker.postgres_ledgers", None)
    with pytest.raises(ConfigError, match=r"needs psycopg.*pip install 'openoms\[postgres\]'"):
        open_ledgers(settings(tmp_path, box.url.reveal()))


# ---- what it costs


def test_an_idle_task_asks_nothing(box: PostgresBox, ledger: PostgresLedger) -> None:
    """Once it is known that nothing waits or is parked, the questions of an idle run do not reach the database."""
    assert ledger.claim() is not None
    assert ledger.claim() is None
    assert ledger.parked_count() == 1
    assert ledger.settle(settlement("w"))
    break_connection(ledger)
    assert (ledger.claim(), ledger.parked_count(), ledger.due(9.0, 9), ledger.next_due()) == (None, 0, [], None)


@pytest.mark.parametrize("change", ["release_all", "add_segments", "split", "checkpoint", "release"])
def test_what_is_remembered_is_true(box: PostgresBox, ledger: PostgresLedger, change: str) -> None:
    """After each change that lets something wait or park again, it is found."""
    assert ledger.claim() is not None
    assert ledger.claim() is None
    assert ledger.settle(settlement("w"))
    assert ledger.parked_count() == 0
    WRITES[change](ledger)
    if change == "checkpoint":
        assert (ledger.parked_count(), [item.key for item in ledger.due(9.0, 9)]) == (1, ["p"])
    else:
        assert ledger.claim() is not None


def test_the_tasks_of_a_process_share_a_connection(box: PostgresBox, ledger: PostgresLedger) -> None:
    """However many ledgers a process has open, PostgreSQL sees one session of them."""
    others = [PostgresBox(box._root, failure_cap=5).open() for _ in range(5)]
    assert {id(other._rows._link) for other in others} == {id(ledger._rows._link)}
    with psycopg.connect(**connection_words(box.url.reveal())) as connection:
        sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"
        assert connection.execute(sql, ["openoms ledger"]).fetchone() == (1,)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (
            "postgresql+asyncpg://me:p%40ss@db.example:5433/oms?ssl=verify-full",
            {
                "user": "me",
                "password": "p@ss",
                "host": "db.example",
                "port": 5433,
                "dbname": "oms",
                "sslmode": "verify-full",
            },
        ),
        ("postgresql://me@/oms?host=/run/pg", {"user": "me", "host": "/run/pg", "dbname": "oms"}),
        (
            "postgresql+asyncpg://me@/oms?host=a:1&host=b:2&prepared_statement_cache_size=0",
            {"user": "me", "host": "a,b", "port": "1,2", "dbname": "oms"},
        ),
    ],
)
def test_the_url_of_the_service_serves_ledgers_too(url: str, words: dict[str, object]) -> None:
    """The URL is written for asyncpg; psycopg is told the same host, database, user and TLS."""
    assert connection_words(url) == words
