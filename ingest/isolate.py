"""Loading in worker processes, so that a crash, a hang or a memory bomb costs one file."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self, cast

from ingest import errors
from ingest.serial import document_from_dict

if TYPE_CHECKING:
    from ingest.document import Document

_RECYCLE_AFTER = 500


@dataclass(frozen=True, slots=True)
class LoadLimits:
    """What one file may use.

    Attributes:
        seconds: Wall time until the worker is killed.
        memory_bytes: Address space of a worker (not enforced on Windows and macOS).
        file_bytes: Size of a file that is read at all.
    """

    seconds: float = 120.0
    memory_bytes: int = 2 << 30
    file_bytes: int = 256 << 20


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """A file to load, and the password to open it with, if any."""

    path: Path
    password: str | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """A loaded document and the state of the file it was read from."""

    document: Document
    size: int
    mtime_ns: int
    sha256: str


class LoaderPool:
    """A few worker processes that load files; use as a context manager.

    Workers start when first needed. A worker that dies, or takes too long, is replaced, and the
    file it had is answered with a :class:`~ingest.errors.LoadError`.
    """

    def __init__(self, *, workers: int | None = None, limits: LoadLimits | None = None) -> None:
        """Set up ``workers`` processes at most (default: the processors at hand, up to 4)."""
        self._limits = limits or LoadLimits()
        self._workers = workers or min(4, available_processors())
        self._processes: set[_Worker] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all workers at once."""
        self._closed.set()
        with self._lock:
            processes = list(self._processes)
            self._processes.clear()
        for process in processes:
            process.kill()

    def load_all(
        self, requests: Iterable[LoadRequest]
    ) -> Iterator[tuple[LoadRequest, Loaded | errors.LoadError]]:
        """Load all files, yielding each with its outcome as it is done, in any order.

        At most two outcomes per worker wait to be taken, so memory stays bounded however many
        files there are.
        """
        pending = iter(requests)
        pending_lock = threading.Lock()
        outcomes: queue.Queue[tuple[LoadRequest, Loaded | errors.LoadError] | BaseException | None]
        outcomes = queue.Queue(maxsize=2 * self._workers)
        stop = threading.Event()

        def put(item: tuple[LoadRequest, Loaded | errors.LoadError] | BaseException | None) -> None:
            while not stop.is_set():
                try:
                    outcomes.put(item, timeout=0.2)
                except queue.Full:
                    continue
                return

        def work() -> None:
            worker: _Worker | None = None
            try:
                while not stop.is_set() and not self._closed.is_set():
                    with pending_lock:
                        request = next(pending, None)
                    if request is None:
                        break
                    if worker is None:
                        worker = self._start()
                    outcome = worker.load(request)
                    if worker.spent:
                        self._end(worker)
                        worker = None
                    put((request, outcome))
            except BaseException as error:  # raised again in the consuming thread
                put(error)
            finally:
                if worker is not None:
                    self._end(worker)
                put(None)

        threads = [
            threading.Thread(target=work, name=f"load-{number}", daemon=True)
            for number in range(self._workers)
        ]
        for thread in threads:
            thread.start()
        running = len(threads)
        try:
            while running:
                item = outcomes.get()
                if item is None:
                    running -= 1
                elif isinstance(item, BaseException):
                    raise item
                else:
                    yield item
        finally:
            stop.set()
            if running:
                self.close()

    def _start(self) -> _Worker:
        worker = _Worker(self._limits)
        with self._lock:
            self._processes.add(worker)
        if self._closed.is_set():
            worker.kill()
        return worker

    def _end(self, worker: _Worker) -> None:
        with self._lock:
            self._processes.discard(worker)
        worker.kill()


class _Worker:
    """One process; ``spent`` once it must be replaced."""

    def __init__(self, limits: LoadLimits) -> None:
        self._limits = limits
        self._served = 0
        self.spent = False
        environment = dict(os.environ)
        # The worker must find the same packages, also when run from a source checkout.
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        environment["PYTHONIOENCODING"] = "utf-8"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ingest.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        self._requests = cast("IO[bytes]", self._process.stdin)
        self._replies = cast("IO[bytes]", self._process.stdout)
        self._send({"memory_bytes": limits.memory_bytes})

    def load(self, request: LoadRequest) -> Loaded | errors.LoadError:
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            self._process.kill()

        timer = threading.Timer(self._limits.seconds, expire)
        timer.daemon = True
        timer.start()
        try:
            self._send(
                {
                    "path": str(request.path.absolute()),
                    "password": request.password,
                    "max_bytes": self._limits.file_bytes,
                }
            )
            line = self._replies.readline()
        finally:
            timer.cancel()
        self._served += 1
        self.spent = self._served >= _RECYCLE_AFTER
        if line.endswith(b"\n"):
            return _outcome(json.loads(line))
        self.spent = True
        if expired.is_set():
            seconds = f"{self._limits.seconds:g}"
            return errors.WrongFormatError(f"loading it took more than {seconds} seconds; given up")
        code = self._process.wait()
        return errors.WrongFormatError(f"the parser crashed on it ({_exit_reason(code)})")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._requests, self._replies):
            try:
                stream.close()
            except OSError:
                pass  # closing flushes into a pipe whose reader is gone

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._requests.write(json.dumps(message).encode("ascii") + b"\n")
            self._requests.flush()
        except OSError:
            pass  # the process is gone; reading its reply finds that out


def available_processors() -> int:
    """Return how many processors this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _outcome(reply: dict[str, Any]) -> Loaded | errors.LoadError:
    if "error" in reply:
        kind: type[errors.LoadError] = getattr(errors, reply["error"], errors.LoadError)
        return kind(reply["reason"])
    return Loaded(
        document=document_from_dict(reply["document"]),
        size=reply["size"],
        mtime_ns=reply["mtime_ns"],
        sha256=reply["sha256"],
    )


def _exit_reason(code: int) -> str:
    if code < 0:
        import signal

        try:
            return signal.Signals(-code).name
        except ValueError:
            return f"signal {-code}"
    return f"exit code {code}"
