"""Merge what the dense and the lexical search found into one ranking."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragkit.index.ordering import by_place
from ragkit.index.protocols import ALONE, BESIDE_MEANING

if TYPE_CHECKING:
    from ragkit.index.protocols import WordWeights
    from ragkit.store.records import ChunkPlace


@dataclass(frozen=True, slots=True)
class Weights:
    """How hybrid search weighs what it found.

    Attributes:
        dense: Share of the cosine similarity in the score, 0 to 1.
        words: What words count by where they stand, where there is a search by meaning as well.
        same_page: What each passage costs that is already listed from the same page (of a short
            document without pages: from the same document).
        document: What the best passage of its document counts for a passage, beside its own score.
        nearest: What the passage nearest in meaning gains, the second half of it, and so on.
    """

    dense: float
    words: WordWeights
    same_page: float
    document: float
    nearest: float


# Fitted by bench/fusion.py; the last two by what they gain on sets that the others were not fitted to.
LISTED = Weights(dense=0.33, words=BESIDE_MEANING, same_page=0.052, document=0.5, nearest=0.05)
# What is quoted has to say more of what was asked itself: what stands around it counts by BM25.
# Further quotes may be of the same page.
QUOTED = Weights(dense=0.4, words=ALONE, same_page=0.032, document=0.5, nearest=0.05)


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
    also: Iterable[int] = (),
    dense_weight: float = LISTED.dense,
    limit: int | None = None,
    in_order: Callable[[Sequence[int]], Sequence[int]] = sorted,
) -> list[Fused]:
    """Merge by a weighted sum of cosine similarity and lexical score, best first.

    Both are comparable between questions: the lexical score is a share of what the question's
    words could reach, not of the best that was found, so a question whose words are not there is
    decided by meaning (scaling by the theoretical maximum: Bruch et al. 2023, "An Analysis of
    Fusion Functions for Hybrid Retrieval").

    Args:
        dense: Chunk id to cosine similarity, for the passages the dense search found, in order.
        lexical: Chunk id to BM25 score from 0 to 1, for those the lexical search found, likewise.
        similarities: Cosine similarities of passages that only the lexical search found; one that
            has none (no vector yet) counts as if it were as similar as the least similar one.
        also: Passages that neither search found, to be ranked all the same.
        dense_weight: Share of the cosine similarity, 0 to 1; without any the lexical score counts
            alone.
        limit: How many to return at most; ``None``: all.
        in_order: Puts the ids of passages that score the same in order.
    """
    known = {**(similarities or {}), **dense}
    weight = dense_weight if known else 0.0
    floor = min(known.values(), default=0.0)
    dense_ranks = _ranks(dense)
    lexical_ranks = _ranks(lexical)
    scores: list[tuple[int, float]] = []
    for chunk_id in {*dense, *lexical, *also}:
        cosine, share = known.get(chunk_id, floor), lexical.get(chunk_id, 0.0)
        # Written out, for it runs some hundred times in each search.
        cosine = 0.0 if cosine < 0.0 else 1.0 if cosine > 1.0 else cosine
        share = 0.0 if share < 0.0 else 1.0 if share > 1.0 else share
        scores.append((chunk_id, weight * cosine + (1.0 - weight) * share))
    return [
        Fused(chunk_id, score, dense_ranks.get(chunk_id), lexical_ranks.get(chunk_id))
        for chunk_id, score in by_place(scores, in_order)[:limit]
    ]


def favour(
    ranking: Sequence[Fused], places: Mapping[int, ChunkPlace], weights: Weights
) -> list[Fused]:
    """Let passages gain by their document's best one, and by their rank in meaning; best first.

    Words of a question often stand in one place of a document and what answers it in another: the
    document that names the thing asked about is the likeliest to say more of it. Scores stay from 0
    to 1; passages that are gone are left out.
    """
    there = [passage for passage in ranking if passage.chunk_id in places]
    best: dict[int, float] = {}
    for passage in there:
        document = places[passage.chunk_id].document_id
        best[document] = max(best.get(document, 0.0), passage.score)
    whole = 1.0 + weights.document + weights.nearest
    favoured: list[Fused] = []
    for passage in there:
        gained = weights.document * best[places[passage.chunk_id].document_id]
        if passage.dense_rank is not None:
            gained += weights.nearest / passage.dense_rank
        score = (passage.score + gained) / whole
        favoured.append(Fused(passage.chunk_id, score, passage.dense_rank, passage.lexical_rank))
    favoured.sort(key=lambda passage: -passage.score)
    return favoured


def _ranks(scores: Mapping[int, float]) -> dict[int, int]:
    order = sorted(scores, key=lambda chunk_id: -scores[chunk_id])
    return {chunk_id: rank for rank, chunk_id in enumerate(order, start=1)}
