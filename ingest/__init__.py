"""Files in, located chunks out: load PDF, HTML, Markdown and text, and cut them by structure.

    from ingest import load

    document = load("manual.pdf")
    print(document.pages[11], document.text[document.pages[11].start :][:200])

Names are imported when first used, so ``import ingest`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ingest.chunker import ChunkerOptions, Tokenizer, chunk_document
    from ingest.document import Block, Chunk, Document, Page, Section
    from ingest.errors import (
        EncryptedError,
        LoadError,
        MissingExtraError,
        NoTextError,
        TooLargeError,
        UnreadableError,
        UnsupportedFormatError,
        WrongFormatError,
    )
    from ingest.isolate import LoadLimits
    from ingest.loader_spec import LoaderSpec, Source
    from ingest.loaders.registry import load, register

__all__ = [
    "Block",
    "Chunk",
    "ChunkerOptions",
    "Document",
    "EncryptedError",
    "LoadError",
    "LoadLimits",
    "LoaderSpec",
    "MissingExtraError",
    "NoTextError",
    "Page",
    "Section",
    "Source",
    "Tokenizer",
    "TooLargeError",
    "UnreadableError",
    "UnsupportedFormatError",
    "WrongFormatError",
    "chunk_document",
    "load",
    "register",
]

_HOMES = {
    "ingest.chunker": ("ChunkerOptions", "Tokenizer", "chunk_document"),
    "ingest.document": ("Block", "Chunk", "Document", "Page", "Section"),
    "ingest.errors": tuple(name for name in __all__ if name.endswith("Error")),
    "ingest.isolate": ("LoadLimits",),
    "ingest.loader_spec": ("LoaderSpec", "Source"),
    "ingest.loaders.registry": ("load", "register"),
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
