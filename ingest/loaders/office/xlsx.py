"""Excel: a heading for each sheet, and its rows as the lines of tables.

A formula stands for the value that was last computed for it and saved with it; where none was, its
own text does. A merged cell's value stands in each of the cells that were merged.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

from ingest.loaders.archive import open_archive, read_member
from ingest.loaders.building import DocumentBuilder, is_number, names_groups, table_row
from ingest.loaders.office.properties import read_properties, reading

if TYPE_CHECKING:
    from zipfile import ZipFile

    from ingest.document import Document
    from ingest.loader_spec import Source

MOST_COLUMNS: Final = 1000  # a single cell far to the right makes a row of 16,384
_MOST_MERGED: Final = 100_000  # cells
_MIDNIGHT: Final = time()
_MERGED: Final = re.compile(
    rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([A-Z]{1,3})(\d+):([A-Z]{1,3})(\d+)"'
)
# A formula with no value, or an empty one, after it.
_NO_VALUE: Final = re.compile(
    rb"(?:</(?:\w+:)?f>|<(?:\w+:)?f(?:\s[^>]*)?/>)\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v></(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
_QUOTED: Final = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]')
_ZEROS: Final = re.compile(r"0{2,20}")


def load_xlsx(source: Source) -> Document:
    """Load an Excel file.

    Raises:
        MissingExtraError: openpyxl is not installed.
        WrongFormatError: Not an XLSX, or damaged.
        TooLargeError: It unpacks to too much.
    """
    with reading(source.data, "XLSX") as data, open_archive(data, "XLSX") as archive:
        import openpyxl

        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        title, metadata = read_properties(book.properties, source.path)
        builder = DocumentBuilder("xlsx", metadata=metadata)
        formulas: Any = None
        for sheet in book.worksheets:
            builder.add("heading", sheet.title, level=1)
            written = _Written.of(archive, sheet)
            texts = None
            if written.lacks_values:
                formulas = formulas or openpyxl.load_workbook(io.BytesIO(data), read_only=True)
                texts = formulas[sheet.title]
                builder.warnings.append(
                    f"sheet {sheet.title!r}: formulas without a saved value are shown as such"
                )
            widest = 0
            for rows in _tables(_rows(sheet, texts, written.merged)):
                widest = max(widest, *map(len, rows))
                shown = [row[:MOST_COLUMNS] for row in rows]
                builder.add_table(shown, header_rows=header_rows(shown))
            if widest > MOST_COLUMNS:
                builder.warnings.append(
                    f"sheet {sheet.title!r}: only the first {MOST_COLUMNS:,} columns were read"
                )
        return builder.build(title=title)


@dataclass(frozen=True, slots=True)
class _Written:
    """What a sheet's own file tells beside its values.

    Attributes:
        lacks_values: Whether there are formulas for which no value was saved.
        merged: For each merged cell but the first: row and column, and those of the first; from 1.
    """

    lacks_values: bool
    merged: Mapping[int, Mapping[int, tuple[int, int]]]

    @classmethod
    def of(cls, archive: ZipFile, sheet: Any) -> _Written:
        data = read_member(archive, str(sheet._worksheet_path).lstrip("/")) or b""
        merged: dict[int, dict[int, tuple[int, int]]] = {}
        left = _MOST_MERGED
        for match in _MERGED.finditer(data):
            first_column, first_row, last_column, last_row = _corners(match)
            size = (last_row - first_row + 1) * (last_column - first_column + 1)
            if size > left:
                continue
            left -= size
            for row in range(first_row, last_row + 1):
                for column in range(first_column, last_column + 1):
                    if (row, column) != (first_row, first_column):
                        merged.setdefault(row, {})[column] = (first_row, first_column)
        return cls(_NO_VALUE.search(data) is not None, merged)


def _corners(match: re.Match[bytes]) -> tuple[int, int, int, int]:
    from openpyxl.utils import column_index_from_string

    first, first_row, last, last_row = (part.decode("ascii") for part in match.groups())
    columns = column_index_from_string(first), column_index_from_string(last)
    return columns[0], int(first_row), columns[1], int(last_row)


def header_rows(rows: Sequence[Sequence[str]]) -> int:
    """How many rows name the columns: one, two where the first names groups of columns, or none."""
    if names_columns(rows):
        return 1
    return 2 if names_groups(rows) else 0


def names_columns(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row of a table names its columns: different words, and no numbers."""
    if len(rows) < 2:
        return False
    first = [cell for cell in rows[0] if cell.strip()]
    return len(first) > 1 and len(set(first)) == len(first) and not any(map(is_number, first))


def _rows(
    sheet: Any, formulas: Any, merged: Mapping[int, Mapping[int, tuple[int, int]]]
) -> Iterator[list[str]]:
    """Yield the rows of a sheet as they are shown."""
    # What a file says of its size may be wrong, and is of no use: rows are read as they come.
    sheet.reset_dimensions()
    others: Iterator[Any] = iter(())
    if formulas is not None:
        formulas.reset_dimensions()
        others = iter(formulas.iter_rows(values_only=True))
    kept: dict[tuple[int, int], str] = {}
    firsts: dict[int, set[int]] = {}
    for place in {place for cells in merged.values() for place in cells.values()}:
        firsts.setdefault(place[0], set()).add(place[1])
    shapes: dict[int, str] = {}
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        row = ["" if cell.value is None else _shown(cell, shapes) for cell in cells]
        for at, value in enumerate(next(others, ())):
            if at < len(row) and not row[at] and isinstance(value, str) and value[:1] == "=":
                row[at] = value
        if own := merged.get(number):
            _repeat(row, number, own, kept)
        for column in firsts.get(number, ()):
            kept[number, column] = row[column - 1] if column <= len(row) else ""
        yield row


def _repeat(
    row: list[str],
    number: int,
    own: Mapping[int, tuple[int, int]],
    kept: Mapping[tuple[int, int], str],
) -> None:
    """Put into the merged cells of a row what stands in the first of them."""
    # A title merged across the sheet is no row of a table.
    if sum(bool(cell.strip()) for cell in row) < 2 and all(p[0] == number for p in own.values()):
        return
    for column, place in own.items():
        row += [""] * (column - len(row))
        if place[0] == number:
            row[column - 1] = row[place[1] - 1] if place[1] <= len(row) else ""
        else:
            row[column - 1] = kept.get(place, "")


def _tables(rows: Iterator[list[str]]) -> Iterator[list[list[str]]]:
    """Yield rows in stretches without empty rows, from their first column on.

    A line of names that stands by itself belongs to the rows after it.
    """
    stretch: list[list[str]] = []
    names: list[list[str]] = []
    for row in rows:
        if table_row(row):
            stretch.append(row)
        elif stretch:
            if not names and len(stretch) == 1 and names_columns([stretch[0], []]):
                names = stretch
            else:
                yield _from_first_column([*names, *stretch])
                names = []
            stretch = []
    if names or stretch:
        yield _from_first_column([*names, *stretch])


def _from_first_column(rows: list[list[str]]) -> list[list[str]]:
    first = min(next(at for at, cell in enumerate(row) if cell.strip()) for row in rows)
    return [row[first:] for row in rows] if first else rows


def _shown(cell: Any, shapes: dict[int, str]) -> str:
    """Return a cell's value as it is shown, as far as its format says so simply."""
    value = cell.value
    match value:
        case str():
            return value
        case bool():
            return "TRUE" if value else "FALSE"
        case int() | float():
            shape = shapes.get(cell._style_id)
            if shape is None:  # looking it up takes long, and most cells share a few
                shape = shapes[cell._style_id] = cell.number_format or ""
            return (
                str(value) if shape == "General" and type(value) is int else _number(value, shape)
            )
        case datetime():
            return str(value.date()) if value.time() == _MIDNIGHT else value.isoformat(" ")
        case date() | time():
            return value.isoformat()
        case timedelta():
            minutes, seconds = divmod(round(value.total_seconds()), 60)
            shown = f"{minutes // 60}:{minutes % 60:02}"
            return f"{shown}:{seconds:02}" if seconds else shown
        case _:
            return str(value)


def _number(value: float, shape: str) -> str:
    plain = _QUOTED.sub("", shape.partition(";")[0])
    if "%" in plain:
        return f"{value * 100:.15g}%"
    if _ZEROS.fullmatch(plain) and float(value).is_integer():
        return f"{int(value):0{len(plain)}}"  # a code, such as 00417
    return f"{value:.15g}" if isinstance(value, float) else str(value)
