"""Loading in worker processes, so that a crash, a hang or a memory bomb costs one file."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Self, cast

from ingest import errors
from ingest.loaders.registry import DEFAULT_MAX_BYTES, registered
from ingest.serial import document_from_dict

if TYPE_CHECKING:
    from ingest.document import Document

LEAST_MEMORY = 200_000_000
_RECYCLE_AFTER = 500
_SECONDS, _SECONDS_WITH_OCR = 60.0, 900.0
_MEMORY, _MEMORY_WITH_OCR = 1_000_000_000, 4_000_000_000


@dataclass(frozen=True, slots=True)
class LoadLimits:
    """What one file may use.

    Attributes:
        seconds: Wall time until the worker is killed; ``None``: a minute, or a quarter of an hour
            where text recognition is on.
        memory_bytes: Address space of a worker (not enforced on Windows and macOS), at least
            200 MB; ``None``: 1 GB, or 4 GB where text recognition is on.
        file_bytes: Size of a file that is read at all.

    Raises:
        ValueError: A limit is not positive, or too small for a worker to start.
    """

    seconds: float | None = None
    memory_bytes: int | None = None
    file_bytes: int = DEFAULT_MAX_BYTES

    def __post_init__(self) -> None:
        if self.seconds is not None and not self.seconds > 0:
            raise ValueError(f"seconds must be positive: {self.seconds!r}")
        if self.memory_bytes is not None and self.memory_bytes < LEAST_MEMORY:
            raise ValueError(f"memory_bytes must be {LEAST_MEMORY} or more: {self.memory_bytes!r}")
        if self.file_bytes <= 0:
            raise ValueError(f"file_bytes must be positive: {self.file_bytes!r}")


class _Limits(NamedTuple):
    seconds: float
    memory_bytes: int
    file_bytes: int


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

    def __init__(
        self,
        *,
        workers: int | None = None,
        limits: LoadLimits | None = None,
        ocr: bool = False,
    ) -> None:
        """Set up the pool; nothing is started yet.

        Args:
            workers: Processes at most; default: the processors at hand, up to 4.
            limits: What one file may use.
            ocr: Recognise the text of scanned PDF pages; see :func:`ingest.load`.

        Raises:
            ValueError: A registered loader cannot be handed to the workers.
        """
        self._limits = _filled_in(limits or LoadLimits(), ocr=ocr)
        self._settings = {
            "memory_bytes": self._limits.memory_bytes,
            "ocr": ocr,
            "loaders": [(one.format, one.suffixes, one.address()) for one in registered()],
        }
        self._workers = workers or min(4, available_processors())
        self._processes: set[_Worker] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()

    @property
    def seconds(self) -> float:
        """How long one file may take."""
        return self._limits.seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
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
        worker = _Worker(self._limits, self._settings)
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

    def __init__(self, limits: _Limits, settings: dict[str, Any]) -> None:
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
        self._send(settings)

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
            reply = _read_reply(self._replies)
        finally:
            timer.cancel()
        self._served += 1
        self.spent = self._served >= _RECYCLE_AFTER
        if reply is not None:
            return _outcome(*reply)
        self.spent = True
        if expired.is_set():
            seconds = f"{self._limits.seconds:g}"
            return errors.WrongFormatError(
                f"loading it took more than {seconds} seconds (--timeout); given up"
            )
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


def _filled_in(limits: LoadLimits, *, ocr: bool) -> _Limits:
    seconds, memory = limits.seconds, limits.memory_bytes
    if seconds is None:
        seconds = _SECONDS_WITH_OCR if ocr else _SECONDS
    if memory is None:
        memory = _MEMORY_WITH_OCR if ocr else _MEMORY
    return _Limits(seconds, memory, limits.file_bytes)


def _read_reply(stream: IO[bytes]) -> tuple[dict[str, Any], str] | None:
    """Read a reply and the text that follows it; ``None`` if the worker died before the end."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        return None
    reply: dict[str, Any] = json.loads(line)
    size = reply.get("text_bytes", 0)
    data = stream.read(size)
    return (reply, data.decode("utf-8", "surrogatepass")) if len(data) == size else None


def _outcome(reply: dict[str, Any], text: str) -> Loaded | errors.LoadError:
    if "error" in reply:
        kind: type[errors.LoadError] = getattr(errors, reply["error"], errors.LoadError)
        return kind(reply["reason"])
    return Loaded(
        document=document_from_dict({**reply["document"], "text": text}),
        size=reply["size"],
        mtime_ns=reply["mtime_ns"],
        sha256=reply["sha256"],
    )


def _exit_reason(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
    # How native code ends that is refused memory.
    out_of_memory = name in ("SIGABRT", "SIGILL", "SIGKILL", "SIGTRAP")
    return f"{name}; perhaps it needs more memory, see --memory" if out_of_memory else name
