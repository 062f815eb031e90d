"""An HTTP client that blocks when called plainly, and awaits inside an event loop.

What is built on a plain client (the ``openai`` client, retries, the reading of streams) serves both.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import httpx2

from ragkit.embed.bounded_http import MOST_BYTES, FloodError, packed_reply, waiting_until
from ragkit.events.awaiting import is_awaiting, wait_for

if TYPE_CHECKING:
    from collections.abc import Awaitable


class AwaitingClient(httpx2.Client):
    """A client with a twin for event loops, made alike; a request goes to the one that fits."""

    def __init__(self, make_twin: Callable[[], httpx2.AsyncClient], **settings: Any) -> None:
        """Make the client of ``settings``.

        Args:
            make_twin: Makes a client for one request within an event loop. Connections belong to a
                loop, and nobody could close them when it ends.
            **settings: As of ``httpx2.Client``.
        """
        super().__init__(**settings)
        self._make_twin = make_twin

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send a request; see ``httpx2.Client.send``."""
        if not is_awaiting():
            return super().send(request, **options)
        return _awaited(self._make_twin(), request, options)


def _awaited(
    twin: httpx2.AsyncClient, request: httpx2.Request, options: dict[str, Any]
) -> httpx2.Response:
    stream = options.pop("stream", False)
    try:
        found = _in_time(twin.send(request, stream=True, **options))
        if (packed := packed_reply(found)) is not None:
            raise packed
    except BaseException:
        _close(twin.aclose())
        raise
    body = _Body(found, twin)
    response = httpx2.Response(
        found.status_code,
        headers=found.headers,
        stream=body,
        request=request,
        extensions=found.extensions,
    )
    if not stream:
        response.read()
        response.close()
    return response


class _Body(httpx2.SyncByteStream):
    """What comes back, read as it comes; no more of it than there is room for."""

    def __init__(self, found: httpx2.Response, twin: httpx2.AsyncClient) -> None:
        self._found, self._twin = found, twin
        self._chunks = found.aiter_raw()

    def __iter__(self) -> Iterator[bytes]:
        left = MOST_BYTES
        while True:
            try:
                chunk = _in_time(anext(self._chunks))
            except StopAsyncIteration:
                return
            left -= len(chunk)
            if left < 0:
                raise FloodError(f"sent more than {MOST_BYTES // 2**20} MiB in one reply")
            yield chunk

    def close(self) -> None:
        _close(self._found.aclose())
        _close(self._twin.aclose())


def _in_time(awaitable: Awaitable[Any]) -> Any:
    """Await as long as there is time for the reply.

    Raises:
        httpx2.ReadTimeout: it is over.
    """
    until = waiting_until()
    if until is None:
        return wait_for(awaitable)
    try:
        left = max(0.001, until - time.monotonic())
        return wait_for(asyncio.wait_for(awaitable, left))
    except TimeoutError:
        raise httpx2.ReadTimeout("the time for the reply is over") from None


def _close(closed: Any) -> None:
    """Close something, also where it is a cancelled task that does so."""
    if is_awaiting():
        wait_for(asyncio.shield(closed))
    else:
        closed.close()  # nobody runs the loop any more
