"""A question read before it is searched for: what it refers back to, slips, figures, places."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING

from ragkit.errors import EmbeddingError, ModelError, UsageError
from ragkit.language import words
from ragkit.language.dates import asked_months, asked_periods
from ragkit.language.naming_languages import language_name
from ragkit.question.comparing import compared
from ragkit.question.history import check_history, refers_back, resolve, rewrite
from ragkit.question.kinds import asks_list, question_kind, without_measure
from ragkit.question.names import own_names
from ragkit.question.pages import Hints, find_hints, find_pages
from ragkit.question.parts import parts_of
from ragkit.question.question import Question, Turn
from ragkit.question.spelling import Vocabulary, correct
from ragkit.question.topic import (
    apart,
    topic_of,
    topic_terms,
    words_of,
)
from ragkit.retrieve.ratios import components

if TYPE_CHECKING:
    from ragkit.embed.embedder import Embedder
    from ragkit.index.indexes import Indexes
    from ragkit.retrieve.stages import Ask

COMPONENTS_WEIGHT = 0.35
PRICE_WEIGHT = 0.5
REWRITE_WEIGHT = 0.7

_THING = r"(?P<thing>[^?.!]{2,80}?)"
_COSTS = re.compile(
    rf"\b(?:how much|what) (?:does|do|did|would|will) {_THING} costs?\b(?! of\b)"
    r"|\bhow much (?:is|are) (?P<sold>an? [^?.!]{2,80})",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What to search for.

    Attributes:
        parts: Texts with their weights, which sum to 1. The question's own comes first.
        hints: Where it says to look.
        notes: What was made of the question, one sentence each, for people to read.
        degraded: What failed on the way, likewise.
    """

    parts: tuple[tuple[str, float], ...]
    hints: Hints
    notes: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()

    def with_texts(self, texts: Sequence[str], weight: float) -> Reading:
        """Give ``weight`` of the whole to more texts, in equal shares."""
        if not texts:
            return self
        kept = [(text, share * (1 - weight)) for text, share in self.parts]
        return replace(self, parts=(*kept, *((text, weight / len(texts)) for text in texts)))


def read(
    question: str,
    history: Sequence[Mapping[str, str]],
    vocabulary: Vocabulary | None,
    ask: Ask | None = None,
) -> Reading:
    """Read a question.

    Args:
        question: As it was asked.
        history: Earlier turns, oldest first.
        vocabulary: What the documents' words are, or ``None`` to leave words as they are.
        ask: Asks a language model to rewrite the question, if it refers back; without one, what
            the conversation is about is carried over.
    """
    notes: list[str] = []
    degraded: list[str] = []
    parts = _resolved(question, history, ask, notes, degraded)
    if vocabulary is not None:
        for place, (text, weight) in enumerate(parts):
            corrected, changes = correct(text, vocabulary)
            parts[place] = (corrected, weight)
            if not place:
                notes += [
                    f"no document has {word!r}: read as {new!r}" for word, new in changes.items()
                ]
    reading = Reading(tuple(parts), find_hints(question), tuple(notes), tuple(degraded))
    asked = components(parts[-1][0])
    weight = COMPONENTS_WEIGHT
    note = f"searched also for what the figure is computed from: {asked}"
    if asked is None:
        asked, weight = price_of(parts[-1][0]), PRICE_WEIGHT
        note = f"searched also as {asked!r}: lists of prices seldom say what something costs"
    if asked is None:
        return reading
    return replace(reading.with_texts([asked], weight), notes=(*notes, note))


def price_of(question: str) -> str | None:
    """Return a question for what something costs in the words of a list of prices, else ``None``.

    What else is said stays, such as the turn before, which may name the thing.

    >>> price_of("How much does the Heron cost in Norway?")
    'price of the Heron in Norway'
    """
    match = _COSTS.search(question)
    if match is None:
        return None
    asked = f"price of {match['thing'] or match['sold']}"
    return f"{question[: match.start()]}{asked}{question[match.end() :]}".rstrip(" ?")


MAX_CHARACTERS = 100_000
_GAP = re.compile(r"(\s{20})\s+")


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


def read_question(
    text: str,
    history: object = (),
    *,
    ask: Callable[[str], str] | None = None,
    today: date | None = None,
) -> Question:
    """Read a question.

    Args:
        text: As it was asked, at most 100,000 characters.
        history: Earlier turns, oldest first: ``[{"role": "user", "content": "…"}, …]``.
        ask: Asks a language model to rewrite the question, if it refers back; without one, what
            the conversation is about is carried over.
        today: What "last year" is reckoned from; default: the day it is.

    Raises:
        UsageError: the text is none, empty or endless, or the history has an entry that is no turn.
    """
    text = check_text(text)
    turns = check_history(history)
    return _read(text, turns, ask, today or date.today(), parts=parts_of(text))


def _read(
    text: str,
    history: tuple[Turn, ...],
    ask: Callable[[str], str] | None,
    today: date,
    parts: Sequence[str] = (),
) -> Question:
    notes: list[str] = []
    degraded: list[str] = []
    searches = tuple(_resolved(text, history, ask, notes, degraded))
    back = refers_back(text)
    carried = resolve(text, history).carried
    topic = topic_of(text)
    language = language_name(text)
    asked = words.terms(without_measure(text))
    names = own_names(text, words.terms(text), language)
    first = ({"role": "user", "content": parts[0]},) if parts else ()
    return Question(
        text=text,
        history=history,
        language=language,
        topic=topic,
        words=words_of(topic),
        terms=asked,
        topic_terms=topic_terms(without_measure(topic)),
        names=names,
        beside=tuple(words.terms(part) for part in apart(topic)),
        numbers=frozenset(words.numbers(text)),
        kind=question_kind(text),
        asks_list=asks_list(text),
        periods=tuple(asked_periods(text, today)),
        months=asked_months(text),
        pages=find_pages(text),
        compared=compared(text),
        # The first part names what the others refer back to: "and what does it cost".
        parts=tuple(
            _read(part, (*history, *first) if number else history, None, today)
            for number, part in enumerate(parts)
        ),
        refers_back=back,
        carried=carried,
        carried_terms=words.terms(carried) - asked,
        rewrite=searches[-1][0] if searches[-1][1] == REWRITE_WEIGHT else None,
        searches=searches,
        notes=tuple(notes),
        degraded=tuple(degraded),
    )


def _resolved(
    question: str,
    history: Sequence[Mapping[str, str]],
    ask: Ask | None,
    notes: list[str],
    degraded: list[str],
) -> list[tuple[str, float]]:
    if ask is not None and history and refers_back(question):
        try:
            rewritten = rewrite(question, history, ask)
        except ModelError as error:
            degraded.append(f"the question was not rewritten, but resolved by its words: {error}")
        else:
            if rewritten is not None:
                notes.append(f"refers back: rewritten by the language model as {rewritten!r}")
                return [(question, 1 - REWRITE_WEIGHT), (rewritten, REWRITE_WEIGHT)]
            degraded.append(
                "the question was not rewritten, but resolved by its words: the language model"
                " did not reply with one question"
            )
    resolved = resolve(question, history)
    if resolved.carried:
        notes.append(f"searched also together with the turn before: {resolved.carried!r}")
    return list(resolved.parts)


def vocabulary_of(indexes: Indexes, embedder: Callable[[], Embedder] | None) -> Vocabulary:
    """Return what is known of words: the documents', and the model's, which are common ones.

    Without a model only everyday words, in any of four languages, are taken for common ones that
    the documents merely lack.
    """
    from ragkit.language import analysis
    from ragkit.language.languages import common_words

    @lru_cache(maxsize=256)
    def is_word(word: str) -> bool:
        if embedder is None:
            return False
        try:
            return len(embedder().tokenizer.token_starts(word)) == 1
        except EmbeddingError:
            return True

    present = indexes.languages()

    def terms(word: str) -> list[tuple[str, ...]]:
        if any(common_words((word,), language) for language in present):
            return []
        words = analysis.question_words(word, present)
        return [tuple(map(analysis.stem_of, found.terms)) for found in words]

    return Vocabulary(terms, lru_cache(maxsize=256)(indexes.holds_stem), indexes.terms, is_word)
