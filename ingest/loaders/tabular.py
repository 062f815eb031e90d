"""CSV and TSV: the file's own text, as one table whose rows are its lines."""

from __future__ import annotations

import csv
import itertools
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ingest.decode import decode
from ingest.document import Block, Document
from ingest.loaders.plain_text import find_blocks
from ingest.structure import normalise_plain

if TYPE_CHECKING:
    from ingest.loader_spec import Source

_DELIMITERS: Final = ",;\t|"
_SAMPLED_ROWS: Final = 50
_SAMPLED: Final = 1 << 16
_REGULAR: Final = 0.8  # share of the rows that must have the usual number of cells


def load_csv(source: Source) -> Document:
    """Load a file of rows. Offsets are those of the decoded file.

    Nothing is rewritten, so that a passage is found in the file as it is quoted. What has no
    regular cells is loaded as plain text.
    """
    decoded = decode(source.data)
    text = normalise_plain(decoded.text)
    warnings = [decoded.warning] if decoded.warning else []
    rows, header = _first_rows(text)
    if not rows:
        blocks = find_blocks(text)[0]
        warnings.append("its lines are no regular rows of cells: read as plain text")
    else:
        start = len(text) - len(text.lstrip())
        end = len(text.rstrip())
        header_end = start + len(header.strip()) if header and _names_columns(rows) else None
        blocks = (Block("table", start, end, header_end),)
    return Document(
        text=text,
        format="csv",
        blocks=blocks,
        warnings=tuple(warnings),
        encoding=decoded.encoding,
    )


def _first_rows(text: str) -> tuple[list[list[str]], str]:
    """Return the first rows as cells, and the first row as it is written; none if irregular."""
    sample = text.lstrip()[:_SAMPLED]
    best: tuple[float, int] = (0.0, 0)
    found: list[list[str]] = []
    for delimiter in _DELIMITERS:
        try:
            rows = list(itertools.islice(_rows(sample, delimiter), _SAMPLED_ROWS))
        except csv.Error:
            continue
        if len(rows) > 1 and len(sample) == _SAMPLED:
            rows = rows[:-1]  # it may be cut
        widths = Counter(len(row) for row in rows if row)
        if not widths:
            continue
        width, count = widths.most_common(1)[0]
        share = count / widths.total()
        if width > 1 and share >= _REGULAR and (share, width) > best:
            best, found = (share, width), rows
    return found, _first_record(sample) if found else ""


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    return csv.reader(text.splitlines(keepends=True), delimiter=delimiter)


def _first_record(text: str) -> str:
    """Return the first row as written: up to the first line feed that is not within quotes."""
    quoted = False
    for position, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif character == "\n" and not quoted:
            return text[:position]
    return text


def _names_columns(rows: list[list[str]]) -> bool:
    if len(rows) < 2:
        return False
    first = [cell.strip() for cell in rows[0]]
    named = [cell for cell in first if cell]
    return (
        len(named) * 2 > len(first)
        and len(set(named)) == len(named)
        and not any(_is_number(cell) for cell in named)
    )


def _is_number(text: str) -> bool:
    return text.strip(" +-$€£¥%").replace(".", "").replace(",", "").isdecimal()
