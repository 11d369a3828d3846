"""The SQLite file under the ledger: opened safely, locked against a second process, its schema made or upgraded.

Nothing here knows what a migration is. Every refusal is one sentence that names the file and the remedy.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import stat
import weakref
from collections.abc import Sequence

from oms_engine.errors import ConfigError, RepositoryError
from oms_engine.ledger_rules import COUNTER_NAMES

APPLICATION_ID = 0x4F4D534C
"""``OMSL`` in the file's header: tells our file from any other SQLite file (https://www.sqlite.org/fileformat.html)."""

_MAGIC = b"SQLite format 3\0"
_STRICT = "STRICT" if sqlite3.sqlite_version_info >= (3, 37) else ""
_STRICT_KEYED = "STRICT, WITHOUT ROWID" if _STRICT else "WITHOUT ROWID"
_COUNTERS = ", ".join(f"{name} INTEGER NOT NULL DEFAULT 0" for name in COUNTER_NAMES)

# Keys are BLOBs: they may hold bytes that are not UTF-8, and BLOBs compare by memcmp, as object stores sort keys.
_VERSION_1 = f"""
CREATE TABLE ledger (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1), identity TEXT NOT NULL, task_id INTEGER NOT NULL,
    last_stamp INTEGER NOT NULL DEFAULT 0
) {_STRICT};
CREATE TABLE run (
    number INTEGER PRIMARY KEY, rules TEXT NOT NULL, name TEXT NOT NULL, retry_of INTEGER, started_at REAL NOT NULL,
    active_at REAL NOT NULL, finished INTEGER NOT NULL DEFAULT 0, succeeded INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0, overflowed INTEGER NOT NULL DEFAULT 0, {_COUNTERS}
) {_STRICT};
CREATE TABLE segment (
    id INTEGER PRIMARY KEY AUTOINCREMENT, prefix BLOB NOT NULL, lo BLOB NOT NULL, hi BLOB,
    list_offset INTEGER NOT NULL, marker BLOB NOT NULL, epoch INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'todo', reasons TEXT NOT NULL DEFAULT '{{}}', {_COUNTERS}
) {_STRICT};
CREATE INDEX segment_state ON segment (state, id);
CREATE TABLE parked (
    key BLOB PRIMARY KEY, kind TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL, last_modified REAL NOT NULL,
    storage_class TEXT NOT NULL, due REAL NOT NULL, attempts INTEGER NOT NULL
) {_STRICT_KEYED};
CREATE INDEX parked_due ON parked (due, key);
CREATE TABLE settled_reason (reason TEXT PRIMARY KEY, objects INTEGER NOT NULL) {_STRICT_KEYED};
CREATE TABLE failure (
    run INTEGER NOT NULL, key BLOB NOT NULL, size INTEGER NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL,
    at REAL NOT NULL, PRIMARY KEY (run, key)
) {_STRICT_KEYED};
CREATE TABLE upload (
    key BLOB PRIMARY KEY, upload_id TEXT NOT NULL, source_etag TEXT NOT NULL, size INTEGER NOT NULL,
    part_size INTEGER NOT NULL
) {_STRICT_KEYED};
CREATE TABLE record_file (
    name TEXT PRIMARY KEY, run INTEGER NOT NULL, outcome TEXT NOT NULL, size INTEGER NOT NULL,
    closed INTEGER NOT NULL DEFAULT 0
) {_STRICT_KEYED};
"""

UPGRADES = (_VERSION_1,)
"""Scripts that lead from each schema version to the next; the version is their number. Only ever append."""


def open_database(path: str, upgrades: Sequence[str] = UPGRADES) -> sqlite3.Connection:
    """Open or make the state file; the caller holds its lock.

    Raises:
        ConfigError: the file is not ours, or of a newer version.
        RepositoryError: it cannot be read or written, or is damaged.
    """
    check_file(path)
    try:
        # Made by us, not by SQLite, so that it is private from its first moment; WAL files inherit the mode.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        db = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise explain(error, path) from error
    try:
        _upgrade(db, path, upgrades)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
    except sqlite3.Error as error:
        db.close()
        raise explain(error, path) from error
    except ConfigError:
        db.close()
        raise
    return db


def check_file(path: str) -> None:
    """Refuse what is not a state file of ours, before anything is made or written beside it.

    Raises:
        ConfigError: a directory, a device, or a file of another program.
        RepositoryError: it cannot be read.
    """
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - pathlib would double the import time
        if not stat.S_ISREG(mode):
            what = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
            raise ConfigError(f"The state file {path} is {what}: give the path of a file with --state.")
        with open(path, "rb") as file:  # noqa: PTH123 - as above
            head = file.read(100)
    except FileNotFoundError:
        return
    except OSError as error:
        raise explain(error, path) from error
    if head and (head[:16] != _MAGIC or int.from_bytes(head[68:72], "big") != APPLICATION_ID):
        raise ConfigError(f"The file {path} is not a state file of openoms: give another path with --state.")


def _upgrade(db: sqlite3.Connection, path: str, upgrades: Sequence[str]) -> None:
    """Bring the schema to the newest version, all in one transaction, in the journal mode the file stands in."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > len(upgrades):
        raise ConfigError(
            f"The state file {path} was written by a newer openoms (schema {version}, this one knows {len(upgrades)}):"
            " use that version, or give another path with --state."
        )
    if version == len(upgrades):
        return
    if version == 0:
        os.chmod(path, 0o600)  # noqa: PTH101 - an empty file made beforehand may be readable by others
    script = "".join(upgrades[version:])
    db.executescript(
        f"BEGIN IMMEDIATE; PRAGMA application_id = {APPLICATION_ID}; {script}"
        f" PRAGMA user_version = {len(upgrades)}; COMMIT;"
    )


class FileLock:
    """An exclusive lock on a file beside the state, held as long as the process lives or until closed."""

    def __init__(self, path: str, *, of: str) -> None:
        try:
            make_private_parents(path)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise explain(error, of) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._descriptor, 20, 0).decode("ascii", "replace").strip()
            self.close()
            raise _locked(error, of, holder) from error
        _held.add(self)
        self._sign()

    def _sign(self) -> None:
        """Leave our process id for the message of a second process; on a full disk the lock does without."""
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, b"%d\n" % os.getpid(), 0)
        except OSError:
            pass

    def close(self) -> None:
        """Give the lock back. The file stays: to unlink it would let two processes lock two files of one name."""
        _held.discard(self)
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


_held: weakref.WeakSet[FileLock] = weakref.WeakSet()


def _drop_in_child() -> None:
    """Close inherited locks, else an orphaned worker would hold the migration of its dead parent (flock(2))."""
    for lock in list(_held):
        lock.close()


os.register_at_fork(after_in_child=_drop_in_child)


def _locked(error: OSError, of: str, holder: str) -> ConfigError:
    if error.errno not in {errno.EWOULDBLOCK, errno.EACCES}:
        return ConfigError(f"The state file {of} cannot be locked ({error.strerror}): keep it on a local disk.")
    who = f"another openoms (process {holder})" if holder else "another openoms"
    return ConfigError(f"{who} is running this migration (its state is {of}): wait for it, or give another --state.")


def make_private_parents(path: str) -> None:
    """Make the missing parent directories of a file, each for the owner only; existing ones stay as they are."""
    parent = os.path.dirname(path)  # noqa: PTH120 - as above
    if parent and not os.path.isdir(parent):  # noqa: PTH112 - as above
        make_private_parents(parent)
        os.mkdir(parent, 0o700)  # noqa: PTH102 - as above


def explain(error: sqlite3.Error | OSError, path: str) -> ConfigError | RepositoryError:
    """Turn what the system said into one sentence with the remedy."""
    if isinstance(error, OSError):
        return _explain_os(error, path)
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code: https://www.sqlite.org/rescode.html
    if code == sqlite3.SQLITE_FULL:
        return _full(path)
    if code == sqlite3.SQLITE_NOTADB:
        return ConfigError(f"The file {path} is not a state file of openoms: give another path with --state.")
    if code == sqlite3.SQLITE_CORRUPT:
        return RepositoryError(
            f"The state file {path} is damaged ({error}): put a copy back, or remove it to begin anew; what is at the"
            " destination already is skipped."
        )
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}:
        return ConfigError(
            f"The state file {path} cannot be written ({error}): mend its permissions, or give another --state."
        )
    return RepositoryError(f"The state file {path} failed ({error}): see that its disk works, then run the same again.")


def _explain_os(error: OSError, path: str) -> ConfigError | RepositoryError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return _full(path)
    why = error.strerror or "input/output error"
    if error.errno in {errno.EIO, errno.EMFILE, errno.ENFILE}:
        return RepositoryError(
            f"The state beside {path} failed ({why}): see that its disk works, then run the same again."
        )
    return ConfigError(f"The state file {path} cannot be used ({why}): mend its directory, or give another --state.")


def _full(path: str) -> RepositoryError:
    return RepositoryError(
        f"The disk (or quota) that holds the state file {path} is full: free some space and run the same again;"
        " what was recorded so far is kept."
    )
