"""The file under the SQLite ledger: looked at before it is touched, locked against a second process, errors explained.

Nothing here knows what a migration is. Every refusal is one sentence that names the file and the remedy.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import stat
import weakref

from oms_engine.errors import ConfigError, RepositoryError
from oms_worker.sqlite_seals import damaged

APPLICATION_ID = 0x4F4D534C
"""``OMSL`` in the file's header: tells our file from any other SQLite file (https://www.sqlite.org/fileformat.html)."""

_MAGIC = b"SQLite format 3\0"


class LedgerInUse(ConfigError):
    """Another process has the file open; it may let go soon."""


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
        raise _foreign(path)


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
            self.drop()
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
        if self._descriptor >= 0:
            # Unlocked by word, not by closing alone: a child forked an instant ago may hold a copy of the descriptor.
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            self.drop()

    def drop(self) -> None:
        """Close the descriptor only: the lock lasts while another process holds a copy of it."""
        _held.discard(self)
        os.close(self._descriptor)
        self._descriptor = -1


_held: weakref.WeakSet[FileLock] = weakref.WeakSet()


def _drop_in_child() -> None:
    """Close inherited locks, else an orphaned worker would hold the migration of its dead parent (flock(2))."""
    for lock in list(_held):
        lock.drop()


os.register_at_fork(after_in_child=_drop_in_child)


def _locked(error: OSError, of: str, holder: str) -> ConfigError:
    if error.errno not in {errno.EWOULDBLOCK, errno.EACCES}:
        return ConfigError(f"The state file {of} cannot be locked ({error.strerror}): keep it on a local disk.")
    who = f"another openoms (process {holder})" if holder else "another openoms"
    return LedgerInUse(f"{who} is running this migration (its state is {of}): wait for it, or give another --state.")


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
        return _foreign(path)
    if code == sqlite3.SQLITE_CORRUPT:
        return damaged(path, str(error))
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}:
        return ConfigError(
            f"The state file {path} cannot be written ({error}): mend its permissions, or give another --state."
        )
    # A file size limit (ulimit -f) reaches us as SQLITE_IOERR.
    return RepositoryError(
        f"The state file {path} failed ({error}): see that its disk works and has room, then run the same again."
    )


def _foreign(path: str) -> ConfigError:
    return ConfigError(
        f"The file {path} is not a state file of openoms: give another path with --state; if it was one, it is damaged:"
        " move it away and run the same again, and all objects are compared anew."
    )


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
        f"The disk (or quota) that holds the state file {path} is full: make room and run the same again;"
        " what was recorded so far is kept."
    )
