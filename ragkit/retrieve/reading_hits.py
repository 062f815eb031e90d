"""From a ranking to hits: passages read from the store, and widened where that is asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ragkit.results import Hit, Ranks
from ragkit.retrieve.context import widen
from ragkit.retrieve.pipeline import SPARE

if TYPE_CHECKING:
    from ingest.document import Document
    from ragkit.retrieve.pipeline import Corpus, State
    from ragkit.store import Store


@dataclass(frozen=True, slots=True)
class ReadHits:
    """Read the best ``k`` passages."""

    store: Store
    k: int
    name: str = "read"

    def apply(self, state: State) -> State:
        """Make hits of those that are still there."""
        repeated = sum(passage.same_as is not None for passage in state.ranking)
        if repeated:
            state = state.noting(f"put back, for another passage says the same: {repeated}")
        best = {passage.fused.chunk_id: passage for passage in state.ranking[: self.k + SPARE]}
        order = {chunk_id: number for number, chunk_id in enumerate(best, start=1)}
        hits = tuple(
            Hit(
                path=chunk.path,
                page=chunk.page,
                start=chunk.start,
                end=chunk.end,
                text=chunk.text,
                score=round(best[chunk.id].score, 6),
                heading=" > ".join(chunk.heading),
                ranks=Ranks(
                    dense=best[chunk.id].fused.dense_rank,
                    lexical=best[chunk.id].fused.lexical_rank,
                    rerank=order[chunk.id] if chunk.id in state.reranked else None,
                ),
            )
            for chunk in self.store.chunks(list(best))[: self.k]
        )
        return replace(state, hits=hits)


@dataclass(frozen=True, slots=True)
class Widen:
    """Widen hits by what stands around them, up to so many tokens in all."""

    corpus: Corpus
    tokens: int
    name: str = "read"

    def apply(self, state: State) -> State:
        """Widen them, as the embedding model counts tokens."""
        tokenizer = self.corpus.embedder().tokenizer

        def document_of(path: str) -> Document | None:
            found = self.corpus.store.document_by_path(path)
            return None if found is None else found[1]

        hits = widen(
            state.hits,
            document_of,
            tokens=self.tokens,
            count=lambda text: len(tokenizer.token_starts(text)),
        )
        return replace(state, hits=hits)
