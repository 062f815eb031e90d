"""Among many short documents, one that resembles the best is likely about the same and good too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ragkit.retrieve.arrange import is_short
from ragkit.retrieve.fusion import LISTED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragkit.retrieve.fusion import Fused
    from ragkit.store.records import ChunkPlace

BEST = 10  # documents that are taken for good
SEEN = 20  # passages among which there have to be so many


def prefer_alike(
    ranking: Sequence[Fused],
    places: Mapping[int, ChunkPlace],
    vectors_of: Callable[[Sequence[int]], NDArray[np.float32]],
    weight: float = LISTED.like_best,
) -> list[Fused]:
    """Lower passages that are unlike the best, where all that is found are short documents.

    The best passages of the ten best documents are averaged, each weighted by how far its score
    is above that of the eleventh; every passage loses in proportion to how much less similar it is
    to that average than the most similar one (pseudo-relevance feedback, Rocchio 1971). Questions
    to abstracts or articles are about a topic, which good documents share. Questions to long
    documents are about a detail, and what resembles its place says other things of the same topic:
    there the ranking stays as it is.

    Args:
        ranking: Passages with their scores, best first.
        places: Where they stand.
        vectors_of: Gives vectors by chunk ids, shape (n, dimension), of unit length; zeros where
            there is none yet, which counts as the least similar one.
        weight: What one loses that has nothing in common with the best.

    Returns:
        The passages in their new order, with their new scores, from 0 to 1.
    """
    import numpy as np

    standing = [passage for passage in ranking if passage.chunk_id in places]
    seen = [places[passage.chunk_id] for passage in standing[:SEEN]]
    if len({place.document_id for place in seen}) < BEST or not all(map(is_short, seen)):
        return list(ranking)
    first: dict[int, Fused] = {}
    for passage in standing:
        first.setdefault(places[passage.chunk_id].document_id, passage)
    if len(first) <= BEST:
        return list(ranking)
    *good, next_best = list(first.values())[: BEST + 1]
    weights = {passage.chunk_id: passage.score - next_best.score for passage in good}
    vectors = vectors_of([passage.chunk_id for passage in ranking])
    shares = np.array([weights.get(passage.chunk_id, 0.0) for passage in ranking], np.float32)
    centre = shares @ vectors
    length = float(np.linalg.norm(centre))
    if not length:
        return list(ranking)
    similarities = vectors @ (centre / length)
    present = np.any(vectors, axis=1)
    similarities[~present] = similarities[present].min()
    lost = weight * (similarities.max() - similarities)
    lowered = [
        replace(passage, score=max(0.0, passage.score - loss), unlike=loss)
        for passage, loss in zip(ranking, lost.tolist(), strict=True)
    ]
    return sorted(lowered, key=lambda passage: (-passage.score, passage.chunk_id))
