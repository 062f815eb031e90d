"""One writer at a time, among all threads and processes, who leaves a note saying who it is."""

from __future__ import annotations

import contextlib
import datetime
import getpass
import json
import os
import platform
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from ragkit.errors import KnowledgeBaseError, LockedError

LOCK_NAME = "writer.lock"
HOLDER_NAME = "writer.json"
# Long enough for a search that brings the indexes up to date; an ingest takes longer.
SHORT_WAIT_SECONDS = 3.0


class WriterLock:
    """A lock of the operating system, which a dying process cannot leave behind.

    Re-entrant in the thread that holds it; other threads of the process are kept out like other
    processes are.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._forget()

    def _forget(self) -> None:
        self._pid = os.getpid()
        self._threads = threading.Lock()
        self._owner: int | None = None
        self._depth = 0
        self._purpose = ""
        self._since = ""

    def held(self) -> bool:
        """Whether the calling thread holds the lock."""
        return self._pid == os.getpid() and self._owner == threading.get_ident()

    @contextlib.contextmanager
    def hold(self, purpose: str, timeout: float) -> Iterator[bool]:
        """Hold the lock; yields whether this is the outermost of nested holds.

        Args:
            purpose: What for, as told to those who find it locked.
            timeout: Seconds to wait; 0 does not wait, a negative number waits for ever.

        Raises:
            LockedError: somebody else holds it, and held it for ``timeout`` seconds.
            KnowledgeBaseError: the directory cannot be written to.
        """
        if self._pid != os.getpid():
            self._forget()
        if self._owner == threading.get_ident():
            self._depth += 1
            try:
                yield False
            finally:
                self._depth -= 1
            return
        deadline = time.monotonic() + timeout
        if not self._threads.acquire(timeout=-1 if timeout < 0 else timeout):
            raise LockedError(
                _sentence(
                    self._directory, os.getpid(), "this very process", self._purpose, self._since
                )
            )
        try:
            left = -1.0 if timeout < 0 else max(0.0, deadline - time.monotonic())
            with self._lock_file(left):
                self._owner, self._depth = threading.get_ident(), 1
                self._purpose, self._since = purpose, _now()
                self._leave_note()
                try:
                    yield True
                finally:
                    self._owner, self._depth = None, 0
                    with contextlib.suppress(OSError):
                        (self._directory / HOLDER_NAME).unlink()
        finally:
            self._threads.release()

    @contextlib.contextmanager
    def _lock_file(self, timeout: float) -> Iterator[None]:
        from filelock import FileLock, Timeout

        # A soft lock is one that a dead process leaves behind.
        lock = FileLock(self._directory / LOCK_NAME, fallback_to_soft=False)
        try:
            lock.acquire(timeout=timeout, poll_interval=0.05)
        except Timeout:
            raise self._locked_by_other() from None
        except (OSError, NotImplementedError) as error:
            raise KnowledgeBaseError(
                f"cannot lock {str(self._directory)!r} for writing: {error}"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def _leave_note(self) -> None:
        note = {
            "pid": os.getpid(),
            "host": platform.node(),
            "user": _user(),
            "purpose": self._purpose,
            "since": self._since,
        }
        temporary = self._directory / f"{HOLDER_NAME}.{os.getpid()}"
        # Only the message of others depends on the note.
        with contextlib.suppress(OSError):
            temporary.write_text(json.dumps(note), encoding="utf-8")
            temporary.replace(self._directory / HOLDER_NAME)

    def _locked_by_other(self) -> LockedError:
        try:
            note = json.loads((self._directory / HOLDER_NAME).read_text(encoding="utf-8"))
            pid, purpose, since = int(note["pid"]), str(note["purpose"]), str(note["since"])
            who = f"user {note['user']} on {note['host']}"
        except (OSError, ValueError, KeyError, TypeError):
            return LockedError(
                f"another process is writing to {str(self._directory)!r}; "
                "wait until it is done, or stop it"
            )
        return LockedError(_sentence(self._directory, pid, who, purpose, since))


def _sentence(directory: Path, pid: int, who: str, purpose: str, since: str) -> str:
    return (
        f"{str(directory)!r} is being written to by process {pid} ({who}) since {since}, "
        f"for: {purpose}; wait until it is done, or stop it"
    )


def _now() -> str:
    return datetime.datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"
