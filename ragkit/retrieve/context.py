"""Hits widened by what stands around them, within a budget of tokens and without repetition."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingest.document import Block, Document
    from ragkit.results import Hit

Count = Callable[[str], int]


def widen(
    hits: Sequence[Hit],
    document_of: Callable[[str], Document | None],
    *,
    tokens: int,
    count: Count,
) -> tuple[Hit, ...]:
    """Grow hits over what stands around them until the budget is spent.

    The hits get their own texts first, best first; those that do not fit into the budget are
    dropped, and the very first one is cut if it is longer than all of it. What is left goes to the
    hits from the best one down. Each first becomes whole: its paragraph, list item or table, then
    its section, over as many pages as that has. Where the section does not fit, the hit grows by
    whole blocks, forwards and backwards in turn, within its section, by half of what is left, so
    that the next ones can grow too. Hits that touch each other then become one.

    Args:
        hits: Passages, best first.
        document_of: Gives the document at a path; a hit whose document is gone, or has changed
            since it was found, stays as it is.
        tokens: The budget for all texts together, at least 1.
        count: Counts the tokens of a text.

    Returns:
        Hits in the same order, none of which overlap; ``document.text[hit.start:hit.end] ==
        hit.text`` still holds, and ``page`` is the one on which a hit begins.
    """
    spans: list[_Span] = []
    left = tokens
    for hit in hits:
        cost = count(hit.text)
        if cost > left and not spans:
            hit = _cut(hit, tokens, count)
            cost = count(hit.text)
        if cost <= left and not any(_overlap(hit, span) for span in spans):
            spans.append(_Span(hit, hit.path, hit.start, hit.end, cost))
            left -= cost
    documents = {hit.path: document_of(hit.path) for hit in hits}
    for span in spans:
        document = documents[span.path]
        if span in spans and document is not None and _unchanged(span.hit, document):
            left = _grow(span, spans, document, left, count)
    return tuple(_as_hit(span, documents[span.path]) for span in spans)


@dataclass(slots=True, eq=False)
class _Span:
    """A stretch of a document that becomes one hit, and its tokens."""

    hit: Hit
    path: str
    start: int
    end: int
    cost: int


def _overlap(hit: Hit, span: _Span) -> bool:
    return hit.path == span.path and hit.start < span.end and span.start < hit.end


def _unchanged(hit: Hit, document: Document) -> bool:
    return document.text[hit.start : hit.end] == hit.text


def _as_hit(span: _Span, document: Document | None) -> Hit:
    if document is None or (span.start, span.end) == (span.hit.start, span.hit.end):
        return span.hit
    page = span.hit.page
    if document.pages:
        place = bisect_right(document.pages, span.start, key=lambda page: page.start) - 1
        page = document.pages[max(0, place)].number
    text = document.text[span.start : span.end]
    return replace(span.hit, start=span.start, end=span.end, text=text, page=page)


def _grow(span: _Span, spans: list[_Span], document: Document, left: int, count: Count) -> int:
    """Grow a span, which may take in others; return how many tokens are left."""
    low, high = _section(span, document)
    inside = [block for block in document.blocks if low < block.end and block.start < high]
    if not inside:
        return left
    wholes = (_blocks_of(span, inside), (inside[0].start, inside[-1].end))
    for start, end in wholes:
        left = _take(span, spans, document, (start, end), left, left, count)
    if (span.start, span.end) == wholes[1]:
        return left
    room = left // 2
    ways = [1, -1]
    while ways:
        way = ways.pop(0)
        edge = _next_block(span, inside, way)
        if edge is None:
            continue
        wanted = (span.start, edge.end) if way > 0 else (edge.start, span.end)
        before = left
        left = _take(span, spans, document, wanted, left, room, count)
        if left != before or (span.start, span.end) == wanted:
            room -= before - left
            ways.append(way)
    return left


def _section(span: _Span, document: Document) -> tuple[int, int]:
    """The section, or sections, in which a span lies; the whole document where it has none."""
    sections = document.sections
    first = bisect_right(sections, span.start, key=lambda section: section.start) - 1
    last = bisect_right(sections, span.end - 1, key=lambda section: section.start) - 1
    low = sections[first].start if first >= 0 else 0
    if last >= 0:
        return low, max(sections[last].end, span.end)
    return low, sections[0].start if sections else len(document.text)


def _blocks_of(span: _Span, blocks: Sequence[Block]) -> tuple[int, int]:
    touched = [block for block in blocks if block.start < span.end and span.start < block.end]
    if not touched:
        return span.start, span.end
    return min(touched[0].start, span.start), max(touched[-1].end, span.end)


def _next_block(span: _Span, blocks: Sequence[Block], way: int) -> Block | None:
    if way > 0:
        return next((block for block in blocks if block.end > span.end), None)
    return next((block for block in reversed(blocks) if block.start < span.start), None)


def _take(
    span: _Span,
    spans: list[_Span],
    document: Document,
    wanted: tuple[int, int],
    left: int,
    room: int,
    count: Count,
) -> int:
    """Make a span as wide as is wanted if that costs no more than ``room``; return what is left.

    It takes in the spans that it meets, but no better one, which has grown as far as it can.
    """
    start, end = min(wanted[0], span.start), max(wanted[1], span.end)
    taken: list[_Span] = []
    while True:
        met = [
            other
            for other in spans
            if other is not span
            and other not in taken
            and other.path == span.path
            and other.start < end
            and start < other.end
        ]
        if not met:
            break
        taken += met
        start = min(start, *(other.start for other in met))
        end = max(end, *(other.end for other in met))
    if (start, end) == (span.start, span.end):
        return left
    cost = count(document.text[start:end])
    more = cost - span.cost - sum(other.cost for other in taken)
    better = spans[: spans.index(span)]
    if more > room or any(
        other in better or not _unchanged(other.hit, document) for other in taken
    ):
        return left
    span.start, span.end, span.cost = start, end, cost
    spans[:] = [other for other in spans if other not in taken]
    return left - more


def _cut(hit: Hit, tokens: int, count: Count) -> Hit:
    """Cut a hit to a number of tokens, between words where there are any."""
    low, high = 1, len(hit.text)
    while low < high:
        middle = (low + high + 1) // 2
        if count(hit.text[:middle]) <= tokens:
            low = middle
        else:
            high = middle - 1
    text = hit.text[:low]
    whole = text[: max(text.rfind(" "), text.rfind("\n"))] if low < len(hit.text) else text
    text = (whole if whole.strip() else text).rstrip()
    return replace(hit, end=hit.start + len(text), text=text)
