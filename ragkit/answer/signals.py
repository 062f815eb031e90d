"""What tells whether passages hold the answer to a question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ragkit.answer import cues, words
from ragkit.answer.naming import held_share, holds, holds_all

if TYPE_CHECKING:
    from ragkit.answer.ranking import Ranking
    from ragkit.results import Hit

_LONG = 10


def signals_of(hits: Sequence[Hit], ranking: Ranking) -> dict[str, float]:
    """Compute the signals; there must be hits and at least one scored candidate.

    Few, each of which tells much: a model with three times as many was no better in sets that it
    was not fitted on.

    Returns:
        Each between about 0 and 1: the best of the candidates by similarity and by how much of the
        question stands near it; the best score of a candidate near which all stands that the
        question names; whether a name occurs in no passage, and whether the best
        candidates lack the unit asked for; how well the first passage matches; how long the
        question is.
    """
    wanted = ranking.wanted
    every = frozenset().union(
        *(words.terms(f"{hit.text} {hit.path} {hit.heading}") for hit in hits)
    )
    return {
        "alike": max(
            entry.similarity * (0.5 + 0.5 * held_share(entry.nearby, wanted))
            for entry in ranking.scored
        ),
        "named": max(
            (
                entry.score / 3
                for entry in ranking.scored
                if holds_all(entry.nearby, ranking.named & wanted.keys())
            ),
            default=0.0,
        ),
        "name absent": float(any(not holds(every, name) for name in ranking.named)),
        "unit absent": float(
            cues.asks_unit(ranking.kinds) and all(entry.fit < 1.0 for entry in ranking.scored[:3])
        ),
        "first passage": hits[0].score,
        "length": min(_LONG, len(wanted)) / _LONG,
    }
