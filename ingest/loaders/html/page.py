"""Loading a page: decode, parse, find the main text, write it down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bs4.dammit import EncodingDetector

from ingest.decode import decode
from ingest.loaders.building import DocumentBuilder
from ingest.loaders.html.elements import build, parse
from ingest.loaders.html.flow import write_blocks
from ingest.loaders.html.head import PageFacts, read_facts
from ingest.loaders.html.main_text import keep_main_text
from ingest.structure import normalise_plain

if TYPE_CHECKING:
    from lxml.html import HtmlElement

    from ingest.document import Document
    from ingest.loader_spec import Source

_HEAD = 8192


def load_html(source: Source) -> Document:
    """Load an HTML page: its main text with headings, lists, tables and code.

    Nothing is fetched and no script is run; what the page hides is left out.
    """
    builder = DocumentBuilder("html")
    tree = _tree(builder, source.data)
    facts = PageFacts(None) if tree is None else read_facts(tree)
    builder.metadata = facts.metadata
    if tree is not None:
        page = build(tree, sign=True)
        keep_main_text(page, tree)
        write_blocks(builder, page.root)
    return builder.build(title=facts.title)


def write_page(builder: DocumentBuilder, data: bytes, *, declared: str | None = None) -> None:
    """Add all of a page, for what comes without chrome: a book's chapter, a message."""
    tree = _tree(builder, data, declared)
    if tree is not None:
        write_blocks(builder, build(tree).root)


def _tree(builder: DocumentBuilder, data: bytes, declared: str | None = None) -> HtmlElement | None:
    """Decode and parse a page; the builder is told the encoding, and what was doubtful about it."""
    decoded = decode(data, declared=declared or declared_encoding(data))
    builder.encoding = decoded.encoding
    if decoded.warning and decoded.warning not in builder.warnings:
        builder.warnings.append(decoded.warning)
    return parse(normalise_plain(decoded.text))


def declared_encoding(data: bytes) -> str | None:
    """Return the encoding that a page's head names, as written there."""
    return EncodingDetector.find_declared_encoding(
        data[:_HEAD].lstrip(), is_html=True, search_entire_document=True
    )
