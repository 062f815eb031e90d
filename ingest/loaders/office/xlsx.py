"""Excel: a heading for each sheet, and its rows as the lines of tables.

A formula stands for the value that was last computed for it and saved with it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, Final

from ingest.loaders.building import DocumentBuilder, table_row
from ingest.loaders.office.properties import read_properties, reading

if TYPE_CHECKING:
    from ingest.document import Document
    from ingest.loader_spec import Source

MOST_COLUMNS: Final = 1000  # a single cell far to the right makes a row of 16,384
_MIDNIGHT: Final = time()


def load_xlsx(source: Source) -> Document:
    """Load an Excel file.

    Raises:
        MissingExtraError: openpyxl is not installed.
        WrongFormatError: Not an XLSX, or damaged.
        TooLargeError: It unpacks to too much.
    """
    with reading(source.data, "XLSX"):
        import openpyxl

        book = openpyxl.load_workbook(io.BytesIO(source.data), read_only=True, data_only=True)
        title, metadata = read_properties(book.properties, source.path)
        builder = DocumentBuilder("xlsx", metadata=metadata)
        for sheet in book.worksheets:
            builder.add("heading", sheet.title, level=1)
            # What a file says of its size may be wrong, and is of no use: rows are read as they come.
            sheet.reset_dimensions()
            widest = 0
            for rows in _tables(sheet):
                widest = max(widest, *map(len, rows))
                shown = [row[:MOST_COLUMNS] for row in rows]
                builder.add_table(shown, header_rows=int(names_columns(shown)))
            if widest > MOST_COLUMNS:
                builder.warnings.append(
                    f"sheet {sheet.title!r}: only the first {MOST_COLUMNS:,} columns were read"
                )
        return builder.build(title=title)


def names_columns(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row of a table names its columns: different words, and no numbers."""
    if len(rows) < 2:
        return False
    first = [cell for cell in rows[0] if cell.strip()]
    return len(first) > 1 and len(set(first)) == len(first) and not any(map(_is_number, first))


def _tables(sheet: Any) -> Iterator[list[list[str]]]:
    """Yield the rows of a sheet in stretches without empty rows, from their first column on."""
    rows: list[list[str]] = []
    for values in sheet.iter_rows(values_only=True):
        row = [_text(value) for value in values]
        if table_row(row):
            rows.append(row)
        elif rows:
            yield _from_first_column(rows)
            rows = []
    if rows:
        yield _from_first_column(rows)


def _from_first_column(rows: list[list[str]]) -> list[list[str]]:
    first = min(next(at for at, cell in enumerate(row) if cell.strip()) for row in rows)
    return [row[first:] for row in rows] if first else rows


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "TRUE" if value else "FALSE"
        case float():
            return f"{value:.15g}"  # what Excel keeps of a number
        case datetime():
            return str(value.date()) if value.time() == _MIDNIGHT else value.isoformat(" ")
        case date() | time():
            return value.isoformat()
        case _:
            return str(value)


def _is_number(text: str) -> bool:
    return text.strip(" +-()$€£¥%").replace(".", "").replace(",", "").isdecimal()
