"""Connections to the SQLite file: made, pooled, handed out for reading or for one transaction."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from ragkit.errors import (
    CorruptError,
    KnowledgeBaseError,
    LockedError,
    NotFoundError,
    RagkitError,
    VersionError,
)
from ragkit.store import read_only, schema

FILE_NAME = "knowledge.sqlite3"
_SQLITE_NEEDED = (3, 38, 0)  # strict tables, JSON functions
_BUSY_SECONDS = 30.0
_CACHE_KIBIBYTES = 16_384
_CHECKPOINT_PAGES = 4000
_LEAST_FREE = 1_000_000  # bytes; with less, what fails to be written failed for want of room
_DAMAGE_ADVICE = (
    "restore this file from a backup, or ingest your documents into a new directory "
    "(the folders dense/ and lexical/ beside it hold nothing that cannot be rebuilt)"
)
# SQLite asks that a child process never touch, nor close, what its parent opened. Kept here, the
# connections are not closed by the garbage collector either.
_INHERITED: list[sqlite3.Connection] = []


class Database:
    """A pool of connections to one file, safe across threads and across ``fork``."""

    def __init__(self, path: Path) -> None:
        """Open an existing database, and migrate it if an older ragkit wrote it.

        Raises:
            NotFoundError: there is no file.
            CorruptError: it is not a database, or not one of ragkit's.
            VersionError: a newer ragkit wrote it.
        """
        self.path = path
        self._pid = os.getpid()
        self._idle: deque[sqlite3.Connection] = deque()
        self._closed = threading.Event()
        self._frozen: read_only.State | None = None
        if sqlite3.sqlite_version_info < _SQLITE_NEEDED:
            needed = ".".join(map(str, _SQLITE_NEEDED))
            raise KnowledgeBaseError(
                f"this Python comes with SQLite {sqlite3.sqlite_version}, ragkit needs {needed} or "
                "newer; use a newer build of Python"
            )
        _check_there(path)
        self.read_only = not read_only.may_write(path)
        try:
            self.base = self._accept()
        except BaseException:
            self.close()
            raise

    def _accept(self) -> str:
        """Check that the database is ours, bring it up to date, and return its identifier."""
        with self.reading() as connection:
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if application != schema.APPLICATION_ID:
                raise CorruptError(
                    f"{str(self.path)!r} is an SQLite database, but not one of ragkit's; "
                    f"{_DAMAGE_ADVICE}"
                )
            if version > schema.VERSION:
                raise VersionError(
                    f"{str(self.path)!r} was written by a newer ragkit (format {version}, this one "
                    f"reads up to {schema.VERSION}); upgrade ragkit"
                )
            if version < schema.VERSION:
                self.require_writable("bringing it up to date, for an older ragkit wrote it,")
                schema.migrate(connection)
            row = connection.execute("SELECT value FROM settings WHERE key = 'base'").fetchone()
            if row is None:
                raise CorruptError(
                    f"{str(self.path)!r} lacks the setting 'base', which every base of ragkit has; "
                    f"{_DAMAGE_ADVICE}"
                )
            return str(row[0])

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection; each statement sees the newest committed state."""
        if self._closed.is_set():
            raise KnowledgeBaseError("the knowledge base is closed")
        if self._pid != os.getpid():
            self._forget_parent()
        with translated_errors(self.path):
            self._notice_writers()
            pool = self._idle
            try:
                connection = pool.pop()
            except IndexError:
                connection = self._connect()
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.rollback()
                pool.append(connection)
                if self._closed.is_set() or pool is not self._idle:
                    _drain(pool)

    def require_writable(self, purpose: str) -> None:
        """Raise :class:`ReadOnlyError` where only reading is possible.

        Args:
            purpose: What would write, as the beginning of a sentence.
        """
        if self.read_only:
            raise read_only.refusal(self.path.parent, purpose)

    def _connect(self) -> sqlite3.Connection:
        if not self.read_only:
            return connect(self.path)
        connection, self._frozen = read_only.connect(self.path, _BUSY_SECONDS)
        return tuned(connection)

    def _notice_writers(self) -> None:
        """Open the file anew where it was taken for unchangeable, and somebody changed it."""
        if self._frozen is not None and self._frozen != read_only.state_of(self.path):
            self._frozen, old, self._idle = None, self._idle, deque()
            _drain(old)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection on which all statements see one and the same state."""
        with self.reading() as connection:
            connection.execute("BEGIN")
            yield connection

    @contextlib.contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Lend a connection for one transaction: all of it is stored, or none of it.

        Args:
            durable: Wait until the disk has it. Without, a power cut (not a kill) may undo the
                last few transactions, never a part of one.
        """
        self.require_writable("this")
        with self.reading() as connection, self.transaction_on(connection, durable=durable):
            yield connection

    @contextlib.contextmanager
    def transaction_on(
        self, connection: sqlite3.Connection, *, durable: bool = True
    ) -> Iterator[None]:
        """Run one transaction on a connection that :meth:`reading` lent."""
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.commit()

    def close(self) -> None:
        """Close all connections; those lent out are closed when they come back."""
        self._closed.set()
        if self._pid != os.getpid():
            self._forget_parent()
        _drain(self._idle)

    def _forget_parent(self) -> None:
        _INHERITED.extend(self._idle)
        self._idle = deque()
        self._pid = os.getpid()


def _drain(pool: deque[sqlite3.Connection]) -> None:
    while pool:
        with contextlib.suppress(IndexError):  # another thread may drain at the same time
            pool.pop().close()


def create(path: Path) -> None:
    """Make a new, empty database, which appears at ``path`` complete or not at all.

    The caller holds the writer lock, and has seen that there is no file.
    """
    temporary = path.with_name(path.name + ".new")
    with translated_errors(path):
        for leftover in (temporary, *companions(temporary)):
            leftover.unlink(missing_ok=True)
        connection = connect(temporary)
        try:
            schema.migrate(connection)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` outlast a power cut, where the system lets folders be synced."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def companions(path: Path) -> list[Path]:
    """Name the files that SQLite keeps beside a database."""
    return [path.with_name(path.name + suffix) for suffix in ("-wal", "-shm", "-journal")]


def _check_there(path: Path) -> None:
    """Check that there is something to open, without opening it.

    A process that opens the file by itself and closes it again takes away the locks that its
    connections hold on it (https://www.sqlite.org/howtocorrupt.html, 2.2): the next process to
    close the base would then delete the log that these go on using.
    """
    try:
        size = path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        raise NotFoundError(f"there is no knowledge base in {str(path.parent)!r}") from None
    except OSError as error:
        raise KnowledgeBaseError(f"cannot read {str(path)!r}: {error.strerror}") from error
    if not size:
        raise CorruptError(f"{str(path)!r} is empty; {_DAMAGE_ADVICE}")


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection in autocommit mode, with write-ahead log and foreign keys."""
    # One thread at a time uses a connection, not always the same one.
    connection = sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        return tuned(connection)
    except BaseException:
        connection.close()
        raise


def tuned(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Set what concerns one connection only."""
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA temp_store = MEMORY")
    # Enough for the vectors of a few thousand passages, which a search looks up by the hundred.
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIBIBYTES}")
    return connection


@contextlib.contextmanager
def translated_errors(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system report into ragkit's errors."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        # Primary result code; see https://www.sqlite.org/rescode.html
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        translated = _translate(code, error, path)
        if translated is None:
            raise
        raise translated from error


def _free_bytes(folder: Path) -> float:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return math.inf


def _translate(code: int, error: sqlite3.DatabaseError, path: Path) -> RagkitError | None:
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return CorruptError(f"{str(path)!r} is damaged ({error}); {_DAMAGE_ADVICE}")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LockedError(
            f"{str(path)!r} has been busy for {_BUSY_SECONDS:.0f} seconds: another process is "
            "writing to it; try again when it is done"
        )
    # What is shared between processes is grown by other means, and a full disk is an I/O error.
    is_full = code == sqlite3.SQLITE_IOERR and _free_bytes(path.parent) < _LEAST_FREE
    if code == sqlite3.SQLITE_FULL or is_full:
        return KnowledgeBaseError(
            f"the disk is full, nothing more can be stored in {str(path)!r}; what was committed "
            "is safe, so free some space and run the same command again"
        )
    if code == sqlite3.SQLITE_READONLY:  # the system had said that it may be written to
        return read_only.refusal(path.parent, "this")
    if code in (
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_AUTH,
        sqlite3.SQLITE_IOERR,
    ):
        return KnowledgeBaseError(
            f"{str(path)!r} cannot be used ({error}); check the disk, and that you may read and "
            "write both the file and its folder"
        )
    return None
