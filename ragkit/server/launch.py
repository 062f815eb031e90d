"""Running a server until it is told to stop."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn

from ragkit.errors import RagkitError, UsageError
from ragkit.server.application import create_app
from ragkit.server.served import LOOPBACK, Served

FINISH = 30  # seconds for what still streams when the server is told to stop


class ServeError(RagkitError):
    """The server cannot be started."""


def serve(
    served: Served, *, host: str, port: int, started: Callable[[str], None] = lambda _address: None
) -> None:
    """Serve until SIGTERM or Ctrl-C; what streams then is finished, within a limit.

    Args:
        served: What, and how.
        host: The address to listen at; beyond this computer only with a token.
        port: The port; 0 takes any that is free.
        started: Called with the server's address once it can be asked.

    Raises:
        UsageError: others could reach it without a token.
        ServeError: the address cannot be had.
    """
    if host not in LOOPBACK and served.settings.token is None:
        raise UsageError(
            f"whoever can reach {host} could read the documents: a server beyond this computer"
            " needs --token-file"
        )
    listening = _listen(host, port)
    own = "localhost" if host in LOOPBACK else host
    address = f"http://{own}:{listening.getsockname()[1]}"

    class Announced(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            started(address)

    config = uvicorn.Config(
        create_app(served),
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=FINISH,
        timeout_keep_alive=30,
        h11_max_incomplete_event_size=64 * 1024,
    )
    Announced(config).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    try:
        kind = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(kind[0], kind[1])
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(kind[4])
    except (OSError, OverflowError) as error:
        raise ServeError(
            f"cannot listen at {host}:{port} ({getattr(error, 'strerror', None) or error}); take"
            " another with --port, or --port 0 for any that is free"
        ) from error
    return listening
