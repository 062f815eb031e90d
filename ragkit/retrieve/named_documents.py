"""Documents that a question names by their file, or chooses by a date among those like its words.

"What does handbook.md say?", "the 2023 annual report", "the March minutes", "the latest price
list": what such a document says is raised, never anything left out. The words of names as such are
looked up like others, in the index.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from ragkit.language import words
from ragkit.language.dates import MONTH_OF, Period, find_periods

if TYPE_CHECKING:
    from ragkit.question.question import Question
    from ragkit.retrieve.pipeline import Corpus, State
    from ragkit.store import Store
    from ragkit.store.records import DocumentName

BOOST = 0.13
_MOST_CHOSEN = 50  # more documents than that are no hint
_MOST_DOCUMENTS = 20_000  # in larger bases reading all names would take too long
_MONTHS = frozenset(map(words.stem, MONTH_OF))
_DATE_KEYS = ("date", "published", "issued", "created", "updated", "modified")


@dataclass(frozen=True, slots=True)
class NameDocuments:
    """Raise the documents that the question names."""

    corpus: Corpus
    name: str = "read question"

    def apply(self, state: State) -> State:
        """Look the question's hints up in the documents' names."""
        question, store, allowed = state.question, self.corpus.store, self.corpus.allowed
        is_dated = question.periods or question.months or question.order
        if not (question.files or is_dated or question.history):
            return state
        if store.counts().documents > _MOST_DOCUMENTS:
            note = f"documents are not looked up by name: more than {_MOST_DOCUMENTS:,}"
            return state.noting(note) if question.files or question.order else state
        names = names_of(store)
        ids = None
        if allowed is not None and allowed.documents is not None:
            ids = frozenset(allowed.documents.tolist())
        chosen = chosen_of(question, names, ids) if question.files or is_dated else []
        chosen = chosen or talked_of(question, names, ids)
        if not chosen or len(chosen) > _MOST_CHOSEN:
            return state
        shown = ", ".join(repr(name.path) for name in chosen[:3])
        more = f" and {len(chosen) - 3} more" if len(chosen) > 3 else ""
        state = state.noting(f"documents raised, for the question names them: {shown}{more}")
        return replace(state, boosts={name.id: BOOST for name in chosen})


class Name:
    """What a document is called and when it is from; read when it is first needed."""

    def __init__(self, found: DocumentName) -> None:
        """Take a name as it is kept."""
        self._found = found
        self.id = found.id
        self.path = found.path
        self.file = found.path.rpartition("/")[2].casefold()

    @cached_property
    def terms(self) -> frozenset[str]:
        """The terms of its file's name and title, without numbers and months."""
        terms = words.terms(f"{self.file.rpartition('.')[0] or self.file} {self._found.title}")
        return frozenset(t for t in terms - _MONTHS if not any(map(str.isdigit, t)))

    @cached_property
    def title(self) -> frozenset[str]:
        """The terms of its title; of its file's name where it has none."""
        return words.terms(self._found.title or self.file.rpartition(".")[0])

    @cached_property
    def period(self) -> Period | None:
        """When it is from by its name, else by its metadata; ``None`` where neither tells."""
        title, path = self._found.title, self.path
        named = [*find_periods(path.rpartition("/")[2]), *find_periods(title), *find_periods(path)]
        if named:
            # "2024-05-12 minutes" says more than "Minutes 2024".
            return min(named, key=lambda period: period.end - period.start)
        metadata = json.loads(self._found.metadata)
        dates = (find_periods(str(metadata[key])[:40]) for key in _DATE_KEYS if key in metadata)
        return next((periods[0] for periods in dates if periods), None)

    @cached_property
    def changed(self) -> date:
        """The day of the file."""
        try:
            return date.fromtimestamp(self._found.mtime_ns // 1_000_000_000)
        except (OverflowError, ValueError, OSError):
            return date(1970, 1, 1)

    @property
    def day(self) -> date:
        """The last day it may be from; the file's, where nothing else is known."""
        return self.changed if self.period is None else self.period.end - timedelta(days=1)


class Names:
    """The names of all documents of a base; ``state`` tells whether they are still those."""

    def __init__(self, state: str, found: Iterable[DocumentName]) -> None:
        """Take names as they are kept."""
        self.state = state
        self.all = list(map(Name, found))

    @cached_property
    def by_term(self) -> dict[str, list[Name]]:
        """Those that have a term."""
        grouped: dict[str, list[Name]] = {}
        for name in self.all:
            for term in name.terms:
                grouped.setdefault(term, []).append(name)
        return grouped

    @cached_property
    def by_title(self) -> dict[str, list[Name]]:
        """Those whose title has a term."""
        grouped: dict[str, list[Name]] = {}
        for name in self.all:
            for term in name.title:
                grouped.setdefault(term, []).append(name)
        return grouped


_KNOWN: WeakKeyDictionary[Store, Names] = WeakKeyDictionary()


def names_of(store: Store) -> Names:
    """Return the names of all documents; they are read once, until the base changes."""
    state = store.answer_state()
    known = _KNOWN.get(store)
    if known is None or known.state != state:
        known = _KNOWN[store] = Names(state, store.document_names())
    return known


def chosen_of(question: Question, names: Names, allowed: frozenset[int] | None) -> list[Name]:
    """Return the documents that a question names, all of them equally well.

    A file's name chooses alone. Else, among the documents that have the most of the question's
    words in their names, those whose date it gives, or the latest or oldest; by a day, a month or a
    quarter also where no name has a word of it.
    """
    every = [name for name in names.all if allowed is None or name.id in allowed]
    if named := [name for name in every if name.file in question.files]:
        return named
    group = _most_alike(question, names, allowed)
    chosen = [name for name in group if _fits(name.period, question)]
    exact = [p for p in question.periods if p.precision in ("day", "month", "quarter")]
    if not chosen and exact:
        dated = replace(question, periods=tuple(exact), months=frozenset())
        chosen = [name for name in every if _fits(name.period, dated)]
    if not chosen:  # the day of the file is the last resort
        undated = ((name, name.changed) for name in group if name.period is None)
        days = ((name, Period.of(day.year, day.month, day.day)) for name, day in undated)
        chosen = [name for name, day in days if _fits(day, question)]
    if chosen and (question.periods or not question.months):
        return chosen
    if not chosen and question.order is None:
        return []
    # "The March minutes" are the last ones from a March.
    among = chosen or [name for name in group if name.period] or group
    pick = min if question.order == "oldest" else max
    day = pick((name.day for name in among), default=None)
    return [name for name in among if name.day == day]


def talked_of(question: Question, names: Names, allowed: frozenset[int] | None) -> list[Name]:
    """Return the documents that the latest turn to name any names by their whole title.

    None where the question does so itself: its words are looked up in names as they are.
    """
    for text in (question.text, *(turn["content"] for turn in reversed(question.history))):
        said = words.terms(text)
        near = {name.id: name for term in said for name in names.by_title.get(term, ())}
        named = [name for name in near.values() if name.title <= said]
        # A title within another one says less: "House" beside "Acorn Guest House".
        named = [n for n in named if not any(n.title < other.title for other in named)]
        if named:
            if text is question.text:
                return []
            return [name for name in named if allowed is None or name.id in allowed]
    return []


def _most_alike(question: Question, names: Names, allowed: frozenset[int] | None) -> Sequence[Name]:
    """The documents with the most of the question's words in their names; none for most of them."""
    counts: Counter[Name] = Counter()
    for term in question.terms:
        counts.update(names.by_term.get(term, ()))
    found = {n: count for n, count in counts.items() if allowed is None or n.id in allowed}
    most = max(found.values(), default=0)
    return [name for name, count in found.items() if count == most]


def _fits(period: Period | None, question: Question) -> bool:
    if period is None:
        return False
    if any(asked.holds(period) for asked in question.periods):
        return True
    return period.precision in ("day", "month") and period.start.month in question.months
