"""Why a passage is where it is in a ranking, or is not in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ragkit.results import Considered

if TYPE_CHECKING:
    from ragkit.retrieve.arrange import Arranged
    from ragkit.retrieve.pipeline import State
    from ragkit.store import Store
    from ragkit.store.records import StoredChunk


@dataclass(frozen=True, slots=True)
class Explain:
    """Describe each passage of a ranking: what every stage gave it, and what became of it."""

    store: Store
    k: int
    name: str = "read"

    def apply(self, state: State) -> State:
        """Describe all; the first ``k`` are the hits."""
        return replace(state, considered=considered(self.store, state, self.k))


def considered(store: Store, state: State, k: int) -> tuple[Considered, ...]:
    """Describe what became of each passage of a ranking, of which the first ``k`` are the hits."""
    ranking, dense, lexical = state.ranking, state.dense, state.lexical
    by_id = {passage.fused.chunk_id: passage for passage in ranking}
    described: list[Considered] = []
    chunks = store.chunks(list(by_id))
    copied = [passage.same_as for passage in ranking if passage.same_as is not None]
    named = {chunk.id: _named(chunk) for chunk in store.chunks(copied)}
    for number, chunk in enumerate(chunks, start=1):
        passage = by_id[chunk.id]
        described.append(
            Considered(
                path=chunk.path,
                page=chunk.page,
                start=chunk.start,
                end=chunk.end,
                score=round(passage.score, 6),
                dense_rank=passage.fused.dense_rank,
                dense_score=_rounded(dense.get(chunk.id)),
                lexical_rank=passage.fused.lexical_rank,
                lexical_score=_rounded(lexical.get(chunk.id)),
                fused_score=round(passage.fused.score, 6),
                boost=round(passage.boost, 6),
                repetition=round(passage.repetition, 6),
                rerank_score=_rounded(state.reranked.get(chunk.id)),
                outcome=_outcome(passage, number, k, named.get(passage.same_as or 0)),
                likeness=_rounded(passage.likeness),
            )
        )
    return tuple(described)


def _named(chunk: StoredChunk) -> str:
    page = "" if chunk.page is None else f", page {chunk.page}"
    return f"{chunk.path}{page} [{chunk.start}:{chunk.end}]"


def _outcome(passage: Arranged, number: int, k: int, same_as: str | None) -> str:
    reasons = []
    if passage.boost:
        reasons.append("raised: the question names its page, year or document")
    if same_as is not None:
        reasons.append(f"lowered: same text as {same_as}")
    elif passage.repetition:
        reasons.append("lowered: others of its page come before")
    if passage.likeness:
        reasons.append(f"likeness to one before: {passage.likeness:.2f}")
    if passage.fused.dense_rank is None:
        reasons.append("found by words only")
    if passage.fused.lexical_rank is None:
        reasons.append("found by meaning only")
    kept = f"hit {number}" if number <= k else f"dropped: place {number}, {k} asked for"
    return "; ".join([kept, *reasons])


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, 6)
