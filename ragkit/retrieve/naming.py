"""Documents that a question names by what they are, by their file's name, or by their date.

"In the 2023 annual report", "the March minutes", "the latest price list", "handbook.md": boosts for
these documents, never a filter. Nothing is looked up unless the question has such words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache, partial
from itertools import pairwise
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from ragkit.retrieve.dates import MONTH_OF, Period, asked_months, asked_periods, find_periods
from ragkit.retrieve.spelling import slips

if TYPE_CHECKING:
    from ragkit.store import Store
    from ragkit.store.records import DocumentName

NAME_BOOST = 0.1
DATE_BOOST = 0.1
_MOST_NAMED = 50  # more documents than that are no hint
_MOST_DOCUMENTS = 20_000  # in larger bases reading all names would take too long
_READ = 2_000  # characters of a question that are read for names
_SHORTEST_MISSPELT = 6
_SHORTEST_SHORT, _LONGEST_SHORT = 3, 6

# What documents call themselves, in their title or file name.
_KIND_WORDS = """
    agenda agreement brochure catalog catalogue changelog charter contract datasheet directive faq
    filing form guide guideline handbook instructions invoice leaflet letter magazine manual meeting
    memo memorandum minutes newsletter note paper policy poster presentation price-list pricelist
    proposal protocol readme regulations release-notes report review rules slides spec
    specification statement study survey syllabus terms thesis tutorial whitepaper 10-k 10k
    anleitung besprechung broschüre datenblatt leitfaden merkblatt rechnung satzung sitzung studie
    accord compte-rendu contrat facture lettre manuel notice politique procès-verbal rapport
    règlement réunion tarif acta contrato factura guía informe política
"""
_KINDS = frozenset(_KIND_WORDS.split())
_BY_BEGINNING = {kind[:2]: [each for each in _KINDS if each[:2] == kind[:2]] for kind in _KINDS}
_COMPOUNDS = ("bericht", "handbuch", "protokoll", "richtlinie", "vertrag", "anleitung", "liste")
_SMALL_WORDS = (
    "a an and at by for from in of on or the to with der die das des dem den im am vom und la le"
    " les du de et"
)
_SMALL = frozenset(_SMALL_WORDS.split())
_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
_PIECE = re.compile(r"[^\W\d_]+|\d+")
_FILE = re.compile(r"(?<![\w.-])\w[\w.-]{0,250}\.[a-z][a-z0-9]{1,4}\b", re.IGNORECASE)
_QUOTED = re.compile(r"[\"“„«]([^\"“”„»«]{4,120})[\"”“»]")
_INITIALS = re.compile(r"\b[A-Z]{3,6}\b")
_LATEST = re.compile(
    r"\b(?:latest|newest|most recent|up-to-date|neueste[nrsm]?|aktuelle[nrsm]?|jüngste[nrsm]?"
    r"|dernière? (?:version|rapport)|le plus récent|la plus récente)\b",
    re.IGNORECASE,
)
_OLDEST = re.compile(r"\b(?:oldest|earliest|älteste[nrsm]?|le plus ancien)\b", re.IGNORECASE)
_DATE_KEYS = ("date", "published", "issued", "created", "updated", "modified")


@dataclass(frozen=True, slots=True)
class Named:
    """Ids of documents with what their passages gain, and what the question was taken for."""

    boosts: Mapping[int, float]
    notes: tuple[str, ...] = ()


NOTHING_NAMED = Named({})


def find_named(question: str, store: Store, today: date) -> Named:
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
    names = _names(store)
    group = _by_name(question, words, names)
    if len(group) > max(1, min(_MOST_NAMED, len(names.all) // 2)) and not (periods or months):
        return NOTHING_NAMED if not _ordered(question) else _choose(question, group)
    if group:
        return _within(question, group, periods, months)
    if not exact:
        return NOTHING_NAMED
    fitting = [name for name, period in names.dated() if _fits(period, exact, frozenset())]
    if not fitting or len(fitting) > _MOST_NAMED:
        return NOTHING_NAMED
    return Named({name.id: DATE_BOOST / 2 for name in fitting}, (_note("dated then", fitting),))


@dataclass(frozen=True, slots=True)
class _Name:
    """What a document is called and when it is from."""

    id: int
    path: str
    title: str
    terms: frozenset[str]
    dates: Callable[[], tuple[Period | None, date]]

    @property
    def period(self) -> Period | None:
        """When it is from, by its name or metadata."""
        return self.dates()[0]

    @property
    def day(self) -> date:
        """The last day it may be from; the file's, where nothing else is known."""
        period, changed = self.dates()
        return changed if period is None else period.end - timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Names:
    """All documents, and those of each kind, until any of them changes."""

    state: str
    all: list[_Name]
    by_kind: dict[str, list[_Name]]
    by_initials: Callable[[], dict[str, list[_Name]]]
    dated: Callable[[], list[tuple[_Name, Period]]]


_KNOWN: WeakKeyDictionary[Store, _Names] = WeakKeyDictionary()


def _names(store: Store) -> _Names:
    state = store.answer_state()
    known = _KNOWN.get(store)
    if known is None or known.state != state:
        names = [_name_of(found) for found in store.document_names()]
        by_kind: dict[str, list[_Name]] = {}
        for name in names:
            for term in name.terms:
                if _is_kind(term):
                    by_kind.setdefault(term, []).append(name)
        initials = lru_cache(maxsize=1)(partial(_by_initials, names))
        dated = lru_cache(maxsize=1)(partial(_dated, names))
        known = _KNOWN[store] = _Names(state, names, by_kind, initials, dated)
    return known


def _dated(names: Sequence[_Name]) -> list[tuple[_Name, Period]]:
    return [(name, period) for name in names if (period := name.period) is not None]


def _by_initials(names: Sequence[_Name]) -> dict[str, list[_Name]]:
    found: dict[str, list[_Name]] = {}
    for name in names:
        for short in set(_initials_of(name)):
            found.setdefault(short, []).append(name)
    return found


def _name_of(found: DocumentName) -> _Name:
    stem = found.path.rpartition("/")[2].rpartition(".")[0] or found.path

    @lru_cache(maxsize=1)
    def dates() -> tuple[Period | None, date]:
        changed = _day_of(found.mtime_ns)
        named = [*find_periods(stem), *find_periods(found.title), *find_periods(found.path)]
        if named:
            # "2024-05-12 minutes" says more than "Minutes 2024".
            return min(named, key=lambda period: period.end - period.start), changed
        metadata = json.loads(found.metadata)
        for key in _DATE_KEYS:
            periods = find_periods(str(metadata[key])[:40]) if key in metadata else []
            if periods:
                return periods[0], changed
        return None, changed

    return _Name(found.id, found.path, found.title, _terms(f"{stem} {found.title}"), dates)


def _day_of(nanoseconds: int) -> date:
    try:
        return date.fromtimestamp(nanoseconds // 1_000_000_000)
    except (OverflowError, ValueError, OSError):
        return date(1970, 1, 1)


def _terms(text: str) -> frozenset[str]:
    """Words, joined and taken apart: "tn-14" is found as "tn-14", "tn", "14" and "tn14"."""
    found: set[str] = set()
    for match in _WORD.finditer(text.casefold()):
        found |= {match[0], match[0].replace("-", ""), *match[0].split("-")}
    pieces = [match[0] for match in _PIECE.finditer(text.casefold())]
    found |= {"-".join(pair) for pair in pairwise(pieces)}
    return frozenset(found - _SMALL)


def _question_words(question: str) -> frozenset[str]:
    """Words, and pairs of them joined as in "price-list", without such as say when."""
    words = [match[0].casefold() for match in _WORD.finditer(question)]
    parts = {part for word in words for part in word.split("-")}
    pairs = {"-".join(pair) for pair in pairwise(words)}
    asked = parts.union(words, pairs) - _SMALL
    return frozenset(word for word in asked if not word.isdecimal() and word not in MONTH_OF)


def _is_kind(word: str) -> bool:
    return word in _KINDS or word.removesuffix("s") in _KINDS or word.endswith(_COMPOUNDS)


def _may_be_kind(word: str) -> bool:
    return _is_kind(word) or any(_slip(word, kind) for kind in _BY_BEGINNING.get(word[:2], ()))


def _slip(word: str, kind: str) -> bool:
    return len(word) >= _SHORTEST_MISSPELT and slips(word, kind, 1) <= 1


def _of_kind(word: str, names: _Names) -> Iterator[_Name]:
    """The documents that call themselves by a word of a question, which may have a slip."""
    singular, known = word.removesuffix("s"), _is_kind(word)
    for kind, found in names.by_kind.items():
        if singular == kind.removesuffix("s") or (not known and _slip(word, kind)):
            yield from found


def _by_name(question: str, asked: frozenset[str], names: _Names) -> list[_Name]:
    """The documents that a question names, all of them equally well."""
    files = {match.casefold() for match in _FILE.findall(question)}
    if files:
        exact = [name for name in names.all if name.path.rpartition("/")[2].casefold() in files]
        if exact:
            return exact
    for quoted in _QUOTED.findall(question):
        wanted = " ".join(_WORD.findall(quoted.casefold()))
        exact = [
            name for name in names.all if wanted == " ".join(_WORD.findall(name.title.casefold()))
        ]
        if exact:
            return exact
    for short in _INITIALS.findall(question):
        spelt = names.by_initials().get(short.casefold(), [])
        if 0 < len(spelt) <= _MOST_NAMED and len(spelt) <= max(1, len(names.all) // 2):
            return spelt
    group = {
        name.id: name for word in asked if _may_be_kind(word) for name in _of_kind(word, names)
    }
    counts = {number: len(asked & name.terms) for number, name in group.items()}
    most = max(counts.values(), default=0)
    return [name for number, name in group.items() if counts[number] == most]


def _initials_of(name: _Name) -> Iterator[str]:
    """What a name may be shortened to: the initials of all of it, or up to the word for its kind."""
    stem = name.path.rpartition("/")[2].rpartition(".")[0]
    for text in {name.title, stem}:
        words = [piece for piece in _PIECE.findall(text.casefold()) if piece not in _SMALL]
        letters = "".join(word[0] for word in words)
        for end in range(_SHORTEST_SHORT, len(words) + 1):
            if end == len(words) or _is_kind(words[end - 1]):
                for start in range(max(0, end - _LONGEST_SHORT), end - _SHORTEST_SHORT + 1):
                    short = letters[start:end]
                    # A name that has the acronym itself is found by it.
                    if (start == 0 or _is_kind(words[end - 1])) and short not in words:
                        yield short


def _within(
    question: str, group: Sequence[_Name], periods: Sequence[Period], months: frozenset[int]
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


def _choose(question: str, group: Sequence[_Name]) -> Named:
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


def _note(why: str, chosen: Sequence[_Name]) -> str:
    shown = ", ".join(repr(name.path) for name in chosen[:3])
    more = f" and {len(chosen) - 3} more" if len(chosen) > 3 else ""
    return f"documents raised ({why}): {shown}{more}"
