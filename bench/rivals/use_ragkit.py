"""ragkit as it comes: ``KnowledgeBase`` without options."""

from __future__ import annotations

from pathlib import Path

from harness import Passage, Search, run


class Ragkit:
    """Defaults throughout: hybrid search, the default embedder, no language model."""

    packages = ("ragkit", "onnxruntime", "faiss-cpu", "tantivy", "pypdfium2")

    modules = ("ragkit",)

    def prepare(self) -> None:
        """Compile the embedding model for this machine, which the first ingest would do."""
        from ragkit.embed import load_embedder

        load_embedder()

    def ingest(self, folder: Path, workdir: Path) -> int:
        """One call."""
        from ragkit import KnowledgeBase

        with KnowledgeBase(workdir / "kb") as kb:
            report = kb.ingest(folder)
        if report.failed:
            raise SystemExit(f"ragkit could not read {[note.path for note in report.failed]}")
        return report.chunks

    def open(self, workdir: Path) -> Search:
        """Search through the public API."""
        from ragkit import KnowledgeBase

        kb = KnowledgeBase(workdir / "kb", create=False)

        def search(question: str, k: int) -> list[Passage]:
            return [
                Passage(hit.path, hit.page, hit.text, hit.start, hit.end)
                for hit in kb.search(question, k=k)
            ]

        return search


if __name__ == "__main__":
    run(Ragkit())
