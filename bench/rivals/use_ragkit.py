"""ragkit as it comes: ``KnowledgeBase`` without options."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import Passage, Query, Search, run

POLL_SECONDS = 0.1
COMMON_WORDS = "one first new time year page see use"


class Ragkit:
    """Defaults throughout: hybrid search, the default embedder, no language model."""

    packages = ("ragkit", "onnxruntime", "faiss-cpu", "tantivy", "pypdfium2")

    modules = ("ragkit",)

    def prepare(self) -> float:
        """Compile the embedding model as the first ingest on a machine would, cached or not.

        A model is compiled when it is first used, hence the word to embed. The second time fills
        the user's cache, so that no ingest is charged for it.
        """
        from ragkit.embed import load_embedder

        with tempfile.TemporaryDirectory() as cache:
            begin = time.perf_counter()
            load_embedder(cache_dir=Path(cache)).embed(["word"], kind="passage")
            seconds = time.perf_counter() - begin
            if not any(path.suffix == ".onnx" for path in Path(cache).rglob("*")):
                raise SystemExit("nothing was compiled: ragkit did not use its int8 form here")
        load_embedder().embed(["word"], kind="passage")
        return seconds

    def ingest(self, folder: Path, workdir: Path) -> int:
        """One call."""
        from ragkit import KnowledgeBase

        with KnowledgeBase(workdir / "kb") as kb:
            report = kb.ingest(folder)
        # The others pass over a scan without a word; here it is reported, and no reason to stop.
        unread = [note for note in report.failed if not note.reason.startswith("no text")]
        if unread:
            raise SystemExit(f"ragkit could not read {unread}")
        if report.vectors != report.chunks:
            raise SystemExit(f"only {report.vectors} of {report.chunks} passages have a vector")
        return report.chunks

    def searchable(self, folder: Path, workdir: Path, files: int) -> dict[str, float]:
        """Watch an ingest from outside, by searching; it is stopped once all can be found."""
        from ragkit import KnowledgeBase, RagkitError

        begin = time.perf_counter()
        ingest = subprocess.Popen(
            [sys.executable, __file__, "ingest", str(folder), str(workdir)],
            stdout=subprocess.DEVNULL,
        )
        seconds: dict[str, float] = {}
        try:
            while "all_seconds" not in seconds:
                time.sleep(POLL_SECONDS)
                if ingest.poll() is not None:
                    raise SystemExit("the ingest ended before all files could be found")
                try:
                    with KnowledgeBase(workdir / "kb", create=False) as kb:
                        read = len(kb.documents())
                        found = kb.retrieve(COMMON_WORDS, mode="lexical", k=1)
                except RagkitError:  # there is no base yet
                    continue
                if found.hits:
                    seconds.setdefault("first_seconds", time.perf_counter() - begin)
                # Degraded while passages are stored that cannot be found yet.
                if read == files and found.hits and not found.degraded:
                    seconds["all_seconds"] = time.perf_counter() - begin
        finally:
            ingest.terminate()
            ingest.wait()
        return seconds

    def open(self, workdir: Path) -> Search:
        """Search through the public API."""
        from ragkit import KnowledgeBase

        kb = KnowledgeBase(workdir / "kb", create=False)

        def search(query: Query, k: int) -> list[Passage]:
            where = query.scope and {"path": query.scope}
            result = kb.retrieve(query.question, k=k, where=where or None, history=query.history)
            # A stage that fell out would make the search look faster than it is.
            if result.degraded:
                raise SystemExit(f"the search was degraded: {result.degraded}")
            return [
                Passage(hit.path, hit.page, hit.text, hit.start, hit.end) for hit in result.hits
            ]

        return search


if __name__ == "__main__":
    run(Ragkit())
