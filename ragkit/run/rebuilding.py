"""Chunk and embed everything anew, from the text that the base holds, and exchange it at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ragkit.errors import EmbeddingError
from ragkit.events import Listener, Progress
from ragkit.run.fingerprint import chunking_for, describe, settings_for

if TYPE_CHECKING:
    from ragkit.embed.embedder import Embedder
    from ragkit.index.indexes import Indexes
    from ragkit.store import Store
    from ragkit.store.staging import Staging

_EMBED_BATCH = 128


def rebuild(indexes: Indexes, embedder: Embedder, listener: Listener) -> None:
    """Bring every document up to the present chunker and to ``embedder``.

    All is made beside what the base has, which is searched meanwhile as if nothing were going on,
    and takes its place in one transaction. Interrupted before that, the base is as it was; running
    it again goes on. Vectors are kept where model and passage stay the same.

    Raises:
        LockedError: another process is writing.
        EmbeddingError: the model failed; the base is as it was.
    """
    from ragkit.store import staging

    store = indexes.store
    wanted = describe(embedder)
    goal = json.dumps({"base": store.base, **wanted}, sort_keys=True)
    model = json.dumps(wanted["embedding"], sort_keys=True)
    with store.writing("rebuild"):
        with store.staging(goal) as stage:
            _chunk(store, stage, embedder, listener)
            if store.vectors_are_of(model):
                stage.keep_vectors()
            _embed(stage, embedder, listener)
            settings = {**settings_for(embedder), "vectors_of": model}
            stage.exchange(embedder.fingerprint.dimension, settings)
        staging.discard(store.directory)
        indexes.sync(final=True)


def _chunk(store: Store, stage: Staging, embedder: Embedder, listener: Listener) -> None:
    from ingest.chunker import chunk_document
    from ragkit.store.paths import shown

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
    if not total:
        return
    done = 0
    listener(Progress("embed", 0, total, "passages"))
    try:
        while batch := stage.pending(_EMBED_BATCH):
            vectors = embedder.embed(list(batch.values()), kind="passage")
            stage.put_vectors(list(batch), vectors)
            done += len(batch)
            listener(Progress("embed", done, total, "passages"))
    except EmbeddingError as error:
        raise EmbeddingError(
            f"{error}; {total - done:,} of {total:,} passages are left to embed; the knowledge base"
            " is as it was, run the same command again to go on"
        ) from error
