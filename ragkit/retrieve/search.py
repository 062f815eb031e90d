"""The retriever: a question in, located passages out."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, SupportsIndex, get_args

from ragkit.errors import ModelError, RerankError, UsageError
from ragkit.question.history import check_history
from ragkit.question.reading import read, vocabulary_of
from ragkit.results import Hit, Ranks, SearchResult
from ragkit.retrieve.arrange import best_of_each
from ragkit.retrieve.diversity import POOL, diversify
from ragkit.retrieve.expansion import expand
from ragkit.retrieve.explanation import considered
from ragkit.retrieve.fusion import LISTED, QUOTED
from ragkit.retrieve.merging import CANDIDATES, Mode, find, rank
from ragkit.retrieve.named_documents import find_named
from ragkit.retrieve.rerank import RERANKED, load_reranker
from ragkit.retrieve.stages import DEFAULT_STAGES, Stages

if TYPE_CHECKING:
    from ingest.document import Document
    from ragkit.embed.embedder import Embedder
    from ragkit.index.indexes import Indexes
    from ragkit.retrieve.arrange import Arranged
    from ragkit.store import Store
    from ragkit.store.where import Where

__all__ = ["Mode", "search"]

Turns = Sequence[Mapping[str, str]]

MAX_QUESTION_CHARACTERS = 100_000
_GAP = re.compile(r"(\s{20})\s+")
NOTHING_ALLOWED = "no document is allowed by the filter, so nothing was searched"
_EXPANSION_WEIGHT = 0.4
_SPARE = 10  # passages beyond those asked for: some may vanish while they are read
_EXPLAINED = 30
_MOST = 20_000  # passages that are looked at for enough different documents


def search(
    indexes: Indexes,
    question: str,
    *,
    embedder: Callable[[], Embedder],
    k: int = 10,
    where: Where | None = None,
    history: Turns | None = None,
    mode: Mode = "hybrid",
    stages: Stages = DEFAULT_STAGES,
) -> SearchResult:
    """Find the ``k`` passages that best match ``question``, best first.

    Scores are from 0 to 1, higher is better. By words: the share of what the question's words
    could reach. By meaning: the cosine similarity, 0 where it is negative. In hybrid mode: a
    weighted mean of the two, raised where the question names the page or the year, lowered for a
    page or a text that is listed already. Reranked: what the reranker gives.

    Args:
        indexes: Where to look.
        question: Any text of at most 100,000 characters.
        embedder: Gives the embedding model; not called in lexical mode.
        k: How many passages at most, at least 1.
        where: Exact filter; one that matches no document finds nothing, and the result says so.
        history: Earlier turns, oldest first, for questions that refer back to them.
        mode: ``"dense"`` for meaning, ``"lexical"`` for words, ``"hybrid"`` for both.
        stages: What to do beyond that.

    Raises:
        UsageError: an empty or overlong question, or a bad ``k``, ``mode`` or entry of ``history``.
        EmbeddingError: in dense mode, the model failed; hybrid goes on by words and says so.
    """
    question = check_question(question)
    _check(k, mode)
    history = check_history(history)
    store = indexes.store
    if not store.counts().chunks:
        return SearchResult((), ("the knowledge base is empty; ingest documents first",))
    clock = _Clock()
    allowed = store.allowed(where) if where is not None else None
    clock.lap("filter")
    if allowed is not None and allowed.is_empty:
        return SearchResult((), (), clock.laps, (NOTHING_ALLOWED,))
    vocabulary = None
    if mode != "dense":
        vocabulary = vocabulary_of(indexes, None if mode == "lexical" else embedder)
    reading = read(question, history, vocabulary, stages.ask)
    notes, degraded = [*reading.notes], [*reading.degraded]
    if mode == "hybrid":
        named = find_named(question, store, date.today(), allowed)
        reading = replace(reading, hints=replace(reading.hints, documents=named.boosts))
        notes += named.notes
    if stages.expand:
        texts, done, failed = expand(
            reading.parts[-1][0] if history else reading.parts[0][0],
            stages.expand,
            indexes=indexes,
            ask=stages.ask,
        )
        reading = reading.with_texts(texts, _EXPANSION_WEIGHT)
        notes += done
        degraded += failed
    clock.lap("read question")
    wanted = max(k, RERANKED if stages.rerank else 0, POOL if stages.diversity else 0)
    count = max(CANDIDATES, 2 * wanted)
    limit = max(wanted, _EXPLAINED if stages.explain else 0) + _SPARE
    weights = QUOTED if stages.quoting else LISTED
    units_wanted = k
    if stages.by == "document":
        documents = None if allowed is None else allowed.documents
        there = store.counts().documents if documents is None else len(documents)
        units_wanted = min(k, there)
    while True:
        found = find(
            indexes,
            reading,
            embedder=embedder,
            mode=mode,
            count=count,
            allowed=allowed,
            lap=clock.lap,
            weights=weights,
        )
        ranking = rank(
            indexes,
            reading,
            found,
            mode=mode,
            limit=2 * count if stages.by else limit,
            filtered_to_chunks=allowed is not None and allowed.documents is None,
            weights=weights,
        )
        if stages.by is None:
            break
        units = best_of_each(ranking, store.places([p.fused.chunk_id for p in ranking]), stages.by)
        seen = max(len(found.dense), len(found.lexical))
        if len(units) >= units_wanted or count >= _MOST or seen < count:
            ranking = units[:limit]
            break
        count *= 4
    degraded += found.degraded
    repeated = sum(passage.same_as is not None for passage in ranking)
    if repeated:
        notes.append(f"put back, for another passage says the same: {repeated}")
    clock.lap("rank")
    reranked: dict[int, float] = {}
    if stages.rerank:
        try:
            ranking, reranked = _rerank(store, question, ranking, stages, embedder)
        except (RerankError, ModelError) as error:
            degraded.append(f"not reranked: {error}")
        clock.lap("rerank")
    if stages.diversity:
        ranking = diversify(store, ranking, diversity=stages.diversity, limit=limit)
        clock.lap("diversify")
    hits = _hits(store, ranking, k, reranked)
    if stages.context_tokens is not None:
        from ragkit.retrieve.context import widen

        tokenizer = embedder().tokenizer
        hits = widen(
            hits,
            lambda path: document_at(store, path),
            tokens=stages.context_tokens,
            count=lambda text: len(tokenizer.token_starts(text)),
        )
    clock.lap("read")
    explained = (
        considered(store, ranking, found.dense, found.lexical, k=k, reranked=reranked)
        if stages.explain
        else ()
    )
    return SearchResult(hits, tuple(degraded), clock.laps, tuple(notes), explained)


def _rerank(
    store: Store,
    question: str,
    ranking: Sequence[Arranged],
    stages: Stages,
    embedder: Callable[[], Embedder],
) -> tuple[list[Arranged], dict[int, float]]:
    """Order passages by a reranker's scores; return them with these."""
    reranker = load_reranker(stages.rerank or "", embedder=embedder, ask=stages.ask)
    by_id = {passage.fused.chunk_id: passage for passage in ranking}
    chunks = store.chunks(list(by_id))
    scores = reranker.scores(question, [chunk.embedded_text for chunk in chunks])
    given = {chunk.id: score for chunk, score in zip(chunks, scores, strict=True)}
    order = sorted(given, key=lambda chunk_id: -given[chunk_id])
    return [replace(by_id[number], score=given[number]) for number in order], given


def _hits(
    store: Store, ranking: Sequence[Arranged], k: int, reranked: Mapping[int, float]
) -> tuple[Hit, ...]:
    scores = {passage.fused.chunk_id: passage for passage in ranking[: k + _SPARE]}
    order = {chunk_id: number for number, chunk_id in enumerate(scores, start=1)}
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
                rerank=order[chunk.id] if chunk.id in reranked else None,
            ),
        )
        for chunk in store.chunks(list(scores))[:k]
    )


def document_at(store: Store, path: str) -> Document | None:
    """Return the document at a path, or ``None`` where it is gone by now."""
    found = store.document_by_path(path)
    return None if found is None else found[1]


def check_question(question: object) -> str:
    """Return a question, with no more than 20 spaces or line ends in a row.

    Many patterns look for what follows white space, which takes long where there is no end of it.

    Raises:
        UsageError: it is no text, empty or endless.
    """
    if not isinstance(question, str):
        raise UsageError(f"the question must be a string, not {type(question).__name__!r}")
    if not question.strip():
        raise UsageError("the question is empty")
    if len(question) > MAX_QUESTION_CHARACTERS:
        raise UsageError(
            f"the question has {len(question):,} characters; "
            f"at most {MAX_QUESTION_CHARACTERS:,} are taken"
        )
    return _GAP.sub(r"\1", question)


def _check(k: int, mode: str) -> None:
    if not isinstance(k, SupportsIndex) or k < 1:
        raise UsageError(f"k must be a whole number of at least 1, not {k!r}")
    if mode not in get_args(Mode):
        raise UsageError(f"mode must be one of {', '.join(get_args(Mode))}, not {mode!r}")


class _Clock:
    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        # A stage may be gone through again, for more passages.
        spent = self.laps.get(stage, 0.0) + (now - self._last) * 1000
        self.laps[stage] = round(spent, 3)
        self._last = now
