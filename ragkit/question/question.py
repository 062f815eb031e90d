"""What a question says, read once: all that finds or answers takes this and parses nothing again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragkit.language.dates import Period
    from ragkit.question.document_hints import Order
    from ragkit.question.kinds import Kind
    from ragkit.question.quantities import Quantity

Turn = Mapping[str, str]
Word = tuple[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Question:
    """A question, read by :func:`ragkit.question.reading.read_question`.

    Attributes:
        text: As it was asked, checked, with no endless white space.
        history: Earlier turns, oldest first, checked.
        language: The English name of its language; ``None`` where that is not plain.
        topic: What it is about: the text without page numbers, and with years without "FY".
        words: The words of the topic as they are written, each with its terms.
        terms: The terms of the text, without those that only measure ("how long") or ask.
        topic_terms: The terms of the topic, without those that speak of documents.
        names: Those of the terms that are names, codes, or numbers that label something, as the
            question writes them.
        beside: The terms of each of the things that the topic sets beside each other; one set where
            there is only one.
        quantities: Its numbers in order, with their units.
        kind: What kind of answer it asks for.
        asks_list: Whether it asks for several things.
        periods: The dates and spans of time that it names, from "May 2023" to "last year".
        months: The months that it names without a year, 1 to 12.
        pages: The page numbers that it names, 1-based.
        files: The names of files in it, in lower case.
        order: Whether it is about the latest or the oldest of some documents.
        compared: The things that it compares, as it names them, at least two; else none.
        parts: The questions that it asks together, each read for itself; none where it asks one.
        refers_back: Whether it seems to need the turns before it.
        carried: What the turns before it are about; empty where there are none.
        carried_terms: The terms of that which are not its own.
        rewrite: The question as a language model said it so that it stands alone.
        searches: Texts to search for with their weights, which sum to 1; its own text comes first.
        notes: What was made of it, one sentence each, for people to read.
        degraded: What failed on the way, likewise.
    """

    text: str
    history: tuple[Turn, ...]
    language: str | None
    topic: str
    words: tuple[Word, ...]
    terms: frozenset[str]
    topic_terms: frozenset[str]
    names: frozenset[str]
    beside: tuple[frozenset[str], ...]
    quantities: tuple[Quantity, ...]
    kind: Kind
    asks_list: bool
    periods: tuple[Period, ...]
    months: frozenset[int]
    pages: frozenset[int]
    files: frozenset[str]
    order: Order | None
    compared: tuple[str, ...]
    parts: tuple[Question, ...]
    refers_back: bool
    carried: str
    carried_terms: frozenset[str]
    rewrite: str | None
    searches: tuple[tuple[str, float], ...]
    notes: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()

    @property
    def years(self) -> frozenset[str]:
        """The years that it names."""
        closed = (period for period in self.periods if period.precision != "open")
        return frozenset(f"{period.start.year}" for period in closed)

    @property
    def numbers(self) -> frozenset[str]:
        """Its numbers, in one spelling."""
        return frozenset(quantity.number for quantity in self.quantities)

    @property
    def standing_alone(self) -> str:
        """The text to search for that needs no turn before it."""
        return self.searches[1 if self.carried or self.rewrite else 0][0]

    def searching_also(self, texts: Sequence[str], weight: float) -> Question:
        """Give ``weight`` of the whole to more texts, in equal shares."""
        if not texts:
            return self
        kept = [(text, share * (1 - weight)) for text, share in self.searches]
        return replace(self, searches=(*kept, *((text, weight / len(texts)) for text in texts)))
