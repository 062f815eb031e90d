"""``ragkit shell``: questions and answers, one after another."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from ragkit.cli.answer_options import answer_options, open_answering
from ragkit.cli.app import EXIT_FAILURES
from ragkit.cli.common import (
    Command,
    Common,
    common_options,
    embedder_options,
    memory_option,
    model_options,
    session_option,
    where_option,
)
from ragkit.cli.output import can_prompt, console, is_terminal, print_json
from ragkit.errors import UsageError

if TYPE_CHECKING:
    from ragkit.cli.repl import Shell


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
    where: dict[str, list[str]] | None,
    session: str,
    memory: tuple[str, ...] | None,
    opening: dict[str, Any],
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
    from ragkit.cli.repl import Shell

    with open_answering(common, opening, answering, budget_of="session") as kb:
        shell = Shell(
            kb,
            console(sys.stderr if common.as_json else None),
            session=session,
            memory=memory or ("window",),
            model=opening["model"],
            escalate=answering["escalate"],
            base_url=opening["base_url"],
            where=where,
            verbose=common.verbose,
            interactive=interactive,
        )
        with closing(shell):
            code = converse(shell)
    if common.as_json:
        print_json({"answers": shell.records})
    return code


def converse(shell: Shell) -> int:
    """Handle lines, typed or from a pipe, until the user leaves; return the exit code."""
    if shell.interactive:
        from ragkit.cli.line_editor import run

        run(shell)
        return 0
    from ragkit.cli.repl import questions_from

    for question in questions_from(sys.stdin.buffer):
        if not shell.handle(question):
            break
    return EXIT_FAILURES if shell.errors else 0
