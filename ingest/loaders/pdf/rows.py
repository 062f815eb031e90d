"""Fragments of a page, put into rows in reading order.

pdfium's order is kept unless geometry speaks against it, in two cases: pieces of one table row
that the file draws one after another (columns of numbers after all the labels, headers cell by
cell), and two text columns that the file draws line by line across the page.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ingest.loaders.pdf.characters import Fragment

_NUMERIC: Final = re.compile(r"[\s$€£¥()\[\]%*\d.,:/+—–⁰¹²³⁴-⁹-]+$")
_LOOK_BACK: Final = 120
_LOOK_AHEAD: Final = 14
_MIN_COLUMN_ROWS: Final = 5
_MIN_COLUMN_CHARACTERS: Final = 22


@dataclass(slots=True)
class Row:
    """Fragments that stand on one line, left to right."""

    cells: list[Fragment] = field(default_factory=list)

    @property
    def left(self) -> float:
        """Left edge of the leftmost fragment."""
        return self.cells[0].left

    @property
    def right(self) -> float:
        """Right edge of the rightmost fragment."""
        return self.cells[-1].right

    @property
    def bottom(self) -> float:
        """Lower edge of the first fragment's font box: stands for the baseline."""
        return self.cells[0].bottom

    @property
    def height(self) -> float:
        """Height of the first fragment's font box."""
        return self.cells[0].height

    @property
    def placed(self) -> bool:
        """Whether the row's place on the page is known."""
        return self.cells[0].placed

    @property
    def bold(self) -> bool:
        """Whether all of the row is bold."""
        return all(cell.bold for cell in self.cells)

    @property
    def text(self) -> str:
        """The fragments joined by single spaces."""
        if len(self.cells) == 1:
            return self.cells[0].text
        return " ".join(cell.text for cell in self.cells)

    @property
    def widest_gap(self) -> float:
        """The widest space between two fragments that are neighbours."""
        pairs = itertools.pairwise(self.cells)
        return max((after.left - before.right for before, after in pairs), default=0.0)

    def takes(self, fragment: Fragment) -> bool:
        """Tell whether a fragment stands on this row's line, beside what the row holds."""
        first = self.cells[0]
        if fragment.bottom > first.top or fragment.top < first.bottom:
            return False
        return (
            first.placed
            and fragment.placed
            and same_line(first, fragment)
            and all(
                fragment.left >= cell.right - 0.35 * cell.height
                or fragment.right <= cell.left + 0.35 * cell.height
                for cell in self.cells
            )
        )

    def insert(self, fragment: Fragment) -> None:
        """Add a fragment at its place from left to right."""
        position = len(self.cells)
        while position and self.cells[position - 1].left > fragment.left:
            position -= 1
        self.cells.insert(position, fragment)


def same_line(one: Fragment, other: Fragment) -> bool:
    """Tell whether two fragments overlap vertically by more than half of the lower one."""
    overlap = min(one.top, other.top) - max(one.bottom, other.bottom)
    return overlap > 0.55 * min(one.top - one.bottom, other.top - other.bottom)


def is_numeric(text: str) -> bool:
    """Tell whether a text is a number, an amount, a percentage or a dash that stands for none."""
    return _NUMERIC.match(text) is not None


def rows_of(fragments: Sequence[Fragment], page_width: float) -> list[Row]:
    """Group the fragments of a page into rows, in reading order."""
    rows = _collect(fragments)
    rows = _merge_pieces(_downwards(rows))
    return _by_column(rows, page_width, depth=2)


def _downwards(rows: list[Row]) -> list[Row]:
    """Put stretches of table rows that the file draws in another order from top to bottom."""
    ordered: list[Row] = []
    for several, stretch in itertools.groupby(rows, lambda row: row.placed and len(row.cells) > 1):
        run = list(stretch)
        ordered += sorted(run, key=lambda row: -row.bottom) if several and _is_mixed(run) else run
    return ordered


def _is_mixed(rows: Sequence[Row]) -> bool:
    """Tell whether rows jump up, though all stand below each other, in one table."""
    if len(rows) < 3 or not any(_jumps_up(one, other) for one, other in itertools.pairwise(rows)):
        return False
    left, right = max(row.left for row in rows), min(row.right for row in rows)
    width = max(row.right for row in rows) - min(row.left for row in rows)
    heights = sorted(row.bottom for row in rows)
    return right - left > 0.5 * width and all(
        0.8 * rows[0].height < other - one < 4.5 * rows[0].height
        for one, other in itertools.pairwise(heights)
    )


def _collect(fragments: Sequence[Fragment]) -> list[Row]:
    rows: list[Row] = []
    for fragment in fragments:
        if rows and rows[-1].takes(fragment):
            rows[-1].insert(fragment)
        else:
            rows.append(Row([fragment]))
    return rows


def _merge_pieces(rows: list[Row]) -> list[Row]:
    """Join pieces of table rows that the file draws apart."""
    if not any(_jumps_up(one, other) for one, other in itertools.pairwise(rows)):
        return rows
    merged: list[Row] = []
    position = 0
    while position < len(rows):
        end = position + 1
        while end < len(rows) and not _jumps_up(rows[end - 1], rows[end]):
            end += 1
        segment = rows[position:end]
        position = end
        if merged and _jumps_up(merged[-1], segment[0]):
            segment = _merge_segment(merged, segment, rows[end : end + _LOOK_AHEAD])
        merged += segment
    return merged


def _jumps_up(one: Row, other: Row) -> bool:
    return one.placed and other.placed and other.bottom > one.bottom + 0.5 * other.height


def _merge_segment(merged: list[Row], segment: list[Row], following: Sequence[Row]) -> list[Row]:
    """Merge what belongs to rows already there; return the rows that remain, in order."""
    first = max(0, len(merged) - _LOOK_BACK)
    recent = [row for row in merged[first:] if row.placed]
    lowest = merged[-1].bottom
    head = list(
        itertools.takewhile(
            lambda row: row.placed and row.bottom > lowest - 0.3 * row.height, segment
        )
    )
    partners = [
        next(
            (
                candidate
                for candidate in reversed(recent)
                if all(candidate.takes(cell) for cell in row.cells)
            ),
            None,
        )
        for row in head
    ]
    matched = sum(partner is not None for partner in partners)
    rest = segment[len(head) :]
    if not matched or not (
        (matched >= 0.6 * len(head) and _are_values(head))
        or (3 * matched >= len(head) and _are_column_names(head, [*rest, *following]))
    ):
        return segment
    for row, partner in zip(head, partners, strict=True):
        if partner is None:
            _insert_by_height(merged, first, row)
            continue
        if len(head) == 1 and is_numeric(row.text):
            _pull_up_label(merged, partner)
        for cell in row.cells:
            partner.insert(cell)
    return rest


def _are_values(rows: Sequence[Row]) -> bool:
    return 2 * sum(is_numeric(row.text) for row in rows) >= len(rows)


def _are_column_names(rows: Sequence[Row], following: Sequence[Row]) -> bool:
    """Tell whether rows are part of a table's header: short, and values come soon after."""
    if len(rows) > 4 or any(len(cell.text) > 30 for row in rows for cell in row.cells):
        return False
    return any(
        len(row.cells) > 1 and any(is_numeric(cell.text) for cell in row.cells)
        for row in following[:_LOOK_AHEAD]
    )


def _insert_by_height(merged: list[Row], first: int, row: Row) -> None:
    position = len(merged)
    while position > first and merged[position - 1].bottom < row.bottom:
        position -= 1
    merged.insert(position, row)


def _pull_up_label(merged: list[Row], partner: Row) -> None:
    """Join the wrapped lines of a label whose numbers stand beside its first line."""
    index = next(i for i, row in enumerate(merged) if row is partner)
    below = merged[index + 1 :]
    if not 1 <= len(below) <= 2 or len(partner.cells) != 1:
        return
    if any(len(row.cells) != 1 for row in below):
        return
    label = partner.cells[0]
    for row in below:
        label = label._replace(
            text=f"{label.text} {row.text}",
            right=max(label.right, row.right),
            spans=label.spans + row.cells[0].spans,
        )
    partner.cells[0] = label._replace(right=partner.cells[0].right)
    del merged[index + 1 :]


def _by_column(rows: list[Row], page_width: float, *, depth: int) -> list[Row]:
    """Read column by column where rows run across two columns of running text."""
    if not depth:
        return rows
    gutter = _gutter(rows, page_width)
    if gutter is None:
        return rows
    ordered: list[Row] = []
    left: list[Row] = []
    right: list[Row] = []

    def flush() -> None:
        ordered.extend(_by_column(left, page_width / 2, depth=depth - 1))
        ordered.extend(_by_column(right, page_width / 2, depth=depth - 1))
        left.clear()
        right.clear()

    for row in rows:
        if not row.placed or any(cell.left < gutter < cell.right for cell in row.cells):
            flush()
            ordered.append(row)
            continue
        before = [cell for cell in row.cells if cell.right <= gutter]
        after = [cell for cell in row.cells if cell.left >= gutter]
        if before:
            left.append(Row(before))
        if after:
            right.append(Row(after))
    flush()
    return ordered


def _gutter(rows: Sequence[Row], page_width: float) -> float | None:
    """Return where the white stripe between two text columns is, if rows run across one."""
    wide = [row for row in rows if len(row.cells) > 1 and row.placed]
    gaps = [gaps for row in wide if (gaps := list(_gaps_in_prose(row)))]
    if len(gaps) < max(_MIN_COLUMN_ROWS, 0.6 * len(wide)):
        return None
    candidates = {round((one.right + other.left) / 2) for row in gaps for one, other in row}
    best, crossed = 0.0, 0
    for candidate in candidates:
        hits = sum(any(one.right < candidate < other.left for one, other in row) for row in gaps)
        if hits > crossed:
            best, crossed = float(candidate), hits
    if crossed < max(_MIN_COLUMN_ROWS, 0.6 * len(wide)):
        return None
    pairs = [pair for row in gaps for pair in row if pair[0].right < best < pair[1].left]
    if all(_is_running_text([pair[side] for pair in pairs], page_width) for side in (0, 1)):
        return best
    return None


def _gaps_in_prose(row: Row) -> Iterator[tuple[Fragment, Fragment]]:
    """Yield neighbours in a row that are both long enough to be lines of running text."""
    for one, other in itertools.pairwise(row.cells):
        if min(len(one.text), len(other.text)) >= _MIN_COLUMN_CHARACTERS // 2:
            yield one, other


def _is_running_text(side: Sequence[Fragment], page_width: float) -> bool:
    """Tell whether the fragments on one side of a gutter are lines of prose, not table cells."""
    lengths = sorted(len(fragment.text) for fragment in side)
    widths = sorted(fragment.right - fragment.left for fragment in side)
    middle = len(side) // 2
    return (
        lengths[middle] >= _MIN_COLUMN_CHARACTERS
        and widths[middle] >= 0.2 * page_width
        and widths[middle] >= 0.75 * widths[-1]
        and sum(is_numeric(fragment.text) for fragment in side) <= 0.2 * len(side)
    )
