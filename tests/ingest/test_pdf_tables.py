"""Tables of PDFs: every value below its heading, whatever is empty and in whatever order it is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pdf_files import drawn, source, table

from ingest.loaders.pdf import load_pdf

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reportlab.pdfgen.canvas import Canvas


def _table_of(draw: Callable[[Canvas], None]) -> list[str]:
    document = load_pdf(source(drawn(draw)))
    (block,) = [block for block in document.blocks if block.kind == "table"]
    assert block.header_end is not None
    assert document.text[: block.header_end].count("\n") == 0
    return document.text[block.start : block.end].split("\n")


def _at(
    rows: Sequence[Sequence[str]], lefts: Sequence[float], *, upwards: bool = False
) -> Callable[[Canvas], None]:
    def draw(canvas: Canvas) -> None:
        placed = list(enumerate(rows))
        for number, row in reversed(placed) if upwards else placed:
            for left, text in zip(lefts, row, strict=True):
                if text:
                    canvas.drawString(left, 700 - 16 * number, text)

    return draw


def test_empty_cells_stay_empty() -> None:
    rows = [
        ["Sail", "Before", "After", "Cloth"],
        ["Jib", "310", "340", "nylon"],
        ["Genoa", "", "520", "nylon"],
        ["Storm jib", "275", "", "canvas"],
    ]
    assert _table_of(table(rows)) == [
        "Sail | Before | After | Cloth",
        "Jib | 310 | 340 | nylon",
        "Genoa | | 520 | nylon",
        "Storm jib | 275 | | canvas",
    ]


def test_narrow_columns_keep_their_headings() -> None:
    rows = [
        ["Metal", "Mark", "Share", "Bound"],
        ["Tin", "", "17", "21"],
        ["Cobalt", "high", "8", "44"],
        ["Nickel", "", "", "15"],
    ]
    assert _table_of(_at(rows, (72, 112, 145, 180))) == [
        "Metal | Mark | Share | Bound",
        "Tin | | 17 | 21",
        "Cobalt | high | 8 | 44",
        "Nickel | | | 15",
    ]


def test_an_empty_first_column_stays_empty() -> None:
    rows = [["Pos", "Part", "Pieces"], ["", "Bolt", "12"], ["", "Nut", "40"]]
    assert _table_of(_at(rows, (72, 130, 190))) == [
        "Pos | Part | Pieces",
        "| | Bolt | 12 |",
        "| | Nut | 40 |",
    ]


def test_rows_drawn_from_the_bottom_are_read_from_the_top() -> None:
    rows = [
        ["Day", "Port", "Ships"],
        *([f"{day:02}/05/2025", "Dover", f"{day}0"] for day in range(1, 8)),
    ]
    assert _table_of(_at(rows, (72, 190, 300), upwards=True)) == [" | ".join(row) for row in rows]


def test_headings_of_two_levels_are_whole_for_each_value() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawCentredString(220, 716, "January")
        canvas.drawCentredString(380, 716, "February")
        rows = [
            ["Route", "Cars", "Vans", "Cars", "Vans"],
            ["North", "31", "12", "28", "9"],
            ["South", "7", "", "6", "3"],
        ]
        _at(rows, (72, 170, 250, 330, 410))(canvas)

    assert _table_of(draw) == [
        "Route | January Cars | January Vans | February Cars | February Vans",
        "North | 31 | 12 | 28 | 9",
        "South | 7 | | 6 | 3",
    ]


def test_short_numbers_right_below_each_other_are_not_joined() -> None:
    rows = [["Part", "Old", "New"], ["Bolt", "1", "11"], ["Nut", "11", "1"], ["Pin", "1", "1"]]
    assert _table_of(table(rows, by_column=True)) == [
        "Part | Old | New",
        "Bolt | 1 | 11",
        "Nut | 11 | 1",
        "Pin | 1 | 1",
    ]
