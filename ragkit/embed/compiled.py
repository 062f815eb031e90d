"""BERT-family models from a folder: compiled to ONNX for the CPU, in torch on a GPU."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ragkit.embed.tokenizer import FastTokenizer
from ragkit.errors import EmbeddingError
from ragkit.events import Listener, Notice

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragkit.embed.embedder import ModelFingerprint, TextKind
    from ragkit.embed.model_cache import Compiled
    from ragkit.embed.model_folder import ModelFolder


class Encoder(Protocol):
    """Runs a loaded model on one or more texts."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed ``texts``: shape (len(texts), dimension), rows of unit length."""
        ...


class CompiledEmbedder:
    """An embedding model that is compiled at its first use; see :class:`ragkit.embed.Embedder`.

    Passages run on ``device``; queries always run in the compiled form on the CPU, where one takes
    milliseconds and needs no torch. Both give vectors that can be compared.
    """

    def __init__(
        self,
        model: ModelFolder,
        *,
        name: str,
        model_name: str,
        weights_sha256: str,
        device: str,
        cache: Path,
        listener: Listener,
    ) -> None:
        """Remember what to load; ``model_name`` is what the fingerprint calls the model."""
        self._model = model
        self.name = name
        self._weights_sha256 = weights_sha256
        self._fingerprint = model.fingerprint(model_name, weights_sha256)
        self._device = device
        self._cache = cache
        self._listener = listener
        self._lock = threading.RLock()
        self._on_cpu: Encoder | None = None
        self._on_gpu: Encoder | None = None
        self._runtime = "onnx-int8"

    def __repr__(self) -> str:
        return f"CompiledEmbedder({self.name!r})"

    @property
    def fingerprint(self) -> ModelFingerprint:
        """What must stay the same; ``runtime`` is certain after the first :meth:`embed`."""
        return replace(self._fingerprint, runtime=self._runtime)

    @property
    def max_tokens(self) -> int:
        """How many tokens of a text are read, without the two that mark its begin and end."""
        return self._model.max_sequence - self.tokenizer.special_tokens

    @cached_property
    def tokenizer(self) -> FastTokenizer:
        """The model's own tokenizer."""
        return FastTokenizer.from_file(self._model.tokenizer)

    def embed(self, texts: Sequence[str], *, kind: TextKind) -> NDArray[np.float32]:
        """Embed ``texts`` into shape (len(texts), dimension), float32, unit length.

        A text's vector does not depend on the texts it is embedded with.

        Raises:
            EmbeddingError: the model cannot be loaded or run.
        """
        if not texts:
            return np.zeros((0, self._fingerprint.dimension), dtype=np.float32)
        is_query = kind == "query"
        prefix = self._fingerprint.query_prefix if is_query else self._fingerprint.passage_prefix
        encoder = self._cpu_encoder() if is_query or self._device == "cpu" else self._gpu_encoder()
        return encoder.encode([prefix + text for text in texts] if prefix else texts)

    def _cpu_encoder(self) -> Encoder:
        with self._lock:
            if self._on_cpu is None:
                self._on_cpu = self._open_compiled()
            return self._on_cpu

    def _gpu_encoder(self) -> Encoder:
        from ragkit.embed.sentence_transformer import TorchEncoder

        with self._lock:
            if self._on_gpu is None:
                try:
                    self._on_gpu = TorchEncoder(str(self._model.path), device=self._device)
                    self._runtime = f"torch-{self._device}"
                except EmbeddingError as error:
                    self._listener(Notice(f"Embedding on the CPU instead: {error}"))
                    self._on_gpu = self._cpu_encoder()
            return self._on_gpu

    def _open_compiled(self) -> Encoder:
        from ragkit.embed.model_cache import compiled_folder, find_compiled

        folder = compiled_folder(self._model, self._weights_sha256, self._cache)
        found = find_compiled(folder)
        if found is not None:
            try:
                return self._encoder(found)
            except EmbeddingError as error:
                # Intact, yet this ONNX Runtime does not take it: an older or newer one made it.
                self._listener(Notice(f"{error}; it is made anew."))
                found.file.unlink(missing_ok=True)
        try:
            return self._encoder(self._compile(folder))
        except OSError as error:
            self._listener(
                Notice(
                    f"The cache {str(self._cache)!r} cannot be written ({error}), so the embedding "
                    "model is prepared for this run only; set RAGKIT_CACHE to a folder that can."
                )
            )
        import tempfile

        try:
            with tempfile.TemporaryDirectory(prefix="ragkit-model-") as temporary:
                return self._encoder(self._compile(Path(temporary, folder.name)))
        except OSError as error:
            raise EmbeddingError(
                f"there is no place to prepare the embedding model in: {error}"
            ) from error

    def _compile(self, folder: Path) -> Compiled:
        from ragkit.embed.onnx_compile import compile_model

        return compile_model(
            self._model, self._weights_sha256, self.tokenizer, folder, self._listener
        )

    def _encoder(self, compiled: Compiled) -> Encoder:
        if compiled.form == "none":
            from ragkit.embed.sentence_transformer import TorchEncoder

            self._runtime = "torch-cpu"
            return TorchEncoder(str(self._model.path), device="cpu")
        from ragkit.embed.onnx_runtime import OnnxEncoder

        encoder = OnnxEncoder(compiled.file, self.tokenizer, max_sequence=self._model.max_sequence)
        self._runtime = f"onnx-{compiled.form}"
        return encoder
