"""Vectors of questions and sentences that were embedded before."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import threading
from collections import OrderedDict
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


_SENTENCES = 8_192  # whose vectors are kept in memory: 12 MB of 384 numbers each
_LONGEST = 1_000  # characters


class CachedEmbedder:
    """An embedder that keeps vectors: of questions in the base, of sentences in memory.

    The same sentences are compared with one question after another, and with what a model says of
    them. A base that cannot be written to is only read from: what is kept is never needed.
    """

    def __init__(self, embedder: Embedder, store: Store | None) -> None:
        """Wrap ``embedder``; without a ``store`` nothing is kept of questions."""
        self.embedder = embedder
        self._store = store
        self._sentences: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._lock = threading.Lock()

    @functools.cached_property
    def _model(self) -> bytes:
        fingerprint = json.dumps(asdict(self.embedder.fingerprint), sort_keys=True, default=str)
        return fingerprint.encode()

    @property
    def name(self) -> str:
        """The embedder's name."""
        return self.embedder.name

    @property
    def fingerprint(self) -> ModelFingerprint:
        """The embedder's fingerprint."""
        return self.embedder.fingerprint

    @property
    def max_tokens(self) -> int:
        """How many tokens of a text are read."""
        return self.embedder.max_tokens

    @property
    def tokenizer(self) -> Tokenizer:
        """The embedder's tokenizer."""
        return self.embedder.tokenizer

    def embed(self, texts: Sequence[str], *, kind: TextKind) -> NDArray[np.float32]:
        """Embed ``texts``, shape (len(texts), dimension), float32, rows of unit length."""
        if not texts:
            return self.embedder.embed(texts, kind=kind)
        if kind == "passage":
            return self._embed_sentences(texts)
        return (
            self.embedder.embed(texts, kind=kind)
            if self._store is None
            else self._embed_questions(texts, self._store)
        )

    def _embed_sentences(self, texts: Sequence[str]) -> NDArray[np.float32]:
        import numpy as np

        with self._lock:
            known = {text: self._sentences[text] for text in texts if text in self._sentences}
            for text in known:
                self._sentences.move_to_end(text)
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        if missing:
            made = self.embedder.embed(missing, kind="passage")
            new = dict(zip(missing, made, strict=True))
            known |= new
            with self._lock:
                self._sentences.update((t, v) for t, v in new.items() if len(t) <= _LONGEST)
                while len(self._sentences) > _SENTENCES:
                    self._sentences.popitem(last=False)
        return np.stack([known[text] for text in texts])

    def _embed_questions(self, texts: Sequence[str], store: Store) -> NDArray[np.float32]:
        import numpy as np

        keys = [self._key(text) for text in texts]
        size = 4 * self.fingerprint.dimension
        kept = store.question_vectors(keys)
        known = {key: vector for key, vector in kept.items() if len(vector) == size}
        missing = [i for i, key in enumerate(keys) if key not in known]
        if missing:
            made = self.embedder.embed([texts[i] for i in missing], kind="query")
            new = [(keys[i], made[row].astype("<f4").tobytes()) for row, i in enumerate(missing)]
            known.update(new)
            with contextlib.suppress(RagkitError):
                store.put_question_vectors(new)
        return np.stack([np.frombuffer(known[key], dtype="<f4") for key in keys])

    def _key(self, text: str) -> bytes:
        data = self._model + b"\0" + text.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, digest_size=32).digest()
