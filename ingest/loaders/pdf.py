"""PDF files: text with pages, sections, tables and metadata.

pdfium reads the text, the outline and the metadata; pypdf is the second reader, for files that
pdfium cannot open or finds no text in. pdfium is not safe to call from two threads at once, so
one lock guards it.
"""

from __future__ import annotations

import io
import logging
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from ingest.document import Document
from ingest.errors import EncryptedError, NoTextError, WrongFormatError
from ingest.loaders.pdf_assemble import assemble, normalise
from ingest.loaders.pdf_blocks import PageBlock, blocks_of
from ingest.loaders.pdf_headings import (
    OutlineEntry,
    find_headings,
    largest_text,
    sections_of,
)
from ingest.loaders.pdf_rows import rows_of
from ingest.loaders.pdf_text import read_fragments

if TYPE_CHECKING:
    from ingest.loaders.registry import Source

_PDFIUM_LOCK: Final = threading.Lock()

_MAX_PAGES: Final = 20_000
_MAX_OUTLINE: Final = 20_000
_MAX_OUTLINE_DEPTH: Final = 12
_MAX_CHARACTERS: Final = 100_000_000
# pypdf takes a tenth of a second a page: where pdfium finds nothing, ask it about a few pages
# before all of them.
_PROBED_PAGES: Final = 5

_JUNK_TITLE: Final = re.compile(
    r"untitled\d*|microsoft (?:word|powerpoint|excel)\b.*|powerpoint presentation|document\d*|"
    r"presentation\d*|slide ?1|title|no title|none|null|\(?anonymous\)?|\d{10}-\d\d-\d{6}|"
    r"[\w.~%()\[\] -]*\.(?:docx?|pptx?|xlsx?|pdf|tex|dvi|indd|qxd|pmd|fm|rtf|odt|txt|ps|eps|html?|pub|cdr)|"
    r"[\W\d_]*|[a-f\d-]{16,}",
    re.IGNORECASE,
)
_DATE: Final = re.compile(
    r"(?:D:)?\s*(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?\s*(?:(Z)|([+-])(\d\d)'?(\d\d)?)?"
)


@dataclass(slots=True)
class _Reading:
    """What a reader found in a file."""

    pages: list[list[PageBlock]] = field(default_factory=list)
    outline: list[OutlineEntry] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def has_text(self) -> bool:
        return any(self.pages)


def load_pdf(source: Source) -> Document:
    """Load a PDF file.

    Raises:
        EncryptedError: A password is needed, or the given one is wrong.
        WrongFormatError: Not a PDF, or damaged beyond what two readers can repair.
        NoTextError: It has no pages, or no text on any page.
    """
    with _PDFIUM_LOCK:
        reading, problem = _read_with_pdfium(source)
    if reading is None or not reading.has_text:
        reading = _second_reading(source, reading, problem)
    if not reading.pages:
        raise NoTextError("the PDF has no pages")
    if not reading.has_text:
        count = len(reading.pages)
        where = "its only page" if count == 1 else f"any of its {count:,} pages"
        raise NoTextError(f"no text on {where}: a scan? It would need text recognition (OCR)")
    return _document(reading, source)


def _document(reading: _Reading, source: Source) -> Document:
    text, pages, located = assemble(reading.pages)
    if not text:
        raise NoTextError(f"no readable text on any of its {len(pages):,} pages")
    headings = find_headings(reading.outline, located, len(pages))
    own = {heading.block for heading in headings if heading.block is not None}
    blocks = tuple(
        replace(item.block, kind="heading")
        if index in own and item.block.kind != "table"
        else item.block
        for index, item in enumerate(located)
    )
    empty = [page.number for page in pages if page.start == page.end]
    warnings = list(reading.warnings)
    if empty:
        verb = "holds" if len(empty) == 1 else "hold"
        warnings.append(f"{_page_list(empty)} {verb} no text (scanned or empty?)")
    metadata = {key: value for key, value in reading.metadata.items() if key != "title"}
    title = _usable_title(reading.metadata.get("title", ""), source.path)
    return Document(
        text=text,
        format="pdf",
        title=title or largest_text(located),
        pages=pages,
        sections=sections_of(headings, len(text)),
        blocks=blocks,
        metadata=metadata,
        warnings=tuple(warnings),
    )


# -- pdfium ---------------------------------------------------------------------------------------


def _read_with_pdfium(source: Source) -> tuple[_Reading | None, str]:
    """Read a file with pdfium; ``None`` and the reason if it cannot open it."""
    import pypdfium2
    from pypdfium2 import raw

    try:
        document = _open_with_pdfium(source)
    except pypdfium2.PdfiumError as error:
        if error.err_code == raw.FPDF_ERR_PASSWORD:
            raise _password_error(source) from None
        if error.err_code == raw.FPDF_ERR_SECURITY:
            raise EncryptedError(
                "encrypted in a way that no password opens (a certificate or a plug-in is needed)"
            ) from None
        return None, str(error)
    try:
        reading = _Reading()
        _read_pages(document, raw, reading)
        reading.outline = list(_pdfium_outline(document, raw))
        reading.metadata = _metadata(document.get_metadata_dict())
        return reading, ""
    finally:
        document.close()


def _open_with_pdfium(source: Source) -> Any:
    import pypdfium2
    from pypdfium2 import raw

    try:
        return pypdfium2.PdfDocument(source.data)
    except pypdfium2.PdfiumError as error:
        if error.err_code != raw.FPDF_ERR_PASSWORD or not source.password:
            raise
    return pypdfium2.PdfDocument(source.data, password=source.password)


def _password_error(source: Source) -> EncryptedError:
    if source.password:
        return EncryptedError("encrypted, and the given password does not open it")
    return EncryptedError("encrypted: a password is needed")


def _read_pages(document: Any, raw: Any, reading: _Reading) -> None:
    import pypdfium2

    count = len(document)
    if count > _MAX_PAGES:
        reading.warnings.append(f"only the first {_MAX_PAGES:,} of {count:,} pages were read")
    unreadable: list[int] = []
    characters = 0
    for index in range(min(count, _MAX_PAGES)):
        blocks: list[PageBlock] = []
        reading.pages.append(blocks)
        try:
            page = document[index]
        except pypdfium2.PdfiumError:
            unreadable.append(index + 1)
            continue
        try:
            text_page = page.get_textpage()
            fragments = read_fragments(raw, text_page.raw, page.get_width())
            text_page.close()
        except pypdfium2.PdfiumError:
            unreadable.append(index + 1)
            continue
        finally:
            width = page.get_width()
            page.close()
        blocks += blocks_of(rows_of(fragments, width))
        characters += sum(len(fragment.text) for fragment in fragments)
        if characters > _MAX_CHARACTERS:
            reading.warnings.append(
                f"only the first {index + 1:,} of {count:,} pages were read: too much text"
            )
            break
    if unreadable:
        reading.warnings.append(f"{_page_list(unreadable)} could not be read: damaged")


def _pdfium_outline(document: Any, raw: Any) -> Iterator[OutlineEntry]:
    """Yield the outline, within bounds: a damaged one may be a loop, or millions of entries."""
    for number, bookmark in enumerate(document.get_toc(max_depth=_MAX_OUTLINE_DEPTH)):
        if number >= _MAX_OUTLINE:
            return
        destination = bookmark.get_dest()
        page = destination.get_index() if destination is not None else None
        top: float | None = None
        if destination is not None:
            mode, view = destination.get_view()
            if mode == raw.PDFDEST_VIEW_XYZ and len(view) >= 2 and view[1]:
                top = float(view[1])
        yield OutlineEntry(normalise(bookmark.get_title()), bookmark.level + 1, page, top)


# -- pypdf ----------------------------------------------------------------------------------------


def _second_reading(source: Source, first: _Reading | None, problem: str) -> _Reading:
    """Read a file with pypdf, after pdfium could not open it or found no text."""
    with _quiet_pypdf():
        try:
            second = _read_with_pypdf(source, probe=first is not None)
        except EncryptedError:
            raise
        # A damaged file makes pypdf raise nearly anything: its own errors, KeyError, TypeError,
        # RecursionError, errors of the decompressor. None of them may end the run.
        except Exception as error:
            if first is not None:
                return first
            raise _unreadable(source, problem or str(error)) from error
    if not second.has_text:
        if first is not None:
            return first
        if not second.pages:
            raise _unreadable(source, problem)
        return second
    why = "pdfium found none" if first is not None else f"pdfium could not open the file: {problem}"
    second.warnings.append(f"text read with pypdf, because {why}")
    if first is not None:
        second.outline, second.metadata = first.outline, first.metadata or second.metadata
    return second


def _unreadable(source: Source, problem: str) -> WrongFormatError:
    if b"%PDF-" not in source.data[:1024]:
        return WrongFormatError("not a PDF: it does not begin with %PDF")
    return WrongFormatError(f"damaged PDF: {problem}")


def _read_with_pypdf(source: Source, *, probe: bool) -> _Reading:
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(source.data))
    if reader.is_encrypted and not any(
        reader.decrypt(password) for password in ("", source.password or "")
    ):
        raise _password_error(source)
    reading = _Reading()
    if reader.metadata:
        reading.metadata = _metadata(
            {str(key).lstrip("/"): str(value) for key, value in reader.metadata.items()}
        )
    unreadable: list[int] = []
    for index, page in enumerate(reader.pages):
        if index >= _MAX_PAGES or (probe and index >= _PROBED_PAGES and not reading.has_text):
            break
        try:
            text = page.extract_text()
        # As above: one damaged page costs that page.
        except Exception:
            text = ""
            unreadable.append(index + 1)
        reading.pages.append(list(_plain_blocks(text)))
    if unreadable:
        reading.warnings.append(f"{_page_list(unreadable)} could not be read: damaged")
    return reading


def _plain_blocks(text: str) -> Iterator[PageBlock]:
    for paragraph in re.split(r"\n\s*\n", text):
        lines = tuple((line, False) for line in paragraph.splitlines() if line.strip())
        if lines:
            yield PageBlock("paragraph", lines, 0.0, False, 0.0)


@contextmanager
def _quiet_pypdf() -> Iterator[None]:
    """Keep pypdf's log, one line for each oddity of a damaged file, off the user's terminal."""
    logger = logging.getLogger("pypdf")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


# -- metadata -------------------------------------------------------------------------------------


def _metadata(entries: dict[str, str]) -> dict[str, str]:
    found = {
        "title": normalise(entries.get("Title", "")),
        "author": normalise(entries.get("Author", "")),
        "subject": normalise(entries.get("Subject", "")),
        "keywords": normalise(entries.get("Keywords", "")),
        "created": _iso_date(entries.get("CreationDate", "")),
        "modified": _iso_date(entries.get("ModDate", "")),
    }
    return {key: value for key, value in found.items() if value}


def _iso_date(value: str) -> str:
    """Return a PDF date as ISO 8601; empty if it is none."""
    match = _DATE.match(value.strip())
    if match is None:
        return ""
    year, month, day, hour, minute, second, utc, sign, off_hours, off_minutes = match.groups()
    zone: timezone | None = None
    if utc:
        zone = UTC
    elif sign:
        offset = timedelta(hours=int(off_hours), minutes=int(off_minutes or 0))
        if offset < timedelta(days=1):
            zone = timezone(offset if sign == "+" else -offset)
    try:
        moment = datetime(
            int(year),
            int(month or 1),
            int(day or 1),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            tzinfo=zone,
        )
    except ValueError:
        return ""
    return moment.isoformat() if hour else moment.date().isoformat()


def _usable_title(title: str, path: PurePath) -> str | None:
    """Return a title unless it is what a program filled in: a file name, a number, "untitled"."""
    if not title or len(title) > 300 or _JUNK_TITLE.fullmatch(title):
        return None
    if title.casefold() in (path.name.casefold(), path.stem.casefold()) and " " not in title:
        return None
    return title


def _page_list(numbers: Sequence[int]) -> str:
    """Return page numbers for a person: ``"pages 3-7, 9"``."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    shown = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges[:8])
    more = f" and {len(ranges) - 8:,} more ranges" if len(ranges) > 8 else ""
    return f"page{'s' if len(numbers) > 1 else ''} {shown}{more}"
