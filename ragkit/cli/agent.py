"""``ragkit agent``: a model that works on a task with tools."""

from __future__ import annotations

import sys
from typing import Any

import click

from ragkit.cli.app import EXIT_FAILURES
from ragkit.cli.common import (
    DEFAULT_TOOLS,
    Command,
    Common,
    common_options,
    embedder_options,
    memory_option,
    model_options,
    note_read_only,
    open_kb,
    read_question,
    session_option,
)
from ragkit.cli.output import can_prompt, console, is_terminal, note, print_json
from ragkit.cli.shell import converse
from ragkit.cli.step_lines import step_sinks
from ragkit.errors import UsageError


@click.command(
    "agent",
    cls=Command,
    examples=(
        "ragkit agent --model ollama:qwen3",
        'ragkit agent "What do the two cheapest pumps cost together?" --model openai:gpt-5-mini',
        'ragkit agent "Who bought most?" --tool search_kb --tool sql:sqlite:///shop.db --model …',
        'ragkit agent "Sum up the open tickets" --tool "mcp:npx -y my-server" --model …',
    ),
)
@click.argument("question", metavar="[QUESTION]", nargs=-1)
@click.option(
    "--tool",
    "tools",
    metavar="NAME",
    multiple=True,
    help="What the agent may use; give it again for more: search_kb, calculator, python[:FOLDER],"
    " files:FOLDER, sql:URL, http:HOST[,HOST...], web_search:PROVIDER, openapi:BASE_URL=FILE,"
    " mcp:COMMAND or mcp:URL.  [default: search_kb, calculator]",
)
@click.option(
    "--approve",
    type=click.Choice(["ask", "always", "never"]),
    default="ask",
    show_default=True,
    help="Calls that change something: ask (and refuse where there is nobody to ask), allow all,"
    " or none.",
)
@click.option(
    "--instructions", metavar="TEXT", help="What the agent is for, in place of the usual."
)
@click.option(
    "--steps",
    metavar="N",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="Replies of the model at most.",
)
@click.option(
    "--seconds",
    metavar="S",
    type=click.FloatRange(0, min_open=True),
    default=600.0,
    show_default=True,
    help="Time for one question at most.",
)
@click.option(
    "--tokens",
    metavar="N",
    type=click.IntRange(1),
    help="Tokens read and written for one question at most.",
)
@click.option(
    "--cost",
    metavar="USD",
    type=click.FloatRange(0, min_open=True),
    help="US dollars for one question at most; only for models whose price is known.",
)
@session_option(
    default=None, help_text="Conversation to go on with; it is kept in the knowledge base."
)
@memory_option(default="window,turns")
@model_options
@embedder_options
@common_options
def command(
    common: Common,
    question: tuple[str, ...],
    tools: tuple[str, ...],
    approve: str,
    instructions: str | None,
    steps: int,
    seconds: float,
    tokens: int | None,
    cost: float | None,
    session: str | None,
    memory: tuple[str, ...] | None,
    opening: dict[str, Any],
) -> int:
    """Let a model work on a task with tools, showing its steps as they happen.

    Without QUESTION it talks with you in a shell that remembers the conversation; /agent there
    changes the tools. What the agent did is kept as a trace: see `ragkit trace`. A run that ends
    without the model being done, at a limit, exits with 1.
    """
    interactive = can_prompt()
    from ragkit.agent import Limits
    from ragkit.cli import agents

    if memory is not None and session is None and question:
        raise UsageError("--memory needs a conversation to remember: name one with --session")
    remembers = memory or ("window", "turns")
    limits = Limits(steps=steps, tokens=tokens, seconds=seconds, cost=cost)
    names = tools or DEFAULT_TOOLS
    with (
        open_kb(common, sinks=step_sinks(common), **opening) as kb,
        agents.AgentDesk(kb, approve=approve, interactive=interactive) as desk,
    ):
        if session is not None:
            kb.chat(session)  # says so at once where none can be kept
        note_read_only(kb)
        if question:
            text = read_question(question)
            agent = desk.agent(
                opening["model"],
                desk.tools(names),
                base_url=opening["base_url"],
                instructions=instructions,
                memory=kb.memory(session, kinds=remembers) if session is not None else None,
                limits=limits,
            )
            out = console(sys.stderr if common.as_json else None)
            with kb.recording("agent", inputs={"question": text}):
                result = agents.show_run(out, agent.stream(text), verbose=common.verbose)
            kb.note_usage(result.model, result.usage, calls=len(result.steps), trace=result.trace)
            if common.as_json:
                print_json(agents.run_document(result))
            else:
                note(f"({agents.run_facts(result)}; ragkit trace {(result.trace or '')[:8]})")
            return 0 if result.stopped == "answer" else EXIT_FAILURES
        if common.as_json:
            raise UsageError("agent --json needs a question")
        from ragkit.cli.repl import Shell

        shell = Shell(
            kb,
            console(),
            session=session or "default",
            memory=remembers,
            model=opening["model"],
            base_url=opening["base_url"],
            verbose=common.verbose,
            interactive=interactive and is_terminal(),
        )
        shell.begin_agent(desk, names, limits=limits, instructions=instructions)
        return converse(shell)
