"""A real server on loopback, in a thread of the test's process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn

from ragkit import KnowledgeBase
from ragkit.server import Served, ServeSettings, create_app


@contextmanager
def served(*bases: KnowledgeBase, **settings: Any) -> Iterator[httpx.Client]:
    """Serve bases as ``default``, ``second`` …; the client knows the server's address."""
    names = ("default", "second", "third")
    app = create_app(Served(dict(zip(names, bases, strict=False)), ServeSettings(**settings)))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", server_header=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


def events(text: str) -> list[tuple[str, str]]:
    """Read server-sent events: each one's name and data."""
    found = []
    for block in text.split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        if lines:
            name = next((line[7:] for line in lines if line.startswith("event: ")), "")
            data = "\n".join(line[6:] for line in lines if line.startswith("data: "))
            found.append((name, data))
    return found
