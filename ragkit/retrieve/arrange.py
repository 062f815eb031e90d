"""The last step of a ranking: hints of the question, and no page after page of the same page."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragkit.retrieve.hints import Hints, names_year

if TYPE_CHECKING:
    from ragkit.retrieve.fusion import Fused
    from ragkit.store.records import ChunkPlace

# What each passage costs that is already listed from the same page (of a short document without
# pages: from the same document). Measured in bench/README.md.
SAME_PAGE = 0.05
SHORT_DOCUMENT = 8  # chunks, about as much as a page
PAGE_BOOST = 0.1
YEAR_BOOST = 0.02


@dataclass(frozen=True, slots=True)
class Arranged:
    """A passage with its final score, and by how much hints and repetition changed it."""

    fused: Fused
    score: float
    boost: float
    repetition: float


def arrange(
    ranking: Sequence[Fused], places: Mapping[int, ChunkPlace], hints: Hints, *, limit: int
) -> list[Arranged]:
    """Order passages by their scores, with boosts for hints and a malus for repeating a page.

    The first of a page keeps its score, the second loses :data:`SAME_PAGE`, the third twice that.
    This is maximal marginal relevance (Carbonell & Goldstein 1998) with the page as the measure of
    likeness. Scores stay from 0 to 1 and descend.

    Args:
        ranking: Passages with their scores, best first.
        places: Where they stand; passages that are not in it are gone, and left out.
        hints: Where the question says to look.
        limit: How many to return at most.
    """
    waiting: list[tuple[float, int, int]] = []
    boosts: list[float] = []
    for order, passage in enumerate(ranking):
        place = places.get(passage.chunk_id)
        boosts.append(0.0 if place is None else _boost(place, hints))
        if place is not None:
            waiting.append((-min(passage.score + boosts[order], 1.0), order, 0))
    heapq.heapify(waiting)
    listed: dict[tuple[int, int | None], int] = {}
    arranged: list[Arranged] = []
    while waiting and len(arranged) < limit:
        negative, order, counted = heapq.heappop(waiting)
        passage = ranking[order]
        unit = _unit(places[passage.chunk_id])
        times = listed.get(unit, 0) if unit is not None else 0
        if times > counted:
            # Others of its page were listed since its score was last looked at.
            score = max(0.0, -negative - SAME_PAGE * (times - counted))
            heapq.heappush(waiting, (-score, order, times))
            continue
        if unit is not None:
            listed[unit] = times + 1
        arranged.append(Arranged(passage, -negative, boosts[order], SAME_PAGE * counted))
    return arranged


def _unit(place: ChunkPlace) -> tuple[int, int | None] | None:
    """What should not be repeated: a page, or a short document; ``None`` in long ones."""
    if place.page is None and place.document_chunks > SHORT_DOCUMENT:
        return None
    return place.document_id, place.page


def _boost(place: ChunkPlace, hints: Hints) -> float:
    boost = PAGE_BOOST if place.page is not None and place.page in hints.pages else 0.0
    if hints.years and names_year(hints.years, place.path, place.title or ""):
        boost += YEAR_BOOST
    return boost
