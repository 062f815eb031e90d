"""Vectors of questions that were embedded before."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from ragkit.errors import RagkitError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ingest.tokens import Tokenizer
    from ragkit.embed.embedder import Embedder, ModelFingerprint, TextKind
    from ragkit.store import Store


class CachedQuestions:
    """An embedder that keeps the vectors of questions in the base; passages pass through.

    A base that cannot be written to is only read from: what is kept is never needed.
    """

    def __init__(self, embedder: Embedder, store: Store) -> None:
        """Wrap ``embedder``."""
        self._embedder = embedder
        self._store = store
        fingerprint = json.dumps(asdict(embedder.fingerprint), sort_keys=True, default=str)
        self._model = fingerprint.encode()

    @property
    def name(self) -> str:
        """The embedder's name."""
        return self._embedder.name

    @property
    def fingerprint(self) -> ModelFingerprint:
        """The embedder's fingerprint."""
        return self._embedder.fingerprint

    @property
    def max_tokens(self) -> int:
        """How many tokens of a text are read."""
        return self._embedder.max_tokens

    @property
    def tokenizer(self) -> Tokenizer:
        """The embedder's tokenizer."""
        return self._embedder.tokenizer

    def embed(self, texts: Sequence[str], *, kind: TextKind) -> NDArray[np.float32]:
        """Embed ``texts``, shape (len(texts), dimension), float32, rows of unit length."""
        import numpy as np

        if kind != "query" or not texts:
            return self._embedder.embed(texts, kind=kind)
        keys = [self._key(text) for text in texts]
        size = 4 * self.fingerprint.dimension
        kept = self._store.question_vectors(keys)
        known = {key: vector for key, vector in kept.items() if len(vector) == size}
        missing = [i for i, key in enumerate(keys) if key not in known]
        if missing:
            made = self._embedder.embed([texts[i] for i in missing], kind=kind)
            new = [(keys[i], made[row].astype("<f4").tobytes()) for row, i in enumerate(missing)]
            known.update(new)
            with contextlib.suppress(RagkitError):
                self._store.put_question_vectors(new)
        return np.stack([np.frombuffer(known[key], dtype="<f4") for key in keys])

    def _key(self, text: str) -> bytes:
        data = self._model + b"\0" + text.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, digest_size=32).digest()
