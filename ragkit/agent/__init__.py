"""Agents: a model, the tools it may call, and the one loop that runs them."""

from ragkit.agent.tool import Tool, ToolError, ToolResult, tool

__all__ = ["Tool", "ToolError", "ToolResult", "tool"]
