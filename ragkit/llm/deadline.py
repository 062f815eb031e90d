"""A limit on the time an iterator may take, whatever it is blocked in."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class _Stopped:
    """The source ended: by itself, or with an error that belongs to the consumer."""

    error: BaseException | None = None


def within(seconds: float, source: Generator[Item, None, None]) -> Iterator[Item]:
    """Yield what ``source`` yields, for at most ``seconds`` after the first item is asked for.

    The source runs in a thread of its own, because a server that sends a byte now and then can
    keep a socket read from ever timing out. When the consumer stops early or the time is over, the
    source is closed as soon as it comes back with its next item.

    Raises:
        TimeoutError: the time was over before the source ended.
    """
    items: queue.SimpleQueue[Item | _Stopped] = queue.SimpleQueue()
    abandoned = threading.Event()

    def work() -> None:
        stopped = _Stopped()
        try:
            for item in source:
                if abandoned.is_set():
                    break
                items.put(item)
        except BaseException as error:
            stopped = _Stopped(error)
        finally:
            source.close()
            items.put(stopped)

    threading.Thread(target=work, name="ragkit-model", daemon=True).start()
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
        abandoned.set()
