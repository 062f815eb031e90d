"""ragkit as it comes: ``KnowledgeBase`` without options."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from harness import Passage, Search, run


class Ragkit:
    """Defaults throughout: hybrid search, the default embedder, no language model."""

    packages = ("ragkit", "onnxruntime", "faiss-cpu", "tantivy", "pypdfium2")

    modules = ("ragkit",)

    def prepare(self) -> float:
        """Compile the embedding model as the first ingest on a machine would, cached or not."""
        from ragkit.embed import load_embedder

        with tempfile.TemporaryDirectory() as cache:
            begin = time.perf_counter()
            load_embedder(cache_dir=Path(cache))
            seconds = time.perf_counter() - begin
        load_embedder()
        return seconds

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
