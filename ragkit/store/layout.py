"""A document's pages, sections and blocks as compact JSON (the text is stored beside it)."""

from __future__ import annotations

import json
from typing import Any

from ingest.document import Block, Document, Page, Section
from ragkit.store.paths import storable

_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def dump_json(value: Any) -> str:
    """Write compact JSON, with lone surrogates replaced so that it can be stored."""
    return storable(_COMPACT.encode(value))


def dump_layout(document: Document) -> str:
    """Write all that is located in the text."""
    return dump_json(
        {
            "pages": [[page.number, page.start, page.end] for page in document.pages],
            "sections": [
                [section.level, section.start, section.end, section.path]
                for section in document.sections
            ],
            "blocks": [
                [block.kind, block.start, block.end, block.header_end] for block in document.blocks
            ],
        }
    )


def load_layout(
    layout: str,
) -> tuple[tuple[Page, ...], tuple[Section, ...], tuple[Block, ...]]:
    """Read what :func:`dump_layout` wrote."""
    value = json.loads(layout)
    pages = tuple(Page(number, start, end) for number, start, end in value["pages"])
    sections = tuple(
        Section(path=tuple(path), level=level, start=start, end=end)
        for level, start, end, path in value["sections"]
    )
    blocks = tuple(
        Block(kind=kind, start=start, end=end, header_end=header_end)
        for kind, start, end, header_end in value["blocks"]
    )
    return pages, sections, blocks
