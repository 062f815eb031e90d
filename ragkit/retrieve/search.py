"""The retriever: a question in, located passages out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import perf_counter
from typing import TYPE_CHECKING, SupportsIndex, get_args

from ragkit.errors import UsageError
from ragkit.results import SearchResult
from ragkit.retrieve.diversity import POOL, Diversify
from ragkit.retrieve.expansion import Expand
from ragkit.retrieve.explanation import Explain
from ragkit.retrieve.finding import (
    EmbedQuestion,
    Mode,
    Rank,
    SearchMeaning,
    SearchWords,
    UntilEnough,
)
from ragkit.retrieve.fusion import LISTED, QUOTED
from ragkit.retrieve.named_documents import NameDocuments
from ragkit.retrieve.pipeline import CANDIDATES, SPARE, Corpus, Stage, State, run
from ragkit.retrieve.reading_hits import ReadHits, Widen
from ragkit.retrieve.rerank import RERANKED, Rerank
from ragkit.retrieve.spelling import CorrectSpelling
from ragkit.retrieve.stages import DEFAULT_STAGES, Stages

if TYPE_CHECKING:
    from ragkit.embed.embedder import Embedder
    from ragkit.index.indexes import Indexes
    from ragkit.question.question import Question
    from ragkit.store.where import Where

__all__ = ["Mode", "search"]

NOTHING_ALLOWED = "no document is allowed by the filter, so nothing was searched"
_EXPLAINED = 30


def search(
    indexes: Indexes,
    question: Question,
    *,
    embedder: Callable[[], Embedder],
    k: int = 10,
    where: Where | None = None,
    mode: Mode = "hybrid",
    stages: Stages = DEFAULT_STAGES,
) -> SearchResult:
    """Find the ``k`` passages that best match ``question``, best first.

    Scores are from 0 to 1, higher is better. By words: the share of what the question's words
    could reach. By meaning: the cosine similarity, 0 where it is negative. In hybrid mode: a
    weighted mean of the two, raised where the question names the page, the year or the document,
    lowered for a page or a text that is listed already. Reranked: what the reranker gives.

    Args:
        indexes: Where to look.
        question: What to look for, as :func:`ragkit.question.reading.read_question` read it.
        embedder: Gives the embedding model; not called in lexical mode.
        k: How many passages at most, at least 1.
        where: Exact filter; one that matches no document finds nothing, and the result says so.
        mode: ``"dense"`` for meaning, ``"lexical"`` for words, ``"hybrid"`` for both.
        stages: What to do beyond that.

    Raises:
        UsageError: a bad ``k`` or ``mode``.
        EmbeddingError: in dense mode, the model failed; hybrid goes on by words and says so.
    """
    if not isinstance(k, SupportsIndex) or k < 1:
        raise UsageError(f"k must be a whole number of at least 1, not {k!r}")
    if mode not in get_args(Mode):
        raise UsageError(f"mode must be one of {', '.join(get_args(Mode))}, not {mode!r}")
    store = indexes.store
    if not store.counts().chunks:
        return SearchResult((), ("the knowledge base is empty; ingest documents first",))
    began = perf_counter()
    allowed = store.allowed(where) if where is not None else None
    count = max(CANDIDATES, 2 * _wanted(stages, k))
    state = State(question, count, notes=question.notes, degraded=question.degraded)
    state = state.after("filter", began)
    if allowed is not None and allowed.is_empty:
        return SearchResult((), (), state.milliseconds, (NOTHING_ALLOWED,))
    corpus = Corpus(indexes, embedder, allowed)
    state = run(stages_of(corpus, k=k, mode=mode, options=stages), state)
    return SearchResult(
        state.hits, state.degraded, state.milliseconds, state.notes, state.considered
    )


def stages_of(corpus: Corpus, *, k: int, mode: Mode, options: Stages) -> Iterator[Stage]:
    """List what a search goes through, in order."""
    limit = max(_wanted(options, k), _EXPLAINED if options.explain else 0) + SPARE
    weights = QUOTED if options.quoting else LISTED
    if mode != "dense":
        yield CorrectSpelling(corpus.indexes, None if mode == "lexical" else corpus.embedder)
    if mode == "hybrid":
        yield NameDocuments(corpus)
    if options.expand:
        yield Expand(corpus, options.expand, options.ask)
    if mode != "lexical":
        yield EmbedQuestion(corpus.embedder, needed=mode == "dense")
    finding: list[Stage] = []
    if mode != "lexical":
        finding.append(SearchMeaning(corpus, needed=mode == "dense"))
    if mode != "dense":
        finding.append(SearchWords(corpus, weights))
    finding.append(Rank(corpus, mode, weights, None if options.by else limit))
    if options.by:
        yield UntilEnough(corpus, finding, options.by, wanted=k, limit=limit)
    else:
        yield from finding
    if options.rerank:
        yield Rerank(corpus, options.rerank, options.ask)
    if options.diversity:
        yield Diversify(corpus.store, options.diversity, limit)
    yield ReadHits(corpus.store, k)
    if options.context_tokens is not None:
        yield Widen(corpus, options.context_tokens)
    if options.explain:
        yield Explain(corpus.store, k)


def _wanted(options: Stages, k: int) -> int:
    """How many passages the later stages choose among."""
    return max(k, RERANKED if options.rerank else 0, POOL if options.diversity else 0)
