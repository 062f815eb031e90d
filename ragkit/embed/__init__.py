"""Embedding models: turning texts into vectors, and counting their tokens.

:func:`load_embedder` finds the model that a name stands for; :class:`Embedder` is what all of them
can do.
"""

from __future__ import annotations

from ragkit.embed.embedder import Embedder, ModelFingerprint, TextKind
from ragkit.embed.load import DEFAULT_EMBEDDER, load_embedder

__all__ = ["DEFAULT_EMBEDDER", "Embedder", "ModelFingerprint", "TextKind", "load_embedder"]
