"""From a text and the turns before it to a :class:`~ragkit.question.question.Question`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date

from ragkit.errors import ModelError, UsageError
from ragkit.language import words
from ragkit.language.dates import asked_months, asked_periods
from ragkit.language.languages import language_name
from ragkit.question.comparing import compared
from ragkit.question.document_hints import file_names, order_asked
from ragkit.question.history import carried_over, check_history, refers_back, rewrite
from ragkit.question.kinds import asks_list, question_kind, without_measure
from ragkit.question.names import own_names
from ragkit.question.pages import find_pages
from ragkit.question.parts import parts_of
from ragkit.question.quantities import quantities
from ragkit.question.question import Question, Turn
from ragkit.question.topic import (
    apart,
    topic_of,
    topic_terms,
    words_of,
)

MAX_CHARACTERS = 100_000
_CARRIED_WEIGHT = 0.5
_REWRITE_WEIGHT = 0.7
_GAP = re.compile(r"(\s{20})\s+")

Ask = Callable[[str], str]
"""Puts one prompt to a language model and returns its reply; raises ``ModelError``."""


def read_question(
    text: str, history: object = (), *, ask: Ask | None = None, today: date | None = None
) -> Question:
    """Read a question.

    Args:
        text: As it was asked, at most 100,000 characters.
        history: Earlier turns, oldest first: ``[{"role": "user", "content": "…"}, …]``; ``None``
            for none.
        ask: Asks a language model to rewrite the question, if it refers back; without one, what
            the conversation is about is carried over.
        today: What "last year" is reckoned from; default: the day it is.

    Raises:
        UsageError: the text is none, empty or endless, or an entry of the history is no turn.
    """
    text = check_text(text)
    turns = check_history(history)
    today = today or date.today()
    parts: list[Question] = []
    for part in parts_of(text):
        # The first part names what the others refer back to: "and what does it cost".
        before = ({"role": "user", "content": parts[0].text},) if parts else ()
        parts.append(_read(part, (*turns, *before), None, today))
    return _read(text, turns, ask, today, parts)


def check_text(text: object) -> str:
    """Return a question's text, with no more than 20 spaces or line ends in a row.

    Many patterns look for what follows white space, which takes long where there is no end of it.

    Raises:
        UsageError: it is no text, empty or endless.
    """
    if not isinstance(text, str):
        raise UsageError(f"the question must be a string, not {type(text).__name__!r}")
    if not text.strip():
        raise UsageError("the question is empty")
    if len(text) > MAX_CHARACTERS:
        raise UsageError(
            f"the question has {len(text):,} characters; at most {MAX_CHARACTERS:,} are taken"
        )
    return _GAP.sub(r"\1", text)


def _read(
    text: str,
    history: tuple[Turn, ...],
    ask: Ask | None,
    today: date,
    parts: Sequence[Question] = (),
) -> Question:
    back = refers_back(text)
    rewritten, degraded = None, ""
    if ask is not None and history and back:
        rewritten, degraded = _rewritten(text, history, ask)
    carried = carried_over(history)
    searches: tuple[tuple[str, float], ...] = ((text, 1.0),)
    note = ""
    if rewritten is not None:
        searches = ((text, 1 - _REWRITE_WEIGHT), (rewritten, _REWRITE_WEIGHT))
        note = f"refers back: rewritten by the language model as {rewritten!r}"
    elif carried:
        searches = ((text, 1 - _CARRIED_WEIGHT), (f"{carried} {text}", _CARRIED_WEIGHT))
        note = f"searched also together with the turn before: {carried!r}"
    topic = topic_of(text)
    language = language_name(text)
    terms = words.terms(without_measure(text))
    return Question(
        text=text,
        history=history,
        language=language,
        topic=topic,
        words=words_of(topic),
        terms=terms,
        topic_terms=topic_terms(without_measure(topic)),
        names=own_names(text, words.terms(text), language),
        beside=tuple(map(words.terms, apart(topic))),
        quantities=quantities(text),
        kind=question_kind(text),
        asks_list=asks_list(text),
        periods=tuple(asked_periods(text, today)),
        months=asked_months(text),
        pages=find_pages(text),
        files=file_names(text),
        order=order_asked(text),
        compared=compared(text),
        parts=tuple(parts),
        refers_back=back,
        carried=carried,
        carried_terms=words.terms(carried) - terms,
        rewrite=rewritten,
        searches=searches,
        notes=(note,) if note else (),
        degraded=(degraded,) if degraded else (),
    )


def _rewritten(text: str, history: Sequence[Turn], ask: Ask) -> tuple[str | None, str]:
    """The question as a language model says it, and what failed."""
    failed = "the question was not rewritten, but resolved by its words"
    try:
        rewritten = rewrite(text, history, ask)
    except ModelError as error:
        return None, f"{failed}: {error}"
    if rewritten is None:
        return None, f"{failed}: the language model did not reply with one question"
    return rewritten, ""
