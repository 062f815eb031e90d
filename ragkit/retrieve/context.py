"""Hits widened by what stands around them, within a budget of tokens and without repetition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragkit.results import Hit
    from ragkit.store import Store
    from ragkit.store.records import StoredChunk


def widen(
    store: Store,
    found: Sequence[tuple[int, Hit]],
    *,
    tokens: int,
    count: Callable[[str], int],
) -> tuple[Hit, ...]:
    """Grow hits over their neighbours until the budget is spent.

    The best hit gets its text first; those that do not fit into the budget are dropped. What is
    left is shared out from the best hit down: each grows by whole passages, forwards and then
    backwards in turn, as long as they are on its page and in its section, so that a small section
    or a table that was cut comes whole. A hit that another has grown over is part of it.

    Args:
        store: Where the passages are.
        found: Chunk ids with their hits, best first.
        tokens: The budget for all texts together, at least 1.
        count: Counts the tokens of a text.

    Returns:
        Hits in the same order; ``document.text[hit.start:hit.end] == hit.text`` still holds.
    """
    spans: list[_Span] = []
    left = tokens
    for chunk in store.chunks([chunk_id for chunk_id, _ in found]):
        hit = next(hit for chunk_id, hit in found if chunk_id == chunk.id)
        cost = count(chunk.text)
        if cost <= left or not spans:
            spans.append(_Span(hit, chunk))
            left -= cost
    taken = {span.first.id: span for span in spans}
    texts: dict[int, str] = {}
    for number, span in enumerate(spans):
        if span.gone:
            continue
        share = left // (len(spans) - number)
        left -= share - span.grow(store, taken, share, count)
    hits: list[Hit] = []
    for span in spans:
        if span.gone:
            continue
        if span.first is span.last:
            hits.append(span.hit)
            continue
        number = span.first.document_id
        if number not in texts:
            texts[number] = store.document(number).text
        start, end = span.first.start, span.last.end
        text = texts[number][start:end]
        hits.append(replace(span.hit, start=start, end=end, text=text, page=span.first.page))
    return tuple(hits)


class _Span:
    """Consecutive chunks of a document that become one hit."""

    def __init__(self, hit: Hit, chunk: StoredChunk) -> None:
        self.hit = hit
        self.first = chunk
        self.last = chunk
        self.gone = False
        self._heading = chunk.heading

    def grow(
        self, store: Store, taken: dict[int, _Span], room: int, count: Callable[[str], int]
    ) -> int:
        """Take in neighbours; return how many tokens of ``room`` are left."""
        blocked = {1: False, -1: False}
        way = 1
        while not all(blocked.values()):
            if blocked[way]:
                way = -way
                continue
            edge = self.last if way > 0 else self.first
            nearby = store.chunks([edge.id + way])
            cost = count(nearby[0].text) if nearby else 0
            other = taken.get(edge.id + way)
            if (
                not nearby
                or not self._fits(nearby[0])
                or (other is None and cost > room)
                or (other is not None and other.first is not other.last)
            ):
                blocked[way] = True
            else:
                if other is not None:
                    other.gone = True  # its tokens were paid for already
                else:
                    room -= cost
                taken[nearby[0].id] = self
                if way > 0:
                    self.last = nearby[0]
                else:
                    self.first = nearby[0]
            way = -way
        return room

    def _fits(self, chunk: StoredChunk) -> bool:
        return (
            chunk.document_id == self.first.document_id
            and chunk.page == self.first.page
            and chunk.heading == self._heading
        )
