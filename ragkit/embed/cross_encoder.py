"""Cross-encoders of the BERT family, compiled to int8 and run by ONNX Runtime, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from ragkit.embed.bert_graph import build_cross_encoder_graph
from ragkit.embed.hardware import thread_count
from ragkit.embed.load import hub_snapshot
from ragkit.embed.model_folder import NotCompilableError, read_cross_encoder_folder
from ragkit.embed.onnx_runtime import session_options
from ragkit.embed.tokenizer import without_surrogates
from ragkit.errors import EmbeddingError


class CompiledCrossEncoder:
    """Scores pairs of a question and a passage. Compiled in memory, in about a second."""

    def __init__(self, name: str) -> None:
        """Compile the model in the folder ``name``, or of that name in the hub's local cache.

        Raises:
            NotCompilableError: it is of another kind, or not on this machine.
            EmbeddingError: a file of it is damaged.
        """
        import onnxruntime
        from tokenizers import Tokenizer

        folder = Path(name).expanduser()
        if not folder.is_dir():
            found = hub_snapshot(name) if name.count("/") == 1 and name[0] not in ".~/" else None
            if found is None:
                raise NotCompilableError("it is not on this machine")
            folder = found
        model = read_cross_encoder_folder(folder)
        try:
            self._tokenizer = Tokenizer.from_str(model.tokenizer.read_text(encoding="utf-8"))
            self._session: Any = onnxruntime.InferenceSession(
                build_cross_encoder_graph(model, "int8"),
                session_options(),
                providers=["CPUExecutionProvider"],
            )
        except NotCompilableError:
            raise
        # Neither library's errors share a base class below Exception.
        except Exception as error:
            raise EmbeddingError(f"the model {name!r} cannot be compiled: {error}") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(model.max_sequence)

    def logits(self, question: str, passages: Sequence[str]) -> list[float]:
        """Return a number for each passage, higher is better, of any size.

        Raises:
            EmbeddingError: the model failed.
        """
        asked = without_surrogates(question)
        pairs = [(asked, without_surrogates(passage)) for passage in passages]
        encodings = self._tokenizer.encode_batch_fast(pairs)

        def run(encoding: Any) -> float:
            given = {
                "token_ids": np.array(encoding.ids, np.int64),
                "text_numbers": np.array(encoding.type_ids, np.int64),
            }
            return float(self._session.run(None, given)[0][0, 0])

        try:
            with ThreadPoolExecutor(thread_count(), thread_name_prefix="ragkit-rerank") as pool:
                return list(pool.map(run, encodings))
        except Exception as error:
            raise EmbeddingError(f"the compiled model failed on a pair: {error}") from error
