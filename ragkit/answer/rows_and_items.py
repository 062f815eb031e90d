"""Rows of tables and items of lists: how they read alone, and together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingest.document import Block


# A table or list is said whole up to so many characters and rows or items.
_WHOLE_CHARACTERS = 600
WHOLE_ROWS = 12
_READ_WHOLE = 4 * _WHOLE_CHARACTERS
# More words than this are no first cell of a table without a header.
_SUBJECT_WORDS = 7

ITEM_MARK = re.compile(r"(?:[-*+•‣◦▪–·]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)])[^\S\n]+")
_SEPARATOR_ROW = re.compile(r"[\s|:+=-]*\Z")
_MARKUP = (
    (re.compile(r"!?\[([^\]\n]*)\]\([^)\n]*\)"), r"\1"),
    (re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1", re.DOTALL), r"\2"),
    (re.compile(r"(?<![\w*])\*(?=[^\s*])([^*\n]+?)(?<=\S)\*(?![\w*])"), r"\1"),
    (re.compile(r"`([^`\n]+)`"), r"\1"),
)
FENCE = re.compile(r"^[^\S\n]*(?:`{3,}|~{3,})[^`\n]*$", re.MULTILINE)
_CELL_END = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True, slots=True)
class Whole:
    """A short table's rows or a short list's items: ``document.text[start:end] == text``.

    ``page`` and ``line`` are where it begins, as of a candidate; ``shown`` has each row or item as it
    reads alone.
    """

    page: int | None
    line: int | None
    start: int
    end: int
    text: str
    shown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table: where it stands, how it reads alone, and whether it looks like a misread one.

    Prose beside a chart of a PDF is taken for rows: a sentence, and a number of the chart.
    """

    start: int
    end: int
    shown: str
    stray: bool = False


def readable(text: str) -> str:
    """Leave out Markdown's marks, on one line: for headings and names, never for what is said."""
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    return " ".join(text.split())


def cells(line: str) -> list[str]:
    """The cells of a table's line, as they stand in it."""
    stripped = line.strip()
    if " | " in stripped or stripped.startswith("|"):
        inner = stripped.removeprefix("|").removesuffix("|")
        return [" ".join(cell.split()) for cell in _CELL_END.split(inner)]
    return [" ".join(cell.split()) for cell in stripped.split("\t")]


def read_table(text: str, block: Block, start: int, end: int) -> tuple[str, list[Row]]:
    """Return the names of a table's columns, in one string, and its rows.

    Of a long table, only those rows that stand in ``text[start:end]``.
    """
    header_end = _header_end(block)
    lines = [
        line
        for line in text[block.start : header_end].split("\n")
        if line.strip() and not _SEPARATOR_ROW.match(line)
    ]
    header = cells(lines[-1]) if lines else []
    names = " ".join(readable(" ".join(cells(line))) for line in lines)
    first, last = header_end, block.end
    if not read_whole(block):
        first = max(first, text.rfind("\n", first, max(first, start)) + 1)
        newline = text.find("\n", end, last)
        last = newline if newline >= 0 else last
    rows: list[Row] = []
    for line in text[first:last].split("\n"):
        if not _SEPARATOR_ROW.match(line):
            indent = len(line) - len(line.lstrip())
            row = cells(line)
            stray = not header and (
                len(row[0].split()) > _SUBJECT_WORDS or row[0].endswith((".", ",", ";"))
            )
            place = first + indent, first + len(line.rstrip())
            rows.append(Row(*place, _row(row, header), stray))
        first += len(line) + 1
    return names, rows


def read_whole(block: Block) -> bool:
    """Whether :func:`read_table` gives all rows of a table, for it is not long."""
    return block.end - _header_end(block) <= _READ_WHOLE


def _header_end(block: Block) -> int:
    return block.header_end if block.header_end is not None else block.start


def whole(
    text: str, rows: Sequence[Row], *, page: int | None, line: int | None, offset: int
) -> Whole | None:
    """Put the rows of a table or the items of a list together, where they are short and no misread ones.

    Args:
        text: What they stand in.
        rows: The rows or items.
        page: The page that the first begins on.
        line: The line that it begins on.
        offset: What to add to places in ``text``.
    """
    if not 2 <= len(rows) <= WHOLE_ROWS or sum(len(r.shown) for r in rows) > _WHOLE_CHARACTERS:
        return None
    if any(row.stray for row in rows):
        return None
    start, end = rows[0].start, rows[-1].end
    shown = tuple(row.shown for row in rows)
    return Whole(page, line, start + offset, end + offset, text[start:end], shown)


def _row(cells: Sequence[str], header: Sequence[str]) -> str:
    """Write a row so that it reads alone: ``Pro – Price: 49; Users: 10``."""
    subject, rest = cells[0], cells[1:]
    if len(header) == len(rest) > 0:
        header = ["", *header]  # the corner of the table is empty
    if len(header) == len(cells) > 2:
        pairs = zip(header[1:], rest, strict=True)
        said = "; ".join(f"{name}: {cell}" if name else cell for name, cell in pairs if cell)
        return f"{subject} – {said}" if subject else said
    said = ", ".join(cell for cell in rest if cell)
    return f"{subject}: {said}" if subject and said else subject or said
