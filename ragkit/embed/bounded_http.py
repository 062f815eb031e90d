"""Replies of model servers that cannot flood this process, nor hold a thread after their time."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpx2

MOST_BYTES = 64 * 2**20


class FloodError(Exception):
    """A server sent more than any reply has, or in a form that could hide that."""


class AbandonedError(Exception):
    """Nobody waits for the reply any more."""


class Abandonment(threading.Event):
    """Set when nobody wants a reply any more; a read that waits for it comes back at once."""

    def __init__(self, until: float | None = None) -> None:
        """Nobody wants it after ``until`` either, by ``time.monotonic()``."""
        super().__init__()
        self.until = until
        self._guard = threading.Lock()
        self._wake: Callable[[], None] | None = None

    def set(self) -> None:
        """Give the reply up."""
        with self._guard:
            super().set()
            if self._wake is not None:
                self._wake()

    def waking(self, wake: Callable[[], None] | None) -> None:
        """Have ``wake`` called when the reply is given up; ``None`` when it is here."""
        with self._guard:
            self._wake = wake
            if wake is not None and self.is_set():
                wake()

    def over(self) -> bool:
        """Whether it was given up, or its time is over."""
        return self.is_set() or (self.until is not None and time.monotonic() >= self.until)


_WAITED_FOR: ContextVar[Abandonment | None] = ContextVar("ragkit_waited_for", default=None)


@contextmanager
def waited_for(abandoned: Abandonment) -> Iterator[None]:
    """Let the replies that are read inside end when they are given up."""
    token = _WAITED_FOR.set(abandoned)
    try:
        yield
    finally:
        _WAITED_FOR.reset(token)


def bounded(response: httpx2.Response) -> None:
    """Bound a response before any of it is read; for the event hook of a client.

    Raises:
        FloodError: it is compressed, which was not asked for: a small reply could become any size.
    """
    if (packed := packed_reply(response)) is not None:
        raise packed
    if isinstance(response.stream, httpx2.SyncByteStream):
        response.stream = _Bounded(response, response.stream, _WAITED_FOR.get())


def packed_reply(response: httpx2.Response) -> FloodError | None:
    """What is wrong with a reply that is compressed; ``None`` where it is not."""
    packed = response.headers.get("content-encoding", "").strip().lower()
    if packed in ("", "identity"):
        return None
    return FloodError(f"sent a reply packed with {packed[:20]!r}, which was not asked for")


def waiting_until() -> float | None:
    """When the reply that is waited for here has to be there, by ``time.monotonic()``."""
    abandoned = _WAITED_FOR.get()
    return None if abandoned is None else abandoned.until


class _Bounded(httpx2.SyncByteStream):
    def __init__(
        self,
        response: httpx2.Response,
        stream: httpx2.SyncByteStream,
        abandoned: Abandonment | None,
    ) -> None:
        self._stream = stream
        self._abandoned = abandoned
        network: Any = response.extensions.get("network_stream")
        connection = network.get_extra_info("socket") if network is not None else None
        if abandoned is not None and isinstance(connection, socket.socket):
            abandoned.waking(lambda: _hang_up(connection))

    def __iter__(self) -> Iterator[bytes]:
        left = MOST_BYTES
        for chunk in self._stream:
            if self._abandoned is not None and self._abandoned.over():
                raise AbandonedError
            left -= len(chunk)
            if left < 0:
                raise FloodError(f"sent more than {MOST_BYTES // 2**20} MiB in one reply")
            yield chunk

    def close(self) -> None:
        if self._abandoned is not None:
            self._abandoned.waking(None)  # the connection may serve another reply from now on
        self._stream.close()


def _hang_up(connection: socket.socket) -> None:
    try:
        # Not the method of a TLS socket, which is no matter for two threads.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        pass  # the other side was first


def client_settings() -> dict[str, Any]:
    """Return what an HTTP client is made with, so that its replies are bounded."""
    return {
        "event_hooks": {"response": [bounded]},
        "headers": {"Accept-Encoding": "identity"},
    }
