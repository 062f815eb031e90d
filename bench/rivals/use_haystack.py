"""Haystack as its preprocessing tutorial sets it up.

``PyPDFToDocument`` and ``TextFileToDocument``, ``DocumentCleaner``, ``DocumentSplitter`` with its
defaults (200 words), ``SentenceTransformersDocumentEmbedder``, ``InMemoryDocumentStore`` saved to
disk, ``InMemoryEmbeddingRetriever``. Markdown is read as text, so that passages can be found again
in the file.
"""

from __future__ import annotations

import os
from pathlib import Path

from harness import TEXT_SUFFIXES, Passage, Query, Search, files_of, model_folder, relative, run

os.environ.setdefault("HAYSTACK_TELEMETRY_ENABLED", "False")


class Haystack:
    """Dense search only, as in the tutorial."""

    packages = (
        "haystack-ai",
        "sentence-transformers-haystack",
        "sentence-transformers",
        "torch",
        "pypdf",
    )

    modules = (
        "haystack.components.converters",
        "haystack.components.preprocessors",
        "haystack.document_stores.in_memory",
        "haystack_integrations.components.embedders.sentence_transformers",
    )

    def prepare(self) -> float:
        """Nothing to do."""
        return 0.0

    def ingest(self, folder: Path, workdir: Path) -> int:
        """Convert, clean, split, embed, write, save."""
        from haystack.components.converters import PyPDFToDocument, TextFileToDocument
        from haystack.components.preprocessors import DocumentCleaner, DocumentSplitter
        from haystack.document_stores.in_memory import InMemoryDocumentStore
        from haystack_integrations.components.embedders.sentence_transformers import (
            SentenceTransformersDocumentEmbedder,
        )

        pdf, text = PyPDFToDocument(), TextFileToDocument(encoding="utf-8")
        documents = []
        for path in files_of(folder):
            if path.suffix != ".pdf" and path.suffix not in TEXT_SUFFIXES:
                continue
            converter = pdf if path.suffix == ".pdf" else text
            meta = {"relative": relative(path, folder)}
            documents.extend(converter.run(sources=[path], meta=meta)["documents"])
        documents = DocumentCleaner().run(documents)["documents"]
        passages = DocumentSplitter().run(documents)["documents"]
        embedder = SentenceTransformersDocumentEmbedder(model=model_folder())
        embedder.warm_up()
        store = InMemoryDocumentStore()
        store.write_documents(embedder.run(passages)["documents"])
        store.save_to_disk(str(workdir / "store.json"))
        return len(passages)

    def open(self, workdir: Path) -> Search:
        """Load the saved store."""
        from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
        from haystack.document_stores.in_memory import InMemoryDocumentStore
        from haystack_integrations.components.embedders.sentence_transformers import (
            SentenceTransformersTextEmbedder,
        )

        store = InMemoryDocumentStore.load_from_disk(str(workdir / "store.json"))
        embedder = SentenceTransformersTextEmbedder(model=model_folder(), progress_bar=False)
        embedder.warm_up()
        retriever = InMemoryEmbeddingRetriever(document_store=store)

        def search(query: Query, k: int) -> list[Passage]:
            vector = embedder.run(text=query.question)["embedding"]
            filters = query.scope and {
                "field": "meta.relative",
                "operator": "==",
                "value": query.scope,
            }
            found = retriever.run(query_embedding=vector, top_k=k, filters=filters)["documents"]
            return [
                Passage(
                    path=document.meta["relative"],
                    page=page_of(document.meta),
                    text=document.content,
                )
                for document in found
            ]

        return search


def page_of(meta: dict[str, object]) -> int | None:
    """The page on which a passage begins; text files have none."""
    if not str(meta["relative"]).endswith(".pdf"):
        return None
    number = meta["page_number"]
    return int(str(number))


if __name__ == "__main__":
    run(Haystack())
