"""``ragkit ask``: one question, one answer with its sources."""

from __future__ import annotations

from typing import Any

import click

from ragkit.cli.answer_json import answer_document
from ragkit.cli.answer_options import answer_options, models_from, settings_of
from ragkit.cli.common import (
    Command,
    Common,
    common_options,
    embedder_options,
    memory_option,
    model_options,
    note_read_only,
    open_kb,
    parse_where,
    read_question,
    session_option,
    where_option,
)
from ragkit.cli.output import print_json
from ragkit.cli.step_lines import step_sinks
from ragkit.errors import UsageError


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
    conditions: tuple[str, ...],
    model: str,
    base_url: str | None,
    embedder: str | None,
    embedder_base_url: str | None,
    session: str | None,
    memory: tuple[str, ...] | None,
    answering: dict[str, Any],
) -> None:
    """Answer a question from the documents, citing the exact places.

    QUESTION may be several words, or - to read it from stdin. When the documents hold no answer,
    it says so and why. Nothing leaves this machine unless --model names a remote model.
    """
    text = read_question(question)
    where = parse_where(conditions)
    if memory is not None and session is None:
        raise UsageError("--memory needs a conversation to remember: name one with --session")
    with open_kb(
        common,
        sinks=step_sinks(common),
        model=models_from(model, answering),
        answers=settings_of(answering, budget_of="answer"),
        base_url=base_url,
        embedder=embedder,
        embedder_base_url=embedder_base_url,
    ) as kb:
        asked = kb.chat(session, memory=memory or ("window",)) if session is not None else kb
        note_read_only(kb)
        if common.as_json:
            print_json(answer_document(asked.ask(text, where=where)))
            return
        from ragkit.cli.render import print_answer, print_text, stream_answer
        from ragkit.cli.terminal import console

        out = console()
        if out.is_terminal:
            events = asked.stream(text, where=where)
            answer = stream_answer(out, events, waiting=model != "extractive")
        else:
            answer = asked.ask(text, where=where)
            print_text(out, answer.text)
        print_answer(out, kb, answer, verbose=common.verbose)
