"""Maximal marginal relevance: passages that fit the question and are unlike those before them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragkit.retrieve.arrange import Arranged
    from ragkit.retrieve.pipeline import State
    from ragkit.store import Store

POOL = 100  # passages that are chosen among at least


@dataclass(frozen=True, slots=True)
class Diversify:
    """Choose passages by :func:`diversify`."""

    store: Store
    diversity: float
    limit: int
    name: str = "diversify"

    def apply(self, state: State) -> State:
        """Order the ranking anew."""
        chosen = diversify(self.store, state.ranking, diversity=self.diversity, limit=self.limit)
        return replace(state, ranking=chosen)


def diversify(
    store: Store, ranking: Sequence[Arranged], *, diversity: float, limit: int
) -> list[Arranged]:
    """Choose passages one after the other, each by its score and its likeness to those chosen.

    Carbonell & Goldstein 1998, "The Use of MMR, Diversity-Based Reranking for Reordering Documents
    and Producing Summaries". The new score is ``(1 - diversity) * score + diversity * (1 -
    likeness)``, which is theirs plus a constant that keeps it from 0 to 1; likeness is the greatest
    cosine similarity to a passage chosen before, 0 for the first one, for negative ones, and for
    passages that have no vector yet.

    Args:
        store: Where the vectors are.
        ranking: Passages with their scores, best first.
        diversity: 0 changes nothing, 1 looks at nothing but likeness.
        limit: How many to return at most.
    """
    import numpy as np

    if not ranking:
        return []
    vectors = store.vectors_of([passage.fused.chunk_id for passage in ranking])
    scores = np.array([passage.score for passage in ranking])
    likeness = np.zeros(len(ranking))
    left = np.ones(len(ranking), dtype=bool)
    chosen: list[Arranged] = []
    for _ in range(min(limit, len(ranking))):
        values = (1 - diversity) * scores + diversity * (1 - likeness)
        best = int(np.argmax(np.where(left, values, -1.0)))
        left[best] = False
        chosen.append(
            replace(ranking[best], score=float(values[best]), likeness=float(likeness[best]))
        )
        if vectors.shape[1]:
            likeness = np.maximum(likeness, np.clip(vectors @ vectors[best], 0.0, 1.0))
    return chosen
