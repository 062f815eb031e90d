"""What ragkit asks of an embedding model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ingest.chunker import Tokenizer

TextKind = Literal["passage", "query"]


@dataclass(frozen=True, slots=True)
class ModelFingerprint:
    """What must stay the same for vectors to be comparable.

    ``model`` names the model and its weights (name plus a hash of the weights where there are
    any), ``runtime`` the form it runs in, such as ``"onnx-int8"`` or ``"torch-float32"`` (noted,
    but not part of what must match), ``query_prefix`` and ``passage_prefix`` what the model wants
    before each text.
    """

    model: str
    dimension: int
    pooling: str
    normalised: bool
    query_prefix: str = ""
    passage_prefix: str = ""
    runtime: str = ""


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into vectors.

    ``name`` is what the user wrote to choose it; ``max_tokens`` how many tokens of a text it
    reads, special tokens not counted; ``tokenizer`` counts them the same way the model does;
    ``fingerprint`` tells models apart whose vectors cannot be compared.
    Loading weights may wait until the first :meth:`embed`.
    """

    @property
    def name(self) -> str: ...

    @property
    def fingerprint(self) -> ModelFingerprint: ...

    @property
    def max_tokens(self) -> int: ...

    @property
    def tokenizer(self) -> Tokenizer: ...

    def embed(self, texts: Sequence[str], *, kind: TextKind) -> NDArray[np.float32]:
        """Embed ``texts`` into an array of shape (len(texts), dimension), float32, unit length.

        Raises:
            ragkit.errors.EmbeddingError: the model cannot be loaded or run.
        """
        ...
