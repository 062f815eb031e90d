"""What a knowledge base holds, in numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragkit.results import __version__

if TYPE_CHECKING:
    from ragkit.run.opened import Opened


@dataclass(frozen=True, slots=True)
class Status:
    """What a knowledge base holds. ``size_bytes`` is all of its files on disk."""

    directory: str
    documents: int
    failures: int
    chunks: int
    vectors: int
    characters: int
    size_bytes: int
    embedder: str
    model: str
    fingerprint: Mapping[str, Any]
    last_ingest: str | None
    version: str


def status_of(base: Opened) -> Status:
    """Count what is in a base, without loading any model."""
    from ragkit.answer.answering import model_names, models_of
    from ragkit.embed import DEFAULT_EMBEDDER

    store = base.store()
    counts = store.counts()
    fingerprint = store.get_setting("fingerprint")
    return Status(
        directory=str(store.directory),
        documents=counts.documents,
        failures=counts.failures,
        chunks=counts.chunks,
        vectors=counts.vectors,
        characters=counts.characters,
        size_bytes=sum(
            path.stat().st_size for path in store.directory.rglob("*") if path.is_file()
        ),
        embedder=store.get_setting("embedder") or DEFAULT_EMBEDDER,
        model=model_names(models_of(base.model)),
        fingerprint=json.loads(fingerprint) if fingerprint else {},
        last_ingest=store.get_setting("last_ingest"),
        version=__version__,
    )
