"""Running a compiled sentence encoder with ONNX Runtime."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ragkit.embed.hardware import thread_count
from ragkit.errors import EmbeddingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragkit.embed.tokenizer import FastTokenizer

# Texts tokenised in one go: enough to keep every core busy, few enough to need little memory.
_TOKENISED_TOGETHER = 256
# No token spans more characters of ordinary text; what a text has beyond this times the model's
# limit is not worth tokenising, since it will be cut off.
_CHARACTERS_PER_TOKEN = 100


def session_options() -> Any:
    """How the graphs of :mod:`ragkit.embed.bert_graph` are run."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # One thread for each text, and as many texts at once as there are cores: no barrier after
    # each operator, and no thread that spins while it waits for work.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    # The graph is written in fused operators; the next level would put slower ones in.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    return options


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_count(), thread_name_prefix="ragkit-embed")


if hasattr(os, "register_at_fork"):  # a child has none of its parent's threads
    os.register_at_fork(after_in_child=_threads.cache_clear)


class OnnxEncoder:
    """An opened model with its tokenizer; safe to call from several threads at once."""

    def __init__(self, model_file: Path, tokenizer: FastTokenizer, *, max_sequence: int) -> None:
        """Open a model; ``max_sequence`` tokens of each text are read, special ones included.

        Raises:
            EmbeddingError: the file is not a model that this ONNX Runtime can open.
        """
        import onnxruntime

        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(model_file), session_options(), providers=["CPUExecutionProvider"]
            )
        # ONNX Runtime's errors share no base class below Exception.
        except Exception as error:
            raise EmbeddingError(
                f"the compiled model {str(model_file)!r} cannot be opened: {error}"
            ) from error
        self._tokenizer = tokenizer
        self._max_sequence = max_sequence

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed ``texts``, which must not be none: shape (len(texts), dimension), unit length."""
        if len(texts) == 1:
            return np.stack([self._run(self._token_ids(texts)[0])])
        vectors: list[NDArray[np.float32] | None] = [None] * len(texts)
        for start in range(0, len(texts), _TOKENISED_TOGETHER):
            ids = self._token_ids(texts[start : start + _TOKENISED_TOGETHER])
            # The longest first, so that no core is left with a long text at the end.
            order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
            found = [(i, _threads().submit(self._run, ids[i])) for i in order]
            try:
                for i, waiting in found:
                    vectors[start + i] = waiting.result()
            except BaseException:  # Ctrl-C above all: nobody waits for what is not begun yet
                for _, waiting in found:
                    waiting.cancel()
                raise
        return np.stack(vectors)  # type: ignore[arg-type]  # each was filled in above

    def _token_ids(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        limit = self._max_sequence
        encodings = self._tokenizer.encode(
            [text[: limit * _CHARACTERS_PER_TOKEN] for text in texts]
        )
        rows = []
        for encoding in encodings:
            ids = np.array(encoding.ids, dtype=np.int64)
            if len(ids) > limit:  # the closing token stays
                ids = np.append(ids[: limit - 1], ids[-1])
            rows.append(ids)
        return rows

    def _run(self, token_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        try:
            [vector] = self._session.run(None, {"token_ids": token_ids})
        # ONNX Runtime's errors share no base class below Exception.
        except Exception as error:
            raise EmbeddingError(f"the compiled model failed on a text: {error}") from error
        return vector[0]  # type: ignore[no-any-return]
