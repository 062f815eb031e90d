"""Agents: a model, the tools it may call, and the one loop that runs them."""

from ragkit.agent.agent import Agent
from ragkit.agent.limits import Limits
from ragkit.agent.outcome import (
    AgentEvent,
    AgentResult,
    CallRecord,
    PendingCall,
    RunState,
    Step,
    StepStarted,
    Thought,
    ToolFinished,
    ToolStarted,
)
from ragkit.agent.tool import Tool, ToolError, ToolResult, tool

__all__ = [
    "Agent",
    "AgentEvent",
    "AgentResult",
    "CallRecord",
    "Limits",
    "PendingCall",
    "RunState",
    "Step",
    "StepStarted",
    "Thought",
    "Tool",
    "ToolError",
    "ToolFinished",
    "ToolResult",
    "ToolStarted",
    "tool",
]
