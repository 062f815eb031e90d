"""Embedding models: turning texts into vectors, and counting their tokens.

:func:`load_embedder` finds the model that a name stands for; :class:`Embedder` is what all of them
can do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ragkit.embed.embedder import Embedder, ModelFingerprint, TextKind
    from ragkit.embed.load import DEFAULT_EMBEDDER, load_embedder

__all__ = ["DEFAULT_EMBEDDER", "Embedder", "ModelFingerprint", "TextKind", "load_embedder"]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    source = "load" if name in ("DEFAULT_EMBEDDER", "load_embedder") else "embedder"
    value = getattr(import_module(f"{__name__}.{source}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
