"""Small documents for the tests of the store."""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ingest.document import Block, Chunk, Document, Page, Section
from ragkit.index.indexes import Indexes
from ragkit.store import FileState, Store

DIMENSION = 16


def document_of(*passages: str, title: str | None = None, kind: str = "text") -> Document:
    """A document whose passages are paragraphs."""
    return Document(text="\n\n".join(passages), format=kind, title=title)


def chunks_of(document: Document, *, prefix: str = "") -> list[Chunk]:
    """One chunk for each paragraph."""
    chunks: list[Chunk] = []
    start = 0
    for index, text in enumerate(document.text.split("\n\n")):
        key = hashlib.sha256(f"{document.text}{start}".encode("utf-8", "replace")).hexdigest()
        end = start + len(text)
        chunks.append(Chunk(key, index, start, end, text, None, (), prefix, len(text.split())))
        start = end + 2
    return chunks


def state_of(document: Document, mtime_ns: int = 1) -> FileState:
    data = document.text.encode("utf-8", "replace")
    return FileState(len(data), mtime_ns, hashlib.sha256(data).hexdigest())


def indexes(store: Store) -> Indexes:
    """The indexes of a store, which stay the same as long as it lives."""
    joined: Indexes = vars(store).setdefault("joined", None) or Indexes(store)
    vars(store)["joined"] = joined
    return joined


def rich_document() -> Document:
    """A document that uses every field."""
    return Document(
        text="Über alles\n\nZeile eins | zwei\n\nNach 東京 🙂",
        format="pdf",
        title="Größe",
        pages=(Page(1, 0, 12), Page(2, 12, 38)),
        sections=(Section(("Über alles",), 1, 0, 38),),
        blocks=(Block("heading", 0, 10), Block("table", 12, 29, header_end=20)),
        metadata={"author": "Ada", "created": "2024-02-29"},
        warnings=("page 3 holds no text",),
        encoding="utf-8",
    )


def put(store: Store, folder: Path, path: str, document: Document, *, mtime_ns: int = 1) -> int:
    """Put a document into the root of a folder."""
    root = store.root(folder, kind="folder")
    state = state_of(document, mtime_ns)
    return store.put_document(root.id, path, state, document, chunks_of(document))


def vector_of(text: str, dimension: int = DIMENSION) -> NDArray[np.float32]:
    """The same text always has the same random direction."""
    seed = int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8], "little")
    vector = np.random.default_rng(seed).standard_normal(dimension, dtype=np.float32)
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def embed_all(store: Store, dimension: int = DIMENSION) -> int:
    """Give every pending chunk its vector; return how many texts were embedded."""
    done = 0
    while batch := store.pending(100):
        rows = np.stack([vector_of(chunk.embedded_text, dimension) for chunk in batch])
        store.put_vectors([chunk.chunk_id for chunk in batch], rows)
        done += len(batch)
    return done


def all_chunk_ids(store: Store) -> list[int]:
    return sorted(
        chunk.id for document in store.documents() for chunk in store.chunks_of(document.id)
    )


def problems(store: Store) -> list[str]:
    """Checks that did not pass, apart from how much of the disk is free."""
    return [
        f"{check.name}: {check.message}"
        for check in [*store.check(), *indexes(store).check()]
        if check.status != "ok" and check.name != "disk"
    ]
