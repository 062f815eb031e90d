"""The passages an answer is made from, found in the way its mode needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from ragkit.question.comparing import without_others
from ragkit.question.reading import read_question
from ragkit.results import SearchResult
from ragkit.retrieve.search import NOTHING_ALLOWED

if TYPE_CHECKING:
    from ragkit.answer.settings import AnswerMode
    from ragkit.question.question import Question
    from ragkit.results import Hit

_MANY_HITS = 80
_MOST_DOCUMENTS = 12
_HITS_EACH = 6
_COMPARED = 4
_HITS_COMPARED = 8
_HITS_OF_PART = 8


class Retrieve(Protocol):
    """Finds passages for a question, best first."""

    def __call__(self, question: Question, *, k: int = ...) -> SearchResult:
        """Find at most ``k``, or as many as is usual."""
        ...


@dataclass(frozen=True, slots=True)
class Group:
    """Some of the passages that belong together.

    Attributes:
        label: The thing that is compared, or the document's path; empty for all passages.
        question: What to look for in them.
        hits: Indices of the passages.
    """

    label: str
    question: Question
    hits: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """Passages, best first.

    Attributes:
        hits: The passages.
        groups: Those that are read apart, each with a question of its own; empty where all are
            read at once.
        degraded: What went less than well.
        parts: Where all are read at once: those found for the question as a whole, then those for
            each of the things that it asks.
        nothing_allowed: Whether the filter lets no document through.
    """

    hits: tuple[Hit, ...]
    groups: tuple[Group, ...] = ()
    degraded: tuple[str, ...] = ()
    parts: tuple[Group, ...] = ()
    nothing_allowed: bool = False


class Gathered:
    """Passages of several searches, each once, and what went less than well.

    Attributes:
        hits: The passages, in the order in which they were found.
        degraded: One sentence each.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self.hits: list[Hit] = []
        self.degraded: list[str] = []
        self._nothing_allowed = False
        self._places: dict[tuple[str, int, int], int] = {}

    def add(self, result: SearchResult) -> tuple[int, ...]:
        """Add what a search found; return the indices of its passages."""
        self.degraded += [note for note in result.degraded if note not in self.degraded]
        self._nothing_allowed |= NOTHING_ALLOWED in result.notes
        indices: list[int] = []
        for hit in result.hits:
            index = self._places.setdefault((hit.path, hit.start, hit.end), len(self.hits))
            if index == len(self.hits):
                self.hits.append(hit)
            indices.append(index)
        return tuple(indices)

    def found(self, *, groups: Sequence[Group] = (), parts: Sequence[Group] = ()) -> Found:
        """Return all of it."""
        return Found(
            tuple(self.hits),
            tuple(groups),
            tuple(self.degraded),
            tuple(parts),
            self._nothing_allowed,
        )


def find(question: Question, mode: AnswerMode, retrieve: Retrieve) -> Found:
    """Find the passages for a question in the way that ``mode`` needs."""
    gathered = Gathered()
    if mode == "compare" and question.compared:
        groups = []
        for subject in question.compared:
            text = without_others(question.text, subject, question.compared)
            asked = read_question(text, question.history)
            groups.append(Group(subject, asked, gathered.add(retrieve(asked, k=_HITS_COMPARED))))
        return gathered.found(groups=groups)
    if mode in ("compare", "map-reduce"):
        most = _COMPARED if mode == "compare" else _MOST_DOCUMENTS
        return _by_document(question, retrieve(question, k=_MANY_HITS), most)
    return whole(question, gathered, retrieve)


def whole(question: Question, gathered: Gathered, retrieve: Retrieve | None = None) -> Found:
    """Return all passages for a question as it stands, and for each thing that it asks.

    Args:
        question: The question.
        gathered: What was found so far.
        retrieve: Finds more; ``None`` leaves it at that.
    """
    if retrieve is None:
        return gathered.found(parts=[Group("", question, tuple(range(len(gathered.hits))))])
    parts = [Group("", question, gathered.add(retrieve(question)))]
    if gathered.hits:
        parts += [
            Group(part.text, part, gathered.add(retrieve(part, k=_HITS_OF_PART)))
            for part in question.parts
        ]
    return gathered.found(parts=parts)


def _by_document(question: Question, result: SearchResult, most: int) -> Found:
    by_path: dict[str, list[Hit]] = {}
    for hit in result.hits:
        by_path.setdefault(hit.path, []).append(hit)
    gathered = Gathered()
    gathered.add(replace(result, hits=()))
    groups = [
        Group(path, question, gathered.add(SearchResult(tuple(hits[:_HITS_EACH]))))
        for path, hits in list(by_path.items())[:most]
    ]
    if len(by_path) > most:
        gathered.degraded.append(
            f"{len(by_path) - most:,} more documents have passages that match, and were not read; "
            "narrow the question with where to read others"
        )
    return gathered.found(groups=groups) if groups else whole(question, gathered)
