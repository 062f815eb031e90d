"""Old turns found again: by meaning and by words, alone and with the turn before them.

A turn such as "Yes, last Tuesday." says nothing by itself, so each is indexed twice: alone, with
who said it and when, and following the turn it answers. Its score is the mean of the two, where
the second also counts if the turn is the one that is answered.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragkit.language import lists

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

# Weights found on conversations of the LoCoMo benchmark; see bench/locomo.py.
DENSE_WEIGHT = 0.7
# Of BM25 (Robertson and Zaragoza 2009); the usual values.
_K1, _B = 1.2, 0.75


@dataclass(frozen=True, slots=True)
class Found:
    """A turn that was found: its place from 0, its score, cosine and lexical share, all 0 to 1."""

    place: int
    score: float
    similarity: float
    lexical: float


class Words:
    """BM25 over short texts that are added one by one."""

    def __init__(self) -> None:
        """Begin empty."""
        from ragkit.language.analysis import word_analyzer

        self._analyzer = word_analyzer()
        self._common = frozenset(
            self._analyzer.analyze(" ".join(lists.words("stop_words", "english")))
        )
        self._lengths: list[int] = []
        self._total = 0
        self._postings: dict[str, list[tuple[int, int]]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self._lengths)

    def terms(self, text: str) -> list[str]:
        """Return the telling words of ``text``, stemmed."""
        from ragkit.language.analysis import normalise
        from ragkit.store.paths import storable

        found = self._analyzer.analyze(normalise(storable(text)))
        return [term for term in found if term not in self._common]

    def add(self, text: str) -> None:
        """Add the next text."""
        counts = Counter(self.terms(text))
        place = len(self._lengths)
        for term, count in counts.items():
            self._postings[term].append((place, count))
        length = sum(counts.values())
        self._lengths.append(length)
        self._total += length

    def scores(self, question: str) -> NDArray[np.float32]:
        """Return the score of every text, shape (texts,), scaled so that the best has 1."""
        import numpy as np

        number = len(self._lengths)
        scores = np.zeros(number, dtype=np.float32)
        mean = max(self._total / max(number, 1), 1.0)
        for term in set(self.terms(question)):
            postings = self._postings.get(term, ())
            rarity = math.log(1 + (number - len(postings) + 0.5) / (len(postings) + 0.5))
            for place, count in postings:
                length = 1 - _B + _B * self._lengths[place] / mean
                scores[place] += rarity * count * (_K1 + 1) / (count + _K1 * length)
        best = float(scores.max()) if number else 0.0
        return scores / best if best > 0 else scores


class TurnIndex:
    """Turns with their vectors and words; ``faiss`` compares the vectors."""

    def __init__(self, dimension: int) -> None:
        """Begin empty, for vectors of ``dimension`` numbers."""
        import faiss

        self._alone: Any = faiss.IndexFlatIP(dimension)
        self._following: Any = faiss.IndexFlatIP(dimension)
        self._words_alone = Words()
        self._words_following = Words()

    def __len__(self) -> int:
        return len(self._words_alone)

    def add(
        self,
        alone: Sequence[str],
        following: Sequence[str],
        alone_vectors: NDArray[np.float32],
        following_vectors: NDArray[np.float32],
    ) -> None:
        """Add turns as both of their texts, with vectors of shape (turns, dimension)."""
        self._alone.add(alone_vectors)
        self._following.add(following_vectors)
        for text in alone:
            self._words_alone.add(text)
        for text in following:
            self._words_following.add(text)

    def search(self, question: str, vector: NDArray[np.float32], k: int) -> list[Found]:
        """Return the ``k`` turns that fit best, the best first, equal ones newest first.

        Args:
            question: For its words.
            vector: Its embedding, shape (dimension,), of unit length.
            k: How many at most.
        """
        import numpy as np

        if not len(self):
            return []
        dense = (
            _all_scores(self._alone, vector) + _or_next(_all_scores(self._following, vector))
        ) / 2
        lexical = (
            self._words_alone.scores(question) + _or_next(self._words_following.scores(question))
        ) / 2
        scores = DENSE_WEIGHT * np.clip(dense, 0, 1) + (1 - DENSE_WEIGHT) * lexical
        newest_first = np.arange(len(scores))[::-1]
        order = newest_first[np.argsort(-scores[newest_first], kind="stable")][:k]
        return [
            Found(int(place), float(scores[place]), float(dense[place]), float(lexical[place]))
            for place in order
        ]


def _all_scores(index: Any, vector: NDArray[np.float32]) -> NDArray[np.float32]:
    import numpy as np

    scores, places = index.search(vector[None, :].astype(np.float32), index.ntotal)
    ordered = np.empty(index.ntotal, dtype=np.float32)
    ordered[places[0]] = scores[0]
    return ordered


def _or_next(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give each turn the better of its own score and that of the turn that follows it."""
    import numpy as np

    following = np.append(scores[1:], scores[-1:])
    return np.maximum(scores, following)
