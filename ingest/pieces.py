"""A document as pieces to be packed into chunks, in stretches that no chunk may cross."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, zip_longest
from math import ceil
from typing import TYPE_CHECKING

from ingest.document import Block, Document
from ingest.packing import (
    AFTER_COLON,
    AFTER_HEADING,
    BLOCK,
    CODE_LINE,
    LINE,
    LIST_ITEM,
    SECTION,
    SENTENCE,
    TABLE_ROW,
    WORD,
    Piece,
)
from ingest.sentences import sentence_spans
from ingest.tokens import TokenIndex, trimmed

if TYPE_CHECKING:
    from ingest.places import Places

# How many tokens a chunk may hold that begins at an offset, with a table header repeated or not.
Room = Callable[[int, tuple[int, int] | None], int]

_BLANK_LINE = re.compile(r"\n[^\S\n]*\n")
_LINE = re.compile(r"\S[^\n]*")
_STOPS = ".!?:;…。！？؟।"


def regions(
    document: Document,
    index: TokenIndex,
    places: Places,
    *,
    room: Room,
    target: int,
    smallest: int,
    cross_pages: bool,
) -> Iterator[list[Piece]]:
    """Yield the pieces of each region that is to be packed by itself, in order.

    A region is a section, or the part of it on one page. A heading without text is joined with
    what follows it, a small section with the one below it, and small sections under one parent
    with each other, up to ``target`` tokens.

    Args:
        document: What to cut.
        index: Its tokens.
        places: Its pages and sections.
        room: How many tokens a chunk that begins at an offset may hold.
        target: How many tokens a chunk should hold.
        smallest: Below this many tokens a section is small.
        cross_pages: Whether a paragraph that goes on over a page break may stay together.
    """
    walls = _walls(document, places, cross_pages=cross_pages)
    blocks = _cut_at(document.text, _complete(document), walls)
    pieces: list[Piece] = []
    previous: list[Block] = []
    total = last = 0
    for _, group in groupby(blocks, key=lambda block: bisect_right(walls, block.start)):
        stretch = list(group)
        size = index.count(stretch[0].start, stretch[-1].end)
        if pieces and not _may_join(
            places, previous, stretch, (total, last, size), target=target, smallest=smallest
        ):
            yield pieces
            pieces, previous, total = [], [], 0
        _add_pieces(pieces, previous, stretch, index, room=room, target=target)
        total, last = total + size, size
        previous = stretch
    if pieces:
        yield pieces


def _walls(document: Document, places: Places, *, cross_pages: bool) -> list[int]:
    """Return the offsets that no block may cross, ascending."""
    walls = {0}
    for section in places.sections:
        walls.update((section.start, section.end))
    pages = [page for page in document.pages if page.end > page.start]
    for page, following in zip_longest(pages, pages[1:]):
        if following is None or not (
            cross_pages and _goes_on(document.text, page.end, following.start)
        ):
            walls.add(page.end)
            if following is not None:
                walls.add(following.start)
    return sorted(walls)


def _goes_on(text: str, end: int, start: int) -> bool:
    """Whether what ends before ``end`` seems to be continued at ``start``."""
    before = text[max(end - 200, 0) : end].rstrip()
    after = text[start : start + 200].lstrip()
    return bool(before and after) and before[-1] not in _STOPS and after[0].islower()


def _complete(document: Document) -> Iterator[Block]:
    """Yield the blocks in order, and paragraphs for any text outside of them."""
    position = 0
    for block in document.blocks:
        yield from _paragraphs(document.text, position, block.start)
        if block.end > max(block.start, position):
            yield replace(block, start=max(block.start, position))
        position = max(position, block.end)
    yield from _paragraphs(document.text, position, len(document.text))


def _paragraphs(text: str, start: int, end: int) -> Iterator[Block]:
    if start >= end:
        return
    for match in _BLANK_LINE.finditer(text, start, end):
        yield Block("paragraph", start, match.start())
        start = match.end()
    yield Block("paragraph", start, end)


def _cut_at(text: str, blocks: Iterator[Block], walls: Sequence[int]) -> Iterator[Block]:
    """Yield the blocks trimmed, without blank ones, cut where they cross a wall."""
    for block in blocks:
        start = block.start
        ordinal = bisect_right(walls, start)
        while ordinal < len(walls) and walls[ordinal] < block.end:
            for begin, end in trimmed(text, start, walls[ordinal]):
                yield replace(block, start=begin, end=end)
            start = walls[ordinal]
            ordinal += 1
            block = replace(block, header_end=None)
        for begin, end in trimmed(text, start, block.end):
            yield replace(block, start=begin, end=end)


def _may_join(
    places: Places,
    previous: Sequence[Block],
    stretch: Sequence[Block],
    sizes: tuple[int, int, int],
    *,
    target: int,
    smallest: int,
) -> bool:
    """Whether a stretch may share chunks with what is before it in the region.

    ``sizes`` are the tokens of the region so far, of the last stretch in it, and of this one.
    """
    total, last, size = sizes
    if places.page(stretch[0].start) != places.page(previous[-1].start):
        return False
    section, before = places.section(stretch[0].start), places.section(previous[0].start)
    if section is before:
        return True
    if all(block.kind == "heading" for block in previous):
        return True
    path = section.path if section else ()
    path_before = before.path if before else ()
    if len(path) > len(path_before) and path[: len(path_before)] == path_before:
        return total < smallest
    return path[:-1] == path_before[:-1] and max(last, size) < smallest and total + size <= target


def _add_pieces(
    pieces: list[Piece],
    previous: Sequence[Block],
    stretch: Sequence[Block],
    index: TokenIndex,
    *,
    room: Room,
    target: int,
) -> None:
    """Append the pieces of a stretch to ``pieces``; ``previous`` is the stretch before it."""
    # Pieces far smaller than a chunk only make packing slow: a chunk of 1-token lines.
    crumb = max(room(stretch[0].start, None) // 32, 1)
    before = previous[-1] if previous else None
    for block in stretch:
        if before is None:
            penalty = SECTION
        elif before.kind == "heading":
            penalty = AFTER_HEADING
        elif block is stretch[0]:
            penalty = SECTION
        else:
            penalty = LIST_ITEM if block.kind == "list_item" else BLOCK
            if index.text[before.end - 1] in ":：":
                penalty += AFTER_COLON
        for piece in _block_pieces(block, penalty, index, room=room, target=target):
            last = pieces[-1] if pieces else None
            if (
                last is not None
                and not (block is stretch[0] and piece.penalty == SECTION)
                and block.kind != "heading"
                and last.header == piece.header
                and index.count(piece.start, piece.end) < crumb
                and index.count(last.start, last.end) < crumb
            ):
                pieces[-1] = replace(last, end=piece.end)
            else:
                pieces.append(piece)
        before = block


def _block_pieces(
    block: Block, penalty: float, index: TokenIndex, *, room: Room, target: int
) -> Iterator[Piece]:
    """Yield the pieces of one block; the first costs ``penalty`` to begin with."""
    size = index.count(block.start, block.end)
    if block.kind in ("table", "code"):
        if size <= room(block.start, None):
            yield Piece(block.start, block.end, penalty)
            return
        parts = _lines(index.text, block)
    elif size <= target // 4:
        yield Piece(block.start, block.end, penalty)
        return
    else:
        parts = _sentences(index.text, block)
    for start, end, cost in parts:
        header = None
        if block.header_end is not None and start >= block.header_end:
            header = (block.start, block.header_end)
        if start == block.start:
            cost = penalty
        limit = room(start, header)
        size = index.count(start, end)
        if size <= limit:
            yield Piece(start, end, cost, header)
            continue
        # Cuts are up to a quarter of a part away from even, hence the four fifths.
        count = max(ceil(size / max(limit * 4 // 5, 1)), round(size / target))
        for begin, stop in index.cut(start, end, count):
            yield Piece(begin, stop, cost, header)
            cost = WORD


def _sentences(text: str, block: Block) -> Iterator[tuple[int, int, float]]:
    """Yield the sentences of a block, with what it costs to cut before each."""
    previous_end = block.start
    for start, end in sentence_spans(text, block.start, block.end):
        yield start, end, LINE if "\n" in text[previous_end:start] else SENTENCE
        previous_end = end


def _lines(text: str, block: Block) -> Iterator[tuple[int, int, float]]:
    """Yield the lines of a table or of code, trimmed, with what it costs to cut before each."""
    previous_end = block.start
    for match in _LINE.finditer(text, block.start, block.end):
        if block.kind == "table":
            cost = TABLE_ROW
        elif text.count("\n", previous_end, match.start()) > 1:
            cost = BLOCK
        else:
            cost = CODE_LINE
        previous_end = match.end()
        yield match.start(), match.start() + len(match[0].rstrip()), cost
