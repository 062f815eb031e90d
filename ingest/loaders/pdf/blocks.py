"""Rows of a page, put together to paragraphs, list items and tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Final, NamedTuple

from ingest.loaders.pdf.columns import Cell, grid_of, heading_row, row_text
from ingest.loaders.pdf.rows import Row, is_numeric

if TYPE_CHECKING:
    from ingest.document import BlockKind

_CURRENCY: Final = re.compile(r"(?:[A-Z]{0,3}[$€£¥₹]|[A-Z]{2}\$)$")
_LEADING_CURRENCY: Final = re.compile(r"([$€£¥₹])\s+(?=[\d(.—–-])")
_TRAILING_CURRENCY: Final = re.compile(r"(.*\S)\s+([$€£¥₹])$")
_CLOSING: Final = re.compile(r"[)\]%*†‡]+$|\)\s?%$")
_BULLET: Final = re.compile(r"[•·▪▫◦‣⁃●○■□◆◇➢➤►▶✓✔❖§*>–—-]$|[\uf0a7\uf0b7\uf0d8\uf076\uf02d]$")
_ENUMERATOR: Final = re.compile(r"\(?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,5})[.)]$")
_ITEM: Final = re.compile(
    r"(?:[•·▪▫◦‣⁃●○■□◆◇➢➤►▶✓✔❖\uf0a7\uf0b7\uf0d8\uf076]|[*>–—-]\s|\(?(?:\d{1,2}|[a-z]|[ivx]{1,4})[.)]\s)"
)
_YEARS: Final = re.compile(
    r"(?:[A-Za-z]+\.?\s+\d{1,2},?\s*)?(?:FY\s?)?(?:19|20)\d\d(?:\s?\([a-z\d]\)|\s?[*†‡])?$"
)

_MAX_HEADER_ROWS: Final = 6
_MOVED_BLOCKS: Final = 8


class PageBlock(NamedTuple):
    """A block as it stands on a page; offsets come later.

    ``lines`` are a table's rows, or the lines of a paragraph with whether each ends in a hyphen
    that its word was broken at. ``height`` is that of the font, 0 when unknown. ``gapped`` text
    has wide gaps within a line, as column headers have. ``rows`` are what it was made of.
    """

    kind: BlockKind
    lines: tuple[tuple[str, bool], ...]
    height: float
    bold: bool
    top: float
    bottom: float
    header_rows: int = 0
    gapped: bool = False
    rows: tuple[Row, ...] = ()


@dataclass(slots=True)
class _Line:
    """A row with its cells as they will be read."""

    row: Row
    placed_cells: list[Cell]
    hyphenated: bool

    @property
    def cells(self) -> list[str]:
        return [cell.text for cell in self.placed_cells]

    @property
    def text(self) -> str:
        return " ".join(self.cells)


def blocks_of(rows: Sequence[Row]) -> list[PageBlock]:
    """Return the blocks of one page, in the order of its rows.

    But what is drawn last and stands alone further up goes there (a title that was added later),
    and what is drawn first and stands alone further down likewise (a page number).
    """
    return _lower_head(_raise_tail(list(_blocks(rows))))


def _raise_tail(blocks: list[PageBlock]) -> list[PageBlock]:
    for size in range(min(_MOVED_BLOCKS, len(blocks) - 1), 0, -1):
        rest, tail = blocks[:-size], blocks[-size:]
        target = _own_place(rest, tail)
        if target is not None and target < len(rest):
            return [*rest[:target], *tail, *rest[target:]]
    return blocks


def _lower_head(blocks: list[PageBlock]) -> list[PageBlock]:
    for size in range(min(_MOVED_BLOCKS, len(blocks) - 1), 0, -1):
        head, rest = blocks[:size], blocks[size:]
        target = _own_place(rest, head)
        if target:
            return [*rest[:target], *head, *rest[target:]]
    return blocks


def _own_place(blocks: Sequence[PageBlock], moved: Sequence[PageBlock]) -> int | None:
    """Return where among the others some blocks stand, if they have that height to themselves."""
    if not all(block.height for block in (*blocks, *moved)):
        return None
    top, bottom = max(block.top for block in moved), min(block.bottom for block in moved)
    above = [block.bottom >= top - 1 for block in blocks]
    if not all(up or block.top <= bottom + 1 for up, block in zip(above, blocks, strict=True)):
        return None
    target = sum(above)
    return target if all(above[:target]) else None


def _blocks(rows: Sequence[Row]) -> Iterator[PageBlock]:
    lines = [_Line(row, _cells_of(row), row.cells[-1].hyphenated) for row in rows]
    pitch = _pitch(rows)
    position = 0
    for start, end in _tables(lines):
        yield from _paragraphs(lines[position:start], pitch)
        yield _table(lines[start:end])
        position = end
    yield from _paragraphs(lines[position:], pitch)


def _cells_of(row: Row) -> list[Cell]:
    """Return the row's cells, with what belongs to one value put back together."""
    if len(row.cells) == 1:
        return [Cell(row.cells[0].text, row.left, row.right)]
    cells: list[Cell] = []
    pending = ""
    left = 0.0
    for fragment in row.cells:
        text = pending + fragment.text
        left = left if pending else fragment.left
        pending = ""
        trailing = _TRAILING_CURRENCY.match(text)
        if _CURRENCY.match(text):
            pending = text
            continue
        if trailing and fragment is not row.cells[-1]:
            text, pending = trailing.groups()
        if _LEADING_CURRENCY.match(text):
            text = _LEADING_CURRENCY.sub(r"\1", text, count=1)
        if cells and (
            (_CLOSING.match(text) and is_numeric(cells[-1].text))
            or (
                len(cells) == 1
                and (_BULLET.match(cells[0].text) or _ENUMERATOR.match(cells[0].text))
            )
        ):
            space = "" if _CLOSING.match(text) else " "
            before = cells[-1]
            cells[-1] = Cell(f"{before.text}{space}{text}", before.left, fragment.right)
        else:
            cells.append(Cell(text, left, fragment.right))
        left = fragment.right
    if pending:
        cells.append(Cell(pending, left, row.right))
    return cells


def _pitch(rows: Sequence[Row]) -> float:
    """Return the usual distance of lines, in heights of the font."""
    distances = [
        distance
        for one, other in pairwise(rows)
        if one.placed
        and other.placed
        and 0.8 <= (distance := (one.bottom - other.bottom) / max(one.height, 0.1)) <= 2.4
    ]
    return min(median(distances), 2.0) if distances else 1.15


# -- tables ---------------------------------------------------------------------------------------


def _tables(lines: Sequence[_Line]) -> Iterator[tuple[int, int]]:
    """Yield the stretches of lines that form tables, as half-open ranges."""
    position = 0
    while position < len(lines):
        if len(lines[position].cells) < 2:
            position += 1
            continue
        end = _table_end(lines, position)
        start = _with_spanning_header(lines, position)
        position = max(end, position + 1)
        if _is_table(lines[start:end]):
            yield start, end


def _table_end(lines: Sequence[_Line], start: int) -> int:
    """Return where the table that begins at ``start`` ends: past its last row of several cells."""
    end = start + 1
    labels = 0
    edge = lines[start].row.right
    for index in range(start + 1, len(lines)):
        line, before = lines[index], lines[index - 1].row
        distance = before.bottom - line.row.bottom
        if not line.row.placed or distance < -0.5 * line.row.height:
            break
        if distance > 4.5 * max(line.row.height, before.height):
            break
        if labels and len(line.cells) > 2 and _is_header(lines, index, start):
            break
        if len(line.cells) > 1:
            end = index + 1
            labels = 0
            edge = max(edge, line.row.right)
            continue
        labels += 1
        if labels > 4 or len(line.text) > 160:
            break
    return end


def _is_header(lines: Sequence[_Line], index: int, start: int) -> bool:
    """Tell whether a line without numbers heads another table: lines with numbers around it."""
    return not any(map(is_numeric, lines[index].cells)) and all(
        any(is_numeric(cell) for line in part for cell in line.cells[1:])
        for part in (lines[start:index], lines[index + 1 : index + 3])
    )


def _with_spanning_header(lines: Sequence[_Line], start: int) -> int:
    """Take in header lines above the first row that stand over its columns of values."""
    while start:
        above, below = lines[start - 1].row, lines[start].row
        indent = above.left - lines[start].row.left
        if (
            not above.placed
            or len(lines[start - 1].cells) > 1
            or not 0 < above.bottom - below.bottom < 2.5 * below.height
            or len(above.text) > 60
            or above.left < below.right - 0.75 * (below.right - below.left)
            or above.left < below.left - 2
            or indent < 0
        ):
            break
        start -= 1
    return start


def _is_table(lines: Sequence[_Line]) -> bool:
    several = [line for line in lines if len(line.cells) > 1]
    if len(several) < 2:
        return False
    if any(is_numeric(cell) for line in several for cell in line.cells[1:]):
        return True
    edges = [round(fragment.left / 4) for line in several for fragment in line.row.cells[1:]]
    return len(set(edges)) <= 0.67 * len(edges) and len(several) >= 3


def _table(lines: Sequence[_Line]) -> PageBlock:
    rows: list[list[Cell]] = []
    lefts: list[float] = []
    carried = ""
    for index, line in enumerate(lines):
        cells = list(line.placed_cells)
        if carried:
            cells[0] = cells[0]._replace(text=carried + cells[0].text)
            carried = ""
        following = lines[index + 1] if index + 1 < len(lines) else None
        if following is not None and _label_goes_on(line, following):
            text = cells[0].text.rstrip("\ufffe\x02")
            carried = text + ("-" if line.hyphenated else " ")
            continue
        rows.append(cells)
        lefts.append(line.row.left)
    texts = [[cell.text for cell in row] for row in rows]
    header = _header_rows(texts, lefts)
    grid = grid_of(rows[:header], rows[header:])
    if grid is not None:
        texts = [heading_row(grid.header)] if header else []
        texts += grid.rows
        header = min(header, 1)
    elif any(len(row) != len(texts[0]) for row in texts):
        header = 0  # which value stands below which heading is not certain
    first = lines[0].row
    return PageBlock(
        "table",
        tuple((row_text(row), False) for row in texts),
        first.height,
        False,
        first.cells[0].top,
        lines[-1].row.bottom,
        header,
        rows=tuple(line.row for line in lines),
    )


def _label_goes_on(line: _Line, following: _Line) -> bool:
    """Tell whether a label without values is the first part of the next row's label."""
    if len(line.cells) > 1 or is_numeric(line.text) or line.text.endswith(":"):
        return False
    first = following.cells[0]
    if line.row.bottom - following.row.bottom > 1.6 * line.row.height:
        return False
    return line.hyphenated or (first[:1].islower() and not is_numeric(first))


def _header_rows(rows: Sequence[Sequence[str]], lefts: Sequence[float]) -> int:
    """Count the rows that name columns: those before the first row that holds values.

    A label without values that stands at the left edge, where labels do, ends them too.
    """
    numeric = any(is_numeric(cell) for row in rows for cell in row[1:])
    if not numeric:
        return 1
    edge = min(lefts)
    for index, row in enumerate(rows[: _MAX_HEADER_ROWS + 1]):
        if any(is_numeric(cell) and not _YEARS.match(cell) for cell in row[1:]):
            return index
        if index and len(row) == 1 and lefts[index] < edge + 12:
            return index
    return 0


# -- running text ---------------------------------------------------------------------------------


def _paragraphs(lines: Sequence[_Line], pitch: float) -> Iterator[PageBlock]:
    current: list[_Line] = []
    for line in lines:
        if current and _breaks(current, line, pitch):
            yield _paragraph(current)
            current = []
        current.append(line)
    if current:
        yield _paragraph(current)


def _breaks(current: Sequence[_Line], line: _Line, pitch: float) -> bool:
    """Tell whether a line begins a new paragraph."""
    last = current[-1]
    one, other = last.row, line.row
    if not one.placed or not other.placed:
        return one.placed != other.placed
    if _ITEM.match(line.text):
        return not last.hyphenated
    distance = one.bottom - other.bottom
    unfinished = last.hyphenated or (line.text[:1].islower() and not _ends_sentence(last.text))
    if distance < -0.5 * one.height:
        return not (unfinished and _next_column(one, other))
    height = max(one.height, other.height)
    if abs(one.height - other.height) > 0.2 * height and not (
        unfinished and distance < 1.2 * pitch * height
    ):
        return True
    if distance > 1.27 * pitch * height:
        return True
    if last.hyphenated:
        return False
    if len(line.cells) > 1 and other.widest_gap > 2.5 * height:
        return True
    if one.bold != other.bold and not line.text[:1].islower():
        return True
    return _starts_indented(current, line)


def _next_column(one: Row, other: Row) -> bool:
    """Tell whether a row further up may be where the text of a column goes on."""
    return (
        abs(one.height - other.height) < 0.1 * other.height
        and one.right - one.left > 0.6 * (other.right - other.left)
        and other.left > one.left
    )


def _starts_indented(current: Sequence[_Line], line: _Line) -> bool:
    last, first = current[-1].row, current[0].row
    other = line.row
    ended = _ends_sentence(current[-1].text)
    indent = other.left - last.left
    right = max(row.row.right for row in current)
    right = max(right, other.right)
    short = last.right < right - 0.18 * (right - min(first.left, other.left))
    if short and ended:
        return True
    if len(current) == 1:
        return indent > 0.8 * other.height and ended and short
    if indent > 0.8 * other.height:
        return indent < 6 * other.height and ended
    return indent < -0.8 * other.height and ended and not _ITEM.match(current[0].text)


def _ends_sentence(text: str) -> bool:
    return text.rstrip("\"”’')]")[-1:] in (".", "!", "?", ":", ";")


def _paragraph(lines: Sequence[_Line]) -> PageBlock:
    first = lines[0].row
    kind: BlockKind = "list_item" if _ITEM.match(lines[0].text) else "paragraph"
    return PageBlock(
        kind,
        tuple((line.text, line.hyphenated) for line in lines),
        first.height if first.placed else 0.0,
        all(line.row.bold for line in lines),
        first.cells[0].top,
        min(line.row.bottom for line in lines),
        gapped=any(
            len(line.cells) > 1 and line.row.widest_gap > 2.5 * line.row.height for line in lines
        ),
        rows=tuple(line.row for line in lines),
    )
