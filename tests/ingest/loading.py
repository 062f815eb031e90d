"""What the tests of loaders share."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.loaders.registry import load_bytes
from ingest.structure import faults

if TYPE_CHECKING:
    from ingest.document import Document


def loaded(name: str, data: bytes | str, **options: str | None) -> Document:
    """Load bytes under a file name, and hold the document to what it promises."""
    content = data.encode() if isinstance(data, str) else data
    document = load_bytes(Path(name), content, **options)  # type: ignore[arg-type]
    assert not faults(document)
    return document


def blocks(document: Document, kind: str | None = None) -> list[str]:
    """Return the text of the blocks, or of those of one kind."""
    return [
        document.text[block.start : block.end]
        for block in document.blocks
        if kind in (None, block.kind)
    ]


def headers(document: Document) -> list[str | None]:
    """Return the header of each table."""
    return [
        None if block.header_end is None else document.text[block.start : block.header_end]
        for block in document.blocks
        if block.kind == "table"
    ]


def headings(document: Document) -> list[tuple[str, ...]]:
    """Return the heading path of each section."""
    return [section.path for section in document.sections]


def zipped(members: Mapping[str, bytes | str]) -> bytes:
    """Return a zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def rezipped(data: bytes, changes: Mapping[str, bytes | str]) -> bytes:
    """Return a zip archive with some members replaced or added."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return zipped({**members, **changes})
