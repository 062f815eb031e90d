"""LlamaIndex as its starter tutorial sets it up, with a local embedding model.

``SimpleDirectoryReader``, the default ``SentenceSplitter`` (1,024 tokens, 200 overlap) inside
``VectorStoreIndex.from_documents``, ``HuggingFaceEmbedding``, the default in-memory vector store
persisted to a folder.
"""

from __future__ import annotations

from pathlib import Path

from harness import Passage, Query, Search, model_folder, relative, run


class LlamaIndex:
    """Dense search only, as in the tutorial."""

    packages = (
        "llama-index-core",
        "llama-index-embeddings-huggingface",
        "llama-index-readers-file",
        "sentence-transformers",
        "torch",
        "pypdf",
    )

    modules = ("llama_index.core", "llama_index.embeddings.huggingface")

    def prepare(self) -> float:
        """Nothing to do."""
        return 0.0

    def _embedding(self):
        from llama_index.embeddings.huggingface import HuggingFaceEmbedding

        return HuggingFaceEmbedding(model_name=model_folder())

    def ingest(self, folder: Path, workdir: Path) -> int:
        """Read, index, persist."""
        from llama_index.core import SimpleDirectoryReader, VectorStoreIndex

        documents = SimpleDirectoryReader(str(folder), recursive=True).load_data()
        index = VectorStoreIndex.from_documents(documents, embed_model=self._embedding())
        index.storage_context.persist(persist_dir=str(workdir))
        (workdir / "folder.txt").write_text(str(folder.resolve()), encoding="utf-8")
        return len(index.index_struct.nodes_dict)

    def open(self, workdir: Path) -> Search:
        """Load the persisted index."""
        from llama_index.core import StorageContext, load_index_from_storage
        from llama_index.core.vector_stores import MetadataFilter, MetadataFilters

        folder = Path((workdir / "folder.txt").read_text(encoding="utf-8"))
        storage = StorageContext.from_defaults(persist_dir=str(workdir))
        index = load_index_from_storage(storage, embed_model=self._embedding())
        labels: dict[str, dict[str, int]] = {}

        def page_of(metadata: dict[str, str]) -> int | None:
            # The reader keeps a page's printed label; the sets count pages from 1.
            if "page_label" not in metadata:
                return None
            path = metadata["file_path"]
            if path not in labels:
                from pypdf import PdfReader

                numbered = enumerate(PdfReader(path).page_labels, start=1)
                labels[path] = {}
                for number, label in numbered:
                    labels[path].setdefault(label, number)
            return labels[path].get(metadata["page_label"])

        def search(query: Query, k: int) -> list[Passage]:
            filters = query.scope and MetadataFilters(
                filters=[MetadataFilter(key="file_path", value=str(folder / query.scope))]
            )
            retriever = index.as_retriever(similarity_top_k=k, filters=filters or None)
            nodes = retriever.retrieve(query.question)
            return [
                Passage(
                    path=relative(node.metadata["file_path"], folder),
                    page=page_of(node.metadata),
                    text=node.node.get_content(),
                )
                for node in nodes
            ]

        return search


if __name__ == "__main__":
    run(LlamaIndex())
