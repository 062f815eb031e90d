"""CSV and TSV: the file's own text, as one table whose rows are its lines."""

from __future__ import annotations

import csv
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from ingest.decode import decode
from ingest.document import Block, Document
from ingest.loaders.plain_text import find_blocks
from ingest.structure import normalise_plain

if TYPE_CHECKING:
    from ingest.loader_spec import Source

_DELIMITERS: Final = ",;\t|"
_SAMPLED_ROWS: Final = 50
_SAMPLED: Final = 1 << 16
_TOLD: Final = re.compile(r"(?:\ufeff)?sep=([^\n]) *\n+", re.IGNORECASE)  # as Excel writes it
_MOST_ABOVE: Final = 20  # rows before those of the table
_REGULAR: Final = 0.8  # share of the rows that must have the usual number of cells


def load_csv(source: Source) -> Document:
    """Load a file of rows. Offsets are those of the decoded file.

    Nothing is rewritten, so that a passage is found in the file as it is quoted. What has no
    regular cells is loaded as plain text.
    """
    decoded = decode(source.data)
    text = normalise_plain(decoded.text)
    warnings = [decoded.warning] if decoded.warning else []
    table = _find_table(text)
    if table is None:
        blocks = find_blocks(text)[0]
        warnings.append("its lines are no regular rows of cells: read as plain text")
    else:
        before = find_blocks(text[: table.start])[0]
        blocks = (*before, Block("table", table.start, len(text.rstrip()), table.header_end))
    return Document(
        text=text,
        format="csv",
        blocks=blocks,
        warnings=tuple(warnings),
        encoding=decoded.encoding,
    )


class _Table(NamedTuple):
    """Where rows begin, and where the row ends that names the columns, if one does."""

    start: int
    header_end: int | None


def _find_table(text: str) -> _Table | None:
    """Find the regular rows; what says how they are parted, or stands above them, is before them."""
    start = len(text) - len(text.lstrip())
    delimiters = _DELIMITERS
    told = _TOLD.match(text, start)
    if told is not None:
        start, delimiters = told.end(), told[1]
    sample = text[start : start + _SAMPLED]
    best: tuple[float, int] = (0.0, 0)
    found: list[list[str]] = []
    for delimiter in delimiters:
        try:
            rows = list(itertools.islice(_rows(sample, delimiter), _SAMPLED_ROWS))
        except csv.Error:
            continue
        if len(rows) > 1 and len(sample) == _SAMPLED:
            rows = rows[:-1]  # it may be cut
        widths = Counter(len(row) for row in rows if row)
        if not widths:
            continue
        width = max(widths, key=lambda each: (widths[each], each))
        above = next(at for at, row in enumerate(rows) if len(row) == width)
        below = [row for row in rows[above:] if row]
        share = sum(len(row) == width for row in below) / len(below)
        if width > 1 and above <= _MOST_ABOVE and share >= _REGULAR and (share, width) > best:
            best, found = (share, width), rows
    if not found:
        return None
    above = next(at for at, row in enumerate(found) if len(row) == best[1])
    for _ in range(above):
        start += len(_first_record(text[start : start + _SAMPLED])) + 1
    header = _first_record(text[start : start + _SAMPLED])
    start += len(header) - len(header.lstrip())
    named = _names_columns(found[above:])
    return _Table(start, start + len(header.strip()) if header.strip() and named else None)


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
