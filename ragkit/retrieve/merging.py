"""From a question that was read to ranked passages: dense and lexical search, fusion, hints."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ragkit.errors import EmbeddingError
from ragkit.index.protocols import ALONE
from ragkit.retrieve.arrange import Arranged, arrange
from ragkit.retrieve.feedback import prefer_alike
from ragkit.retrieve.fusion import LISTED, Weights, fuse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragkit.embed.embedder import Embedder
    from ragkit.index.indexes import Indexes
    from ragkit.question.reading import Reading
    from ragkit.store import Store
    from ragkit.store.allowed import Allowed

Mode = Literal["hybrid", "dense", "lexical"]

CANDIDATES = 120  # passages each search is asked for at least; more changed nothing measurable
_ARRANGED = 100  # passages that are arranged at least, to find enough different pages
_HINTED_DOCUMENTS = 3  # in whose pages a page number in the question is looked up
_NAMED = 30  # passages of the documents that the question names


@dataclass(slots=True)
class Candidates:
    """What the searches found.

    Attributes:
        vector: The question's, or ``None`` where it was not searched by meaning.
        dense: Chunk id to cosine similarity.
        lexical: Chunk id to lexical score, 0 to 1.
        degraded: What went less than well, one sentence each.
    """

    vector: NDArray[np.float32] | None = None
    dense: dict[int, float] = field(default_factory=dict)
    lexical: dict[int, float] = field(default_factory=dict)
    degraded: list[str] = field(default_factory=list)


def find(
    indexes: Indexes,
    reading: Reading,
    *,
    embedder: Callable[[], Embedder],
    mode: Mode,
    count: int,
    allowed: Allowed | None,
    lap: Callable[[str], None],
    weights: Weights = LISTED,
) -> Candidates:
    """Search by meaning, by words, or by both.

    Args:
        indexes: Where to look.
        reading: What to search for.
        embedder: Gives the embedding model; not called in lexical mode.
        mode: Which searches to do.
        count: How many passages to ask each for.
        allowed: The only chunks to look at; ``None``: all.
        lap: Called with a stage's name when it ends.
        weights: What is found for.

    Raises:
        EmbeddingError: in dense mode, the model failed; hybrid goes on by words and says so.
    """
    found = Candidates()
    named: list[int] | None = None
    if reading.hints.documents and (allowed is None or allowed.documents is not None):
        named = list(reading.hints.documents)
        if allowed is not None and allowed.documents is not None:
            named = [number for number in named if number in allowed.documents]
    if mode != "lexical":
        try:
            found.vector = _question_vector(embedder(), reading)
        except EmbeddingError as error:
            if mode == "dense":
                raise
            found.degraded.append(f"searched by words only: {error}")
        lap("embed")
    if found.vector is not None:
        length = math.hypot(*found.vector.tolist())
        nearest = indexes.search_dense(found.vector, count, allowed=allowed)
        if named:
            nearest = [*nearest, *indexes.search_dense(found.vector, _NAMED, document_ids=named)]
        found.dense = {scored.chunk_id: scored.score * length for scored in nearest}
        found.degraded += _missing_vectors(indexes.store)
        lap("dense")
    if mode != "dense":
        words = ALONE if found.vector is None else weights.words
        matching = indexes.search_lexical(reading.parts, count, weights=words, allowed=allowed)
        if named:
            also = indexes.search_lexical(reading.parts, _NAMED, weights=words, document_ids=named)
            matching = [*matching, *also]
        found.lexical = {scored.chunk_id: scored.score for scored in matching}
        lag = indexes.lag().lexical
        if lag:
            found.degraded.append(f"{lag:,} changed passages cannot be found by words yet")
        lap("lexical")
    return found


def rank(
    indexes: Indexes,
    reading: Reading,
    found: Candidates,
    *,
    mode: Mode,
    limit: int,
    filtered_to_chunks: bool = False,
    weights: Weights = LISTED,
) -> list[Arranged]:
    """Merge what was found; in hybrid mode, follow the question's hints and spread over pages.

    Args:
        indexes: Where the passages are.
        reading: The question.
        found: What the searches found.
        mode: Which searches were done.
        limit: How many passages to return at most.
        filtered_to_chunks: Whether a filter excludes parts of documents, so that pages named in
            the question are not looked up.
        weights: The same as for :func:`find`.
    """
    store = indexes.store
    if mode != "hybrid":
        ranking = fuse(
            found.dense, found.lexical, dense_weight=1.0 if mode == "dense" else 0.0, limit=limit
        )
        return [Arranged(passage, passage.score, 0.0, 0.0) for passage in ranking]
    similarities: dict[int, float] = {}
    if found.vector is not None and found.lexical:
        missing = [chunk_id for chunk_id in found.lexical if chunk_id not in found.dense]
        similarities = indexes.products(found.vector, missing)
    wide = max(_ARRANGED, 2 * limit)
    ranking = fuse(
        found.dense,
        found.lexical,
        similarities=similarities,
        dense_weight=weights.dense,
        limit=wide,
    )
    places = store.places([passage.chunk_id for passage in ranking])
    if reading.hints.pages and not filtered_to_chunks:
        there = [places[p.chunk_id].document_id for p in ranking if p.chunk_id in places]
        likely = list(dict.fromkeys(there))[:_HINTED_DOCUMENTS]
        also = store.chunks_on_pages(likely, sorted(reading.hints.pages))
        if found.vector is not None:
            new = [
                chunk_id
                for chunk_id in also
                if chunk_id not in found.dense and chunk_id not in similarities
            ]
            similarities |= indexes.products(found.vector, new)
        ranking = fuse(
            found.dense,
            found.lexical,
            similarities=similarities,
            also=also,
            dense_weight=weights.dense,
            limit=wide + len(also),
        )
        places |= store.places(also)
    if found.vector is not None and weights.like_best:
        ranking = prefer_alike(ranking, places, store.vectors_of, weights.like_best)
    return arrange(ranking, places, reading.hints, limit=limit, same_page=weights.same_page)


def _question_vector(embedder: Embedder, reading: Reading) -> NDArray[np.float32]:
    """The weighted sum of the parts' vectors: its product with a passage is that of the scores."""
    import numpy as np

    vectors = embedder.embed([text for text, _ in reading.parts], kind="query")
    # Passages are made unit length when they are stored; an embedder of one's own may forget to.
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    weights = np.asarray([weight for _, weight in reading.parts], dtype=np.float32)
    return np.asarray(weights @ vectors, dtype=np.float32)


def _missing_vectors(store: Store) -> list[str]:
    counts = store.counts()
    missing = counts.chunks - counts.vectors
    if missing <= 0:
        return []
    return [
        f"{missing:,} of {counts.chunks:,} passages have no vector yet and were searched by words "
        "only; run ingest to finish them"
    ]
