"""Work beside the event loop, in threads; and what comes of it, sent as it comes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import TypeVar

import anyio
import anyio.to_thread
from fastapi.responses import StreamingResponse

_Step = TypeVar("_Step")
_Result = TypeVar("_Result")
THREADS = 40  # at a time, beyond which work waits


class Workers:
    """The threads that a server works in, apart from those of the event loop's own."""

    def __init__(self, threads: int = THREADS) -> None:
        """Bound how many work at a time."""
        self._limiter = anyio.CapacityLimiter(threads)

    async def run(self, function: Callable[..., _Result], *given: object) -> _Result:
        """Call a function in a thread."""
        return await anyio.to_thread.run_sync(partial(function, *given), limiter=self._limiter)

    async def steps(self, begin: Callable[[], Iterator[_Step]]) -> AsyncIterator[_Step]:
        """Go through an iterator; it is closed where nobody reads on."""
        steps = await self.run(begin)
        nothing = object()
        try:
            while (step := await self.run(next, steps, nothing)) is not nothing:
                yield step
        finally:
            close = getattr(steps, "close", None)
            if close is not None:
                with anyio.CancelScope(shield=True):
                    await self.run(close)


PING = 15.0  # seconds of silence, after which proxies may give up
Named = tuple[str | None, object]


class EventStream(StreamingResponse):
    """Server-sent events (WHATWG HTML, 9.2), each written as JSON unless it is text already.

    One task goes through the events, so that they may keep what belongs to a task. It is cancelled
    when the client goes away.
    """

    def __init__(self, events: AsyncIterator[Named], *, seconds: float, late: Named) -> None:
        """Send events as they come.

        Args:
            events: Each with its name, if it has one.
            seconds: How long they may take in all.
            late: What is sent when that is over.
        """
        super().__init__(
            _with_pings(events, seconds, late),
            media_type="text/event-stream",
            headers={"cache-control": "no-cache", "x-accel-buffering": "no"},
        )


async def _with_pings(
    events: AsyncIterator[Named], seconds: float, late: Named
) -> AsyncIterator[bytes]:
    waiting: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def produce() -> None:
        try:
            async with asyncio.timeout(seconds):
                async for event in events:
                    await waiting.put(_written(event))
        except TimeoutError:
            await waiting.put(_written(late))

    producer = asyncio.create_task(produce())
    producer.add_done_callback(lambda _task: waiting.put_nowait(None))
    try:
        while True:
            try:
                line = await asyncio.wait_for(waiting.get(), PING)
            except TimeoutError:
                yield b": \n\n"
                continue
            if line is None:
                break
            yield line
        await producer
    finally:
        producer.cancel()


def _written(event: Named) -> bytes:
    name, data = event
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    lines = "".join(f"data: {line}\n" for line in text.split("\n"))
    return (f"event: {name}\n" if name else "").encode() + lines.encode() + b"\n"
