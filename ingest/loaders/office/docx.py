"""Word: paragraphs, headings, lists and tables in their order; notes, comments, headers at the end.

python-docx opens the file and knows its styles; the text is gathered from the elements, because
the library leaves out what stands in content controls, tracked insertions and text boxes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from ingest.loaders.archive import parse_xml
from ingest.loaders.building import DocumentBuilder, names_groups
from ingest.loaders.office.properties import read_properties, reading

if TYPE_CHECKING:
    from ingest.document import BlockKind, Document
    from ingest.loader_spec import Source

_W: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK: Final = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_M: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_RELATED: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
# What stands beside the text, in the order in which it is added; headers and footers each once.
_BESIDE: Final = ("footnotes", "endnotes", "comments", "header", "footer")
_SIGNS: Final = {
    f"{_W}tab": "\t",
    f"{_W}br": "\n",
    f"{_W}cr": "\n",
    f"{_W}noBreakHyphen": "-",
    f"{_W}softHyphen": "",
}
# What is deleted or moved away, and what repeats a drawing for old programs.
_LEFT_OUT: Final = frozenset([f"{_W}del", f"{_W}moveFrom", f"{_W}pPr", f"{_W}rPr", _FALLBACK])
_MOST_COLUMNS: Final = 1000
_HEADING_STYLE: Final = re.compile(r"heading (\d)", re.IGNORECASE)
_CODE_STYLE: Final = re.compile(r"code|preformatted|verbatim|listing", re.IGNORECASE)


def load_docx(source: Source) -> Document:
    """Load a Word file.

    Raises:
        MissingExtraError: python-docx is not installed.
        WrongFormatError: Not a DOCX, or damaged.
        TooLargeError: It unpacks to too much.
    """
    with reading(source.data, "DOCX") as data:
        import docx

        opened = docx.Document(io.BytesIO(data))
        title, metadata = read_properties(opened.core_properties, source.path)
        builder = DocumentBuilder("docx", metadata=metadata)
        styles = {style.style_id: style for style in opened.styles}
        _Walk(builder, styles).read(opened.element.body)
        _add_beside(builder, opened.part.rels.values())
        return builder.build(title=title)


class _Walk:
    """Adds the blocks below an element; code paragraphs that follow each other are one block."""

    def __init__(self, builder: DocumentBuilder, styles: dict[str, Any]) -> None:
        self._builder = builder
        self._styles = styles
        self._code: list[str] = []

    def read(self, container: Any) -> None:
        stack = [iter(container)]
        while stack:
            element = next(stack[-1], None)
            if element is None:
                stack.pop()
            elif element.tag == f"{_W}p":
                self._add_paragraph(element)
            elif element.tag == f"{_W}tbl":
                self._flush_code()
                _add_table(self._builder, element)
            elif element.tag not in _LEFT_OUT and isinstance(element.tag, str):
                stack.append(iter(element))  # a content control, an insertion
        self._flush_code()

    def _add_paragraph(self, paragraph: Any) -> None:
        text = "".join(_texts(paragraph))
        name, level = self._style_of(paragraph)
        if _CODE_STYLE.search(name):
            self._code.append(text)
            return
        self._flush_code()
        if level and len(text) < 500:
            self._builder.add("heading", text, level=level)
            return
        is_item = name.lower().startswith("list ") or any(
            True for _ in paragraph.iter(f"{_W}numPr")
        )
        kind: BlockKind = "list_item" if is_item else "paragraph"
        self._builder.add(kind, f"- {text}" if is_item and text.strip() else text)

    def _flush_code(self) -> None:
        if self._code:
            self._builder.add("code", "\n".join(self._code))
            self._code.clear()

    def _style_of(self, paragraph: Any) -> tuple[str, int]:
        """Return the name of a paragraph's style, and its level if it is a heading (else 0)."""
        properties = paragraph.find(f"{_W}pPr")
        if properties is None:
            return "", 0
        named = properties.find(f"{_W}pStyle")
        style = self._styles.get(named.get(f"{_W}val")) if named is not None else None
        name = (style.name or "") if style is not None else ""
        if name.lower() == "title":
            return name, 1
        for element in (properties, *_style_properties(style)):
            outline = element.find(f"{_W}outlineLvl")
            value = outline.get(f"{_W}val", "") if outline is not None else ""
            if value.isdecimal():  # 9 means body text
                return name, int(value) + 1 if int(value) < 9 else 0
        match = _HEADING_STYLE.match(name)
        return name, int(match[1]) if match else 0


def _style_properties(style: Any) -> Iterator[Any]:
    """Yield the paragraph properties of a style and of those it is based on."""
    for _ in range(10):
        if style is None:
            return
        properties = style.element.find(f"{_W}pPr")
        if properties is not None:
            yield properties
        style = style.base_style


def _texts(element: Any) -> Iterator[str]:
    """Yield the text in a paragraph as it stands after all changes are accepted."""
    stack = [iter(element)]
    while stack:
        child = next(stack[-1], None)
        if child is None:
            stack.pop()
        elif child.tag == f"{_W}t":
            yield child.text or ""
        elif child.tag in _SIGNS:
            yield _SIGNS[child.tag]
        elif child.tag == f"{_M}oMath":
            yield _formula(child)
        elif child.tag == f"{_W}p":  # of a text box in the paragraph
            yield "\n"
            stack.append(iter(child))
        elif child.tag not in _LEFT_OUT and isinstance(child.tag, str):
            stack.append(iter(child))


def _add_table(builder: DocumentBuilder, table: Any) -> None:
    """Add a table; the first row names the columns unless the table says that others do."""
    rows: list[list[str]] = []
    header_rows = 0
    for row in table.iter(f"{_W}tr"):
        if next(row.iterancestors(f"{_W}tbl"), None) is not table:
            continue  # of a table in a cell, whose text is in that cell
        marked = row.find(f"{_W}trPr/{_W}tblHeader") is not None
        header_rows += marked and header_rows == len(rows)
        own = (cell for cell in row.iter(f"{_W}tc") if next(cell.iterancestors(f"{_W}tr")) is row)
        rows.append(_row(list(own), rows[-1] if rows else []))
    several = max((len(row) for row in rows), default=0) > 1
    if several:
        names = 2 if names_groups(rows) else int(len(rows) > 1)
        builder.add_table(rows, header_rows=header_rows or names)
        return
    for cells in rows:  # a frame around text
        for text in cells:
            builder.add("paragraph", text)


def _row(cells: Sequence[Any], above: Sequence[str]) -> list[str]:
    """Return the texts of cells, each in all the columns it spans, a merged one in all its rows."""
    texts: list[str] = []
    for cell in cells:
        properties = f"{_W}tcPr"
        span = cell.find(f"{properties}/{_W}gridSpan")
        value = span.get(f"{_W}val", "") if span is not None else ""
        width = min(int(value), _MOST_COLUMNS) if value.isdecimal() else 1
        merged = cell.find(f"{properties}/{_W}vMerge")
        if merged is not None and merged.get(f"{_W}val") != "restart" and len(texts) < len(above):
            text = above[len(texts)]
        else:
            text = _cell_text(cell)
        texts += [text] * max(width, 1)
    return texts


def _formula(element: Any) -> str:
    """Write an equation on one line: L/D, x^2, x_i, sqrt(x); other signs as they stand."""
    if element.tag in (f"{_M}t", f"{_W}t"):
        return element.text or ""
    parts = {child.tag: child for child in element if isinstance(child.tag, str)}

    def part(name: str) -> str:
        return _formula(parts[f"{_M}{name}"]) if f"{_M}{name}" in parts else ""

    def grouped(name: str) -> str:
        text = part(name)
        return text if len(text) < 2 or text.isalnum() else f"({text})"

    match element.tag.removeprefix(_M):
        case "f":
            return f" {grouped('num')}/{grouped('den')} "
        case "sSup":
            return f"{part('e')}^{grouped('sup')}"
        case "sSub":
            return f"{part('e')}_{grouped('sub')}"
        case "sSubSup":
            return f"{part('e')}_{grouped('sub')}^{grouped('sup')}"
        case "rad":
            return f"sqrt({part('e')})"
        case "d":
            return f"({part('e')})"
        case _:
            return "".join(_formula(child) for child in element if isinstance(child.tag, str))


def _cell_text(cell: Any) -> str:
    return "\n".join("".join(_texts(paragraph)) for paragraph in cell.iter(f"{_W}p"))


def _add_beside(builder: DocumentBuilder, relations: Iterable[Any]) -> None:
    """Add what stands beside the text: notes, comments, and headers and footers once each."""
    said: set[str] = set()
    parts = [(one.reltype.removeprefix(_RELATED), one) for one in relations if not one.is_external]
    for kind in _BESIDE:
        for reltype, relation in parts:
            root = parse_xml(relation.target_part.blob) if reltype == kind else None
            notes = [root] if root is not None and kind in ("header", "footer") else root
            for note in notes if notes is not None else ():
                if not isinstance(note.tag, str) or note.get(f"{_W}type") is not None:
                    continue
                text = _cell_text(note)
                if kind in ("header", "footer", "comments"):
                    text = f"{kind.removesuffix('s').capitalize()}: {text}" if text.strip() else ""
                if text and text not in said:
                    said.add(text)
                    builder.add("paragraph", text)
