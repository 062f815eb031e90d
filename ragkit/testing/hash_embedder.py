"""An embedder without weights, and its tokenizer."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ragkit.embed.embedder import ModelFingerprint, TextKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WORD = re.compile(r"\w+|[^\w\s]")


class WordTokenizer:
    """A tokenizer for which each word, and each punctuation mark, is one token."""

    def token_starts(self, text: str) -> list[int]:
        """Return where each word begins, as code points, ascending."""
        return [match.start() for match in _WORD.finditer(text)]


class HashEmbedder:
    """An embedder without weights: texts are near when they share words, whatever their case.

    Each word is hashed to a few signed places of the vector (the "hashing trick" of Weinberger
    et al., 2009), weighted by the square root of its count. The same text has the same vector in
    every process and on every machine. It knows no synonyms: use it to test plumbing.
    """

    def __init__(
        self, *, dimension: int = 64, max_tokens: int = 254, name: str = "hash-words"
    ) -> None:
        """Set the length of the vectors, and how many words of a text are read."""
        if dimension < 1 or max_tokens < 1:
            raise ValueError(
                f"dimension and max_tokens must be positive, not {dimension!r} and {max_tokens!r}"
            )
        self._name = name
        self._max_tokens = max_tokens
        self._fingerprint = ModelFingerprint(
            model=name, dimension=dimension, pooling="sum", normalised=True, runtime="hash"
        )
        self._tokenizer = WordTokenizer()

    @property
    def name(self) -> str:
        """The name that the knowledge base records."""
        return self._name

    @property
    def fingerprint(self) -> ModelFingerprint:
        """What a knowledge base built with this embedder records."""
        return self._fingerprint

    @property
    def max_tokens(self) -> int:
        """How many words of a text are read; the rest is ignored, as a real model does."""
        return self._max_tokens

    @property
    def tokenizer(self) -> WordTokenizer:
        """Counts words the way :meth:`embed` does."""
        return self._tokenizer

    def embed(self, texts: Sequence[str], *, kind: TextKind) -> NDArray[np.float32]:
        """Embed ``texts`` into shape (len(texts), dimension), float32, rows of unit length."""
        del kind  # passages and queries are treated alike
        dimension = self._fingerprint.dimension
        vectors = np.zeros((len(texts), dimension), dtype=np.float32)
        for vector, text in zip(vectors, texts, strict=True):
            counts: dict[str, int] = {}
            for word in _WORD.findall(text)[: self._max_tokens]:
                folded = word.casefold()
                counts[folded] = counts.get(folded, 0) + 1
            for word, count in counts.items():
                for place, sign in _places(word):
                    vector[place % dimension] += sign * count**0.5
            if not vector.any():  # no words, or words that cancel out: still of unit length
                vector[0] = 1.0
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors


@lru_cache(maxsize=65_536)
def _places(word: str) -> tuple[tuple[int, int], ...]:
    """Return four (place, sign) pairs; more than one, so that a collision costs little."""
    digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    numbers = [int.from_bytes(digest[i : i + 4], "big") for i in range(0, 16, 4)]
    return tuple((number >> 1, 1 if number & 1 else -1) for number in numbers)
