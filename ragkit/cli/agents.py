"""Agents on the command line: their tools by name, their steps as they happen."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from ragkit.agent import (
    Agent,
    AgentResult,
    Limits,
    PendingCall,
    Thought,
    Tool,
    ToolFinished,
    ToolStarted,
)
from ragkit.agent import tools as builtin
from ragkit.agent.mcp_client import mcp_tools
from ragkit.cli.output import note, plural, printable
from ragkit.cli.render import AnswerWriter, print_degraded, print_text
from ragkit.errors import UsageError
from ragkit.events import Notice
from ragkit.events.plug_ins import plug_in
from ragkit.llm import load_model
from ragkit.results import TextDelta

if TYPE_CHECKING:
    from rich.console import Console

    from ragkit.agent import AgentEvent
    from ragkit.kb import KnowledgeBase
    from ragkit.memory import Memory

TOOL_FORMS = (
    "search_kb, calculator, python[:FOLDER], files:FOLDER, sql:URL, http:HOST[,HOST...], "
    "web_search:PROVIDER, openapi:BASE_URL=FILE, mcp:COMMAND or mcp:URL"
)
INSTRUCTIONS = (
    "You help the user with their documents and tools. Look things up instead of guessing. Name "
    "the file and page that each fact is from. Say so when the documents do not hold it. Answer "
    "in the language of the question."
)
_LONGEST = 160


class AgentDesk:
    """Tools and settings for agents over one knowledge base. Leave it to close what was opened."""

    def __init__(
        self, kb: KnowledgeBase, *, approve: str = "ask", interactive: bool = False
    ) -> None:
        """Set what happens with calls that need consent: ``"ask"``, ``"always"``, ``"never"``."""
        self._kb = kb
        self._approve = approve
        self._interactive = interactive
        self._opened = ExitStack()

    def __enter__(self) -> AgentDesk:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect from servers of tools."""
        self._opened.close()

    def tools(self, names: Sequence[str]) -> list[Tool]:
        """Make tools by their names; see :data:`TOOL_FORMS`.

        Raises:
            UsageError: a name is not known, or lacks what its tool needs.
        """
        return [tool for name in names for tool in self._tools_of(name)]

    def agent(
        self,
        model: str,
        tools: Sequence[Tool],
        *,
        base_url: str | None = None,
        instructions: str | None = None,
        memory: Memory | None = None,
        limits: Limits | None = None,
    ) -> Agent:
        """Make an agent.

        Raises:
            UsageError: ``model`` is no language model.
        """
        if model == "extractive":
            raise UsageError(
                "an agent needs a language model that decides what to do: name one with --model, "
                "such as ollama:qwen3 or openai:gpt-5-mini"
            )
        return Agent(
            load_model(model, base_url=base_url),
            tools=tools,
            instructions=instructions or INSTRUCTIONS,
            memory=memory,
            limits=limits,
            approve=self._decide,
        )

    def _tools_of(self, name: str) -> Sequence[Tool]:
        kind, _, setting = name.partition(":")
        setting = setting.strip()
        match kind, setting:
            case "search_kb", "":
                return [self._kb.as_tool()]
            case "calculator", "":
                return [builtin.calculator]
            case "python", _:
                return [builtin.python_tool(folder=setting or None)]
            case (("web_search" | "files" | "sql" | "http" | "mcp"), ""):
                pass
            case "web_search", _:
                variables = {"brave": "BRAVE_API_KEY", "tavily": "TAVILY_API_KEY"}
                return [builtin.web_search_tool(setting, api_key_variable=variables.get(setting))]
            case "files", _:
                return builtin.file_tools(setting)
            case "sql", _:
                return [builtin.sql_tool(setting)]
            case "http", _:
                return [builtin.http_tool(allow=[host.strip() for host in setting.split(",")])]
            case "openapi", _ if "=" in setting:
                base_url, _, document = setting.partition("=")
                return builtin.openapi_tools(document, base_url=base_url)
            case "mcp", _:
                is_url = setting.startswith(("http://", "https://"))
                server = setting if is_url else shlex.split(setting, posix=os.name != "nt")
                return self._opened.enter_context(mcp_tools(server))
            case _ if (made := plug_in("ragkit.tools", kind)) is not None:
                found = made if isinstance(made, Tool) else made(setting)
                return [found] if isinstance(found, Tool) else list(found)
        raise UsageError(f"there is no tool {name!r}; there are: {TOOL_FORMS}")

    def _decide(self, call: PendingCall) -> bool | str:
        if self._approve == "always":
            return True
        if self._approve == "never" or not self._interactive:
            return "calls that need consent are not allowed here"
        shown = printable(json.dumps(dict(call.arguments), ensure_ascii=False))
        question = f"{call.agent} wants to call {call.tool} {shown}\nAllow it?"
        return click.confirm(question, default=False, err=True)


def show_run(out: Console, events: Iterable[AgentEvent], *, verbose: bool) -> AgentResult:
    """Print an agent's steps as they happen, then its answer; return the result.

    Away from a terminal the steps go to stderr, and only the answer to stdout.
    """
    live = out.is_terminal
    writer = AnswerWriter(out)
    result: AgentResult | None = None

    def step(text: str, style: str = "faint") -> None:
        nonlocal writer
        if live:
            writer.finish()
            writer = AnswerWriter(out)
            out.print(Text(printable(text), style=style))
        else:
            note(printable(text))

    for event in events:
        match event:
            case TextDelta(text=text) if live:
                writer.write(text)
            case Thought(text=text) if not live or not writer.text:
                step(_one_line(text))
            case ToolStarted(tool=name, arguments=arguments):
                step(f"→ {name} {_one_line(arguments)}", "cite")
            case ToolFinished(tool=name, result=found, refused=refused):
                shown = found.text if verbose else _one_line(found.text)
                mark = "✗" if found.error else "←"
                step(
                    f"{mark} {name + ': ' if refused else ''}{shown}",
                    "bad" if found.error else "faint",
                )
            case Notice(message=message):
                step(f"! {message}")
            case AgentResult():
                result = event
    if result is None:
        raise RuntimeError("the run ended without a result")
    writer.finish()
    if not live or " ".join(writer.text.split()) != " ".join(result.text.split()):
        print_text(out, result.text)
    if verbose:
        print_degraded(result.degraded)
    return result


def run_facts(result: AgentResult) -> str:
    """Return what a run took, on one line."""
    tokens = result.usage.input_tokens + result.usage.output_tokens
    parts = [plural(len(result.steps), "step"), plural(tokens, "token")]
    if result.cost:
        parts.append(f"${result.cost:.4f}")
    parts.append(f"{result.seconds:.1f} s")
    if result.stopped != "answer":
        parts.append(f"stopped: {result.stopped}")
    return ", ".join(parts)


def run_document(result: AgentResult) -> dict[str, Any]:
    """Return a run as JSON data."""
    return {
        "answer": result.text,
        "stopped": result.stopped,
        "steps": [asdict(step) for step in result.steps],
        "usage": asdict(result.usage),
        "cost": result.cost,
        "seconds": round(result.seconds, 3),
        "degraded": list(result.degraded),
        "model": result.model,
        "trace": result.trace,
    }


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
