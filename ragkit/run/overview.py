"""What a knowledge base holds, in numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ragkit.store import Store


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


def status_of(store: Store, *, model: str) -> Status:
    """Count what is in ``store``, without loading any model."""
    from ragkit import __version__
    from ragkit.embed import DEFAULT_EMBEDDER

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
        model=model,
        fingerprint=json.loads(fingerprint) if fingerprint else {},
        last_ingest=store.get_setting("last_ingest"),
        version=__version__,
    )
