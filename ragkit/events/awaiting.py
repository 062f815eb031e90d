"""One way to write what waits: called plainly it blocks its thread, inside :func:`spawned` it awaits.

What waits for a server is written once, as plain functions and generators. In an async application
they run in a greenlet of the event loop, which gives the loop back for as long as they wait
(:func:`wait_for`); nothing of them need be written twice, and hundreds cost no thread. What works the
processor, or blocks in a way of its own, is handed to threads meanwhile (:func:`worked`).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, ParamSpec, TypeVar

from greenlet import getcurrent, greenlet

from ragkit.events.spans import carried

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Item = TypeVar("Item")

WAITERS = 256  # threads that may wait in a model or tool that cannot be awaited


class _Waiter(greenlet):
    """What runs inside :func:`spawned`; its parent runs the event loop."""


def is_awaiting() -> bool:
    """Whether what runs here can await, and must not block."""
    return isinstance(getcurrent(), _Waiter)


def wait_for(awaitable: Awaitable[Result]) -> Result:
    """Await inside :func:`spawned`; the event loop goes on with other things."""
    waiter = getcurrent()
    if not isinstance(waiter, _Waiter) or waiter.parent is None:
        raise RuntimeError("wait_for() was called outside of spawned()")
    result: Result = waiter.parent.switch(awaitable)
    return result


async def spawned(
    function: Callable[Parameters, Result], *given: Parameters.args, **named: Parameters.kwargs
) -> Result:
    """Call a plain function that may :func:`wait_for` things.

    Cancelling ends what it waits for, and raises ``CancelledError`` where it waits.
    """
    waiter = _Waiter(functools.partial(function, *given, **named), getcurrent())
    waiter.gr_context = copy_context()
    value = waiter.switch()
    while not waiter.dead:
        try:
            result = await value
        except BaseException as error:
            value = waiter.throw(error)
        else:
            value = waiter.switch(result)
    return value  # type: ignore[no-any-return]


async def awaited(begin: Callable[[], Iterator[Item]]) -> AsyncGenerator[Item, None]:
    """Go through a plain iterator that may await, in a task of its own.

    Closing it ends what it waits for.
    """
    arrived: asyncio.Queue[tuple[Item] | None] = asyncio.Queue()

    def go() -> None:
        items = begin()
        try:
            for item in items:
                arrived.put_nowait((item,))
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()

    async def produce() -> None:
        try:
            await spawned(go)
        finally:
            arrived.put_nowait(None)

    producer = asyncio.create_task(produce())
    try:
        while (item := await arrived.get()) is not None:
            yield item[0]
        await producer
    finally:
        producer.cancel()
        await asyncio.wait([producer])


def each(source: AsyncIterator[Item]) -> Iterator[Item]:
    """Go through an async iterator inside :func:`spawned`, closing it where nobody reads on."""
    try:
        while True:
            try:
                item = wait_for(anext(source))
            except StopAsyncIteration:
                return
            yield item
    finally:
        close = getattr(source, "aclose", None)
        if close is not None:
            _closing(close())


def stepped(source: Iterator[Item]) -> Iterator[Item]:
    """Go through an iterator that blocks, each step in a thread, where this thread must not."""
    if not is_awaiting():
        yield from source
        return
    nothing = object()
    try:
        while (item := in_thread(_waiters(), next, source, nothing)) is not nothing:
            yield item
    finally:
        close = getattr(source, "close", None)
        if close is not None:
            with contextlib.suppress(ValueError):  # it is at its last step, in a thread
                close()


def worked(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Make a function that works the processor do so in ragkit's own pool, inside :func:`spawned`."""

    @functools.wraps(function)
    def call(*given: Parameters.args, **named: Parameters.kwargs) -> Result:
        if not is_awaiting():
            return function(*given, **named)
        result: Result = in_thread(_workers(), functools.partial(function, *given, **named))
        return result

    return call


def blocking(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Make a function that waits in ways of its own do so in a thread, inside :func:`spawned`."""

    @functools.wraps(function)
    def call(*given: Parameters.args, **named: Parameters.kwargs) -> Result:
        if not is_awaiting():
            return function(*given, **named)
        result: Result = in_thread(_waiters(), functools.partial(function, *given, **named))
        return result

    return call


def in_thread(pool: ThreadPoolExecutor, function: Callable[..., Any], *given: Any) -> Any:
    """Call a function in a pool and await it, inside :func:`spawned`."""
    return wait_for(asyncio.wrap_future(pool.submit(carried(function), *given)))


def sleep(seconds: float) -> None:
    """Wait inside :func:`spawned`."""
    wait_for(asyncio.sleep(seconds))


def _closing(closed: Awaitable[None]) -> None:
    if is_awaiting():
        wait_for(closed)


@functools.cache
def _workers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="ragkit-work")


@functools.cache
def _waiters() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(WAITERS, thread_name_prefix="ragkit-wait")


def forget_threads() -> None:
    """Make new pools when they are needed, as a forked child has to."""
    _workers.cache_clear()
    _waiters.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_threads)
