"""``ragkit shell``: questions and answers, one after another."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import Any

import click

from ragkit.cli.answer_options import answer_options, models_from, settings_of
from ragkit.cli.app import EXIT_FAILURES
from ragkit.cli.common import (
    Command,
    Common,
    common_options,
    embedder_options,
    memory_option,
    model_options,
    open_kb,
    parse_where,
    session_option,
    where_option,
)
from ragkit.cli.output import can_prompt, is_terminal, print_json
from ragkit.cli.step_lines import step_sinks
from ragkit.errors import UsageError


@click.command(
    "shell",
    cls=Command,
    examples=(
        "ragkit shell",
        "ragkit shell --session alice --model ollama:qwen3",
        "ragkit shell < questions.txt",
    ),
)
@session_option(
    default="default", help_text="Conversation to go on with; it is kept in the knowledge base."
)
@memory_option(default="window")
@where_option
@model_options
@answer_options
@embedder_options
@common_options
def command(
    common: Common,
    conditions: tuple[str, ...],
    model: str,
    base_url: str | None,
    embedder: str | None,
    embedder_base_url: str | None,
    session: str,
    memory: tuple[str, ...] | None,
    answering: dict[str, Any],
) -> int:
    """Ask questions in an interactive shell that remembers the conversation.

    Type a question, or /help. Alt-Enter, or a backslash at the end of a line, goes on in a new
    line; Ctrl-C stops an answer, Ctrl-D leaves. When input comes from a pipe, each line is a
    question, and with --json the result is one document with all answers.
    """
    interactive = can_prompt() and is_terminal()
    if common.as_json and interactive:
        raise UsageError("shell --json reads its questions from a pipe or a file")
    where = parse_where(conditions)
    from ragkit.cli.repl import Shell, questions_from
    from ragkit.cli.terminal import console

    with open_kb(
        common,
        sinks=step_sinks(common),
        model=models_from(model, answering),
        answers=settings_of(answering, budget_of="session"),
        base_url=base_url,
        embedder=embedder,
        embedder_base_url=embedder_base_url,
    ) as kb:
        shell = Shell(
            kb,
            console(sys.stderr if common.as_json else None),
            session=session,
            memory=memory or ("window",),
            model=model,
            escalate=answering["escalate"],
            base_url=base_url,
            where=where,
            verbose=common.verbose,
            interactive=interactive,
        )
        with closing(shell):
            if interactive:
                from ragkit.cli.line_editor import run

                run(shell)
                return 0
            for question in questions_from(sys.stdin.buffer):
                if not shell.handle(question):
                    break
    if common.as_json:
        print_json({"answers": shell.records})
    return EXIT_FAILURES if shell.errors else 0
