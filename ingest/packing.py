"""Which consecutive pieces of a text make one chunk: the cheapest way to cut, found exactly.

The cost of a cut is the sum over its chunks of how far their size is from the target, plus what
each boundary costs (nothing between sections, much inside a word). A dynamic programme finds the
minimum, as in breaking a paragraph into lines, so sizes come out even instead of full, full,
full, rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# What it costs to end a chunk before a piece, in units of the size cost: 1 is a chunk's worth of
# being empty. The order is what matters: section, block, list item, row, line, sentence, clause
# or word.
SECTION = 0.0
BLOCK = 0.02
LIST_ITEM = 0.1
TABLE_ROW = 0.1
LINE = 0.1  # a sentence that begins on a new line
CODE_LINE = 0.2
SENTENCE = 0.25
WORD = 1.0
# Between a heading and what it heads, and between "as follows:" and what follows.
AFTER_HEADING = 4.0
AFTER_COLON = 0.3


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text that is not cut if that can be helped.

    Attributes:
        start: Where it begins, not at white space.
        end: Just past its last character that is not white space.
        penalty: What it costs to begin a chunk with it.
        header: Span of the table header that has to be repeated if a chunk begins here.
    """

    start: int
    end: int
    penalty: float
    header: tuple[int, int] | None = None


def size_cost(tokens: int, target: int) -> float:
    """Return how bad a chunk of ``tokens`` is: 0 at the target, 1 when empty or twice as large."""
    return ((tokens - target) / target) ** 2


def pack(
    pieces: Sequence[Piece],
    *,
    spans: Sequence[tuple[int, int]],
    rooms: Sequence[int],
    target: int,
) -> list[tuple[int, int]]:
    """Group consecutive pieces into chunks.

    Args:
        pieces: In order.
        spans: For each piece, the ordinals of its first token and of the one past its last.
        rooms: For each piece, how many tokens a chunk that begins with it may hold.
        target: How many tokens a chunk should hold.

    Returns:
        Half-open index ranges into ``pieces``, covering all of them in order. A piece that is
        too large by itself makes a chunk by itself.
    """
    count = len(pieces)
    widest = max(rooms, default=0)
    sizes = [size_cost(tokens, target) for tokens in range(widest + 1)]
    # best[j]: the least cost of cutting pieces[:j]; begins[j]: where its last chunk begins.
    best = [0.0] * (count + 1)
    begins = [0] * (count + 1)
    # The cost of everything before a chunk that begins at i, the boundary included.
    before = [0.0] * count
    for end in range(1, count + 1):
        last = end - 1
        before[last] = best[last] + (pieces[last].penalty if last else 0.0)
        past = spans[last][1]
        tokens = past - spans[last][0]
        cheapest = before[last] + (sizes[tokens] if tokens <= widest else size_cost(tokens, target))
        begin = last
        for candidate in range(last - 1, -1, -1):
            tokens = past - spans[candidate][0]
            if tokens > widest:
                break
            if tokens <= rooms[candidate]:
                cost = before[candidate] + sizes[tokens]
                if cost < cheapest:
                    cheapest, begin = cost, candidate
        best[end] = cheapest
        begins[end] = begin
    groups: list[tuple[int, int]] = []
    end = count
    while end:
        groups.append((begins[end], end))
        end = begins[end]
    groups.reverse()
    return groups
