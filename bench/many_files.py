"""Measure a folder of many small files: ``python bench/many_files.py 1000 10000 100000``.

For each number of files a new folder is ingested by a process of its own, then ingested again
unchanged. Printed are files per second, the peak memory of the process and of all its workers,
and the seconds of the second run; with ``--json`` as one document.

The embedder is :class:`ragkit.testing.HashEmbedder`, which costs next to nothing, so that reading,
cutting, storing and indexing are what is measured; ``--embedder default`` takes the real model.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

WORDS = 60
PER_FOLDER = 250

CHILD = """
import json, resource, sys, time
from ragkit import KnowledgeBase
from ragkit.testing import HashEmbedder

directory, folder, embedder = sys.argv[1:]
started = time.perf_counter()
stages = {}
def listen(event):
    if hasattr(event, "stage"):
        stages.setdefault(event.stage, [time.perf_counter() - started, 0.0])
        stages[event.stage][1] = time.perf_counter() - started
with KnowledgeBase(directory, embedder=HashEmbedder() if embedder == "hash" else None) as kb:
    report = kb.ingest(folder, listener=listen)
print(json.dumps({
    "seconds": time.perf_counter() - started,
    "added": len(report.added), "same": report.same, "failed": len(report.failed),
    "chunks": report.chunks, "vectors": report.vectors, "stages": stages,
    "own_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    "worker_megabytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3,
}))
"""


def write_folder(folder: Path, files: int) -> None:
    """Notes of about 400 characters, each different, some hundred a folder."""
    chance = random.Random(0)
    vocabulary = [
        "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(2, 9)))
        for _ in range(20_000)
    ]
    for number in range(files):
        path = folder / f"{number // PER_FOLDER:04d}" / f"note-{number:06d}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = " ".join(chance.choices(vocabulary, k=WORDS))
        path.write_text(f"Note {number}\n\n{text}.\n", encoding="utf-8")
        os.utime(path, (1e9, 1e9))


def ingest(directory: Path, folder: Path, embedder: str) -> dict[str, Any]:
    """Ingest in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(directory), str(folder), embedder],
        check=True,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def measure(files: int, embedder: str, scratch: Path) -> dict[str, Any]:
    """Make a folder, ingest it twice, and say what that cost."""
    folder, directory = scratch / "docs", scratch / "kb"
    write_folder(folder, files)
    first = ingest(directory, folder, embedder)
    if first["added"] != files or first["vectors"] != first["chunks"]:
        raise SystemExit(f"not everything was ingested: {first}")
    begin = time.perf_counter()
    again = ingest(directory, folder, embedder)
    process = time.perf_counter() - begin
    if again["same"] != files:
        raise SystemExit(f"unchanged files were not recognised: {again}")
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    shutil.rmtree(folder)
    shutil.rmtree(directory)
    return {
        "files": files,
        "files_per_second": round(files / first["seconds"], 1),
        "seconds": round(first["seconds"], 1),
        "own_megabytes": round(first["own_megabytes"]),
        "largest_worker_megabytes": round(first["worker_megabytes"]),
        "again_seconds": round(again["seconds"], 2),
        "again_process_seconds": round(process, 2),
        "again_megabytes": round(again["own_megabytes"]),
        "base_megabytes": round(size / 1e6),
        "stages": {
            name: [round(value, 2) for value in span] for name, span in first["stages"].items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=int, nargs="*", default=[1_000, 10_000])
    parser.add_argument("--embedder", choices=("hash", "default"), default="hash")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    rows = []
    for files in options.files:
        with tempfile.TemporaryDirectory() as name:
            row = measure(files, options.embedder, Path(name))
        rows.append(row)
        if not options.json:
            print(", ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    if options.json:
        print(json.dumps({"embedder": options.embedder, "runs": rows}, indent=1))


if __name__ == "__main__":
    main()
