"""Tools served to other programs over standard input and output, as an MCP server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ragkit.errors import UsageError

if TYPE_CHECKING:
    from mcp.server.lowlevel.server import Server

    from ragkit.agent.tool import Tool


def mcp_server(
    tools: Sequence[Tool], *, name: str, version: str = "", instructions: str = ""
) -> Server[Any]:
    """Make a server of ``tools``; :func:`serve` runs it.

    Tools that need a person's consent are declared as such: it is the client's user who gives it.

    Args:
        tools: What is served.
        name: What the server calls itself.
        version: Its version.
        instructions: How to use the tools, for the client's model.

    Raises:
        UsageError: mcp is not installed.
    """
    try:
        import mcp_types as types
        from mcp.server.lowlevel.server import Server
    except ImportError as error:
        raise UsageError("an MCP server needs mcp: pip install 'ragkit[mcp]'") from error
    by_name = {tool.name: tool for tool in tools}

    async def list_tools(_context: Any, _params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(
            tools=[
                types.Tool(
                    name=tool.name,
                    description=tool.description,
                    input_schema=dict(tool.parameters),
                    annotations=types.ToolAnnotations(read_only_hint=tool.confirm is False),
                )
                for tool in tools
            ]
        )

    async def call_tool(_context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        tool = by_name.get(params.name)
        if tool is None:
            known = ", ".join(by_name)
            text, failed = f"there is no tool {params.name!r}; there are: {known}", True
        else:
            result = await asyncio.to_thread(tool.call, params.arguments or {})
            text, failed = result.text, result.error
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=text)], is_error=failed
        )

    return Server(
        name,
        version=version,
        instructions=instructions or None,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def serve(server: Server[Any]) -> None:
    """Answer on standard input and output until the client closes them."""
    from mcp.server.stdio import stdio_server

    async def run() -> None:
        async with stdio_server() as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())

    asyncio.run(run())
