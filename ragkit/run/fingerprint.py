"""What a base was built with, kept in it and compared on use."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ingest.chunker import CHUNKER_VERSION, ChunkerOptions
from ragkit.errors import FingerprintError

if TYPE_CHECKING:
    from ragkit.embed.embedder import Embedder
    from ragkit.store import Store

_REMEDY = "run 'ragkit rebuild' to build it anew from the stored text"


def chunking_for(embedder: Embedder) -> ChunkerOptions:
    """Return the chunk sizes for an embedding model: never more tokens than it reads."""
    limit = embedder.max_tokens
    defaults = ChunkerOptions()
    return ChunkerOptions(target_tokens=min(defaults.target_tokens, limit), max_tokens=limit)


def describe(embedder: Embedder) -> dict[str, Any]:
    """Return everything that must stay the same for the base to stay consistent."""
    model = asdict(embedder.fingerprint)
    model.pop("runtime")
    return {
        "embedding": model,
        "chunking": {"version": CHUNKER_VERSION, **asdict(chunking_for(embedder))},
    }


def bind_embedder(store: Store, embedder: Embedder) -> None:
    """Check that the base was built with this embedding model; a new base takes it on.

    Raises:
        FingerprintError: it was built with another.
    """
    stored = _stored(store)
    if not stored:
        if store.read_only:  # and empty: there is nothing to fit to
            return
        store.use_vectors_of(json.dumps(describe(embedder)["embedding"], sort_keys=True))
        write(store, embedder)
        return
    now = describe(embedder)["embedding"]
    if now != stored["embedding"]:
        raise FingerprintError(
            f"{str(store.directory)!r} was built with the embedding model "
            f"{_short(stored['embedding'])}, not with {_short(now)}; open it with "
            f"--embedder {store.get_setting('embedder')}, or {_REMEDY}"
        )


def bind_chunker(store: Store, embedder: Embedder) -> None:
    """Check that the base was built with this chunker, before adding documents.

    Raises:
        FingerprintError: it was built with another version or other sizes.
    """
    stored = _stored(store)
    now = describe(embedder)["chunking"]
    if stored and now != stored["chunking"]:
        raise FingerprintError(
            f"{str(store.directory)!r} was built with another version of the chunker "
            f"({stored['chunking']['version']!r}, now {now['version']!r}); {_REMEDY}"
        )


def write(store: Store, embedder: Embedder) -> None:
    """Record what the base is built with from now on."""
    for key, value in settings_for(embedder).items():
        store.set_setting(key, value)


def settings_for(embedder: Embedder) -> dict[str, str]:
    """Return the settings that :func:`write` sets."""
    return {
        "embedder": embedder.name,
        "fingerprint": json.dumps(describe(embedder), sort_keys=True),
    }


def _stored(store: Store) -> dict[str, Any]:
    text = store.get_setting("fingerprint")
    return json.loads(text) if text else {}


def _short(embedding: dict[str, Any]) -> str:
    return f"{embedding['model']!r} ({embedding['dimension']} dimensions)"
