"""Plain text: paragraphs, list items and underlined headings, at the offsets of the file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ingest.decode import decode
from ingest.document import Block, Document
from ingest.structure import normalise_plain, sections_from_headings

if TYPE_CHECKING:
    from ingest.loaders.registry import Source

_LIST_ITEM = re.compile(r"[ \t]{0,12}(?:[-*•‣◦–]|\(?\d{1,3}[.)]|\(?[a-z][.)])[ \t]+\S")
_UNDERLINE = re.compile(r"(=+|-+|~+)[ \t]*\Z")
_TITLE_LENGTH = 120


def load_text(source: Source) -> Document:
    """Load plain text. Offsets are those of the decoded file wherever it has plain line ends."""
    decoded = decode(source.data)
    text = normalise_plain(decoded.text)
    blocks, headings = find_blocks(text)
    return Document(
        text=text,
        format="text",
        title=headings[0][2] if headings and headings[0][0] == blocks[0].start else None,
        sections=sections_from_headings(headings, end=len(text)),
        blocks=blocks,
        warnings=(decoded.warning,) if decoded.warning else (),
        encoding=decoded.encoding,
    )


def find_blocks(text: str) -> tuple[tuple[Block, ...], list[tuple[int, int, str]]]:
    """Find the blocks of plain text, and its headings as (start, level, title).

    Blank lines part paragraphs. A line underlined with ``=``, ``-`` or ``~`` at least half its
    length is a heading; that is the only sign taken, for a wrong heading misleads every passage
    below it.
    """
    blocks: list[Block] = []
    headings: list[tuple[int, int, str]] = []
    for lines in _paragraphs(text):
        if len(lines) >= 2 and (level := _heading_level(text, lines[0], lines[1])):
            (start, stop), (_, end) = lines[0], lines[1]
            blocks.append(Block("heading", start, end))
            headings.append((start, level, text[start:stop].strip()))
            lines = lines[2:]
        blocks += _split_items(text, lines)
    return tuple(blocks), headings


def _paragraphs(text: str) -> Iterator[list[tuple[int, int]]]:
    """Yield the non-blank lines between blank ones as spans without surrounding white space."""
    lines: list[tuple[int, int]] = []
    position = 0
    length = len(text)
    while position < length:
        newline = text.find("\n", position)
        stop = length if newline < 0 else newline
        line = text[position:stop]
        stripped = line.strip()
        if stripped:
            start = position + line.index(stripped[0])
            lines.append((start, start + len(stripped)))
        elif lines:
            yield lines
            lines = []
        position = stop + 1
    if lines:
        yield lines


def _heading_level(text: str, title: tuple[int, int], below: tuple[int, int]) -> int:
    length = title[1] - title[0]
    rule = text[below[0] : below[1]]
    if not 0 < length <= _TITLE_LENGTH or not _UNDERLINE.match(rule) or len(rule) * 2 < length:
        return 0
    if len(rule) < 3 or not any(character.isalnum() for character in text[title[0] : title[1]]):
        return 0
    return {"=": 1, "-": 2, "~": 3}[rule[0]]


def _split_items(text: str, lines: list[tuple[int, int]]) -> Iterator[Block]:
    """Part a paragraph where list items begin; lines after an item belong to it."""
    start: int | None = None
    kind: str = "paragraph"
    end = 0
    for line_start, line_end in lines:
        if _LIST_ITEM.match(text, line_start, line_end):
            if start is not None:
                yield Block("list_item" if kind == "list_item" else "paragraph", start, end)
            start, kind = line_start, "list_item"
        elif start is None:
            start, kind = line_start, "paragraph"
        end = line_end
    if start is not None:
        yield Block("list_item" if kind == "list_item" else "paragraph", start, end)
