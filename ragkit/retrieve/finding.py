"""From a question to ranked passages: search by meaning and by words, fusion, hints."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from ragkit.errors import EmbeddingError
from ragkit.index.protocols import ALONE, UnreachableIndexError
from ragkit.retrieve.arrange import Arranged, arrange, best_of_each
from ragkit.retrieve.fusion import favour, fuse
from ragkit.retrieve.pipeline import run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragkit.embed.embedder import Embedder
    from ragkit.retrieve.arrange import Unit
    from ragkit.retrieve.fusion import Weights
    from ragkit.retrieve.pipeline import Corpus, Stage, State
    from ragkit.store.records import ChunkPlace

Mode = Literal["hybrid", "dense", "lexical"]

_ARRANGED = 100  # passages that are arranged at least, to find enough different pages
_HINTED_DOCUMENTS = 3  # in whose pages a page number in the question is looked up
_NAMED = 30  # passages of the documents that the question names
_MOST = 20_000  # passages that are looked at for enough different documents


@dataclass(frozen=True, slots=True)
class EmbedQuestion:
    """Make the question's vector.

    Attributes:
        needed: Whether a model that fails is an error; else words alone are searched for.
    """

    embedder: Callable[[], Embedder]
    needed: bool
    name: str = "embed"

    def apply(self, state: State) -> State:
        """Embed what is searched for.

        Raises:
            EmbeddingError: the model failed, and is needed.
        """
        try:
            vector = _question_vector(self.embedder(), state.question.searches)
        except EmbeddingError as error:
            if self.needed:
                raise
            return state.degrading(f"searched by words only: {error}")
        return replace(state, vector=vector)


@dataclass(frozen=True, slots=True)
class SearchMeaning:
    """Find the passages whose vectors are nearest to the question's.

    Attributes:
        needed: Whether an index that cannot be reached is an error; else words alone count.
    """

    corpus: Corpus
    needed: bool
    name: str = "dense"

    def apply(self, state: State) -> State:
        """Search, unless there is no vector.

        Raises:
            UnreachableIndexError: the index's server does not answer, and is needed.
        """
        if state.vector is None:
            return state
        indexes, allowed = self.corpus.indexes, self.corpus.allowed
        length = math.hypot(*state.vector.tolist())
        try:
            nearest = indexes.search_dense(state.vector, state.count, allowed=allowed)
        except UnreachableIndexError as error:
            if self.needed:
                raise
            return replace(state, vector=None).degrading(f"searched by words only: {error}")
        if named := _searchable(state, self.corpus):
            also = indexes.search_dense(state.vector, _NAMED, document_ids=named)
            nearest = [*nearest, *also]
        dense = {scored.chunk_id: scored.score * length for scored in nearest}
        counts = self.corpus.store.counts()
        missing = counts.chunks - counts.vectors
        if missing > 0:
            state = state.degrading(
                f"{missing:,} of {counts.chunks:,} passages have no vector yet and were searched "
                "by words only; run ingest to finish them"
            )
        return replace(state, dense=dense)


@dataclass(frozen=True, slots=True)
class SearchWords:
    """Find the passages that hold the question's words."""

    corpus: Corpus
    weights: Weights
    name: str = "lexical"

    def apply(self, state: State) -> State:
        """Search; what words count by where they stand depends on whether meaning counts too."""
        indexes, allowed = self.corpus.indexes, self.corpus.allowed
        searches = state.question.searches
        words = ALONE if state.vector is None else self.weights.words
        matching = indexes.search_lexical(searches, state.count, weights=words, allowed=allowed)
        if named := _searchable(state, self.corpus):
            also = indexes.search_lexical(searches, _NAMED, weights=words, document_ids=named)
            matching = [*matching, *also]
        lag = indexes.lag().lexical
        if lag:
            state = state.degrading(f"{lag:,} changed passages cannot be found by words yet")
        return replace(state, lexical={scored.chunk_id: scored.score for scored in matching})


@dataclass(frozen=True, slots=True)
class Rank:
    """Merge what was found; in hybrid mode, follow the question's hints and spread over pages.

    Attributes:
        limit: How many passages to keep at most; ``None``: twice as many as were asked for.
    """

    corpus: Corpus
    mode: Mode
    weights: Weights
    limit: int | None
    name: str = "rank"

    def apply(self, state: State) -> State:
        """Rank what was found."""
        limit = self.limit or 2 * state.count
        if self.mode == "hybrid":
            return replace(state, ranking=self._hybrid(state, limit))
        alone = 1.0 if self.mode == "dense" else 0.0
        ranking = fuse(
            state.dense,
            state.lexical,
            dense_weight=alone,
            limit=limit,
            in_order=self.corpus.store.in_order_of_place,
        )
        return replace(state, ranking=[Arranged(one, one.score, 0.0, 0.0) for one in ranking])

    def _hybrid(self, state: State, limit: int) -> list[Arranged]:
        indexes, store = self.corpus.indexes, self.corpus.store
        weights, pages = self.weights, state.question.pages
        similarities: dict[int, float] = {}
        if state.vector is not None and state.lexical:
            unseen = [number for number in state.lexical if number not in state.dense]
            similarities = indexes.products(state.vector, unseen)
        wide = max(_ARRANGED, 2 * limit)
        ranking = fuse(
            state.dense,
            state.lexical,
            similarities=similarities,
            dense_weight=weights.dense,
            limit=wide,
            in_order=store.in_order_of_place,
        )
        places = store.places([passage.chunk_id for passage in ranking])
        # A filter may leave out parts of documents, and with them the pages.
        if pages and (self.corpus.allowed is None or self.corpus.allowed.documents is not None):
            there = [places[one.chunk_id].document_id for one in ranking if one.chunk_id in places]
            likely = list(dict.fromkeys(there))[:_HINTED_DOCUMENTS]
            also = store.chunks_on_pages(likely, sorted(pages))
            if state.vector is not None:
                known = state.dense.keys() | similarities.keys()
                new = [number for number in also if number not in known]
                similarities |= indexes.products(state.vector, new)
            ranking = fuse(
                state.dense,
                state.lexical,
                similarities=similarities,
                also=also,
                dense_weight=weights.dense,
                limit=wide + len(also),
                in_order=store.in_order_of_place,
            )
            places |= store.places(also)
        return arrange(
            favour(ranking, places, weights),
            places,
            limit=limit,
            question=state.question,
            boosts=state.boosts,
            same_page=weights.same_page,
        )


@dataclass(frozen=True, slots=True)
class UntilEnough:
    """Search for more and more passages until they are of enough different pages or documents.

    Attributes:
        stages: What is gone through each time.
        by: What has to differ.
        wanted: How many of them are wanted.
        limit: How many to keep at most.
    """

    corpus: Corpus
    stages: Sequence[Stage]
    by: Unit
    wanted: int
    limit: int
    name: str = ""

    def apply(self, state: State) -> State:
        """Keep the best passage of each page or document."""
        allowed = self.corpus.allowed
        wanted = self.wanted
        if self.by == "document":
            documents = None if allowed is None else allowed.documents
            there = self.corpus.store.counts().documents if documents is None else len(documents)
            wanted = min(wanted, there)
        while True:
            state = run(self.stages, state)
            units = best_of_each(state.ranking, self._places(state), self.by)
            seen = max(len(state.dense), len(state.lexical))
            if len(units) >= wanted or state.count >= _MOST or seen < state.count:
                return replace(state, ranking=units[: self.limit])
            state = replace(state, count=4 * state.count)

    def _places(self, state: State) -> dict[int, ChunkPlace]:
        return self.corpus.store.places([passage.fused.chunk_id for passage in state.ranking])


def _searchable(state: State, corpus: Corpus) -> list[int]:
    """The documents that the question names, where a filter does not leave out parts of them."""
    allowed = corpus.allowed
    if allowed is None:
        return list(state.boosts)
    if allowed.documents is None:
        return []
    return [number for number in state.boosts if number in allowed.documents]


def _question_vector(
    embedder: Embedder, searches: Sequence[tuple[str, float]]
) -> NDArray[np.float32]:
    """The weighted sum of the texts' vectors: its product with a passage is that of the scores."""
    import numpy as np

    vectors = embedder.embed([text for text, _ in searches], kind="query")
    # Passages are made unit length when they are stored; an embedder of one's own may forget to.
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    weights = np.asarray([weight for _, weight in searches], dtype=np.float32)
    return np.asarray(weights @ vectors, dtype=np.float32)
