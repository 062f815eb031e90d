"""Whether a passage says what a sentence claims, and which of its sentences says it best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragkit.answer import words
from ragkit.errors import EmbeddingError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragkit.answer.candidates import Candidate
    from ragkit.embed.protocol import Embedder
    from ragkit.results import Hit

# A claim is supported when a sentence of the passage is this close in meaning, or holds this share
# of its words; without vectors words alone must do.
_CLOSE = 0.55
_WORDS = 0.6
# Attribution that the model did not ask for has to be surer.
_SURE = 0.7


@dataclass(frozen=True, slots=True)
class Support:
    """The sentence of a source that is closest to a claim.

    ``similarity`` is the cosine of their vectors, ``coverage`` the share of the claim's words that
    the sentence and its context hold; both 0 to 1.
    """

    source: int
    candidate: Candidate
    similarity: float
    coverage: float

    @property
    def strength(self) -> float:
        """One figure to compare by, 0 to 1."""
        return (self.similarity + self.coverage) / 2


class Evidence:
    """The sources of an answer, cut into sentences that are embedded when first needed."""

    def __init__(
        self,
        question: str,
        hits: Sequence[Hit],
        candidates: Sequence[Candidate],
        *,
        embedder: Callable[[], Embedder],
    ) -> None:
        """Prepare; nothing is embedded yet.

        Args:
            question: What was asked: names from it need no support.
            hits: The sources, in the order of their numbers.
            candidates: What the sources were cut into.
            embedder: Gives the embedding model.
        """
        self._embedder = embedder
        self._by_source: list[list[Candidate]] = [[] for _ in hits]
        for candidate in candidates:
            if candidate.kind != "question" and candidate.hit < len(hits):
                self._by_source[candidate.hit].append(candidate)
        # The same stretch of two overlapping passages is listed with the first only.
        for index, hit in enumerate(hits):
            if not self._by_source[index]:
                self._by_source[index] = [
                    candidate
                    for candidate in candidates
                    if candidate.path == hit.path
                    and candidate.start < hit.end
                    and hit.start < candidate.end
                    and candidate.kind != "question"
                ]
        self._texts = [f"{hit.path}\n{hit.heading}\n{hit.text}" for hit in hits]
        self._asked = words.terms(question)
        self._asked_numbers = words.numbers(question)
        self._vectors: dict[str, NDArray[np.float32]] = {}
        self._without_vectors = False
        self.degraded: list[str] = []

    def __len__(self) -> int:
        return len(self._texts)

    def best(self, claim: str, sources: Sequence[int]) -> Support | None:
        """Return the sentence among ``sources`` (indices) closest to ``claim``; None if none."""
        import numpy as np

        places = [
            (source, candidate) for source in sources for candidate in self._by_source[source]
        ]
        if not places:
            return None
        wanted = dict.fromkeys(words.terms(claim), 1.0)
        vectors = self._embed([claim, *(candidate.text for _, candidate in places)])
        supports = []
        for row, (source, candidate) in enumerate(places, start=1):
            similarity = max(0.0, float(np.dot(vectors[0], vectors[row]))) if vectors else 0.0
            coverage = words.covered(wanted, words.terms(f"{candidate.context} {candidate.text}"))
            supports.append(Support(source, candidate, similarity, coverage))
        return max(supports, key=lambda support: support.strength)

    def supports(self, claim: str, sources: Sequence[int]) -> bool:
        """Whether the cited ``sources`` say what ``claim`` says, as far as words can tell.

        All its numbers and names must occur in them (or in the question), and one of their
        sentences must be close in meaning or hold most of its words.
        """
        stated = words.terms(claim)
        if not stated:
            return True
        text = "\n".join(self._texts[source] for source in sources)
        held = words.terms(text)
        if words.numbers(claim) - words.numbers(text) - self._asked_numbers:
            return False
        if words.names(claim) - held - self._asked:
            return False
        best = self.best(claim, sources)
        if best is None:
            return False
        return (
            best.similarity >= _CLOSE
            or max(best.coverage, words.covered(dict.fromkeys(stated, 1.0), held) - 0.15) >= _WORDS
        )

    def attribute(self, claim: str) -> Support | None:
        """Find the source of a claim that cites none; ``None`` unless it is plain."""
        best = self.best(claim, range(len(self)))
        if best is None or len(words.terms(claim)) < 2:
            return None
        sure = best.strength if not self._without_vectors else best.coverage
        return best if sure >= _SURE and self.supports(claim, [best.source]) else None

    def _embed(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        missing = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        if missing and not self._without_vectors:
            try:
                matrix = self._embedder().embed(missing, kind="passage")
            except EmbeddingError as error:
                self._without_vectors = True
                self.degraded.append(f"the citations were checked by words only: {error}")
            else:
                self._vectors.update(zip(missing, matrix, strict=True))
        return [] if self._without_vectors else [self._vectors[text] for text in texts]
