"""OpenDocument: texts, sheets and slides of LibreOffice and others, read from their XML."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from ingest.errors import EncryptedError, WrongFormatError
from ingest.loaders.archive import open_archive, parse_xml, read_member
from ingest.loaders.building import DocumentBuilder, names_groups, table_row
from ingest.loaders.office.xlsx import names_columns

if TYPE_CHECKING:
    from zipfile import ZipFile

    from ingest.document import Document
    from ingest.loader_spec import Source

_O: Final = "{urn:oasis:names:tc:opendocument:xmlns:%s:1.0}"
_OFFICE: Final = _O % "office"
_TEXT: Final = _O % "text"
_TABLE: Final = _O % "table"
_DRAW: Final = _O % "drawing"
_SHOWN: Final = _O % "presentation"
_DC: Final = "{http://purl.org/dc/elements/1.1/}"
_META: Final = _O % "meta"
# What is no part of the text, or is said beside it.
_LEFT_OUT: Final = frozenset(
    [f"{_TEXT}tracked-changes", f"{_OFFICE}annotation", f"{_OFFICE}forms", f"{_TEXT}note-citation"]
)
_CELL: Final = f"{_TABLE}table-cell"
_COVERED: Final = f"{_TABLE}covered-table-cell"
_MOST_COLUMNS: Final = 1000
_MOST_REPEATED: Final = 100  # rows: an empty sheet is a million rows that repeat


def load_opendocument(source: Source) -> Document:
    """Load a text, sheet or presentation in OpenDocument format; slides are its pages.

    Raises:
        WrongFormatError: It is none, or damaged.
        TooLargeError: It unpacks to too much.
        EncryptedError: It is protected by a password.
    """
    kind = source.path.suffix.lower().removeprefix(".")
    with open_archive(source.data, kind.upper()) as archive:
        manifest = read_member(archive, "META-INF/manifest.xml") or b""
        if b"encryption-data" in manifest:
            raise EncryptedError("protected by a password; save it anew without")
        root = _parsed(archive, "content.xml")
        body = root.find(f"{_OFFICE}body") if root is not None else None
        if body is None or not len(body):
            raise WrongFormatError(f"not an {kind.upper()}: it has no content")
        title, metadata = _facts(_parsed(archive, "meta.xml"))
    builder = DocumentBuilder(kind, metadata=metadata)
    for element in body[0]:
        if element.tag == f"{_TABLE}table" and body[0].tag == f"{_OFFICE}spreadsheet":
            builder.add("heading", element.get(f"{_TABLE}name", ""), level=1)
            _add_table(builder, element)
        elif element.tag == f"{_DRAW}page":
            _add_slide(builder, element)
        else:
            _add(builder, element)
    return builder.build(title=title)


def _parsed(archive: ZipFile, name: str) -> Any:
    data = read_member(archive, name)
    return parse_xml(data) if data else None


def _facts(root: Any) -> tuple[str, dict[str, str]]:
    def said(name: str) -> str:
        found = root.find(f".//{name}") if root is not None else None
        return "" if found is None else "".join(found.itertext())

    metadata = {
        "author": said(f"{_META}initial-creator") or said(f"{_DC}creator"),
        "subject": said(f"{_DC}subject"),
        "created": said(f"{_META}creation-date"),
        "modified": said(f"{_DC}date"),
    }
    return said(f"{_DC}title"), metadata


def _add(builder: DocumentBuilder, element: Any) -> None:
    """Add the blocks of an element, without recursion: documents may nest without end."""
    stack = [iter([element])]
    in_list = 0
    depths: list[bool] = []
    while stack:
        child = next(stack[-1], None)
        if child is None:
            stack.pop()
            if depths and depths.pop():
                in_list -= 1
            continue
        if not isinstance(child.tag, str) or child.tag in _LEFT_OUT:
            continue
        if child.tag == f"{_TEXT}h":
            level = child.get(f"{_TEXT}outline-level", "1")
            builder.add("heading", _said(child), level=int(level) if level.isdecimal() else 1)
        elif child.tag == f"{_TEXT}p":
            text = _said(child)
            builder.add(
                "list_item" if in_list else "paragraph", f"- {text}" if in_list and text else text
            )
        elif child.tag == f"{_TABLE}table":
            _add_table(builder, child)
        else:
            is_list = child.tag == f"{_TEXT}list"
            in_list += is_list
            depths.append(is_list)
            stack.append(iter(child))


def _said(element: Any) -> str:
    """Return a paragraph's text; what it holds in frames and notes stands in its place."""
    parts: list[str] = []
    # Elements to look at, and texts to write, the last first.
    stack: list[Any] = [element]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            parts.append(item)
            continue
        stack += [item.tail or ""] if item is not element else []
        if not isinstance(item.tag, str) or item.tag in _LEFT_OUT:
            continue
        if item.tag == f"{_TEXT}s":
            parts.append(" ")
        elif item.tag in (f"{_TEXT}tab", f"{_TEXT}line-break"):
            parts.append("\t" if item.tag.endswith("tab") else "\n")
        elif item.tag == f"{_TEXT}p" and item is not element:
            parts.append("\n")
        stack += reversed([item.text or "", *item])
    return "".join(parts)


def _add_table(builder: DocumentBuilder, table: Any) -> None:
    rows: list[list[str]] = []
    above: dict[int, tuple[int, str]] = {}  # by column: rows still covered, and with what
    cut_rows = cut_columns = 0
    for row in _own(table, f"{_TABLE}table-row", table.tag):
        cells: list[str] = []
        cut = False
        for cell in row:
            if cell.tag not in (_CELL, _COVERED):
                continue
            text = "\n".join(_said(p) for p in _paragraphs(cell))
            wanted = _count(cell, "number-columns-repeated")
            start = len(cells)
            stop = min(start + wanted, _MOST_COLUMNS)
            cut |= bool(text.strip()) and start + wanted > stop
            for column in range(start, stop):
                cells.append(_covered(cells, above, column) if cell.tag == _COVERED else text)
            spanned = _count(cell, "number-rows-spanned")
            if cell.tag == _CELL and spanned > 1:
                across = _count(cell, "number-columns-spanned")
                for column in range(start, min(start + across, _MOST_COLUMNS)):
                    above[column] = (spanned, text)
        written = _count(row, "number-rows-repeated")
        # A row that stands for several uses up as many of what covers it.
        above = {a: (left - written, text) for a, (left, text) in above.items() if left > written}
        while cells and not cells[-1].strip():
            cells.pop()
        times = written if cells else 1
        cut_columns += cut
        cut_rows += max(times - _MOST_REPEATED, 0)
        rows += [cells] * min(times, _MOST_REPEATED)
    name = table.get(f"{_TABLE}name", "")
    if cut_columns:
        builder.warnings.append(
            f"table {name!r}: cells past column {_MOST_COLUMNS:,} left out (rows: {cut_columns:,})"
        )
    if cut_rows:
        builder.warnings.append(
            f"table {name!r}: {cut_rows:,} rows equal to the one before left out"
        )
    stretch: list[list[str]] = []
    for cells in [*rows, []]:
        if table_row(cells):
            stretch.append(cells)
        elif stretch:
            names = 1 if names_columns(stretch) else 2 if names_groups(stretch) else 0
            builder.add_table(stretch, header_rows=names)
            stretch = []


def _covered(cells: list[str], above: dict[int, tuple[int, str]], column: int) -> str:
    """Return what a merged cell shows: of the row above it, or else of the cell before it."""
    if column in above:
        return above[column][1]
    return cells[-1] if cells else ""


def _paragraphs(cell: Any) -> Iterator[Any]:
    """Yield a cell's paragraphs, in their order, but not those in paragraphs and in comments."""
    stack = [*reversed(cell)]
    while stack:
        element = stack.pop()
        if not isinstance(element.tag, str) or element.tag in _LEFT_OUT:
            continue
        if element.tag in (f"{_TEXT}p", f"{_TEXT}h"):
            yield element
        else:
            stack += reversed(element)


def _own(table: Any, tag: str, nested: str) -> Iterator[Any]:
    """Yield a table's rows, those of tables within it left out."""
    for row in table.iter(tag):
        if next(row.iterancestors(nested)) is table:
            yield row


def _count(element: Any, name: str) -> int:
    value = element.get(f"{_TABLE}{name}", "1")
    return int(value) if value.isdecimal() and len(value) < 10 else 1


def _add_slide(builder: DocumentBuilder, page: Any) -> None:
    builder.begin_page()
    for frame in page:
        if frame.get(f"{_SHOWN}class") == "title":
            builder.add("heading", " ".join(_said(p) for p in frame.iter(f"{_TEXT}p")), level=1)
        elif frame.tag == f"{_SHOWN}notes":
            notes = "\n".join(_said(p) for p in frame.iter(f"{_TEXT}p"))
            builder.add("paragraph", f"Notes: {notes}" if notes.strip() else "")
        else:
            _add(builder, frame)
