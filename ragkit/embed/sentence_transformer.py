"""Any model that sentence-transformers can load, run by torch."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ragkit.embed.embedder import ModelFingerprint, TextKind
from ragkit.embed.model_folder import choose_prefixes
from ragkit.embed.tokenizer import FastTokenizer, without_surrogates
from ragkit.errors import EmbeddingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BATCH = 32
# Texts given to torch in one call, which nothing can interrupt before its end.
_AT_ONCE = 4 * _BATCH


class TorchEncoder:
    """A loaded sentence-transformers model; calls from several threads take turns."""

    def __init__(self, source: str, *, device: str, local_files_only: bool = True) -> None:
        """Load a model from a folder, or from the hub if ``local_files_only`` is false.

        Raises:
            EmbeddingError: it cannot be loaded.
        """
        try:
            from sentence_transformers import SentenceTransformer

            self.model: Any = SentenceTransformer(
                source, device=device, local_files_only=local_files_only
            )
        # Loading runs the code of several libraries, each with its own errors; whichever it is,
        # the model cannot be used and the message says what they said.
        except Exception as error:
            raise EmbeddingError(
                f"sentence-transformers cannot load {source!r} on {device!r}: {_one_line(error)}"
            ) from error
        self._lock = threading.Lock()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed ``texts``, which must not be none: shape (len(texts), dimension), unit length."""
        clean = [without_surrogates(text) for text in texts]
        # The longest first, so that texts of like length share a batch.
        order = sorted(range(len(clean)), key=lambda i: -len(clean[i]))
        parts = [
            self._encode([clean[i] for i in order[start : start + _AT_ONCE]])
            for start in range(0, len(order), _AT_ONCE)
        ]
        vectors = np.empty((len(texts), parts[0].shape[1]), dtype=np.float32)
        vectors[order] = np.concatenate(parts)
        return vectors

    def _encode(self, texts: list[str]) -> NDArray[np.float32]:
        try:
            with self._lock:
                found: NDArray[np.float32] = self.model.encode(
                    texts,
                    prompt="",  # the caller has put the prefix in front
                    batch_size=_BATCH,
                    normalize_embeddings=True,
                    convert_to_numpy=True,
                    show_progress_bar=False,
                )
        except (RuntimeError, ValueError, IndexError, KeyError, TypeError) as error:
            raise EmbeddingError(f"the embedding model failed: {_one_line(error)}") from error
        return found


class SentenceTransformerEmbedder:
    """A model from a folder, run by torch; see :class:`ragkit.embed.Embedder`.

    It is loaded when first asked for anything but its name, which takes seconds.
    """

    def __init__(
        self, folder: Path, *, name: str, model_name: str, weights_sha256: str, device: str
    ) -> None:
        """Remember what to load; ``model_name`` is what the fingerprint calls the model."""
        self._folder = folder
        self.name = name
        self._model_name = f"{model_name}@sha256:{weights_sha256[:12]}"
        self._device = device
        self._lock = threading.RLock()
        self._loaded: TorchEncoder | None = None

    def __repr__(self) -> str:
        return f"SentenceTransformerEmbedder({self.name!r}, device={self._device!r})"

    @cached_property
    def fingerprint(self) -> ModelFingerprint:
        """What must stay the same for vectors to be comparable."""
        model = self._encoder().model
        query_prefix, passage_prefix = choose_prefixes(
            model.prompts or {}, model.default_prompt_name
        )
        return ModelFingerprint(
            model=self._model_name,
            dimension=int(model.get_embedding_dimension()),
            pooling=_pooling(model),
            normalised=True,
            query_prefix=query_prefix,
            passage_prefix=passage_prefix,
            runtime=f"torch-{self._device}",
        )

    @cached_property
    def max_tokens(self) -> int:
        """How many tokens of a text are read, special tokens not counted."""
        limit = self._encoder().model.get_max_seq_length() or 512
        return max(1, int(limit) - self.tokenizer.special_tokens)

    @cached_property
    def tokenizer(self) -> FastTokenizer:
        """The model's own tokenizer.

        Raises:
            EmbeddingError: it cannot say where in a text its tokens are.
        """
        from tokenizers import Tokenizer

        fast = getattr(self._encoder().model.tokenizer, "backend_tokenizer", None)
        if not isinstance(fast, Tokenizer):
            raise EmbeddingError(
                f"the tokenizer of {self.name!r} does not say where its tokens are; choose a model "
                "with a 'tokenizer.json'"
            )
        return FastTokenizer(Tokenizer.from_str(fast.to_str()))

    def embed(self, texts: Sequence[str], *, kind: TextKind) -> NDArray[np.float32]:
        """Embed ``texts`` into shape (len(texts), dimension), float32, unit length.

        Raises:
            EmbeddingError: the model cannot be loaded or run.
        """
        fingerprint = self.fingerprint
        if not texts:
            return np.zeros((0, fingerprint.dimension), dtype=np.float32)
        prefix = fingerprint.query_prefix if kind == "query" else fingerprint.passage_prefix
        return self._encoder().encode([prefix + text for text in texts])

    def _encoder(self) -> TorchEncoder:
        with self._lock:
            if self._loaded is None:
                self._loaded = TorchEncoder(str(self._folder), device=self._device)
            return self._loaded


def _pooling(model: Any) -> str:
    for module in model:
        mode = getattr(module, "pooling_mode", None)
        if mode is None and hasattr(module, "get_pooling_mode_str"):
            mode = module.get_pooling_mode_str()
        if mode:
            return mode if isinstance(mode, str) else "+".join(map(str, mode))
    return "none"


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:299] + "…"
