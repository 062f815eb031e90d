"""Measure the store: ``python bench/store.py [chunks] [dimension]`` prints one figure a line."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ingest.document import Chunk, Document
from ragkit.index.indexes import Indexes
from ragkit.store import FileState, Store

PER_DOCUMENT = 40
SEARCHES = 60


def text_of(random: np.random.Generator, words: list[str]) -> str:
    # Frequencies as in language: the n-th word comes up in proportion to 1 / n (Zipf).
    picks = np.minimum(random.zipf(1.3, 90), len(words)) - 1
    return " ".join(words[pick] for pick in picks)


def document_of(texts: list[str]) -> tuple[Document, list[Chunk]]:
    chunks, start = [], 0
    for index, text in enumerate(texts):
        key = f"{index}-{hash(text)}"
        chunks.append(Chunk(key, index, start, start + len(text), text, None, (), "", 100))
        start += len(text) + 1
    return Document(text="\n".join(texts), format="text"), chunks


def report(name: str, value: float, unit: str) -> None:
    print(f"{name:46s} {value:10.2f} {unit}", flush=True)


def median_ms(action: Callable[[int], object]) -> float:
    action(0)
    times = []
    for number in range(SEARCHES):
        started = time.perf_counter()
        action(number)
        times.append(time.perf_counter() - started)
    return 1e3 * statistics.median(times)


def small_documents(folder: Path, words: list[str]) -> None:
    random = np.random.default_rng(1)
    number = 10_000
    with Store.open(folder / "small", create=True) as store, store.writing("bench"):
        indexes = Indexes(store)
        root = store.root(folder, kind="folder")
        prepared = [document_of([text_of(random, words)]) for _ in range(number)]
        started = time.perf_counter()
        for index, (document, chunks) in enumerate(prepared):
            state = FileState(1, 1, f"{index:064x}")
            store.put_document(root.id, f"{index}.txt", state, document, chunks)
        report("put_document, one chunk each", number / (time.perf_counter() - started), "/s")
        started = time.perf_counter()
        indexes.sync()
        report("word index of 10,000 chunks", time.perf_counter() - started, "s")
        report("files(), 10,000", median_ms(lambda _: store.files(root.id)), "ms")
        report("documents(), 10,000", median_ms(lambda _: store.documents()), "ms")
        report("counts()", median_ms(lambda _: store.counts()), "ms")
        report("put_trace()", median_ms(lambda n: store.put_trace(f"{n}", "ask", n, 1, "{}")), "ms")


def large(folder: Path, total: int, dimension: int, words: list[str]) -> None:
    random = np.random.default_rng(2)
    centres = random.standard_normal((max(8, total // 200), dimension), dtype=np.float32)

    def vectors(count: int) -> np.ndarray:
        near = centres[random.integers(0, len(centres), count)]
        return near + 0.9 * random.standard_normal((count, dimension), dtype=np.float32)

    with Store.open(folder / "large", create=True) as store:
        indexes = Indexes(store)
        with store.writing("bench"):
            root = store.root(folder, kind="folder")
            for index in range(total // PER_DOCUMENT):
                texts = [text_of(random, words) for _ in range(PER_DOCUMENT)]
                state = FileState(1, 1, f"{index:064x}")
                store.put_document(root.id, f"{index}.txt", state, *document_of(texts))
            started = time.perf_counter()
            indexes.sync()
            report(f"word index of {total:,}", time.perf_counter() - started, "s")
            started = time.perf_counter()
            while batch := store.pending(256):
                store.put_vectors([chunk.chunk_id for chunk in batch], vectors(len(batch)))
            report("pending + put_vectors", total / (time.perf_counter() - started), "/s")
            started = time.perf_counter()
            indexes.sync(final=True)
            report(f"dense file of {total:,}", time.perf_counter() - started, "s")
        queries = vectors(SEARCHES + 1)
        report(
            "search_dense k=50", median_ms(lambda n: indexes.search_dense(queries[n], 50)), "ms p50"
        )
        some = [document.id for document in store.documents()[::10]]
        report(
            "search_dense, 10% of documents",
            median_ms(lambda n: indexes.search_dense(queries[n], 50, document_ids=some)),
            "ms p50",
        )
        questions = [" ".join(text_of(random, words).split()[:7]) for _ in range(SEARCHES + 1)]
        report(
            "search_lexical k=50, 7 words",
            median_ms(lambda n: indexes.search_lexical(questions[n], 50)),
            "ms p50",
        )
        report(
            "search_lexical, 10% of documents",
            median_ms(lambda n: indexes.search_lexical(questions[n], 50, document_ids=some)),
            "ms p50",
        )
        hits = [hit.chunk_id for hit in indexes.search_dense(queries[0], 10)]
        report("chunks() of 10 hits", median_ms(lambda _: store.chunks(hits)), "ms p50")
        with store.writing("bench"):
            texts = [text_of(random, words) for _ in range(PER_DOCUMENT)]
            started = time.perf_counter()
            store.put_document(root.id, "0.txt", FileState(1, 2, "1"), *document_of(texts))
            fresh = store.pending(256)
            store.put_vectors([chunk.chunk_id for chunk in fresh], vectors(len(fresh)))
            indexes.sync(final=True)
            report("one document replaced, views synced", time.perf_counter() - started, "s")
        report(
            "search_dense after that",
            median_ms(lambda n: indexes.search_dense(queries[n], 50)),
            "ms",
        )
        for check in indexes.check():
            print(f"{check.name}: {check.status}, {check.message}")


def opening(folder: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "from ragkit.store import Store; from ragkit.index.indexes import Indexes\n"
        "started = time.perf_counter()\n"
        f"store = Store.open(Path({str(folder / 'large')!r}))\n"
        "indexes = Indexes(store); opened = time.perf_counter()\n"
        "assert not {'numpy', 'faiss', 'tantivy'} & set(sys.modules)\n"
        "import numpy, faiss, tantivy; loaded = time.perf_counter()\n"
        "indexes.search_dense(numpy.ones(DIMENSION, 'f4'), 10); dense = time.perf_counter()\n"
        "indexes.search_lexical('word', 10); lexical = time.perf_counter()\n"
        "print(opened - started, loaded - opened, dense - loaded, lexical - dense)\n"
    )
    with Store.open(folder / "large") as store:
        dimension = store.vectors_of([1]).shape[1]
    shown = subprocess.run(
        [sys.executable, "-c", script.replace("DIMENSION", str(dimension))],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ).stdout.split()
    names = ("open()", "import numpy, faiss, tantivy", "first dense search", "first word search")
    for name, seconds in zip(names, shown, strict=True):
        report(f"new process: {name}", 1e3 * float(seconds), "ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chunks", type=int, nargs="?", default=5_000)
    parser.add_argument("dimension", type=int, nargs="?", default=384)
    parser.add_argument("--small", action="store_true", help="also measure 10,000 small documents")
    options = parser.parse_args()
    random = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = ["".join(random.choice(letters, random.integers(2, 10))) for _ in range(30_000)]
    with tempfile.TemporaryDirectory() as name:
        if options.small:
            small_documents(Path(name), words)
        large(Path(name), options.chunks, options.dimension, words)
        opening(Path(name))
    # Linux counts kilobytes, macOS bytes
    import resource

    scale = 1e6 if sys.platform == "darwin" else 1e3
    report("peak memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale, "MB")


if __name__ == "__main__":
    main()
