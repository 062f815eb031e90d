"""An embedder of one's own, whose vectors are looked at before anything relies on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ragkit.errors import EmbeddingError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ingest.tokens import Tokenizer
    from ragkit.embed.embedder import Embedder, ModelFingerprint, TextKind


def checked_embedder(embedder: Embedder) -> Embedder:
    """Return an embedder that gives what ``embedder`` does, or raises where that is no vectors."""
    return embedder if isinstance(embedder, CheckedEmbedder) else CheckedEmbedder(embedder)


class CheckedEmbedder:
    """Makes float32 of unit length of what another embedder gives; a row of zeros stays."""

    def __init__(self, embedder: Embedder) -> None:
        """Wrap ``embedder``."""
        self._embedder = embedder

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
        """Embed ``texts``, shape (len(texts), dimension), float32, rows of unit length.

        Raises:
            EmbeddingError: the embedder gave another shape than its fingerprint says, or what is
                no finite number.
        """
        import numpy as np

        expected = (len(texts), self.fingerprint.dimension)
        if not texts:
            return np.zeros(expected, dtype=np.float32)
        made = self._embedder.embed(texts, kind=kind)
        try:
            rows = np.asarray(made, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise self._wrong("what is no array of numbers") from error
        if rows.shape != expected:
            raise self._wrong(f"the shape {rows.shape!r} instead of {expected!r}")
        if not np.isfinite(rows).all():
            raise self._wrong("numbers that are not finite")
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(rows / np.where(lengths > 0, lengths, 1.0), dtype=np.float32)

    def _wrong(self, what: str) -> EmbeddingError:
        return EmbeddingError(
            f"the embedder {self.name!r} gave {what}; ragkit.testing.check_embedder tells more"
        )
