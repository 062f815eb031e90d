"""A search as a sequence of stages, each of which goes on from what those before it found."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragkit.embed.embedder import Embedder
    from ragkit.index.indexes import Indexes
    from ragkit.question.question import Question
    from ragkit.results import Considered, Hit
    from ragkit.retrieve.arrange import Arranged
    from ragkit.store import Store
    from ragkit.store.allowed import Allowed

CANDIDATES = 120  # passages each search is asked for at least; more changed nothing measurable
SPARE = 10  # passages beyond those asked for: some may vanish while they are read


@dataclass(frozen=True, slots=True)
class Corpus:
    """What is searched.

    Attributes:
        indexes: The documents' indexes.
        embedder: Gives the embedding model.
        allowed: The only passages to look at; ``None``: all.
    """

    indexes: Indexes
    embedder: Callable[[], Embedder]
    allowed: Allowed | None = None

    @property
    def store(self) -> Store:
        """The documents."""
        return self.indexes.store


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """How far a search is.

    Attributes:
        question: What is searched for.
        count: How many passages each search is asked for.
        vector: The question's; ``None`` where it is not searched by meaning.
        dense: Chunk id to cosine similarity, of what the search by meaning found.
        lexical: Chunk id to score from 0 to 1, of what the search by words found.
        boosts: By how much the passages of a document are raised, by the document's id.
        ranking: Passages, best first.
        reranked: Chunk id to the reranker's score, if there was one.
        hits: The passages that are the result.
        considered: What became of each passage, if that was asked for.
        notes: What was made of the question, one sentence each.
        degraded: What went less than well, likewise.
        milliseconds: The time of each kind of stage so far.
    """

    question: Question
    count: int = CANDIDATES
    vector: NDArray[np.float32] | None = None
    dense: Mapping[int, float] = field(default_factory=dict)
    lexical: Mapping[int, float] = field(default_factory=dict)
    boosts: Mapping[int, float] = field(default_factory=dict)
    ranking: Sequence[Arranged] = ()
    reranked: Mapping[int, float] = field(default_factory=dict)
    hits: tuple[Hit, ...] = ()
    considered: tuple[Considered, ...] = ()
    notes: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()
    milliseconds: Mapping[str, float] = field(default_factory=dict)

    def noting(self, *notes: str) -> State:
        """Say what was made of the question."""
        return replace(self, notes=(*self.notes, *notes))

    def degrading(self, *sentences: str) -> State:
        """Say what went less than well, once."""
        new = [sentence for sentence in sentences if sentence not in self.degraded]
        return replace(self, degraded=(*self.degraded, *new))

    def after(self, name: str, began: float) -> State:
        """Count the time since ``began`` towards a kind of stage, which may be gone through again."""
        spent = self.milliseconds.get(name, 0.0) + (time.perf_counter() - began) * 1000
        return replace(self, milliseconds={**self.milliseconds, name: round(spent, 3)})


class Stage(Protocol):
    """One step of a search."""

    @property
    def name(self) -> str:
        """What its time is counted as; empty where its own steps are."""
        ...

    def apply(self, state: State) -> State:
        """Go on from what was found so far."""
        ...


def run(stages: Iterable[Stage], state: State) -> State:
    """Go through stages in their order."""
    for stage in stages:
        began = time.perf_counter()
        state = stage.apply(state)
        if stage.name:
            state = state.after(stage.name, began)
    return state
