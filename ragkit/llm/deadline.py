"""A limit on the time an iterator may take, whatever it is blocked in."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from ragkit.events import carried
from ragkit.events.awaiting import is_awaiting

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Item = TypeVar("Item")

# When whatever is done here has to be over, by time.monotonic(), whoever asked for it.
_DEADLINE: ContextVar[float | None] = ContextVar("ragkit_deadline", default=None)


@contextmanager
def no_longer_than(seconds: float | None) -> Iterator[None]:
    """Bound what models are asked inside; a longer time than an outer bound allows is cut to it."""
    if seconds is None:
        yield
        return
    deadline = time.monotonic() + seconds
    outer = _DEADLINE.get()
    token = _DEADLINE.set(deadline if outer is None else min(deadline, outer))
    try:
        yield
    finally:
        _DEADLINE.reset(token)


def seconds_left() -> float | None:
    """Return how much time :func:`no_longer_than` leaves, or ``None`` for no bound."""
    deadline = _DEADLINE.get()
    return None if deadline is None else max(0.0, deadline - time.monotonic())


@dataclass(frozen=True, slots=True)
class _Stopped:
    """The source ended: by itself, or with an error that belongs to the consumer."""

    error: BaseException | None = None


def within(
    seconds: float,
    source: Generator[Item, None, None],
    *,
    abandoned: threading.Event | None = None,
) -> Generator[Item, None, None]:
    """Yield what ``source`` yields, for at most ``seconds`` after the first item is asked for.

    The source runs in a thread of its own, because a server that sends a byte now and then can
    keep a socket read from ever timing out. When the consumer stops early or the time is over, the
    source is closed as soon as it comes back with its next item; ``abandoned`` is set, for a source
    that looks at it while it waits.

    Inside an event loop the source waits there, by itself no longer than it may.

    Raises:
        TimeoutError: the time was over before the source ended.
    """
    if is_awaiting():
        yield from source
        return
    items: queue.SimpleQueue[Item | _Stopped] = queue.SimpleQueue()
    given_up = threading.Event() if abandoned is None else abandoned

    def work() -> None:
        stopped = _Stopped()
        try:
            for item in source:
                if given_up.is_set():
                    break
                items.put(item)
        except BaseException as error:
            stopped = _Stopped(error)
        finally:
            source.close()
            items.put(stopped)

    threading.Thread(target=carried(work), name="ragkit-model", daemon=True).start()
    deadline = time.monotonic() + seconds
    try:
        while True:
            try:
                item = items.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise TimeoutError from None
            if isinstance(item, _Stopped):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        given_up.set()
