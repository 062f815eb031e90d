"""MCP over streamable HTTP, at ``/mcp``: the tools of ``ragkit mcp``, each request by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from ragkit.agent.mcp_server import mcp_server
from ragkit.agent.tools.knowledge_base import INSTRUCTIONS, base_tools
from ragkit.results import __version__

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from ragkit.server.sharing import Server


class McpEndpoint:
    """An ASGI application for one path, which works while :meth:`running`."""

    def __init__(self, server: Server) -> None:
        """Serve the first base."""
        tools = base_tools(server.base(None))
        made = mcp_server(tools, name="ragkit", version=__version__, instructions=INSTRUCTIONS)
        self._manager = StreamableHTTPSessionManager(
            made,
            stateless=True,
            json_response=True,
            max_request_body_size=server.served.settings.max_body,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Answer requests meanwhile."""
        async with self._manager.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self._manager.handle_request(scope, receive, send)
