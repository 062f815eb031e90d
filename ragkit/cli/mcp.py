"""``ragkit mcp``: the knowledge base as a server for assistants that speak MCP."""

from __future__ import annotations

from typing import Any

import click

from ragkit.cli.common import (
    Command,
    Common,
    common_options,
    embedder_options,
    model_options,
    open_kb,
)
from ragkit.errors import UsageError


@click.command(
    "mcp",
    cls=Command,
    examples=("ragkit mcp", "ragkit mcp --kb ~/manuals/.ragkit --model ollama:qwen3"),
)
@model_options
@embedder_options
@common_options
def command(common: Common, opening: dict[str, Any]) -> None:
    """Serve the knowledge base to assistants and editors that speak MCP.

    It talks over standard input and output, and is started by the assistant: put `ragkit mcp --kb
    DIR` where that asks for the command of an MCP server. Its tools only read: search_kb, ask_kb,
    read_document and list_documents. Nothing listens on a network. Needs `ragkit[mcp]`.
    """
    if common.as_json:
        raise UsageError("mcp speaks its own protocol, so that --json has no meaning here")
    from ragkit.agent.mcp_server import mcp_server, serve
    from ragkit.agent.tools.knowledge_base import INSTRUCTIONS, base_tools
    from ragkit.results import __version__

    with open_kb(common, **opening) as kb:
        server = mcp_server(
            base_tools(kb), name="ragkit", version=__version__, instructions=INSTRUCTIONS
        )
        serve(server)
