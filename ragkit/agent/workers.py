"""Threads for calls that may have to be given up.

Not an executor: the interpreter waits for an executor's threads when it ends, which a call that
never returns would make for ever. Starting a thread for each call would cost more than most calls.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from ragkit.events import carried

Result = TypeVar("Result")
_Job = Callable[[], None]

_IDLE_SECONDS = 10.0

_idle: list[_Worker] = []
_lock = threading.Lock()


def start(function: Callable[[], Result]) -> Future[Result]:
    """Run ``function`` in another thread, in a copy of the current context."""
    future: Future[Result] = Future()

    def job() -> None:
        try:
            result = function()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    bound = carried(job)
    with _lock:
        if _idle and _idle[0].process != os.getpid():
            _idle.clear()  # this process was forked: their threads stayed with the other one
        worker = _idle.pop() if _idle else None
    if worker is None:
        worker = _Worker()
    worker.jobs.put(bound)
    return future


class _Worker:
    """A thread that does one job after another, and ends when there has been none for a while."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="ragkit-tool", daemon=True).start()

    def _work(self) -> None:
        job: _Job | None = self.jobs.get()
        while job is not None:
            job()
            job = None  # what it held may be large
            with _lock:
                _idle.append(self)
            job = self._next()

    def _next(self) -> _Job | None:
        try:
            return self.jobs.get(timeout=_IDLE_SECONDS)
        except queue.Empty:
            with _lock:
                if self in _idle:
                    _idle.remove(self)
                    return None
        return self.jobs.get()  # a job was on its way
