"""PowerPoint: a page for each slide, with its title, text, tables, charts and speaker's notes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from ingest.errors import LoadError
from ingest.loaders.building import DocumentBuilder
from ingest.loaders.office.properties import read_properties, reading

if TYPE_CHECKING:
    from ingest.document import Document
    from ingest.loader_spec import Source

_MOST_NESTING: Final = 20
_ALTERNATE: Final = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"


def load_pptx(source: Source) -> Document:
    """Load a PowerPoint file; ``pages`` are its slides.

    Raises:
        MissingExtraError: python-pptx is not installed.
        WrongFormatError: Not a PPTX, or damaged.
        TooLargeError: It unpacks to too much.
    """
    with reading(source.data, "PPTX") as data:
        import pptx

        opened = pptx.Presentation(io.BytesIO(data))
        title, metadata = read_properties(opened.core_properties, source.path)
        builder = DocumentBuilder("pptx", metadata=metadata)
        empty: list[int] = []
        for number, slide in enumerate(opened.slides, start=1):
            builder.begin_page()
            _unfold(slide.shapes._spTree)
            if not _add_slide(builder, slide, number):
                empty.append(number)
        if empty and len(empty) < len(opened.slides):
            builder.warnings.append(_without_text(empty))
        return builder.build(title=title)


def _unfold(tree: Any) -> None:
    """Put what stands in alternate content, which the library leaves out, in its place."""
    for folded in list(tree.iter(f"{_ALTERNATE}AlternateContent")):
        for choice in folded:  # the first that has something: newer programs', then older ones'
            if len(choice):
                for element in choice:
                    folded.addprevious(element)
                break
        folded.getparent().remove(folded)


def _add_slide(builder: DocumentBuilder, slide: Any, number: int) -> bool:
    """Add what a slide says; return whether it says anything."""
    parts = list(_parts(slide.shapes, slide.shapes.title, _MOST_NESTING))
    said = False
    heading = slide.shapes.title
    if heading is not None and heading.has_text_frame and heading.text_frame.text.strip():
        builder.add("heading", _lines(heading.text_frame.text), level=1)
        said = True
    for shape in parts:
        try:
            said = _add_shape(builder, shape) or said
        except (MemoryError, RecursionError, LoadError):
            raise
        # The library raises many things for a chart or table that it does not know.
        except Exception as error:
            what = "chart" if getattr(shape, "has_chart", False) else "shape"
            builder.warnings.append(f"slide {number}: a {what} could not be read: {error!r}")
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        notes = slide.notes_slide.notes_text_frame.text
        if notes.strip():
            builder.add("paragraph", f"Notes: {_lines(notes)}")
            said = True
    return said


def _parts(shapes: Any, title: Any, depth: int) -> Iterator[Any]:
    """Yield the shapes, those in groups included, without the title."""
    for shape in shapes:
        if title is not None and shape.shape_id == title.shape_id:
            continue
        inner = getattr(shape, "shapes", None)
        if inner is None:
            yield shape
        elif depth:
            yield from _parts(inner, None, depth - 1)


def _add_shape(builder: DocumentBuilder, shape: Any) -> bool:
    if getattr(shape, "has_table", False):
        rows = [[_lines(cell.text) for cell in row.cells] for row in shape.table.rows]
        builder.add_table(rows, header_rows=int(bool(shape.table.first_row) and len(rows) > 1))
        return any(any(row) for row in rows)
    if getattr(shape, "has_chart", False):
        rows = list(_chart_rows(shape.chart))
        builder.add_table(rows, header_rows=1)
        return bool(rows)
    if not getattr(shape, "has_text_frame", False):
        return False
    said = False
    for paragraph in shape.text_frame.paragraphs:
        text = _lines(paragraph.text)
        is_item = shape.is_placeholder and len(shape.text_frame.paragraphs) > 1
        if text.strip():
            builder.add("list_item" if is_item else "paragraph", f"- {text}" if is_item else text)
            said = True
    return said


def _lines(text: str) -> str:
    """Part lines as others do; the library has a vertical tab for a break within a paragraph."""
    return text.replace("\v", "\n")


def _chart_rows(chart: Any) -> Iterator[list[str]]:
    """Yield a chart's data: a row that names the series, then a row for each category."""
    for plot in chart.plots:
        series = list(plot.series)
        yield ["", *[str(one.name or "") for one in series]]
        for index, category in enumerate(plot.categories):
            values = [one.values[index] if index < len(one.values) else None for one in series]
            yield [str(category), *["" if value is None else f"{value:g}" for value in values]]


def _without_text(numbers: list[int]) -> str:
    from ingest.loaders.pdf.found_pages import page_list

    slides = page_list(numbers).replace("page", "slide")
    return f"{slides} {'holds' if len(numbers) == 1 else 'hold'} no text (pictures?)"
