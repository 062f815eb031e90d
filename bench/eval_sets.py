"""The data to compare on: retrieval sets and a folder of PDFs, whole or cut down.

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
LONG_DOCUMENT_PAGES = 70


@dataclass(frozen=True, slots=True)
class EvalSet:
    """Files, the questions about them, and the metric they are scored with."""

    name: str
    root: Path
    files: tuple[Path, ...]
    queries: tuple[dict[str, Any], ...]

    def copy_to(self, folder: Path) -> None:
        """Lay the files out under ``folder`` as they are under the corpus."""
        for file in self.files:
            target = folder / file.relative_to(self.root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)

    def text(self, relative: str) -> str:
        """A plain text or Markdown file's decoded text."""
        return (self.root / relative).read_text(encoding="utf-8")


def data_folder() -> Path:
    """Where the evaluation data is: ``RAGKIT_EVAL_DATA``, or beside the repository.

    Raises:
        SystemExit: it is in neither place.
    """
    named = os.environ.get("RAGKIT_EVAL_DATA")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "eval"
    if not folder.is_dir():
        raise SystemExit(f"no evaluation data in {str(folder)!r}: set RAGKIT_EVAL_DATA")
    return folder


def read_set(name: str, *, small: bool) -> EvalSet:
    """A retrieval set by its folder's name; only its answerable questions."""
    folder = data_folder() / name
    corpus = folder / "corpus"
    if not corpus.is_dir():
        raise SystemExit(f"{str(folder)!r} holds no corpus")
    with (folder / "queries.jsonl").open(encoding="utf-8") as lines:
        queries = [json.loads(line) for line in lines]
    queries = [query for query in queries if query["answerable"] and not query.get("history")]
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


def pdf_folder(folder: Path | None, *, small: bool) -> EvalSet:
    """The PDFs whose ingest is timed: all under ``folder``, or the long ones of the data."""
    root = folder or data_folder() / "mmlongbench" / "corpus"
    files = sorted(path for path in root.rglob("*.pdf") if path.is_file())
    if folder is None:
        counts = {path: page_count(path) for path in files}
        if small:
            files = sorted(files, key=counts.__getitem__)[:2]
        else:
            files = [path for path in files if counts[path] > LONG_DOCUMENT_PAGES]
    if not files:
        raise SystemExit(f"no PDF in {str(root)!r}")
    return EvalSet("pdfs", root, tuple(files), ())
