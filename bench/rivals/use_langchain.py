"""LangChain as its semantic-search tutorial sets it up.

A loader by file type (``PyPDFLoader``, ``TextLoader``), ``RecursiveCharacterTextSplitter`` with
1,000 characters and 200 overlap, ``HuggingFaceEmbeddings``, FAISS.
"""

from __future__ import annotations

from pathlib import Path

from harness import TEXT_SUFFIXES, Passage, Query, Search, files_of, model_folder, relative, run


class LangChain:
    """Dense search only: the tutorial has no lexical stage."""

    packages = (
        "langchain-core",
        "langchain-community",
        "langchain-huggingface",
        "langchain-text-splitters",
        "sentence-transformers",
        "torch",
        "faiss-cpu",
        "pypdf",
    )

    modules = (
        "langchain_community.document_loaders",
        "langchain_community.vectorstores",
        "langchain_huggingface",
        "langchain_text_splitters",
    )

    def prepare(self) -> float:
        """Nothing to do."""
        return 0.0

    def _embeddings(self):
        from langchain_huggingface import HuggingFaceEmbeddings

        return HuggingFaceEmbeddings(model_name=model_folder())

    def ingest(self, folder: Path, workdir: Path) -> int:
        """Load, split, embed, save."""
        from langchain_community.document_loaders import PyPDFLoader, TextLoader
        from langchain_community.vectorstores import FAISS
        from langchain_text_splitters import RecursiveCharacterTextSplitter

        documents = []
        for path in files_of(folder):
            if path.suffix == ".pdf":
                loaded = PyPDFLoader(path).load()
            elif path.suffix in TEXT_SUFFIXES:
                loaded = TextLoader(path, encoding="utf-8").load()
            else:
                continue
            for document in loaded:
                document.metadata["relative"] = relative(path, folder)
            documents.extend(loaded)
        splitter = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200)
        passages = splitter.split_documents(documents)
        FAISS.from_documents(passages, self._embeddings()).save_local(str(workdir))
        return len(passages)

    def open(self, workdir: Path) -> Search:
        """Load the saved store (its index is a pickle, of our own making here)."""
        from langchain_community.vectorstores import FAISS

        store = FAISS.load_local(
            str(workdir), self._embeddings(), allow_dangerous_deserialization=True
        )

        def search(query: Query, k: int) -> list[Passage]:
            # Filters apply to the nearest fetch_k (20 by default); here to all passages.
            filters = query.scope and {"relative": query.scope}
            found = store.similarity_search(
                query.question, k=k, filter=filters or None, fetch_k=store.index.ntotal
            )
            return [
                Passage(
                    path=document.metadata["relative"],
                    page=document.metadata["page"] + 1 if "page" in document.metadata else None,
                    text=document.page_content,
                )
                for document in found
            ]

        return search


if __name__ == "__main__":
    run(LangChain())
