"""Tools that come with ragkit. Each is made with what it may reach; none reaches more.

    from ragkit.agent.tools import calculator, file_tools, http_tool, python_tool, sql_tool

Names are imported when first used, so that a tool costs nothing until it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ragkit.agent.sandbox.run import SandboxLimits
    from ragkit.agent.tools.arithmetic import calculator
    from ragkit.agent.tools.files import file_tools
    from ragkit.agent.tools.http import http_tool
    from ragkit.agent.tools.knowledge_base import base_tools
    from ragkit.agent.tools.openapi import openapi_tools
    from ragkit.agent.tools.python import python_tool
    from ragkit.agent.tools.search_kb import search_kb_tool
    from ragkit.agent.tools.sql import sql_tool
    from ragkit.agent.tools.web_search import web_search_tool

_HOMES = {
    "SandboxLimits": "sandbox.run",
    "base_tools": "tools.knowledge_base",
    "calculator": "tools.arithmetic",
    "file_tools": "tools.files",
    "http_tool": "tools.http",
    "openapi_tools": "tools.openapi",
    "python_tool": "tools.python",
    "sql_tool": "tools.sql",
    "search_kb_tool": "tools.search_kb",
    "web_search_tool": "tools.web_search",
}

__all__ = [
    "SandboxLimits",
    "base_tools",
    "calculator",
    "file_tools",
    "http_tool",
    "openapi_tools",
    "python_tool",
    "search_kb_tool",
    "sql_tool",
    "web_search_tool",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"ragkit.agent.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
