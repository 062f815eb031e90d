"""Ingests that a server runs beside its answers: one at a time for each base, watched and stopped."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ragkit.errors import LockedError, RagkitError
from ragkit.events.progress import Notice, Progress
from ragkit.server.faults import fault_of

if TYPE_CHECKING:
    from ragkit.events.progress import Event
    from ragkit.kb import KnowledgeBase

State = Literal["running", "done", "failed", "stopped"]


class _Stopped(BaseException):
    """Raised between two steps of an ingest, as Ctrl-C would be; what was committed is kept."""


@dataclass(slots=True, eq=False)
class Ingest:
    """One run.

    Attributes:
        state: How it stands.
        newest: The newest event of each stage, as it is sent.
        result: The report, or what went wrong, once it has ended.
    """

    state: State = "running"
    newest: dict[str, dict[str, Any]] = field(default_factory=dict)
    result: dict[str, Any] | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _watching: dict[asyncio.Queue[tuple[str, Any]], asyncio.AbstractEventLoop] = field(
        default_factory=dict
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def document(self) -> dict[str, Any]:
        """Return its state as JSON."""
        return {"state": self.state, "stages": list(self.newest.values()), "result": self.result}

    def stop(self) -> None:
        """Let it end at its next step."""
        self._stop.set()

    async def events(self) -> AsyncIterator[tuple[str, Any]]:
        """Follow it: ``progress`` as far as it is, and on; at last ``report``, ``stopped`` or ``error``."""
        waiting: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        with self._lock:
            for event in self.newest.values():
                waiting.put_nowait(("progress", event))
            if self.state == "running":
                self._watching[waiting] = asyncio.get_running_loop()
            else:
                waiting.put_nowait((_ENDS[self.state], self.result))
        try:
            while True:
                name, event = await waiting.get()
                yield name, event
                if name != "progress":
                    return
        finally:
            with self._lock:
                self._watching.pop(waiting, None)

    def run(self, kb: KnowledgeBase, folders: Sequence[Path], options: dict[str, Any]) -> None:
        """Ingest; whatever comes of it is told."""
        try:
            report = kb.ingest([str(one) for one in folders], listener=self._listen, **options)
        except _Stopped:
            self._end("stopped", {})
        except RagkitError as error:
            self._end("failed", fault_of(error)[0])
        except BaseException:
            self._end("failed", {"error": {"message": "the ingest failed; see the server's log"}})
            raise
        else:
            self._end("done", asdict(report))

    def _listen(self, event: Event) -> None:
        if self._stop.is_set():
            raise _Stopped
        if isinstance(event, Progress):
            self._tell("progress", asdict(event), event.stage)
        elif isinstance(event, Notice):
            self._tell("progress", {"stage": "notice", "detail": event.message}, "notice")

    def _tell(self, name: str, event: dict[str, Any], stage: str = "") -> None:
        with self._lock:
            if stage:
                self.newest[stage] = event
            for waiting, loop in self._watching.items():
                loop.call_soon_threadsafe(waiting.put_nowait, (name, event))

    def _end(self, state: State, result: dict[str, Any]) -> None:
        with self._lock:
            self.state, self.result = state, result
        self._tell(_ENDS[state], result)


_ENDS: dict[State, str] = {"done": "report", "failed": "error", "stopped": "stopped"}


@dataclass(slots=True)
class Ingests:
    """The newest ingest of each base."""

    newest: dict[str, Ingest] = field(default_factory=dict)
    _threads: list[threading.Thread] = field(default_factory=list)

    def begin(
        self, name: str, kb: KnowledgeBase, folders: Sequence[Path], options: dict[str, Any]
    ) -> Ingest:
        """Start one.

        Raises:
            LockedError: one runs already.
        """
        running = self.newest.get(name)
        if running is not None and running.state == "running":
            raise LockedError(
                "an ingest of this knowledge base is running; wait for it, or stop it"
            )
        started = self.newest[name] = Ingest()
        thread = threading.Thread(
            target=started.run, args=(kb, folders, options), name=f"ragkit-ingest-{name}"
        )
        self._threads = [one for one in self._threads if one.is_alive()] + [thread]
        thread.start()
        return started

    def end(self) -> None:
        """Stop all, and wait until they have ended."""
        for one in self.newest.values():
            one.stop()
        for thread in self._threads:
            thread.join()
