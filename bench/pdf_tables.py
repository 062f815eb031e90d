"""How many cells of PDF tables come out below their headings: F1 of cell and heading pairs.

A pair is a value with the whole heading of its column, all levels of it in one, or with the label
of its row. Gold and found tables are turned into pairs in the same way and compared as multisets,
file by file, without regard to case, spaces and punctuation. The heading of a gold column is what
stands above the first row with a number past the first column. Half of the files, those named
``eu-``, are for fitting; the other half is shown apart.

    python bench/pdf_tables.py                    # ragkit, and what is installed of the others
    python bench/pdf_tables.py --worst 10         # and the files that come out worst
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

_KEPT = re.compile(r"[\w%$€£+-]", re.UNICODE)
_NUMBER = re.compile(r"[\s$€£¥()\[\]<>%*\d.,:/+—–~-]+$")
_YEAR = re.compile(r"(?:19|20)\d\d(?:\D(?:\d\d){1,2})?$")
_DATA = Path(os.environ.get("RAGKIT_EVAL_DATA", "../shared/eval")) / "pdf_tables"

Table = list[list[str]]
Pairs = Counter[tuple[str, str]]


def key(text: str) -> str:
    return "".join(_KEPT.findall(text.casefold()))


def header_rows(rows: Sequence[Sequence[str]]) -> int:
    for number, row in enumerate(rows):
        if any(_NUMBER.match(cell) and not _YEAR.match(cell) for cell in row[1:] if cell):
            return number
    return 1


def pairs(rows: Table, header: int | None = None) -> Pairs:
    """Return the pairs of a table; ``header`` counts its rows of headings, if that is known."""
    found: Pairs = Counter()
    width = max(map(len, rows), default=0)
    rows = [[*row, *[""] * (width - len(row))] for row in rows]
    while rows and not any(rows[0]):
        rows = rows[1:]
    while rows and not any(row[0] for row in rows):
        rows = [row[1:] for row in rows]
        if not rows[0]:
            return found
    header = header_rows(rows) if header is None else header
    headings = [" ".join(filter(None, column)) for column in zip(*rows[:header], strict=True)]
    for row in rows[header:]:
        for place, cell in enumerate(row[1:], start=1):
            if not key(cell):
                continue
            for name in (headings[place] if headings else "", row[0]):
                if key(name):
                    found[key(cell), key(name)] += 1
    return found


def gold_rows(cells: Sequence[dict[str, Any]]) -> Table:
    """Return the rows of a gold table, what spans cells repeated in each of their columns."""
    height = max(cell["row_end"] for cell in cells) + 1
    width = max(cell["col_end"] for cell in cells) + 1
    rows = [[""] * width for _ in range(height)]
    for cell in cells:
        for column in range(cell["col"], cell["col_end"] + 1):
            rows[cell["row"]][column] = " ".join(cell["text"].split())
    for cell in cells:  # a row's label counts for all the rows that it spans
        if cell["col"] == 0 and not _is_head(cell, rows):
            for row in range(cell["row"] + 1, cell["row_end"] + 1):
                rows[row][0] = rows[cell["row"]][0]
    return rows


def _is_head(cell: dict[str, Any], rows: Table) -> bool:
    return bool(cell["row"] < header_rows(rows))


def ragkit(path: Path) -> Pairs:
    from ingest import load
    from ragkit.answer.rows_and_items import cells

    document = load(path)
    found: Pairs = Counter()
    for block in document.blocks:
        if block.kind != "table":
            continue
        end = block.header_end or block.start
        head = [cells(line) for line in document.text[block.start : end].splitlines()]
        body = [cells(line) for line in document.text[end : block.end].splitlines() if line]
        width = max(map(len, [*head, *body]))
        head = [["", *row] if len(row) == width - 1 else row for row in head]
        for row in body:
            if len(row) > 1:
                found += pairs([*head, row], len(head))
    return found


def _filled(rows: Sequence[Sequence[str | None]]) -> Table:
    """Repeat what spans columns in a header, which the libraries give once, then ``None``."""
    texts = [[" ".join((cell or "").split()) for cell in row] for row in rows]
    for number in range(min(header_rows(texts), len(rows))):
        for column in range(1, len(rows[number])):
            if rows[number][column] is None:
                texts[number][column] = texts[number][column - 1]
    return texts


def _pairs_of(tables: Iterator[Sequence[Sequence[str | None]]]) -> Pairs:
    found: Pairs = Counter()
    for table in tables:
        found += pairs(_filled(table))
    return found


def pdfplumber(path: Path, **settings: str) -> Pairs:
    import pdfplumber as library

    with library.open(path) as document:
        return _pairs_of(
            table for page in document.pages for table in page.extract_tables(settings or None)
        )


def pdfplumber_text(path: Path) -> Pairs:
    return pdfplumber(path, vertical_strategy="text", horizontal_strategy="text")


def pymupdf(path: Path) -> Pairs:
    import pymupdf as library

    with library.open(path) as document:
        return _pairs_of(
            table.extract() for page in document for table in page.find_tables().tables
        )


def camelot(path: Path, flavor: str = "lattice") -> Pairs:
    import camelot as library

    tables = library.read_pdf(str(path), pages="all", flavor=flavor)
    return _pairs_of(table.df.to_numpy().tolist() for table in tables)


def camelot_stream(path: Path) -> Pairs:
    return camelot(path, "stream")


READERS: dict[str, tuple[str, Callable[[Path], Pairs]]] = {
    "ragkit": ("ingest", ragkit),
    "pdfplumber": ("pdfplumber", pdfplumber),
    "pdfplumber (text)": ("pdfplumber", pdfplumber_text),
    "pymupdf": ("pymupdf", pymupdf),
    "camelot (lattice)": ("camelot", camelot),
    "camelot (stream)": ("camelot", camelot_stream),
}


def f1(found: Pairs, wanted: Pairs) -> float:
    both = found.total() + wanted.total()
    return 2 * (found & wanted).total() / both if both else 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--worst", type=int, default=0, help="show so many of the worst files")
    parser.add_argument("--only", choices=READERS, help="measure one reader")
    parser.add_argument("--half", choices=("eu-", "us-"), help="measure one half")
    parser.add_argument("--show", help="show the missed and the wrong pairs of one file")
    arguments = parser.parse_args()
    if not _DATA.is_dir():
        sys.exit(f"no tables in {str(_DATA)!r}: set RAGKIT_EVAL_DATA to the folder of the sets")
    gold = {
        name: sum((pairs(gold_rows(table)) for table in tables), Counter())
        for name, tables in json.loads((_DATA / "gold.json").read_text("utf-8")).items()
        if name.startswith(arguments.half or "") and name.startswith(arguments.show or "")
    }
    for name, (module, read) in READERS.items():
        if arguments.only not in (None, name) or importlib.util.find_spec(module) is None:
            continue
        scores: dict[str, float] = {}
        failed = 0
        for file, wanted in gold.items():
            try:
                found = read(_DATA / file)
            except Exception as error:  # a library that fails on a file found nothing in it
                failed += 1
                print(f"{name}: {file}: {type(error).__name__}: {error}", file=sys.stderr)
                found = Counter()
            scores[file] = f1(found, wanted)
            if arguments.show:
                print("missed", sorted((wanted - found).elements())[:40])
                print("wrong", sorted((found - wanted).elements())[:40])
        halves = "   ".join(
            f"{half} {fmean(chosen):.3f}"
            for half in ("eu-", "us-")
            if (chosen := [score for file, score in scores.items() if file.startswith(half)])
        )
        print(f"{name:18} F1 {fmean(scores.values()):.3f}   {halves}   failed {failed}", flush=True)
        for file in sorted(scores, key=scores.__getitem__)[: arguments.worst]:
            print(f"    {scores[file]:.3f} {file}")


if __name__ == "__main__":
    main()
