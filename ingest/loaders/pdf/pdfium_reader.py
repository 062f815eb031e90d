"""The first reader: pdfium, for text, geometry, outline and metadata."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ingest.errors import EncryptedError, WrongFormatError
from ingest.loaders.pdf.assemble import normalise
from ingest.loaders.pdf.blocks import PageBlock, blocks_of
from ingest.loaders.pdf.characters import read_characters, read_fragments
from ingest.loaders.pdf.flat_text import widen_flat_text
from ingest.loaders.pdf.found_pages import (
    MAX_CHARACTERS,
    MAX_PAGES,
    Reading,
    page_list,
    password_error,
    quiet,
)
from ingest.loaders.pdf.glyphs import Glyphs, turns_of_text
from ingest.loaders.pdf.headings import OutlineEntry
from ingest.loaders.pdf.info import read_metadata
from ingest.loaders.pdf.legibility import is_mapped
from ingest.loaders.pdf.ocr import needs_recognition, recognise
from ingest.loaders.pdf.overdrawn import without_copies
from ingest.loaders.pdf.rows import rows_of

if TYPE_CHECKING:
    from ingest.loader_spec import Source

Visitor: TypeAlias = Callable[[Any, Any, str], None]

# pdfium may not be called from two threads at once.
_LOCK: Final = threading.Lock()

# A damaged outline may be a loop, or claim millions of entries.
_MAX_OUTLINE: Final = 20_000
_MAX_OUTLINE_DEPTH: Final = 12


def read_with_pdfium(source: Source) -> Reading:
    """Read a file with pdfium.

    Raises:
        EncryptedError: A password is needed, or the given one is wrong.
        WrongFormatError: pdfium cannot open it.
    """
    with _LOCK, quiet("pypdfium2"):
        document = open_document(source)
        try:
            reading = Reading()
            _read_pages(document, reading, ocr=source.ocr)
            reading.outline = list(_outline(document))
            reading.metadata = read_metadata(document.get_metadata_dict())
            return reading
        finally:
            document.close()


def open_document(source: Source) -> Any:
    """Open a file with pdfium.

    Raises:
        EncryptedError: A password is needed, or the given one is wrong.
        WrongFormatError: pdfium cannot open it.
    """
    import pypdfium2
    from pypdfium2 import raw

    for password in (None, source.password) if source.password else (None,):
        try:
            return pypdfium2.PdfDocument(source.data, password=password)
        except pypdfium2.PdfiumError as error:
            code = error.err_code
        if code != raw.FPDF_ERR_PASSWORD:
            break
    if code == raw.FPDF_ERR_PASSWORD:
        raise password_error(source)
    if code == raw.FPDF_ERR_SECURITY:
        raise EncryptedError(
            "encrypted in a way that no password opens: a certificate or a plug-in is needed"
        )
    if b"%PDF-" not in source.data[:1024]:
        raise WrongFormatError("not a PDF: it does not begin with %PDF")
    raise WrongFormatError("damaged PDF: neither pdfium nor pypdf can read it")


def _read_pages(document: Any, reading: Reading, *, ocr: bool) -> None:
    import pypdfium2
    from pypdfium2 import raw

    has_form = document.get_formtype() != raw.FORMTYPE_NONE
    count = len(document)
    if count > MAX_PAGES:
        reading.warnings.append(f"only the first {MAX_PAGES:,} of {count:,} pages were read")
    unreadable: list[int] = []
    characters = 0
    for index in range(min(count, MAX_PAGES)):
        blocks: list[PageBlock] = []
        reading.pages.append(blocks)
        try:
            found = _read_page(document, index, reading, has_form=has_form, ocr=ocr)
            blocks += [block._replace(rows=()) for block in found]  # it would keep all fragments
        except pypdfium2.PdfiumError:
            unreadable.append(index + 1)
            continue
        characters += sum(len(line) for block in blocks for line, _ in block.lines)
        if characters > MAX_CHARACTERS:
            reading.warnings.append(
                f"only the first {index + 1:,} of {count:,} pages were read: too much text"
            )
            break
    if unreadable:
        reading.warnings.append(f"{page_list(unreadable)} could not be read: damaged")


def shown_page(document: Any, index: int, *, has_form: bool) -> Any:
    """Return a page with what is filled into its form as part of it; the file does not change."""
    from pypdfium2 import raw

    page = document[index]
    if has_form and raw.FPDFPage_Flatten(page, raw.FLAT_NORMALDISPLAY) == raw.FLATTEN_SUCCESS:
        page.close()  # it takes effect when the page is loaded again
        page = document[index]
    return page


def read_one_page(document: Any, index: int, visit: Visitor) -> list[PageBlock]:
    """Read one page as :func:`read_with_pdfium` does, and keep what its blocks are made of.

    Args:
        document: The open document; :func:`open_document`.
        index: Of the page, from 0.
        visit: Given the page, its text page and the characters, while they are open.
    """
    from pypdfium2 import raw

    has_form = document.get_formtype() != raw.FORMTYPE_NONE
    return _read_page(document, index, Reading(), has_form=has_form, ocr=False, visit=visit)


def _read_page(
    document: Any,
    index: int,
    reading: Reading,
    *,
    has_form: bool,
    ocr: bool,
    visit: Visitor | None = None,
) -> list[PageBlock]:
    from pypdfium2 import raw

    page = shown_page(document, index, has_form=has_form)
    try:
        text_page, characters = _upright_text(page)
        flat = widen_flat_text(page, characters)
        if flat.widened:
            text_page.close()
            text_page, characters = _upright_text(page)
        if flat.lost:
            reading.incomplete.append(index)
        width = page.get_width()
        try:
            mapped = is_mapped(raw, text_page.raw, characters)
            fragments = without_copies(read_fragments(raw, text_page.raw, characters, width))
            if visit is not None:
                visit(page, text_page, characters)
        finally:
            text_page.close()
        if ocr:
            legible = len(characters.strip()) if mapped else 0
            if needs_recognition(page, legible) and (recognised := recognise(page)):
                fragments, mapped = recognised, True
                reading.recognised.append(index)
        if not mapped:
            reading.unmapped.append(index)
    finally:
        page.close()
    return blocks_of(rows_of(fragments, width))


def _upright_text(page: Any) -> tuple[Any, str]:
    """Turn a page as most of its text is; return its text page and the characters.

    pdfium tells lines by how the page is shown, and takes them apart where text is shown upside
    down, upwards or downwards.
    """
    from pypdfium2 import raw

    text_page = page.get_textpage()
    characters = read_characters(raw, text_page.raw)
    quarters = turns_of_text(characters, Glyphs(raw, text_page.raw, 0.0))
    if quarters is None or page.get_rotation() == -90 * quarters % 360:
        return text_page, characters
    text_page.close()
    page.set_rotation(-90 * quarters % 360)
    text_page = page.get_textpage()
    return text_page, read_characters(raw, text_page.raw)


def _outline(document: Any) -> Iterator[OutlineEntry]:
    from pypdfium2 import raw

    for number, bookmark in enumerate(document.get_toc(max_depth=_MAX_OUTLINE_DEPTH)):
        if number >= _MAX_OUTLINE:
            return
        destination = bookmark.get_dest()
        page: int | None = None
        top: float | None = None
        if destination is not None:
            page = destination.get_index()
            mode, view = destination.get_view()
            if mode == raw.PDFDEST_VIEW_XYZ and len(view) >= 2 and view[1]:
                top = float(view[1])
        yield OutlineEntry(normalise(bookmark.get_title()), bookmark.level + 1, page, top)
