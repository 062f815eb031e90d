"""The passages an answer is made from, found in the way its mode needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ragkit.question.comparing import compared, without_others
from ragkit.question.parts import parts_of
from ragkit.results import Hit, SearchResult
from ragkit.retrieve.search import NOTHING_ALLOWED

if TYPE_CHECKING:
    from ragkit.answer.settings import AnswerMode

# Finds passages for a text, best first; a keyword ``k`` says how many where it is not the usual.
Retrieve = Callable[..., SearchResult]

_MANY_HITS = 80
_MOST_DOCUMENTS = 12
_HITS_EACH = 6
_COMPARED = 4
_HITS_COMPARED = 8
_HITS_OF_PART = 8


@dataclass(frozen=True, slots=True)
class Group:
    """Some of the passages that belong together.

    Attributes:
        label: The thing that is compared, or the document's path.
        question: What to look for in them.
        hits: Indices of the passages.
        history: What was asked before, for a question that refers back to it.
    """

    label: str
    question: str
    hits: tuple[int, ...]
    history: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """Passages, best first.

    Attributes:
        hits: The passages.
        groups: Those that are read apart, each with a question of its own; empty where all are
            read at once.
        degraded: What went less than well.
        parts: For a question that asks several things: those found for it as a whole, then those
            for each thing.
        nothing_allowed: Whether the filter lets no document through.
    """

    hits: tuple[Hit, ...]
    groups: tuple[Group, ...] = ()
    degraded: tuple[str, ...] = ()
    parts: tuple[Group, ...] = ()
    nothing_allowed: bool = False


def find(
    question: str,
    mode: AnswerMode,
    retrieve: Retrieve,
    history: Sequence[Mapping[str, str]] = (),
) -> Found:
    """Find the passages for a question in the way that ``mode`` needs.

    ``retrieve`` knows of the ``history`` unless it is given another.
    """
    notes: list[str] = []

    def noted(*arguments: Any, **options: Any) -> SearchResult:
        result = retrieve(*arguments, **options)
        notes.extend(result.notes)
        return result

    found = _find(question, mode, noted, history)
    return replace(found, nothing_allowed=NOTHING_ALLOWED in notes)


def _find(
    question: str,
    mode: AnswerMode,
    retrieve: Retrieve,
    history: Sequence[Mapping[str, str]],
) -> Found:
    if mode == "map-reduce":
        return _by_document(question, retrieve(question, k=_MANY_HITS), _MOST_DOCUMENTS)
    if mode == "compare":
        subjects = compared(question)
        if len(subjects) > 1:
            return _by_subject(question, subjects, retrieve)
        return _by_document(question, retrieve(question, k=_MANY_HITS), _COMPARED)
    result = retrieve(question)
    parts = parts_of(question)
    if not parts or not result.hits:
        return Found(result.hits, (), result.degraded)
    return _by_part(question, parts, result, retrieve, history)


def _by_part(
    question: str,
    parts: Sequence[str],
    whole: SearchResult,
    retrieve: Retrieve,
    history: Sequence[Mapping[str, str]],
) -> Found:
    """Find passages for each thing that is asked, and add the best of them to those of the whole."""
    hits = list(whole.hits)
    index = {(hit.path, hit.start, hit.end): i for i, hit in enumerate(hits)}
    groups = [Group(question, question, tuple(range(len(hits))), tuple(history))]
    degraded = list(whole.degraded)
    for number, part in enumerate(parts):
        # The first part names what the others refer back to: "and what does it cost".
        before = [*history, {"role": "user", "content": parts[0]}] if number else list(history)
        result = retrieve(part, k=_HITS_OF_PART, history=before)
        degraded += result.degraded
        places: list[int] = []
        for hit in result.hits:
            place = (hit.path, hit.start, hit.end)
            if place not in index:
                index[place] = len(hits)
                hits.append(hit)
            places.append(index[place])
        groups.append(Group(part, part, tuple(places), tuple(before)))
    return Found(tuple(hits), (), tuple(dict.fromkeys(degraded)), tuple(groups))


def _by_document(question: str, result: SearchResult, most: int) -> Found:
    by_path: dict[str, list[Hit]] = {}
    for hit in result.hits:
        by_path.setdefault(hit.path, []).append(hit)
    hits: list[Hit] = []
    groups: list[Group] = []
    for path, passages in list(by_path.items())[:most]:
        first = len(hits)
        hits += passages[:_HITS_EACH]
        groups.append(Group(path, question, tuple(range(first, len(hits)))))
    degraded = list(result.degraded)
    left_out = len(by_path) - len(groups)
    if left_out > 0:
        degraded.append(
            f"{left_out:,} more documents have passages that match, and were not read; "
            "narrow the question with where to read others"
        )
    return Found(tuple(hits), tuple(groups), tuple(degraded))


def _by_subject(question: str, subjects: Sequence[str], retrieve: Retrieve) -> Found:
    hits: list[Hit] = []
    index: dict[tuple[str, int, int], int] = {}
    groups: list[Group] = []
    degraded: list[str] = []
    for subject in subjects:
        asked = without_others(question, subject, subjects)
        result = retrieve(asked, k=_HITS_COMPARED)
        degraded += result.degraded
        places: list[int] = []
        for hit in result.hits:
            place = (hit.path, hit.start, hit.end)
            if place not in index:
                index[place] = len(hits)
                hits.append(hit)
            places.append(index[place])
        groups.append(Group(subject, asked, tuple(places)))
    return Found(tuple(hits), tuple(groups), tuple(dict.fromkeys(degraded)))
