"""Old turns found again: by meaning and by words, alone and with the turn before them.

A turn such as "Yes, last Tuesday." says nothing by itself, so each is indexed twice: alone, with
who said it and when, and following the turn it answers. Its score is the mean of the two, where
the second also counts if the turn is the one that is answered.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragkit.language import lists
from ragkit.language.analysis import normalise, word_analyzer
from ragkit.store.paths import storable

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    """Turns with their vectors and words; every turn is compared."""

    def __init__(self, dimension: int) -> None:
        """Begin empty, for vectors of ``dimension`` numbers."""
        # Of each turn alone, and of each with the one before it.
        self._vectors = [np.empty((0, dimension), dtype=np.float32) for _ in range(2)]
        self._words = (Words(), Words())

    def __len__(self) -> int:
        return len(self._words[0])

    def add(
        self,
        alone: Sequence[str],
        following: Sequence[str],
        alone_vectors: NDArray[np.float32],
        following_vectors: NDArray[np.float32],
    ) -> None:
        """Add turns as both of their texts, with vectors of shape (turns, dimension)."""
        for place, (texts, vectors) in enumerate(
            ((alone, alone_vectors), (following, following_vectors))
        ):
            self._vectors[place] = np.concatenate([self._vectors[place], vectors])
            for text in texts:
                self._words[place].add(text)

    def search(self, question: str, vector: NDArray[np.float32], k: int) -> list[Found]:
        """Return the ``k`` turns that fit best, the best first, equal ones newest first.

        Args:
            question: For its words.
            vector: Its embedding, shape (dimension,), of unit length.
            k: How many at most.
        """
        if not len(self):
            return []
        dense = _both(*(vectors @ vector for vectors in self._vectors))
        lexical = _both(*(words.scores(question) for words in self._words))
        scores = DENSE_WEIGHT * np.clip(dense, 0, 1) + (1 - DENSE_WEIGHT) * lexical
        newest_first = np.arange(len(scores))[::-1]
        order = newest_first[np.argsort(-scores[newest_first], kind="stable")][:k]
        return [
            Found(int(place), float(scores[place]), float(dense[place]), float(lexical[place]))
            for place in order
        ]


def _both(alone: NDArray[np.float32], following: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of both scores, the second of a turn or of the one that follows it."""
    better = np.maximum(following, np.append(following[1:], following[-1:]))
    return np.asarray((alone + better) / 2, dtype=np.float32)
