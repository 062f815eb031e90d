"""``ragkit ask``: one question, one answer with its sources."""

from __future__ import annotations

from typing import Any

import click

from ragkit.cli.answer_options import answer_options, open_answering
from ragkit.cli.common import (
    Command,
    Common,
    common_options,
    embedder_options,
    memory_option,
    model_options,
    note_read_only,
    read_question,
    session_option,
    where_option,
)
from ragkit.cli.output import console, print_json
from ragkit.errors import UsageError
from ragkit.results import answer_document


@click.command(
    "ask",
    cls=Command,
    examples=(
        'ragkit ask "How long is the warranty?"',
        'ragkit ask "And for the battery?" --session alice',
        'ragkit ask "What did I say I own?" --session alice --memory window,turns',
        "ragkit ask \"Who signed?\" --where 'path=contracts/*' --json",
        'ragkit ask "How do the two plans differ?" --mode compare',
        'ragkit ask "What changed?" --model openai:qwen3 --base-url http://localhost:8080/v1',
    ),
)
@click.argument("question", metavar="QUESTION", nargs=-1, required=True)
@where_option
@model_options
@answer_options
@embedder_options
@session_option(
    default=None,
    help_text="Conversation to go on with: earlier questions count, and this one is kept.",
)
@memory_option(default="window")
@common_options
def command(
    common: Common,
    question: tuple[str, ...],
    where: dict[str, list[str]] | None,
    session: str | None,
    memory: tuple[str, ...] | None,
    opening: dict[str, Any],
    answering: dict[str, Any],
) -> None:
    """Answer a question from the documents, citing the exact places.

    QUESTION may be several words, or - to read it from stdin. When the documents hold no answer,
    it says so and why. Nothing leaves this machine unless --model names a remote model.
    """
    text = read_question(question)
    if memory is not None and session is None:
        raise UsageError("--memory needs a conversation to remember: name one with --session")
    with open_answering(common, opening, answering, budget_of="answer") as kb:
        asked = kb.chat(session, memory=memory or ("window",)) if session is not None else kb
        note_read_only(kb)
        if common.as_json:
            print_json(answer_document(asked.ask(text, where=where)))
            return
        from ragkit.cli.render import print_answer, print_text, stream_answer

        out = console()
        if out.is_terminal:
            events = asked.stream(text, where=where)
            answer = stream_answer(out, events, waiting=opening["model"] != "extractive")
        else:
            answer = asked.ask(text, where=where)
            print_text(out, answer.text)
        print_answer(out, kb, answer, verbose=common.verbose)
