"""A base in a place that may not be written to: how it is opened, and what is said of it."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from ragkit.errors import KnowledgeBaseError, ReadOnlyError

# What a file looks like while nobody writes to it: inode, size, time, and whether it has a log.
State = tuple[int, int, int, bool]


def may_write(path: Path) -> bool:
    """Whether the database at ``path`` may be written to: the file, and its folder for the log."""
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def notice(directory: Path) -> str:
    """Say what is different when a base may only be read."""
    return (
        f"{str(directory)!r} may only be read: answers, traces, vectors of questions and what models "
        "cost are not kept"
    )


def refusal(directory: Path, purpose: str) -> ReadOnlyError:
    """Return the error of somebody who would write for ``purpose``."""
    return ReadOnlyError(
        f"{purpose} would write to {str(directory)!r}, which may only be read ({_why(directory)}); "
        "it can be searched and asked as it is. To change it, get the right to write there, or work "
        "on a copy of the folder"
    )


def connect(path: Path, timeout: float) -> tuple[sqlite3.Connection, State | None]:
    """Open a connection that only reads.

    Returns:
        The connection, and the state of the file that it relies on to stay so: ``None`` where the
        connection sees what others write.

    Raises:
        KnowledgeBaseError: the last writer left changes that cannot be read without writing.
        sqlite3.Error: it cannot be opened.
    """
    state = state_of(path)
    try:
        return _open(path, "mode=ro", timeout), None
    except sqlite3.OperationalError as error:
        # A write-ahead log needs a file of shared memory beside it, even to be read. Where that is
        # missing and cannot be made, SQLite can read the file alone if nobody ever changes it
        # ("immutable"): no locks, no log, and wrong results if somebody does. So that is for a
        # folder only that truly cannot be written to, with no log left in it, and for as long as the
        # file stays as it is: see Database.reading.
        if os.access(path.parent, os.W_OK):
            raise
        if state[3]:
            raise KnowledgeBaseError(
                f"{str(path)!r} may only be read, but its last writer left a log "
                f"({path.name}-wal) that has to be folded in first; open it once where it may be "
                "written to, or copy the folder to such a place and use the copy"
            ) from error
        return _open(path, "immutable=1", timeout), state


def state_of(path: Path) -> State:
    """Return what changes when anybody writes to the database."""
    found = path.stat()
    try:
        log = path.with_name(path.name + "-wal").stat().st_size > 0
    except OSError:
        log = False
    return found.st_ino, found.st_size, found.st_mtime_ns, log


def _open(path: Path, how: str, timeout: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.as_uri()}?{how}",
        uri=True,
        timeout=timeout,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA schema_version").fetchone()  # opens the files
    except BaseException:
        connection.close()
        raise
    return connection


def _why(directory: Path) -> str:
    if hasattr(os, "statvfs") and os.statvfs(directory).f_flag & os.ST_RDONLY:
        return "its file system is mounted read-only"
    return "you have no right to write there"
