"""Whether a passage says what a sentence claims, and which of its sentences says it best."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragkit.answer.contradiction import differs
from ragkit.errors import EmbeddingError
from ragkit.events.awaiting import worked
from ragkit.language import lists, words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragkit.answer.candidates import Candidate
    from ragkit.embed.embedder import Embedder
    from ragkit.question.question import Question
    from ragkit.results import Hit

# A claim is supported when a sentence of the passage is this close in meaning, or holds this share
# of its words; without vectors words alone must do.
_CLOSE = 0.55
_WORDS = 0.6
# Less than this share of the words may be spread over several sentences.
_SPREAD = 0.15
# How many sentences are looked at, and how near they must be to the closest one.
_NEAR = 4
_NEARLY = 0.8
_CLAUSE = re.compile(
    rf"[;,]\s+|\s+(?:{lists.alternatives('clauses.adding')}|{lists.alternatives('clauses.contrast')})\s+",
    re.IGNORECASE,
)
_REFERS_BACK = re.compile(
    rf"\b(?:{lists.alternatives('pronouns.third')}|{lists.alternatives('pronouns.demonstrative')})\b",
    re.IGNORECASE,
)
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
        question: Question,
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
        self._candidates = candidates
        self._titles = [f"{hit.path} {hit.heading}" for hit in hits]
        self._texts = [f"{hit.path}\n{hit.heading}\n{hit.text}" for hit in hits]
        self._asked = question.terms
        self._asked_numbers = question.numbers
        self._vectors: dict[str, NDArray[np.float32]] = {}
        self._without_vectors = False
        self.degraded: list[str] = []

    def __len__(self) -> int:
        return len(self._texts)

    @worked
    def best(self, claim: str, sources: Sequence[int]) -> Support | None:
        """Return the sentence among ``sources`` (indices) closest to ``claim``; None if none."""
        return next(iter(self._closest(claim, sources)), None)

    def _closest(self, claim: str, sources: Sequence[int]) -> list[Support]:
        """The sentences among ``sources``, the closest to ``claim`` first."""
        import numpy as np

        places = [
            (source, candidate) for source in sources for candidate in self._by_source[source]
        ]
        if not places:
            return []
        wanted = dict.fromkeys(words.terms(claim), 1.0)
        vectors = self._embed([claim, *(candidate.text for _, candidate in places)])
        supports = []
        for row, (source, candidate) in enumerate(places, start=1):
            similarity = max(0.0, float(np.dot(vectors[0], vectors[row]))) if vectors else 0.0
            coverage = words.covered(wanted, words.terms(f"{candidate.context} {candidate.text}"))
            supports.append(Support(source, candidate, similarity, coverage))
        return sorted(supports, key=lambda support: -support.strength)

    @worked
    def supports(self, claim: str, sources: Sequence[int]) -> bool:
        """Whether the cited ``sources`` say what ``claim`` says, as far as rules can tell.

        All its names must occur in them (or in the question), one of their sentences must be close
        in meaning or hold most of its words, and what is closest must not say otherwise: see
        :mod:`ragkit.answer.contradiction`. A claim of several clauses may rest on as many
        sentences.
        """
        stated = words.terms(claim)
        if not stated:
            return True
        held = words.terms("\n".join(self._texts[source] for source in sources))
        if words.names(claim) - held - self._asked:
            return False
        closest = self._closest(claim, sources)
        if not closest:
            return False
        spread = words.covered(dict.fromkeys(stated, 1.0), held) - _SPREAD
        best = closest[0]
        if best.similarity < _CLOSE and max(best.coverage, spread) < _WORDS:
            return False
        near = [each for each in closest[:_NEAR] if each.strength >= _NEARLY * best.strength]
        if any(self._says(each, claim) for each in near):
            return True
        clauses = [part for part in _CLAUSE.split(claim) if len(words.terms(part)) > 1]
        return len(clauses) > 1 and all(
            any(self._says(each, part) for each in self._near(part, sources)) for part in clauses
        )

    def _near(self, claim: str, sources: Sequence[int]) -> list[Support]:
        closest = self._closest(claim, sources)
        return [each for each in closest[:_NEAR] if each.strength >= _NEARLY * closest[0].strength]

    def _says(self, support: Support, claim: str) -> bool:
        """Whether a sentence that is close to a claim says it and not something else."""
        candidate = support.candidate
        around = candidate.context
        if _REFERS_BACK.search(candidate.text) and candidate.previous is not None:
            around = f"{around} {self._candidates[candidate.previous].text}"
        text = f"{candidate.text} {around} {self._titles[support.source]}"
        held = words.terms(text) | self._asked
        if words.names(claim) - held:
            return False
        if candidate.kind == "row" and self._of_another_row(support, claim, held):
            return False
        return not differs(claim, candidate.text, around, asked=self._asked_numbers)

    def _of_another_row(self, support: Support, claim: str, held: AbstractSet[str]) -> bool:
        """Whether a claim takes words from other rows of the table."""
        rows = [each for each in self._by_source[support.source] if each.kind == "row"]
        others = set[str]().union(*(words.terms(row.text) for row in rows))
        return bool(words.terms(claim) & (others - held))

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
