"""Chunk and embed everything anew, from the text that the base holds, and exchange it at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ingest.chunker import chunk_document
from ragkit.events import Listener, Progress
from ragkit.run.embedding import embed_waiting
from ragkit.run.fingerprint import chunking_for, describe, settings_for
from ragkit.store import staging
from ragkit.store.paths import shown

if TYPE_CHECKING:
    from ragkit.embed.embedder import Embedder
    from ragkit.run.opened import Opened
    from ragkit.store import Store
    from ragkit.store.staging import Staging


def rebuild(base: Opened, embedder: str | Embedder | None, listener: Listener) -> None:
    """Bring every document up to the present chunker and to ``embedder``, by default the base's.

    All is made beside what the base has, which is searched meanwhile as if nothing were going on,
    and takes its place in one transaction. Interrupted before that, the base is as it was; running
    it again goes on. Vectors are kept where model and passage stay the same.

    Raises:
        LockedError: another process is writing.
        EmbeddingError: the model failed; the base is as it was.
    """
    store = base.store()
    store.require_writable("rebuild")
    named = embedder or base.wanted_embedder
    loaded = base.load_embedder(named, listener)
    wanted = describe(loaded)
    goal = json.dumps({"base": store.base, **wanted}, sort_keys=True)
    model = json.dumps(wanted["embedding"], sort_keys=True)
    with store.writing("rebuild"):
        with store.staging(goal) as stage:
            _chunk(store, stage, loaded, listener)
            if store.vectors_are_of(model):
                stage.keep_vectors()
            _embed(stage, loaded, listener)
            settings = {**settings_for(loaded), "vectors_of": model}
            stage.exchange(loaded.fingerprint.dimension, settings)
        staging.discard(store.directory)
        base.indexes().sync(final=True)
    base.use_embedder(named, loaded)


def _chunk(store: Store, stage: Staging, embedder: Embedder, listener: Listener) -> None:
    documents = store.documents()
    missing = stage.missing(documents)
    before = len(documents) - len(missing)
    listener(Progress("load", before, len(documents), "documents"))
    for done, stored in enumerate(missing, start=before + 1):
        chunks = chunk_document(
            store.document(stored.id),
            tokenizer=embedder.tokenizer,
            options=chunking_for(embedder),
            name=shown(stored.relative_path),
        )
        stage.put(stored, chunks)
        listener(Progress("load", done, len(documents), "documents", stored.path))


def _embed(stage: Staging, embedder: Embedder, listener: Listener) -> None:
    total = stage.count_pending()
    embed_waiting(
        embedder,
        listener,
        total=total,
        waiting=stage.pending,
        put=stage.put_vectors,
        left=lambda done: (
            f"{total - done:,} of {total:,} passages are left to embed; the knowledge base is as it"
            " was"
        ),
    )
