"""The data to compare on: retrieval sets, long PDFs, small texts; whole or cut down.

What is taken from a set is decided by size alone, never by name.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
WORDS_IN_SMALL_FILE = 50
FILES_IN_FOLDER = 500
MOST_TIMED_QUESTIONS = 200


@dataclass(frozen=True, slots=True)
class EvalSet:
    """Files below ``root`` and the questions about them; ``pages`` where they have such."""

    name: str
    root: Path
    files: tuple[Path, ...]
    queries: tuple[dict[str, Any], ...]
    pages: int | None = None

    def copy_to(self, folder: Path) -> None:
        """Lay the files out under ``folder`` as they are under the corpus."""
        for file in self.files:
            target = folder / file.relative_to(self.root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)

    def text(self, relative: str) -> str:
        """A plain text or Markdown file's decoded text."""
        return (self.root / relative).read_text(encoding="utf-8")


def data_folder() -> Path | None:
    """Where the evaluation data is: ``RAGKIT_EVAL_DATA``, or beside the repository, if at all."""
    named = os.environ.get("RAGKIT_EVAL_DATA")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "eval"
    return folder if folder.is_dir() else None


def needed_data() -> Path:
    """The folder of the evaluation data.

    Raises:
        SystemExit: there is none.
    """
    folder = data_folder()
    if folder is None:
        raise SystemExit("there is no evaluation data: set RAGKIT_EVAL_DATA to its folder")
    return folder


def read_set(name: str, *, small: bool) -> EvalSet:
    """A retrieval set by its folder's name; only its answerable questions that name places."""
    folder = needed_data() / name
    corpus = folder / "corpus"
    if not corpus.is_dir():
        raise SystemExit(f"{str(folder)!r} holds no corpus")
    with (folder / "queries.jsonl").open(encoding="utf-8") as lines:
        queries = [json.loads(line) for line in lines]
    queries = [query for query in queries if query["answerable"] and query["relevant"]]
    files = sorted(path for path in corpus.rglob("*") if path.is_file())
    if small:
        files, queries = cut_down(corpus, files, queries)
    return EvalSet(name, corpus, tuple(files), tuple(queries))


def cut_down(
    corpus: Path, files: Sequence[Path], queries: Sequence[dict[str, Any]]
) -> tuple[list[Path], list[dict[str, Any]]]:
    """A part that runs in minutes: the smallest files that keep some twenty questions whole."""
    if len(files) > 200:
        queries = queries[:20]
        wanted = {place["path"] for query in queries for place in query["relevant"]}
        kept = [file for file in files if file.relative_to(corpus).as_posix() in wanted]
        return kept, list(queries)
    by_size = sorted(files, key=lambda file: file.stat().st_size)
    kept = []
    asked: list[dict[str, Any]] = []
    for file in by_size:
        kept.append(file)
        names = {path.relative_to(corpus).as_posix() for path in kept}
        asked = [
            query for query in queries if all(place["path"] in names for place in query["relevant"])
        ]
        if len(kept) >= 2 and len(asked) >= 8:
            break
    return kept, asked[:40]


def page_count(path: Path) -> int:
    """Number of pages of a PDF."""
    import pypdfium2

    document = pypdfium2.PdfDocument(path)
    try:
        return len(document)
    finally:
        document.close()


def longest_pdfs(folder: Path | None, count: int, *, small: bool) -> EvalSet:
    """The PDFs with the most pages, of ``folder`` or else of the evaluation data.

    Of the latter with the questions that they answer. ``small``: those with the fewest pages that
    answer some question.
    """
    if folder is not None:
        root, queries = folder, ()
    else:
        whole = read_set("mmlongbench", small=False)
        root, queries = whole.root, whole.queries
    pages = {path: page_count(path) for path in sorted(root.rglob("*.pdf")) if path.is_file()}
    if not pages:
        raise SystemExit(f"no PDF in {str(root)!r}")
    asked = {root / place["path"] for query in queries for place in query["relevant"]}
    candidates = [path for path in pages if path in asked or not (small and asked)]
    chosen = sorted(candidates, key=lambda path: pages[path] * (1 if small else -1))[:count]
    return EvalSet(
        "reports",
        root,
        tuple(sorted(chosen)),
        tuple(
            query
            for query in queries
            if all(root / place["path"] in chosen for place in query["relevant"])
        ),
        sum(pages[path] for path in chosen),
    )


def small_files(name: str, folder: Path, count: int) -> EvalSet:
    """Cut the texts of the evaluation data into ``count`` files, each short enough for a passage.

    The questions are those of the same texts, for their time and not for what they find.
    """
    words = [
        word
        for path in sorted(needed_data().glob("*/corpus/**/*"))
        if path.suffix in (".txt", ".md")
        for word in path.read_text(encoding="utf-8").split()
    ]
    starts = range(0, len(words) - WORDS_IN_SMALL_FILE, WORDS_IN_SMALL_FILE)
    if len(starts) < count:
        raise SystemExit(f"the texts suffice for {len(starts):,} small files, not for {count:,}")
    step = len(starts) // count
    files = []
    for number in range(count):
        path = folder / f"{number // FILES_IN_FOLDER:03}" / f"{number:05}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        start = starts[number * step]
        path.write_text(" ".join(words[start : start + WORDS_IN_SMALL_FILE]), encoding="utf-8")
        files.append(path)
    queries = read_set("cranfield", small=False).queries[: min(MOST_TIMED_QUESTIONS, count // 10)]
    return EvalSet(name, folder, tuple(files), queries)
