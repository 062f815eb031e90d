"""What the documents of a base are called, what they are, and when they are from.

All names are read at once, and again when any of them has changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from ragkit.language import lists
from ragkit.language.dates import Period, find_periods

if TYPE_CHECKING:
    from ragkit.store import Store
    from ragkit.store.records import DocumentName

_SHORTEST_SHORT, _LONGEST_SHORT = 3, 6
# What documents call themselves, in their title or file name.
KINDS = lists.words("documents.kinds")
_COMPOUNDS = lists.entries("documents.compounded")
SMALL_WORDS = lists.words("stop_words.titles")
WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
_PIECE = re.compile(r"[^\W\d_]+|\d+")
_DATE_KEYS = ("date", "published", "issued", "created", "updated", "modified")


@dataclass(frozen=True, slots=True)
class Name:
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


class Names:
    """All documents of a base, and those that can be called by some word."""

    def __init__(self, state: str, names: list[Name]) -> None:
        """Take names in; ``state`` tells whether they are still those of the base."""
        self.state = state
        self.all = names

    @cached_property
    def by_kind(self) -> dict[str, list[Name]]:
        """By the word, in their title or file name, for what they are."""
        return _grouped((term, name) for name in self.all for term in name.terms if is_kind(term))

    @cached_property
    def by_file(self) -> dict[str, list[Name]]:
        """By the file's name, in lower case."""
        return _grouped((name.path.rpartition("/")[2].casefold(), name) for name in self.all)

    @cached_property
    def by_title(self) -> dict[str, list[Name]]:
        """By the title, see :func:`plain_title`."""
        return _grouped((plain_title(name.title), name) for name in self.all if name.title)

    @cached_property
    def by_initials(self) -> dict[str, list[Name]]:
        """By the initials of the title or file name, in lower case."""
        return _grouped((short, name) for name in self.all for short in set(_initials_of(name)))

    @cached_property
    def dated(self) -> list[tuple[Name, Period]]:
        """Those whose name or metadata say when they are from."""
        return [(name, period) for name in self.all if (period := name.period) is not None]


_KNOWN: WeakKeyDictionary[Store, Names] = WeakKeyDictionary()


def names_of(store: Store) -> Names:
    """Return the names of all documents; they are read once, until the base changes."""
    state = store.answer_state()
    known = _KNOWN.get(store)
    if known is None or known.state != state:
        known = Names(state, [_name_of(found) for found in store.document_names()])
        _KNOWN[store] = known
    return known


def is_kind(word: str) -> bool:
    """Whether a word says what a document is; also in the plural."""
    return word in KINDS or word.removesuffix("s") in KINDS or word.endswith(_COMPOUNDS)


def plain_title(text: str) -> str:
    """Return the words of a title, in lower case, without what stands between them."""
    return " ".join(WORD.findall(text.casefold()))


def _grouped(pairs: Iterable[tuple[str, Name]]) -> dict[str, list[Name]]:
    found: dict[str, list[Name]] = {}
    for key, name in pairs:
        found.setdefault(key, []).append(name)
    return found


def _name_of(found: DocumentName) -> Name:
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

    return Name(found.id, found.path, found.title, _terms(f"{stem} {found.title}"), dates)


def _day_of(nanoseconds: int) -> date:
    try:
        return date.fromtimestamp(nanoseconds // 1_000_000_000)
    except (OverflowError, ValueError, OSError):
        return date(1970, 1, 1)


def _terms(text: str) -> frozenset[str]:
    """Words, joined and taken apart: "tn-14" is found as "tn-14", "tn", "14" and "tn14"."""
    found: set[str] = set()
    for match in WORD.finditer(text.casefold()):
        found |= {match[0], match[0].replace("-", ""), *match[0].split("-")}
    pieces = [match[0] for match in _PIECE.finditer(text.casefold())]
    found |= {"-".join(pair) for pair in pairwise(pieces)}
    return frozenset(found - SMALL_WORDS)


def _initials_of(name: Name) -> Iterator[str]:
    """What a name may be shortened to: the initials of all of it, or up to the word for its kind."""
    stem = name.path.rpartition("/")[2].rpartition(".")[0]
    for text in {name.title, stem}:
        words = [piece for piece in _PIECE.findall(text.casefold()) if piece not in SMALL_WORDS]
        letters = "".join(word[0] for word in words)
        for end in range(_SHORTEST_SHORT, len(words) + 1):
            if end == len(words) or is_kind(words[end - 1]):
                for start in range(max(0, end - _LONGEST_SHORT), end - _SHORTEST_SHORT + 1):
                    short = letters[start:end]
                    # A name that has the acronym itself is found by it.
                    if (start == 0 or is_kind(words[end - 1])) and short not in words:
                        yield short
