"""The data that loading and chunking produce: plain, frozen, located.

All offsets are code points into :attr:`Document.text`, half-open (``text[start:end]``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

BlockKind = Literal["heading", "paragraph", "list_item", "table", "code"]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a paged format. ``number`` is 1-based; a page without text has start == end."""

    number: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Section:
    """The stretch of text under one heading, up to the next heading of any level.

    ``path`` holds the headings from the outermost to this one (this one included), as plain text
    on one line each; ``level`` is 1 for the outermost. ``start`` is where the heading begins.
    Text before the first heading belongs to no section.
    """

    path: tuple[str, ...]
    level: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Block:
    """A structural unit. Blocks are ordered, do not overlap, and cover all but white space.

    For a table, ``header_end`` is where its header rows end (``None``: it has none); rows are
    lines, cells are separated by " | " or as the source has them.
    """

    kind: BlockKind
    start: int
    end: int
    header_end: int | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A loaded file: normalised text and where everything in it stands.

    Attributes:
        text: The whole text, normalised once; every offset refers to it.
        format: ``"pdf"``, ``"html"``, ``"markdown"``, ``"text"``, or what a plug-in names.
        title: From the content or its metadata; ``None`` when the file names none.
        pages: All pages in order, or empty for a format without pages.
        sections: In order of ``start``; empty when the file has no headings.
        blocks: In order of ``start``; see :class:`Block`.
        metadata: Flat facts such as author or creation date (``"created"`` in ISO 8601).
        warnings: What a user should know, one sentence each, such as "pages 3-7 hold no text".
        encoding: The character encoding that was decided on, or ``None`` for binary formats.
    """

    text: str
    format: str
    title: str | None = None
    pages: tuple[Page, ...] = ()
    sections: tuple[Section, ...] = ()
    blocks: tuple[Block, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    encoding: str | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage to be indexed: ``document.text[start:end] == text``, always.

    Attributes:
        id: Deterministic: a hash of the document's text, the span and the chunker's version.
        index: Position among the document's chunks, from 0.
        start: Code point in the document's text where the chunk begins.
        end: Code point just past the chunk.
        text: The chunk itself, neither trimmed nor cleaned beyond the document's own text.
        page: 1-based page on which the chunk begins, or ``None`` for formats without pages.
        heading: Heading path of the section in which the chunk begins, outermost first.
        prefix: What is put before ``text`` when it is embedded (title, headings, header row of a
            table that goes on); ends in a newline unless empty. Never part of the span.
        tokens: Number of tokens of ``prefix + text``, special tokens not counted.
    """

    id: str
    index: int
    start: int
    end: int
    text: str
    page: int | None
    heading: tuple[str, ...]
    prefix: str
    tokens: int

    @property
    def embedded_text(self) -> str:
        """What the embedder is given: ``prefix + text``."""
        return self.prefix + self.text
