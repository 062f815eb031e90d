"""The columns of a table, by where its cells stand: empty cells stay empty, values in their column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

_TOUCH: Final = 0.5
_MOST_UNCERTAIN: Final = 0.25
_OFF_CENTRE: Final = 0.3


class Cell(NamedTuple):
    """A cell's text and its left and right edge, in points."""

    text: str
    left: float
    right: float


class Column(NamedTuple):
    """The left and right edge of what stands in a column, in points."""

    left: float
    right: float


class Grid(NamedTuple):
    """A table: the whole heading of each column, if there are headings, and the rows.

    A row has a text for each column, or one alone: a label without values, or a line of which it
    is not certain what stands in which column.
    """

    header: list[str]
    rows: list[list[str]]


def grid_of(header: Sequence[Sequence[Cell]], body: Sequence[Sequence[Cell]]) -> Grid | None:
    """Put the cells of a table into columns; ``None`` if they form none.

    Args:
        header: The lines of the header, of which there may be none.
        body: The other lines.
    """
    several = [line for line in body if len(line) > 1]
    columns = _columns([cell for line in several for cell in line])
    columns = _with_header_columns(columns, header)
    counts = {len(line) for line in several}
    if len(columns) < 2 or (len(counts) == 1 and len(columns) > max(counts) and not header):
        return None
    rows = [_placed(line, columns) for line in body]
    uncertain = sum(row is None for row in rows)
    if uncertain > _MOST_UNCERTAIN * len(several):
        return None
    return Grid(
        _headings(header, columns) if header else [],
        [
            row if row is not None else [" ".join(cell.text for cell in line)]
            for row, line in zip(rows, body, strict=True)
        ],
    )


def _columns(cells: Sequence[Cell]) -> list[Column]:
    """Find columns from narrow cells to wide ones, which may not join what narrower ones part."""
    columns: list[Column] = []
    for cell in sorted(cells, key=lambda cell: cell.right - cell.left):
        met = _met(cell, columns)
        if len(met) > 1:
            continue
        edges = Column(cell.left, cell.right)
        if met:
            column = columns.pop(met[0])
            edges = Column(min(edges.left, column.left), max(edges.right, column.right))
        columns.append(edges)
        columns.sort()
    return columns


def _with_header_columns(columns: list[Column], header: Sequence[Sequence[Cell]]) -> list[Column]:
    """Add the columns that have a heading in the lowest line of the header, and no values."""
    if header and len(header[-1]) > 1:
        columns = list(columns)
        for cell in header[-1]:
            if not _met(cell, columns):
                columns.append(Column(cell.left, cell.right))
        columns.sort()
    return columns


def _met(cell: Cell | Column, columns: Sequence[Column]) -> list[int]:
    return [
        place
        for place, column in enumerate(columns)
        if min(cell.right, column.right) - max(cell.left, column.left) > _TOUCH
    ]


def _placed(line: Sequence[Cell], columns: Sequence[Column]) -> list[str] | None:
    if len(line) == 1 and (0 in _met(line[0], columns) or not _met(line[0], columns)):
        return [line[0].text]
    texts = [""] * len(columns)
    for cell in line:
        met = _met(cell, columns)
        if len(met) != 1 or texts[met[0]]:
            return None
        texts[met[0]] = cell.text
    return texts


def _headings(header: Sequence[Sequence[Cell]], columns: Sequence[Column]) -> list[str]:
    """Return for each column what stands above it, on all levels of the header."""
    levels: list[list[str]] = []
    for line in reversed(header):
        spans = _spans(line, columns)
        if levels:
            spans = _widened(line, spans, columns, levels)
        texts = [""] * len(columns)
        for cell, span in zip(line, spans, strict=True):
            for place in span:
                texts[place] = f"{texts[place]} {cell.text}".strip()
        levels.insert(0, texts)
    return [" ".join(filter(None, parts)) for parts in zip(*levels, strict=True)]


def _spans(line: Sequence[Cell], columns: Sequence[Column]) -> list[list[int]]:
    """Return which columns each cell of a header line stands over: the nearest one, if over none."""
    spans: list[list[int]] = []
    for cell in line:
        middle = (cell.left + cell.right) / 2
        nearest = min(
            range(len(columns)),
            key=lambda place: abs(middle - (columns[place].left + columns[place].right) / 2),
        )
        spans.append(_met(cell, columns) or [nearest])
    return spans


def _widened(
    line: Sequence[Cell],
    spans: list[list[int]],
    columns: Sequence[Column],
    below: Sequence[Sequence[str]],
) -> list[list[int]]:
    """Widen headings that stand amid the columns that they are over, where these have names below."""
    taken = {place for span in spans for place in span}
    named = [any(texts[place] for texts in below) for place in range(len(columns))]
    widened: list[list[int]] = []
    for cell, span in zip(line, spans, strict=True):
        first, last = span[0], span[-1]
        while first > 1 and first - 1 not in taken and named[first - 1]:
            first -= 1
        while last + 1 < len(columns) and last + 1 not in taken and named[last + 1]:
            last += 1
        best = span
        middle = (cell.left + cell.right) / 2
        for start in range(first, span[0] + 1):
            for end in range(span[-1], last + 1):
                width = columns[end].right - columns[start].left
                off = abs(middle - (columns[start].left + columns[end].right) / 2)
                if end - start + 1 > len(best) and off < _OFF_CENTRE * width / (end - start + 1):
                    best = list(range(start, end + 1))
        taken.update(best)
        widened.append(best)
    return widened


def heading_row(headings: list[str]) -> list[str]:
    """Leave out the corner of a table, if it alone is empty."""
    return headings[1:] if not headings[0] and all(headings[1:]) else headings


def row_text(cells: Sequence[str]) -> str:
    """Write the cells on a line, between bars if one at an end is empty."""
    text = " | ".join(cells)
    return text if len(cells) < 2 or (cells[0] and cells[-1]) else f"| {text} |"
