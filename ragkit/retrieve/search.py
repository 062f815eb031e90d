"""The retriever: a question in, located passages out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, get_args

from ragkit.errors import EmbeddingError, UsageError
from ragkit.results import Hit, Ranks, SearchResult
from ragkit.retrieve.arrange import Arranged, arrange
from ragkit.retrieve.fusion import fuse
from ragkit.retrieve.reading import Reading, read, vocabulary_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragkit.embed.protocol import Embedder
    from ragkit.retrieve.hints import Hints
    from ragkit.store import Store
    from ragkit.store.where import Where

Mode = Literal["hybrid", "dense", "lexical"]
Turns = Sequence[Mapping[str, str]]

MAX_QUESTION_CHARACTERS = 100_000
CANDIDATES = 300
ARRANGED = 100  # passages that are arranged at least, to find enough different pages
_HINTED_DOCUMENTS = 3  # in whose pages a page number in the question is looked up


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
    reading = read(
        question,
        history or (),
        None if mode == "dense" else vocabulary_of(store, None if mode == "lexical" else embedder),
    )
    clock.lap("read question")
    candidates = max(CANDIDATES, 2 * k)
    degraded: list[str] = []
    dense: dict[int, float] = {}
    lexical: dict[int, float] = {}
    vector: NDArray[np.float32] | None = None
    if mode != "lexical":
        try:
            vector = _question_vector(embedder(), reading)
        except EmbeddingError as error:
            if mode == "dense":
                raise
            degraded.append(f"searched by words only: {error}")
        clock.lap("embed")
    if vector is not None:
        length = math.hypot(*vector.tolist())
        found = store.search_dense(vector, candidates, document_ids=documents)
        dense = {scored.chunk_id: scored.score * length for scored in found}
        degraded.extend(_missing_vectors(store))
        clock.lap("dense")
    if mode != "dense":
        found = store.search_lexical(reading.parts, candidates, document_ids=documents)
        lexical = {scored.chunk_id: scored.score for scored in found}
        lag = store.view_lag().lexical
        if lag:
            degraded.append(f"{lag:,} changed passages cannot be found by words yet")
        clock.lap("lexical")
    ranking = _rank(store, reading.hints, vector, dense, lexical, mode=mode, k=k)
    clock.lap("rank")
    hits = _hits(store, ranking, k)
    clock.lap("read")
    return SearchResult(hits, tuple(degraded), clock.laps, reading.notes)


def _rank(
    store: Store,
    hints: Hints,
    vector: NDArray[np.float32] | None,
    dense: Mapping[int, float],
    lexical: Mapping[int, float],
    *,
    mode: Mode,
    k: int,
) -> list[Arranged]:
    """Merge what was found; in hybrid mode, follow the question's hints and spread over pages."""
    similarities: dict[int, float] = {}
    if vector is not None and lexical:
        similarities = _similarities(store, vector, [c for c in lexical if c not in dense])
    # A passage can vanish between ranking and reading when its file is being replaced.
    limit = k + 10
    if mode != "hybrid":
        ranking = fuse(dense, lexical, dense_weight=1.0 if mode == "dense" else 0.0, limit=limit)
        return [Arranged(passage, passage.score, 0.0, 0.0) for passage in ranking]
    wide = max(ARRANGED, 2 * limit)
    ranking = fuse(dense, lexical, similarities=similarities, limit=wide)
    places = store.places([passage.chunk_id for passage in ranking])
    if hints.pages:
        there = [places[p.chunk_id].document_id for p in ranking if p.chunk_id in places]
        likely = list(dict.fromkeys(there))[:_HINTED_DOCUMENTS]
        also = store.chunks_on_pages(likely, sorted(hints.pages))
        new = [
            chunk_id for chunk_id in also if chunk_id not in dense and chunk_id not in similarities
        ]
        if vector is not None:
            similarities |= _similarities(store, vector, new)
        ranking = fuse(dense, lexical, similarities=similarities, also=also, limit=wide + len(also))
        places |= store.places(also)
    return arrange(ranking, places, hints, limit=limit)


def _hits(store: Store, ranking: Sequence[Arranged], k: int) -> tuple[Hit, ...]:
    scores = {passage.fused.chunk_id: passage for passage in ranking}
    return tuple(
        Hit(
            path=chunk.path,
            page=chunk.page,
            start=chunk.start,
            end=chunk.end,
            text=chunk.text,
            score=round(scores[chunk.id].score, 6),
            heading=" > ".join(chunk.heading),
            ranks=Ranks(
                dense=scores[chunk.id].fused.dense_rank,
                lexical=scores[chunk.id].fused.lexical_rank,
            ),
        )
        for chunk in store.chunks(list(scores))[:k]
    )


def check_question(question: object) -> None:
    """Raise :class:`UsageError` unless ``question`` is a question: a text, not empty, not endless."""
    if not isinstance(question, str):
        raise UsageError(f"the question must be a string, not {type(question).__name__!r}")
    if not question.strip():
        raise UsageError("the question is empty")
    if len(question) > MAX_QUESTION_CHARACTERS:
        raise UsageError(
            f"the question has {len(question):,} characters; "
            f"at most {MAX_QUESTION_CHARACTERS:,} are taken"
        )


def _check(question: object, k: int, mode: str) -> None:
    check_question(question)
    if k < 1:
        raise UsageError(f"k must be at least 1, not {k!r}")
    if mode not in get_args(Mode):
        raise UsageError(f"mode must be one of {', '.join(get_args(Mode))}, not {mode!r}")


def _question_vector(embedder: Embedder, reading: Reading) -> NDArray[np.float32]:
    """The weighted sum of the parts' vectors: its product with a passage is that of the scores."""
    import numpy as np

    vectors = embedder.embed([text for text, _ in reading.parts], kind="query")
    weights = np.asarray([weight for _, weight in reading.parts], dtype=np.float32)
    return np.asarray(weights @ vectors, dtype=np.float32)


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
