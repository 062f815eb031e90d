"""The last step of a ranking: hints of the question, no page after page, no text twice."""

from __future__ import annotations

import heapq
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ragkit.retrieve.fusion import LISTED

if TYPE_CHECKING:
    from ragkit.question.question import Question
    from ragkit.retrieve.fusion import Fused
    from ragkit.store.records import ChunkPlace

Unit = Literal["page", "document"]

SHORT_DOCUMENT = 8  # chunks, about as much as a page
# What a passage costs whose text is listed already, and where the copy is in another document.
SAME_TEXT = 0.065
COPIED_TEXT = 0.2
_COMPARED = 200  # first passages of a listing, whose texts are compared: each with all before it
_SHARE_OF_WORDS = 0.95
_DIGIT = re.compile(r"\d")
PAGE_BOOST = 0.065
YEAR_BOOST = 0.013


@dataclass(frozen=True, slots=True)
class Arranged:
    """A passage with its final score, and by how much hints and repetition changed it.

    ``same_as`` is the chunk, listed before, that says the same; ``likeness`` the greatest cosine
    similarity to one listed before, where diversity was asked for.
    """

    fused: Fused
    score: float
    boost: float
    repetition: float
    same_as: int | None = None
    likeness: float | None = None


@dataclass(slots=True)
class _Waiting:
    """What a passage was already lowered for, and its text once it was looked at."""

    counted: int = 0  # passages of its page
    compared: int = 0  # listed passages that its text was compared with
    malus: float = 0.0  # for its text
    same_as: int | None = None
    text: _Said | None = None


def arrange(
    ranking: Sequence[Fused],
    places: Mapping[int, ChunkPlace],
    *,
    limit: int,
    question: Question | None = None,
    boosts: Mapping[int, float] | None = None,
    same_page: float = LISTED.same_page,
) -> list[Arranged]:
    """Order passages by their scores, with boosts for hints and a malus for repeating a page.

    The first of a page keeps its score, the second loses ``same_page``, the third twice that.
    (This is maximal marginal relevance with the page as the measure of likeness; for that with
    vectors see :mod:`ragkit.retrieve.diversity`.) A passage that says what a listed one says loses
    :data:`SAME_TEXT`, or :data:`COPIED_TEXT` if that one is in another document: a second copy of
    a manual should not take the place of something else. (That is looked at for the first 200.)
    Scores stay from 0 to 1 and descend.

    Args:
        ranking: Passages with their scores, best first.
        places: Where they stand; passages that are not in it are gone, and left out.
        limit: How many to return at most.
        question: Says which pages and years to look at; ``None``: no matter.
        boosts: By how much the passages of a document are raised, by the document's id.
        same_page: What a passage costs for each before it from its page (of a short document
            without pages: from the document).
    """
    queue: list[tuple[float, int]] = []
    raised: list[float] = []
    pages, years = (question.pages, question.years) if question else (frozenset(), frozenset())
    for order, passage in enumerate(ranking):
        place = places.get(passage.chunk_id)
        raised.append(0.0 if place is None else boost_of(place, pages, years, boosts or {}))
        if place is not None:
            queue.append((-min(passage.score + raised[order], 1.0), order))
    heapq.heapify(queue)
    waiting = [_Waiting() for _ in ranking]
    units: dict[tuple[int, int | None], int] = {}
    said: list[_Said] = []
    arranged: list[Arranged] = []
    while queue and len(arranged) < limit:
        negative, order = heapq.heappop(queue)
        passage, state = ranking[order], waiting[order]
        place = places[passage.chunk_id]
        unit = unit_of(place)
        times = units.get(unit, 0) if unit is not None else 0
        # What was listed since its score was last looked at.
        malus = same_page * (times - state.counted)
        state.counted = times
        if len(arranged) < _COMPARED:
            state.text = state.text or _Said.of(passage.chunk_id, place)
            malus += _compare(state.text, said, state)
        if malus:
            heapq.heappush(queue, (-max(0.0, -negative - malus), order))
            continue
        if unit is not None:
            units[unit] = times + 1
        if state.text is not None and len(arranged) < _COMPARED:
            said.append(state.text)
        repetition = same_page * state.counted + state.malus
        arranged.append(Arranged(passage, -negative, raised[order], repetition, state.same_as))
    return arranged


@dataclass(frozen=True, slots=True)
class _Said:
    """The words of a passage; ``longest`` are more than may be missing from one that says all."""

    chunk_id: int
    document_id: int
    words: frozenset[str]
    longest: tuple[str, ...]

    @classmethod
    def of(cls, chunk_id: int, place: ChunkPlace) -> _Said:
        words = frozenset(place.text.casefold().split())
        most = int((1 - _SHARE_OF_WORDS) * len(words))
        longest = tuple(sorted(words, key=len)[-most - 1 :])
        return cls(chunk_id, place.document_id, words, longest)

    def says_no_more_than(self, other: _Said) -> bool:
        """Whether nearly all of its words, and all its figures, stand in the other one.

        If that is in another document: whether both have the same words. Versions of a page that
        differ a little are both wanted.
        """
        if self.document_id != other.document_id:
            return bool(self.words) and self.words == other.words
        # Two passages seldom share a long word, and then need not be compared in full.
        if other.words.isdisjoint(self.longest):
            return False
        most = (1 - _SHARE_OF_WORDS) * len(self.words)
        if not self.words or len(self.words) - len(other.words) > most:
            return False
        own = self.words - other.words
        return len(own) <= most and not any(map(_DIGIT.search, own))


def _compare(text: _Said, said: Sequence[_Said], state: _Waiting) -> float:
    """Compare a passage with those listed since; return by how much more it is lowered."""
    before = state.malus
    for other in said[state.compared :]:
        malus = SAME_TEXT if other.document_id == text.document_id else COPIED_TEXT
        if malus > state.malus and text.says_no_more_than(other):
            state.malus, state.same_as = malus, other.chunk_id
    state.compared = len(said)
    return state.malus - before


def best_of_each(
    ranking: Sequence[Arranged], places: Mapping[int, ChunkPlace], by: Unit
) -> list[Arranged]:
    """Keep the first passage of each page, or of each document; without pages a document is one."""
    kept: dict[tuple[int, int | None], Arranged] = {}
    for passage in ranking:
        place = places.get(passage.fused.chunk_id)
        if place is not None:
            kept.setdefault((place.document_id, place.page if by == "page" else None), passage)
    return list(kept.values())


def is_short(place: ChunkPlace) -> bool:
    """Whether a passage is from a document without pages that is about as long as one."""
    return place.page is None and place.document_chunks <= SHORT_DOCUMENT


def unit_of(place: ChunkPlace) -> tuple[int, int | None] | None:
    """What should not be repeated: a page, or a short document; ``None`` in long ones."""
    if place.page is None and not is_short(place):
        return None
    return place.document_id, place.page


def boost_of(
    place: ChunkPlace,
    pages: AbstractSet[int],
    years: AbstractSet[str],
    documents: Mapping[int, float],
) -> float:
    """By how much a passage is raised: for its page, a year that its document names, or that one."""
    boost = PAGE_BOOST if place.page in pages else 0.0
    if any(year in place.path or year in (place.title or "") for year in years):
        boost += YEAR_BOOST
    return boost + documents.get(place.document_id, 0.0)
