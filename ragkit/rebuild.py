"""Chunk and embed everything anew, from the text that the base holds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ragkit.events import Listener, Progress
from ragkit.fingerprint import chunking_for, describe, write
from ragkit.ingestion import embed_pending

if TYPE_CHECKING:
    from ragkit.embed.protocol import Embedder
    from ragkit.store import Store


def rebuild(store: Store, embedder: Embedder, listener: Listener) -> None:
    """Bring every document up to the present chunker and to ``embedder``.

    Vectors are kept where model and chunk stay the same. Interrupted, it leaves a base that is
    searched by words and says so; running it again goes on.

    Raises:
        LockedError: another process is writing.
        EmbeddingError: the model failed; all passages are committed and found by words.
    """
    from ingest.chunker import chunk_document
    from ragkit.store.records import FileState

    wanted = describe(embedder)
    with store.writing("rebuild"):
        store.use_vectors_of(json.dumps(wanted["embedding"], sort_keys=True))
        write(store, embedder)
        documents = store.documents()
        listener(Progress("load", 0, len(documents), "documents"))
        for done, stored in enumerate(documents, start=1):
            document = store.document(stored.id)
            chunks = chunk_document(
                document,
                tokenizer=embedder.tokenizer,
                options=chunking_for(embedder),
                name=stored.relative_path,
            )
            state = FileState(stored.size, stored.mtime_ns, stored.sha256)
            store.put_document(stored.root_id, stored.relative_path, state, document, chunks)
            listener(Progress("load", done, len(documents), "documents", stored.path))
        store.sync_views()
        embed_pending(store, embedder, listener)
        store.sync_views(final=True)
