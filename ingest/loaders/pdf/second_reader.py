"""The second reader: pypdf, for files that pdfium cannot open or finds no text in."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from ingest.loaders.pdf.blocks import PageBlock
from ingest.loaders.pdf.found_pages import (
    MAX_CHARACTERS,
    MAX_PAGES,
    Reading,
    page_list,
    password_error,
    quiet,
)
from ingest.loaders.pdf.info import read_metadata
from ingest.loaders.pdf.legibility import is_legible

if TYPE_CHECKING:
    from ingest.loader_spec import Source

# pypdf takes a tenth of a second a page: where pdfium finds nothing, ask it about a few pages
# before all of them.
_PROBED_PAGES: Final = 5
_MOST_READ_AGAIN: Final = 50


def read_with_pypdf(source: Source, *, probe: bool) -> Reading:
    """Read a file's plain text with pypdf.

    Args:
        source: The file.
        probe: Give up after a few pages if they hold no text.

    Raises:
        EncryptedError: A password is needed, or the given one is wrong.
        Exception: Nearly anything, for a damaged file.
    """
    with quiet("pypdf"):
        reader = _open(source)
        reading = Reading()
        if reader.metadata:
            reading.metadata = read_metadata(
                {str(key).lstrip("/"): str(value) for key, value in reader.metadata.items()}
            )
        _read_pages(reader, reading, probe=probe)
        return reading


def read_pages_again(source: Source, indices: Sequence[int]) -> dict[int, list[PageBlock]]:
    """Read some pages with pypdf, and return those whose text can be read.

    Raises:
        Exception: Nearly anything, for a damaged file.
    """
    legible: dict[int, list[PageBlock]] = {}
    with quiet("pypdf"):
        pages = _open(source).pages
        for index in indices[:_MOST_READ_AGAIN]:
            text = pages[index].extract_text()
            if text.strip() and is_legible(text):
                legible[index] = list(_plain_blocks(text))
    return legible


def decrypt_with_pypdf(source: Source) -> bytes:
    """Return a file without its encryption, for what pdfium cannot decrypt.

    Raises:
        EncryptedError: A password is needed, or the given one is wrong.
        Exception: Nearly anything, for a damaged file.
    """
    from pypdf import PdfWriter

    with quiet("pypdf"):
        writer = PdfWriter(clone_from=_open(source))
        buffer = io.BytesIO()
        writer.write(buffer)
        return buffer.getvalue()


def _open(source: Source) -> Any:
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(source.data))
    if reader.is_encrypted and not any(
        reader.decrypt(password) for password in ("", source.password or "")
    ):
        raise password_error(source)
    return reader


def _read_pages(reader: Any, reading: Reading, *, probe: bool) -> None:
    unreadable: list[int] = []
    characters = 0
    for index, page in enumerate(reader.pages):
        if index >= MAX_PAGES or characters > MAX_CHARACTERS:
            reading.warnings.append(f"only the first {index:,} pages were read: there is too much")
            break
        if probe and index >= _PROBED_PAGES and not reading.has_text:
            break
        try:
            text = page.extract_text()
        # A damaged page makes pypdf raise nearly anything: its own errors, KeyError, TypeError,
        # RecursionError, errors of the decompressor. It costs that page and no other.
        except Exception:
            text = ""
            unreadable.append(index + 1)
        characters += len(text)
        reading.pages.append(list(_plain_blocks(text)))
    if unreadable:
        reading.warnings.append(f"{page_list(unreadable)} could not be read: damaged")


def _plain_blocks(text: str) -> Iterator[PageBlock]:
    for paragraph in re.split(r"\n\s*\n", text):
        lines = tuple((line, False) for line in paragraph.splitlines() if line.strip())
        if lines:
            yield PageBlock("paragraph", lines, 0.0, False, 0.0, 0.0)
