"""Documents as plain dictionaries that JSON can hold, and back; the round trip is exact."""

from __future__ import annotations

from typing import Any

from ingest.document import Block, Document, Page, Section


def document_to_dict(document: Document) -> dict[str, Any]:
    """Return ``document`` as a dictionary of strings, numbers, lists and ``None``."""
    return {
        "text": document.text,
        "format": document.format,
        "title": document.title,
        "pages": [[page.number, page.start, page.end] for page in document.pages],
        "sections": [
            [list(section.path), section.level, section.start, section.end]
            for section in document.sections
        ],
        "blocks": [
            [block.kind, block.start, block.end, block.header_end] for block in document.blocks
        ],
        "metadata": dict(document.metadata),
        "warnings": list(document.warnings),
        "encoding": document.encoding,
    }


def document_from_dict(value: dict[str, Any]) -> Document:
    """Rebuild the document that :func:`document_to_dict` described."""
    return Document(
        text=value["text"],
        format=value["format"],
        title=value["title"],
        pages=tuple(Page(number, start, end) for number, start, end in value["pages"]),
        sections=tuple(
            Section(tuple(path), level, start, end) for path, level, start, end in value["sections"]
        ),
        blocks=tuple(
            Block(kind, start, end, header_end) for kind, start, end, header_end in value["blocks"]
        ),
        metadata=dict(value["metadata"]),
        warnings=tuple(value["warnings"]),
        encoding=value["encoding"],
    )
