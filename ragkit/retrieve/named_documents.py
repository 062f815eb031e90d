"""Documents that a question names by what they are, by their file's name, or by their date.

"In the 2023 annual report", "the March minutes", "the latest price list", "handbook.md": boosts for
these documents, never a filter. Nothing is looked up unless the question has such words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from ragkit.language import lists
from ragkit.language.dates import MONTH_OF, Period, asked_months, asked_periods
from ragkit.question.spelling import slips
from ragkit.retrieve.document_names import (
    KINDS,
    SMALL_WORDS,
    WORD,
    Name,
    is_kind,
    names_of,
    plain_title,
)

if TYPE_CHECKING:
    from ragkit.retrieve.document_names import Names
    from ragkit.store import Store
    from ragkit.store.allowed import Allowed

NAME_BOOST = 0.1
DATE_BOOST = 0.1
_MOST_NAMED = 50  # more documents than that are no hint
_MOST_DOCUMENTS = 20_000  # in larger bases reading all names would take too long
_READ = 2_000  # characters of a question that are read for names
_SHORTEST_MISSPELT = 6
_BY_BEGINNING = {kind[:2]: [each for each in KINDS if each[:2] == kind[:2]] for kind in KINDS}
_FILE = re.compile(r"(?<![\w.-])\w[\w.-]{0,250}\.[a-z][a-z0-9]{1,4}\b", re.IGNORECASE)
_QUOTED = re.compile(r"[\"“„«]([^\"“”„»«]{4,120})[\"”“»]")
_INITIALS = re.compile(r"\b[A-Z]{3,6}\b")
_LATEST = re.compile(rf"\b{lists.alternatives('documents.latest')}\b", re.IGNORECASE)
_OLDEST = re.compile(rf"\b{lists.alternatives('documents.oldest')}\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Named:
    """Ids of documents with what their passages gain, and what the question was taken for."""

    boosts: Mapping[int, float]
    notes: tuple[str, ...] = ()


NOTHING_NAMED = Named({})


def find_named(question: str, store: Store, today: date, allowed: Allowed | None = None) -> Named:
    """Find the documents that a question names.

    A document is named by its file's name; by its title in quotation marks; by the initials of its
    title ("the SLA"); or by the word for what it is (report, minutes, handbook) in its title or
    file name, slips allowed: among several, those with the most words of the question. A period of
    the question chooses among them, and so do "latest" and "oldest"; without a named document a
    day or month chooses among all. A document's date is the one in its name, else in its metadata
    (of its file, its header or its mail), else the file's.

    Args:
        question: What is asked.
        store: The documents.
        today: What "last year" is reckoned from.
        allowed: Only these documents, so that "the latest" is that of those that may be found;
            ``None``, or a filter that allows parts of documents, is no limit.
    """
    question = question[:_READ]
    words = _question_words(question)
    cues = bool(_FILE.search(question) or _QUOTED.search(question) or _INITIALS.search(question))
    near_kinds = any(map(_may_be_kind, words))
    periods, months = asked_periods(question, today), asked_months(question)
    exact = [period for period in periods if period.precision in ("day", "month", "quarter")]
    if not (cues or near_kinds or exact):
        return NOTHING_NAMED
    if store.counts().documents > _MOST_DOCUMENTS:
        return Named({}, (f"documents are not looked up by name: more than {_MOST_DOCUMENTS:,}",))
    candidates = _Candidates.of(names_of(store), allowed)
    group = _by_name(question, words, candidates)
    if len(group) > max(1, min(_MOST_NAMED, candidates.count // 2)) and not (periods or months):
        return NOTHING_NAMED if not _ordered(question) else _choose(question, group)
    if group:
        return _within(question, group, periods, months)
    if not exact:
        return NOTHING_NAMED
    dated = candidates.names.dated
    fitting = candidates.among(name for name, day in dated if _fits(day, exact, frozenset()))
    if not fitting or len(fitting) > _MOST_NAMED:
        return NOTHING_NAMED
    return Named({name.id: DATE_BOOST / 2 for name in fitting}, (_note("dated then", fitting),))


@dataclass(frozen=True, slots=True)
class _Candidates:
    """The documents that a question may name: all, or those with some ids."""

    names: Names
    ids: frozenset[int] | None

    @classmethod
    def of(cls, names: Names, allowed: Allowed | None) -> _Candidates:
        if allowed is None or allowed.documents is None:
            return cls(names, None)
        return cls(names, frozenset(allowed.documents.tolist()))

    @property
    def count(self) -> int:
        return len(self.names.all) if self.ids is None else len(self.ids)

    def among(self, found: Iterable[Name]) -> list[Name]:
        return [name for name in found if self.ids is None or name.id in self.ids]


def _question_words(question: str) -> frozenset[str]:
    """Words, and pairs of them joined as in "price-list", without such as say when."""
    words = [match[0].casefold() for match in WORD.finditer(question)]
    parts = {part for word in words for part in word.split("-")}
    pairs = {"-".join(pair) for pair in pairwise(words)}
    asked = parts.union(words, pairs) - SMALL_WORDS
    return frozenset(word for word in asked if not word.isdecimal() and word not in MONTH_OF)


def _may_be_kind(word: str) -> bool:
    return is_kind(word) or any(_slip(word, kind) for kind in _BY_BEGINNING.get(word[:2], ()))


def _slip(word: str, kind: str) -> bool:
    return len(word) >= _SHORTEST_MISSPELT and slips(word, kind, 1) <= 1


def _of_kind(word: str, names: Names) -> Iterator[Name]:
    """The documents that call themselves by a word of a question, which may have a slip."""
    singular, known = word.removesuffix("s"), is_kind(word)
    for kind, found in names.by_kind.items():
        if singular == kind.removesuffix("s") or (not known and _slip(word, kind)):
            yield from found


def _by_name(question: str, asked: frozenset[str], candidates: _Candidates) -> list[Name]:
    """The documents that a question names, all of them equally well."""
    names = candidates.names
    files = {match.casefold() for match in _FILE.findall(question)}
    exact = candidates.among(name for file in files for name in names.by_file.get(file, ()))
    if exact:
        return exact
    for quoted in _QUOTED.findall(question):
        exact = candidates.among(names.by_title.get(plain_title(quoted), ()))
        if exact:
            return exact
    for short in _INITIALS.findall(question):
        spelt = candidates.among(names.by_initials.get(short.casefold(), ()))
        if 0 < len(spelt) <= _MOST_NAMED and len(spelt) <= max(1, candidates.count // 2):
            return spelt
    group = {
        name.id: name
        for word in asked
        if _may_be_kind(word)
        for name in candidates.among(_of_kind(word, names))
    }
    counts = {number: len(asked & name.terms) for number, name in group.items()}
    most = max(counts.values(), default=0)
    return [name for number, name in group.items() if counts[number] == most]


def _within(
    question: str, group: Sequence[Name], periods: Sequence[Period], months: frozenset[int]
) -> Named:
    """Boost a group of documents, and those of the period that is asked for more."""
    boosts = {name.id: NAME_BOOST for name in group} if len(group) <= _MOST_NAMED else {}
    chosen = [name for name in group if name.period and _fits(name.period, periods, months)]
    if not chosen and (periods or months):
        # The file's own date is the last resort.
        dated = [(name, Period(name.day, name.day + timedelta(days=1), "day")) for name in group]
        chosen = [name for name, day in dated if not name.period and _fits(day, periods, months)]
    if chosen and months and not periods:
        # "The March minutes" are the last ones from a March.
        newest = max(name.day for name in chosen)
        chosen = [name for name in chosen if name.day == newest]
    if chosen and len(chosen) <= _MOST_NAMED:
        for name in chosen:
            boosts[name.id] = NAME_BOOST + DATE_BOOST
        return Named(boosts, (_note("named, and of that date", chosen),))
    if _ordered(question):
        return _choose(question, group)
    return Named(boosts, (_note("named", group),) if boosts else ())


def _ordered(question: str) -> bool:
    return bool(_LATEST.search(question) or _OLDEST.search(question))


def _choose(question: str, group: Sequence[Name]) -> Named:
    """Boost the latest, or the oldest, of a group of documents."""
    latest = bool(_LATEST.search(question))
    dated = [name for name in group if name.period] or group
    pick = max if latest else min
    day = pick(name.day for name in dated)
    chosen = [name for name in dated if name.day == day]
    boosts = {name.id: NAME_BOOST for name in group} if len(group) <= _MOST_NAMED else {}
    if len(chosen) <= _MOST_NAMED:
        boosts |= {name.id: NAME_BOOST + DATE_BOOST for name in chosen}
    return Named(boosts, (_note(f"named, the {'latest' if latest else 'oldest'}", chosen),))


def _fits(period: Period, asked: Sequence[Period], months: frozenset[int]) -> bool:
    if any(wanted.holds(period) for wanted in asked):
        return True
    return period.precision in ("day", "month") and period.start.month in months


def _note(why: str, chosen: Sequence[Name]) -> str:
    shown = ", ".join(repr(name.path) for name in chosen[:3])
    more = f" and {len(chosen) - 3} more" if len(chosen) > 3 else ""
    return f"documents raised ({why}): {shown}{more}"
