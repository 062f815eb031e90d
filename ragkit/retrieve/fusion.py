"""Merge what the dense and the lexical search found into one ranking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Fitted by bench/fusion.py.
DENSE_WEIGHT = 0.4


@dataclass(frozen=True, slots=True)
class Fused:
    """A passage with its merged score (0 to 1) and its 1-based rank in each search."""

    chunk_id: int
    score: float
    dense_rank: int | None
    lexical_rank: int | None


def fuse(
    dense: Mapping[int, float],
    lexical: Mapping[int, float],
    *,
    similarities: Mapping[int, float] | None = None,
    dense_weight: float = DENSE_WEIGHT,
) -> list[Fused]:
    """Merge by a weighted sum of cosine similarity and lexical score, best first.

    Both are comparable between questions: the lexical score is a share of what the question's
    words could reach, not of the best that was found, so a question whose words are not there is
    decided by meaning (scaling by the theoretical maximum: Bruch et al. 2023, "An Analysis of
    Fusion Functions for Hybrid Retrieval").

    Args:
        dense: Chunk id to cosine similarity, for the passages the dense search found.
        lexical: Chunk id to BM25 score from 0 to 1, for those the lexical search found.
        similarities: Cosine similarities of passages that only the lexical search found; one that
            has none (no vector yet) counts as if it were as similar as the least similar one.
        dense_weight: Share of the cosine similarity, 0 to 1; without any the lexical score counts
            alone.
    """
    known = {**(similarities or {}), **dense}
    weight = dense_weight if known else 0.0
    floor = min(known.values(), default=0.0)
    dense_ranks = _ranks(dense)
    lexical_ranks = _ranks(lexical)
    fused = [
        Fused(
            chunk_id=chunk_id,
            score=weight * clamp(known.get(chunk_id, floor))
            + (1.0 - weight) * clamp(lexical.get(chunk_id, 0.0)),
            dense_rank=dense_ranks.get(chunk_id),
            lexical_rank=lexical_ranks.get(chunk_id),
        )
        for chunk_id in dense.keys() | lexical.keys()
    ]
    fused.sort(key=lambda passage: (-passage.score, passage.chunk_id))
    return fused


def clamp(score: float) -> float:
    """Limit a score to the range 0 to 1."""
    return min(1.0, max(0.0, score))


def _ranks(scores: Mapping[int, float]) -> dict[int, int]:
    order = sorted(scores, key=lambda chunk_id: (-scores[chunk_id], chunk_id))
    return {chunk_id: rank for rank, chunk_id in enumerate(order, start=1)}
