"""The retriever: a question in, located passages out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, get_args

from ragkit.errors import EmbeddingError, UsageError
from ragkit.results import Hit, Ranks, SearchResult
from ragkit.retrieve.fusion import DENSE_WEIGHT, fuse
from ragkit.retrieve.history import Resolved, resolve

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragkit.embed.protocol import Embedder
    from ragkit.store import Store
    from ragkit.store.where import Where

Mode = Literal["hybrid", "dense", "lexical"]
Turns = Sequence[Mapping[str, str]]

MAX_QUESTION_CHARACTERS = 100_000
CANDIDATES = 300


def search(
    store: Store,
    question: str,
    *,
    embedder: Callable[[], Embedder],
    k: int = 10,
    where: Where | None = None,
    history: Turns | None = None,
    mode: Mode = "hybrid",
) -> SearchResult:
    """Find the ``k`` passages that best match ``question``, best first.

    Args:
        store: Where to look.
        question: Any text of at most 100,000 characters.
        embedder: Gives the embedding model; not called in lexical mode.
        k: How many passages at most, at least 1.
        where: Exact filter; one that matches no document finds nothing.
        history: Earlier turns, oldest first, for questions that refer back to them.
        mode: ``"dense"`` for meaning, ``"lexical"`` for words, ``"hybrid"`` for both.

    Raises:
        UsageError: an empty or overlong question, or a bad ``k`` or ``mode``.
        EmbeddingError: in dense mode, the model failed; hybrid goes on by words and says so.
    """
    _check(question, k, mode)
    if not store.counts().chunks:
        return SearchResult((), ("the knowledge base is empty; ingest documents first",))
    clock = _Clock()
    documents = store.document_ids(where) if where is not None else None
    clock.lap("filter")
    if documents is not None and not documents:
        return SearchResult((), milliseconds=clock.laps)
    resolved = resolve(question, history or ())
    candidates = max(CANDIDATES, 2 * k)
    degraded: list[str] = []
    dense: dict[int, float] = {}
    lexical: dict[int, float] = {}
    similarities: dict[int, float] = {}
    vector: NDArray[np.float32] | None = None
    if mode != "lexical":
        try:
            vector = _question_vector(embedder(), resolved)
        except EmbeddingError as error:
            if mode == "dense":
                raise
            degraded.append(f"searched by words only: {error}")
        clock.lap("embed")
    if vector is not None:
        found = store.search_dense(vector, candidates, document_ids=documents)
        dense = {scored.chunk_id: scored.score for scored in found}
        degraded.extend(_missing_vectors(store))
        clock.lap("dense")
    if mode != "dense":
        found = store.search_lexical(resolved.lexical, candidates, document_ids=documents)
        lexical = {scored.chunk_id: scored.score for scored in found}
        lag = store.view_lag().lexical
        if lag:
            degraded.append(f"{lag:,} changed passages cannot be found by words yet")
        clock.lap("lexical")
    if vector is not None and lexical:
        similarities = _similarities(store, vector, [c for c in lexical if c not in dense])
    # A passage can vanish between ranking and reading when its file is being replaced.
    ranking = fuse(
        dense,
        lexical,
        similarities=similarities,
        dense_weight=DENSE_WEIGHT if mode == "hybrid" else 1.0,
        limit=k + 10,
    )
    clock.lap("fuse")
    scores = {passage.chunk_id: passage for passage in ranking}
    hits = tuple(
        Hit(
            path=chunk.path,
            page=chunk.page,
            start=chunk.start,
            end=chunk.end,
            text=chunk.text,
            score=round(scores[chunk.id].score, 6),
            heading=" > ".join(chunk.heading),
            ranks=Ranks(dense=scores[chunk.id].dense_rank, lexical=scores[chunk.id].lexical_rank),
        )
        for chunk in store.chunks(list(scores))[:k]
    )
    clock.lap("read")
    return SearchResult(hits, tuple(degraded), clock.laps)


def _check(question: object, k: int, mode: str) -> None:
    if not isinstance(question, str):
        raise UsageError(f"the question must be a string, not {type(question).__name__!r}")
    if not question.strip():
        raise UsageError("the question is empty")
    if len(question) > MAX_QUESTION_CHARACTERS:
        raise UsageError(
            f"the question has {len(question):,} characters; "
            f"at most {MAX_QUESTION_CHARACTERS:,} are taken"
        )
    if k < 1:
        raise UsageError(f"k must be at least 1, not {k!r}")
    if mode not in get_args(Mode):
        raise UsageError(f"mode must be one of {', '.join(get_args(Mode))}, not {mode!r}")


def _question_vector(embedder: Embedder, resolved: Resolved) -> NDArray[np.float32]:
    import numpy as np

    vectors = embedder.embed([text for text, _ in resolved.dense], kind="query")
    weights = np.asarray([weight for _, weight in resolved.dense], dtype=np.float32)
    mixed = weights @ vectors
    return np.asarray(mixed / max(float(np.linalg.norm(mixed)), 1e-12), dtype=np.float32)


def _similarities(
    store: Store, vector: NDArray[np.float32], chunk_ids: Sequence[int]
) -> dict[int, float]:
    if not chunk_ids:
        return {}
    import numpy as np

    vectors = store.vectors_of(chunk_ids)
    if vectors.shape[1] != vector.shape[0]:  # no passage has a vector yet
        return {}
    cosines = vectors @ vector
    present = np.any(vectors, axis=1).tolist()
    return {
        chunk_id: float(cosine)
        for chunk_id, cosine, has_vector in zip(chunk_ids, cosines, present, strict=True)
        if has_vector
    }


def _missing_vectors(store: Store) -> list[str]:
    counts = store.counts()
    missing = counts.chunks - counts.vectors
    if missing <= 0:
        return []
    return [
        f"{missing:,} of {counts.chunks:,} passages have no vector yet and were searched by words "
        "only; run ingest to finish them"
    ]


class _Clock:
    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.laps[stage] = round((now - self._last) * 1000, 3)
        self._last = now
