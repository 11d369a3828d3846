"""The state file of SQLite: what is refused, and with which sentence; what a full disk leaves behind."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from contract.ledgers import open_run, report, take_lists
from oms_engine.errors import ConfigError, OmsError, RepositoryError
from oms_engine.ledger import Segment, Upload
from oms_engine.model import Outcome, WrittenPart
from oms_worker.sqlite_database import UPGRADES, Database
from oms_worker.sqlite_file import APPLICATION_ID
from oms_worker.sqlite_ledger import SqliteLedger

NOBODY = 65534


def one_sentence(error: OmsError, *words: str) -> None:
    """Hold a refusal to the house's rule: one line that names the words, and no object's repr."""
    text = str(error)
    assert "\n" not in text
    assert text.endswith(".")
    assert "<" not in text
    for word in words:
        assert word in text, (word, text)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A path for the state file."""
    return tmp_path / "state.db"


def used(state: Path) -> None:
    """Leave a state file with an unfinished run and one open list."""
    ledger = SqliteLedger(state)
    open_run(ledger)
    ledger.add_segments([Segment(0)])
    ledger.claim()
    assert ledger.checkpoint(report(1, 1, "b", migrated=("a",), failed=("b",)))
    ledger.close()


def refused(state: Path, kind: type[OmsError], *words: str) -> None:
    """Open the file and expect this refusal; what stood there stays untouched."""
    before = state.read_bytes() if state.is_file() else None
    with pytest.raises(kind) as caught:
        open_run(SqliteLedger(state))
    one_sentence(caught.value, str(state), *words)
    assert (state.read_bytes() if state.is_file() else None) == before


# ---- the path


def test_files_are_private(tmp_path: Path) -> None:
    """The state file and its lists are readable by the owner only, as are the directories made for them."""
    state = tmp_path / "made" / "too" / "state.db"
    old = os.umask(0)
    try:
        ledger = SqliteLedger(state)
        open_run(ledger)
        ledger.add_segments([Segment(0)])
        ledger.claim()
        assert ledger.checkpoint(report(1, 1, "b", migrated=("a",)))
    finally:
        os.umask(old)
    made = [state.parent.parent, *state.parent.parent.rglob("*")]
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in made}
    assert modes.keys() >= {"made", "too", "state.db", "state.db-wal", "state.db.records", "state.db.lock"}
    assert all(mode == (0o700 if path.is_dir() else 0o600) for path, mode in zip(made, modes.values(), strict=True))
    ledger.close()


def test_an_empty_file_becomes_a_private_state_file(state: Path) -> None:
    """A file made by ``touch`` or ``mktemp`` is taken, and closed to others."""
    state.touch(0o644)
    used(state)
    assert stat.S_IMODE(state.stat().st_mode) == 0o600


def test_a_closed_ledger_leaves_nothing_half(state: Path) -> None:
    """After a run whose lists were uploaded only the state and its lock lie there."""
    ledger = SqliteLedger(state)
    open_run(ledger)
    ledger.add_segments([Segment(0)])
    ledger.claim()
    assert ledger.checkpoint(report(1, 1, "b", migrated=("a",), done=True))
    take_lists(ledger)
    ledger.finish_run(succeeded=True)
    ledger.close()
    ledger.close()
    assert sorted(path.name for path in state.parent.iterdir()) == ["state.db", "state.db.lock"]


def test_one_file_by_two_names_is_one_state(state: Path) -> None:
    """The lock follows a symbolic link to the file it names."""
    ledger = SqliteLedger(state)
    link = state.with_name("link.db")
    link.symlink_to(state)
    with pytest.raises(ConfigError) as caught:
        SqliteLedger(link)
    one_sentence(
        caught.value, str(state), f"another openoms (process {os.getpid()}) is running this migration", "--state"
    )
    ledger.close()
    SqliteLedger(link).close()


def test_a_directory_is_refused(tmp_path: Path) -> None:
    """It is named as one."""
    with pytest.raises(ConfigError) as caught:
        SqliteLedger(tmp_path)
    one_sentence(caught.value, str(tmp_path), "is a directory", "--state")


def test_a_device_is_refused() -> None:
    """No state is kept in /dev/null."""
    with pytest.raises(ConfigError) as caught:
        SqliteLedger("/dev/null")
    one_sentence(caught.value, "/dev/null", "not a regular file", "--state")


def test_a_file_as_parent_is_refused(tmp_path: Path) -> None:
    """A path through a file is a sentence, not a traceback."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError) as caught:
        SqliteLedger(tmp_path / "file" / "state.db")
    one_sentence(caught.value, "state.db", "Not a directory", "--state")


@pytest.mark.parametrize("there", [False, True], ids=["new", "existing"])
def test_a_read_only_directory_is_refused(tmp_path: Path, there: bool) -> None:
    """Without the right to write the sentence says so, whether the file must be made or only locked."""
    state = tmp_path / "state.db"
    if there:
        used(state)
        shutil.rmtree(tmp_path / "state.db.records")
        (tmp_path / "state.db.lock").unlink()
    for parent in [tmp_path, *tmp_path.parents][:3]:
        parent.chmod(0o755)
    tmp_path.chmod(0o555)
    text = as_nobody(state)
    assert text.startswith("ConfigError: ")
    one_sentence(ConfigError(text), str(state), "Permission denied", "--state")


def as_nobody(state: Path) -> str:
    """Open the ledger in a forked child without root's rights; return what it raised."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            if os.getuid() == 0:
                os.setuid(NOBODY)
            SqliteLedger(state)
        except BaseException as error:
            os.write(write, f"{type(error).__name__}: {error}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read) as pipe:
        return pipe.read()


# ---- the file's content


def test_a_text_file_is_refused(state: Path) -> None:
    """It is left alone, and nothing is made beside it."""
    state.write_text("my shopping list\n" * 1000)
    refused(state, ConfigError, "not a state file of openoms", "--state")
    assert list(state.parent.iterdir()) == [state]


def test_a_database_of_another_program_is_refused(state: Path) -> None:
    """Its journal mode stays what it was."""
    with sqlite3.connect(state) as db:
        db.execute("CREATE TABLE bookmark (url TEXT)")
    db.close()
    refused(state, ConfigError, "not a state file of openoms", "--state")
    assert list(state.parent.iterdir()) == [state]


def test_a_newer_schema_is_refused(state: Path) -> None:
    """The sentence names both versions."""
    used(state)
    with sqlite3.connect(state) as db:
        db.execute(f"PRAGMA user_version = {len(UPGRADES) + 1}")
    db.close()
    refused(state, ConfigError, "newer openoms", f"schema {len(UPGRADES) + 1}", f"knows {len(UPGRADES)}", "--state")


def test_an_older_schema_is_upgraded_in_place(state: Path) -> None:
    """Every later script runs once, on the data as it stands; a script that fails changes nothing."""
    used(state)
    later = (
        *UPGRADES,
        "ALTER TABLE run ADD COLUMN colour TEXT NOT NULL DEFAULT 'red';",
        "UPDATE run SET colour = 'blue';",
    )
    with pytest.raises(RepositoryError):
        Database(str(state), (*later, "SELECT * FROM nowhere;"))
    for _ in range(2):
        upgraded = Database(str(state), later)
        assert upgraded.row("SELECT number, colour FROM run") == (1, "blue")
        assert upgraded.row("PRAGMA user_version") == (len(later),)
        upgraded.close()


@pytest.mark.parametrize("page", [2, 5, 9])
def test_a_damaged_file_is_named(state: Path, page: int) -> None:
    """Garbage inside the file is a sentence when it is met, at the latest when the page is read."""
    used(state)
    with state.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(os.urandom(4096))
    read = ["open_run", "segments", "totals", "failures", "uploads", "reasons", "next_due"]
    with pytest.raises(RepositoryError) as caught:
        use(state, read)
    one_sentence(caught.value, str(state), "damaged", "move it")


def use(state: Path, methods: list[str]) -> None:
    """Call everything that reads."""
    ledger = SqliteLedger(state)
    try:
        open_run(ledger)
        for method in methods[1:]:
            getattr(ledger, method)()
        ledger.add_segments([Segment(0)])
        ledger.claim()
        ledger.records_ready(everything=True, limit_bytes=0)
    finally:
        ledger.close()


def test_a_truncated_file_is_named(state: Path) -> None:
    """Half a state file is no state file."""
    used(state)
    os.truncate(state, 8192)
    refused(state, RepositoryError, "damaged", "move it")


def known(state: Path) -> object:
    """Return what a state file says of its run: everything that steers what is done next."""
    ledger = SqliteLedger(state)
    try:
        info = open_run(ledger)
        parts = (ledger.segments(), ledger.totals(), ledger.reasons(), ledger.failures(), ledger.uploads())
        return info.run, info.name, info.started_at, parts, ledger.due(9e9, 10)
    finally:
        ledger.close()


@pytest.mark.parametrize("seed", range(8))
def test_a_bit_that_flips_steers_nothing(state: Path, tmp_path: Path, seed: int) -> None:
    """Whichever bit of a state file flips, the file is refused in one sentence, or says what it said before."""
    ledger = SqliteLedger(state)
    open_run(ledger)
    ledger.add_segments([Segment(0, prefix=f"p{number}/", lo=f"p{number}/a", hi=f"p{number}/z") for number in range(9)])
    ledger.claim()
    assert ledger.checkpoint(report(1, 1, "p0/marker", migrated=("a",), failed=("b",), waiting=("c",)))
    ledger.save_upload(Upload("c", "upload-id", "etag", 5, 2))
    ledger.save_part("c", WrittenPart(1, "part-etag", 2, b"0" * 16, 7))
    ledger.close()
    sound, size, dice = known(state), state.stat().st_size, random.Random(seed)
    whole = state.read_bytes()
    refused_times = 0
    for _ in range(40):
        broken = bytearray(whole)
        broken[dice.randrange(size)] ^= 1 << dice.randrange(8)
        state.write_bytes(broken)
        for extra in ("-wal", "-shm"):
            Path(f"{state}{extra}").unlink(missing_ok=True)
        try:
            assert known(state) == sound
        except OmsError as error:
            one_sentence(error, str(state))
            refused_times += 1
    assert refused_times


def test_a_list_that_was_damaged_is_named(state: Path) -> None:
    """A bit that flips in a record list is noticed before the run goes on."""
    used(state)
    spooled = next(state.parent.glob("state.db.records/*failed*"))
    spooled.write_bytes(bytes([spooled.read_bytes()[0] ^ 1]) + spooled.read_bytes()[1:])
    with pytest.raises(RepositoryError) as caught:
        open_run(SqliteLedger(state))
    one_sentence(caught.value, str(spooled), "damaged", "move the state file")


def test_rows_of_an_older_version_are_sealed(state: Path) -> None:
    """A state file of a version without check values goes on, and has them from then on."""
    old = sqlite3.connect(state)
    old.executescript(
        f"PRAGMA application_id = {APPLICATION_ID}; {UPGRADES[0]} PRAGMA user_version = 1;"
        "INSERT INTO ledger VALUES (1, 'id', 100000000000001, 0);"
        "INSERT INTO run (number, rules, name, started_at, active_at) VALUES (1, 'rules', 'n', 1.5, 2.5);"
        "INSERT INTO segment (prefix, lo, list_offset, marker) VALUES (x'70', x'', 0, x'7031');"
    )
    old.close()
    for _ in range(2):
        ledger = SqliteLedger(state)
        assert ledger.open_run(identity="id", rules="rules", name="", retry_failed=False).resumed
        assert [segment.marker for segment in ledger.segments()] == ["p1"]
        ledger.close()
    changed = sqlite3.connect(state)
    changed.create_function("oms_seal", -1, lambda *_values: 7)
    changed.execute("UPDATE segment SET marker = x'7039'")
    changed.commit()
    changed.close()
    with pytest.raises(RepositoryError) as caught:
        SqliteLedger(state)
    one_sentence(caught.value, str(state), "1 rows of the table segment differ")


@pytest.mark.parametrize("lost", ["all", "some"])
def test_a_list_that_lost_lines_is_named(state: Path, lost: str) -> None:
    """Fewer lines than were committed would make the lists lie, so the run is not resumed."""
    used(state)
    spooled = next(state.parent.glob("state.db.records/*failed*"))
    if lost == "all":
        spooled.unlink()
    else:
        os.truncate(spooled, 1)
    with pytest.raises(RepositoryError) as caught:
        open_run(SqliteLedger(state))
    one_sentence(caught.value, str(spooled), "of 2 bytes", "remove the state file")


def test_lists_of_an_abandoned_run_stay_until_a_later_one_succeeds(state: Path) -> None:
    """They are not mixed with those of the next run, and not lost before it has gone through everything."""
    used(state)
    ledger = SqliteLedger(state)
    open_run(ledger, rules="other")
    assert take_lists(ledger) == {outcome: [] for outcome in Outcome}
    assert len(list(state.parent.glob("state.db.records/1-*"))) == 2
    ledger.finish_run(succeeded=True)
    assert list(state.parent.glob("state.db.records/*")) == []
    ledger.close()


# ---- a full disk

FILL = """
import resource, sys
sys.path[:0] = {path!r}
from contract.ledgers import open_run, report
from oms_engine.errors import RepositoryError
from oms_engine.ledger import Segment
from oms_worker.sqlite_file import APPLICATION_ID
from oms_worker.sqlite_ledger import SqliteLedger
state, limit, lines = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
ledger = SqliteLedger(state)
open_run(ledger)
ledger.add_segments([Segment(0)])
segment, start = ledger.claim(), 0
counters = segment.counters
def go():
    global counters, start
    keys = tuple(f"{{n:09}}" + "x" * 90 for n in range(start, start + lines))
    told = report(segment.id, 1, str(start), **{{sys.argv[4]: keys}}, before=counters)
    assert ledger.checkpoint(told)
    counters, start = told.counters, start + lines
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
try:
    while start < 200_000:
        go()
except RepositoryError as error:
    print(error)
assert ledger.totals() == counters
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    go()
    assert ledger.totals() == counters
print(start, flush=True)
"""


def fill(state: Path, limit: int, lines: int, what: str, prefix: tuple[str, ...] = ()) -> tuple[str, int]:
    """Record until the disk is full; return the sentence and how many objects were committed in the end."""
    program = FILL.format(path=[entry for entry in sys.path if entry])
    command = [*prefix, sys.executable, "-c", textwrap.dedent(program), str(state), str(limit), str(lines), what]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    sentence, committed = done.stdout.splitlines()
    return sentence, int(committed)


@pytest.mark.parametrize(("lines", "what"), [(500, "migrated"), (3, "failed"), (40, "waiting")])
def test_a_file_that_may_not_grow_is_one_sentence(state: Path, lines: int, what: str) -> None:
    """At the limit nothing of the report stays; with room again the same process goes on, and the lists are exact."""
    sentence, committed = fill(state, 310_123, lines, what)
    one_sentence(RepositoryError(sentence), str(state), "room", "run the same again")
    ledger = SqliteLedger(state)
    open_run(ledger)
    assert ledger.totals().listed == committed > lines
    kept = [key for keys in take_lists(ledger).values() for key in keys]
    kept += [item.key for item in ledger.due(1.0, committed + 1)]
    assert kept == [f"{n:09}" + "x" * 90 for n in range(committed)]
    ledger.close()


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    """The same on a real file system of 2 MB without room, in a mount namespace of its own."""
    mount = (
        "unshare",
        "--mount",
        "--map-root-user",
        "sh",
        "-c",
        f'mount -t tmpfs -o size=2m none {tmp_path} && "$@"',
        "-",
    )
    if shutil.which("unshare") is None or subprocess.run([*mount, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine allows no mount namespace")
    for what, lines in (("migrated", 500), ("waiting", 40)):
        state = tmp_path / f"{what}.db"
        sentence, committed = fill(state, 0, lines, what, prefix=mount)
        one_sentence(RepositoryError(sentence), str(state), "is full", "make room")
        assert committed > lines


# ---- cost


def test_the_ledger_is_cheap_to_import() -> None:
    """A command line that only prints help does not pay for a database: no heavy module comes with the ledger."""
    program = "import sys, oms_worker.sqlite_ledger; print(' '.join(sys.modules))"
    path = os.pathsep.join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    heavy = {"asyncio", "sqlalchemy", "pydantic", "logging", "tempfile", "shutil", "pathlib", "typer", "uuid", "random"}
    assert heavy & set(done.stdout.split()) == set()
    assert "sqlite3" in done.stdout.split()
