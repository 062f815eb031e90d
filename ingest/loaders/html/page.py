"""Loading a page: decode, parse, find the main text, write it down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bs4.dammit import EncodingDetector

from ingest.decode import decode
from ingest.document import Document
from ingest.loaders.html.elements import build, parse
from ingest.loaders.html.flow import Written, write_blocks
from ingest.loaders.html.head import PageFacts, read_facts
from ingest.loaders.html.inline import clean
from ingest.loaders.html.main_text import keep_main_text
from ingest.structure import normalise_plain, sections_from_headings

if TYPE_CHECKING:
    from ingest.loader_spec import Source

_HEAD = 8192


def load_html(source: Source) -> Document:
    """Load an HTML page: its main text with headings, lists, tables and code.

    Nothing is fetched and no script is run; what the page hides is left out.
    """
    decoded = decode(source.data, declared=declared_encoding(source.data))
    tree = parse(normalise_plain(decoded.text))
    facts = PageFacts(None) if tree is None else read_facts(tree)
    written = Written()
    if tree is not None:
        page = build(tree, sign=True)
        keep_main_text(page, tree)
        written = write_blocks(page.root)
    text = written.text
    return Document(
        text=text,
        format="html",
        title=clean(facts.title) if facts.title else None,
        sections=sections_from_headings(written.headings, end=len(text)),
        blocks=tuple(written.blocks),
        metadata={key: clean(value) for key, value in facts.metadata.items()},
        warnings=(decoded.warning,) if decoded.warning else (),
        encoding=decoded.encoding,
    )


def whole_page(data: bytes, *, declared: str | None = None) -> Written:
    """Write down all of a page, for what comes without chrome: a book's chapter, a message."""
    decoded = decode(data, declared=declared or declared_encoding(data))
    tree = parse(normalise_plain(decoded.text))
    return Written() if tree is None else write_blocks(build(tree).root)


def declared_encoding(data: bytes) -> str | None:
    """Return the encoding that a page's head names, as written there."""
    return EncodingDetector.find_declared_encoding(
        data[:_HEAD].lstrip(), is_html=True, search_entire_document=True
    )
