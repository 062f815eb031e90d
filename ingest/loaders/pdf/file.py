"""The PDF loader: two readers, put together to one document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ingest.document import Document
from ingest.errors import EncryptedError, NoTextError, WrongFormatError
from ingest.loaders.pdf.assemble import assemble
from ingest.loaders.pdf.found_pages import Reading, page_list
from ingest.loaders.pdf.headings import find_headings, largest_text, sections_of
from ingest.loaders.pdf.info import usable_title
from ingest.loaders.pdf.pdfium_reader import read_with_pdfium
from ingest.loaders.pdf.second_reader import (
    decrypt_with_pypdf,
    read_pages_again,
    read_with_pypdf,
)

if TYPE_CHECKING:
    from ingest.loader_spec import Source
    from ingest.loaders.pdf.blocks import PageBlock


def load_pdf(source: Source) -> Document:
    """Load a PDF file.

    pdfium reads it; pypdf is asked where pdfium cannot open or decrypt it, or finds no text.

    Raises:
        EncryptedError: A password is needed, or the given one is wrong.
        WrongFormatError: Not a PDF, or damaged beyond what the two readers can repair.
        NoTextError: It has no pages, or no text on any page.
    """
    try:
        reading = read_with_pdfium(source)
    except EncryptedError as error:
        source = _decrypted(source, error)
        reading = read_with_pdfium(source)
    except WrongFormatError as error:
        reading = _read_damaged(source, error)
    if reading.pages and not reading.has_text:
        reading = _second_opinion(source, reading)
    if reading.incomplete:
        _read_incomplete(source, reading)
    if reading.unmapped:
        _read_unmapped(source, reading)
    if not reading.pages:
        raise NoTextError("the PDF has no pages")
    if not reading.has_text:
        raise NoTextError(_no_text(len(reading.pages), ocr=source.ocr))
    return _document(source, reading)


def _decrypted(source: Source, error: EncryptedError) -> Source:
    """Return the source decrypted by pypdf, which knows some forms that pdfium does not."""
    try:
        data = decrypt_with_pypdf(source)
    except EncryptedError:
        raise
    # pypdf raises nearly anything for a damaged file, for a form of encryption that it does not
    # know either, and where its optional cryptography is missing. What pdfium said stands then.
    except Exception:
        raise error from None
    return replace(source, data=data, password=None)


def _read_damaged(source: Source, error: WrongFormatError) -> Reading:
    """Read a file that pdfium cannot open."""
    try:
        reading = read_with_pypdf(source, probe=False)
    except EncryptedError:
        raise
    # As above.
    except Exception:
        raise error from None
    if not reading.has_text:
        raise error
    reading.warnings.append("damaged: pdfium could not open it, the text was read with pypdf")
    return reading


def _second_opinion(source: Source, first: Reading) -> Reading:
    """Read a file in which pdfium found no text; return the first reading if there is none."""
    try:
        second = read_with_pypdf(source, probe=True)
    # As above; and the file was readable enough for pdfium to see that it has no text.
    except Exception:
        return first
    if not second.has_text:
        return first
    second.outline, second.metadata = first.outline, first.metadata
    second.warnings.append("the text was read with pypdf, because pdfium found none")
    return second


def _read_unmapped(source: Source, reading: Reading) -> None:
    """Take the text of pages that pdfium cannot map to characters from pypdf, where it can."""
    try:
        legible = read_pages_again(source, reading.unmapped)
    # As above; what pdfium gave stands then.
    except Exception:
        return
    for index, blocks in legible.items():
        reading.pages[index] = blocks
    reading.unmapped = [index for index in reading.unmapped if index not in legible]


def _read_incomplete(source: Source, reading: Reading) -> None:
    """Take pages that pdfium leaves text out of from pypdf, where that finds more letters."""
    pages = page_list([index + 1 for index in reading.incomplete])
    try:
        found = read_pages_again(source, reading.incomplete)
    # As above; what pdfium gave stands then, and the user is told.
    except Exception:
        reading.warnings.append(f"{pages}: text in fonts that are not in the file may be missing")
        return
    fuller = [
        index
        for index, blocks in found.items()
        if _letters(blocks) > _letters(reading.pages[index])
    ]
    for index in fuller:
        reading.pages[index] = found[index]
    if fuller:
        pages = page_list([index + 1 for index in fuller])
        reading.warnings.append(
            f"{pages}: read with pypdf, because pdfium leaves out text in fonts not in the file"
        )


def _letters(blocks: Iterable[PageBlock]) -> int:
    return sum(
        map(str.isalnum, (one for block in blocks for text, _ in block.lines for one in text))
    )


def _no_text(pages: int, *, ocr: bool) -> str:
    where = "its only page" if pages == 1 else f"any of its {pages:,} pages"
    if ocr:
        return f"nothing to read on {where}, by text recognition (OCR) neither"
    return f"{NoTextError.SCANNED} {where}: a scan? Text recognition (--ocr) may read it"


def _page_warnings(reading: Reading) -> Iterator[str]:
    if reading.recognised:
        pages = page_list([index + 1 for index in reading.recognised])
        yield f"{pages}: text recognised from the picture (OCR), and may have errors"
    if reading.unmapped:
        pages = page_list([index + 1 for index in reading.unmapped])
        yield f"{pages}: embedded fonts map to nothing, so that the text cannot be read"


def _document(source: Source, reading: Reading) -> Document:
    text, pages, located = assemble(reading.pages)
    if not text:
        raise NoTextError(_no_text(len(pages), ocr=source.ocr))
    title = usable_title(reading.metadata.get("title", ""), source.path) or largest_text(located)
    headings = find_headings(reading.outline, located, len(pages))
    own = {heading.block for heading in headings if heading.block is not None}
    blocks = tuple(
        replace(item.block, kind="heading")
        if index in own and item.block.kind != "table"
        else item.block
        for index, item in enumerate(located)
    )
    warnings = [*reading.warnings, *_page_warnings(reading)]
    empty = [page.number for page in pages if page.start == page.end]
    if empty:
        verb = "holds" if len(empty) == 1 else "hold"
        warnings.append(f"{page_list(empty)} {verb} no text (scanned or empty?)")
    return Document(
        text=text,
        format="pdf",
        title=title,
        pages=pages,
        # The title is no section: all the others would stand under it.
        sections=sections_of([h for h in headings if h.title != title], len(text)),
        blocks=blocks,
        metadata={key: value for key, value in reading.metadata.items() if key != "title"},
        warnings=tuple(warnings),
    )
