"""Counting tokens by offset: a whole document is tokenised once, then counted by bisection."""

from __future__ import annotations

import re
import unicodedata
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Protocol, runtime_checkable

# Large enough that cuts between windows are rare, small enough that a tokenizer's own records of
# one window stay in a few megabytes.
_WINDOW = 16_384
# No token counts for more characters than this. Some tokenizers make one "unknown" token of a
# word of any length (base64, say), and none at all of a run of blanks or control characters:
# without a bound a chunk could hold megabytes.
_LONGEST_TOKEN = 16

_CLAUSE_END = re.compile(r"(?:[;:,|]\s+|\t\s*|[，、；：]\s*)")
_BLANK = re.compile(r"\s+")


@runtime_checkable
class Tokenizer(Protocol):
    """What sizes are counted with: usually the tokenizer of the embedding model."""

    def token_starts(self, text: str) -> Sequence[int]:
        """Return where each token of ``text`` starts.

        Code points, ascending; special tokens that the model adds are not counted, and nothing
        is truncated. Tokens that share a character may share a start.
        """
        ...


class TokenIndex:
    """The token starts of one text. Counts may differ by a few from tokenising a span alone."""

    __slots__ = ("_starts", "text")

    def __init__(self, text: str, tokenizer: Tokenizer) -> None:
        self.text = text
        # Code points fit 32 bits; a list of int objects would take nine times the memory.
        self._starts = array("I")
        for begin, end in _windows(text):
            previous = begin
            for offset in tokenizer.token_starts(text[begin:end]):
                start = begin + offset
                if start - previous > _LONGEST_TOKEN:
                    self._starts.extend(range(previous + _LONGEST_TOKEN, start, _LONGEST_TOKEN))
                self._starts.append(start)
                previous = start
            if end - previous > _LONGEST_TOKEN:
                self._starts.extend(range(previous + _LONGEST_TOKEN, end, _LONGEST_TOKEN))

    def ordinal(self, position: int) -> int:
        """Return how many tokens start before ``position``."""
        return bisect_left(self._starts, position)

    def count(self, start: int, end: int) -> int:
        """Return how many tokens start in ``text[start:end]``."""
        return self.ordinal(end) - self.ordinal(start)

    def cut(self, start: int, end: int, parts: int) -> Iterator[tuple[int, int]]:
        """Cut a span into about ``parts`` spans of about equally many tokens, trimmed.

        Each cut falls after a clause, else between words, else between tokens but not inside a
        cluster of combined characters, whichever comes first within a quarter of a part.
        """
        first, last = self.ordinal(start), self.ordinal(end)
        step = (last - first) / parts
        begin = start
        for part in range(1, parts):
            ideal = int(first + part * step)
            if ideal >= last:
                break
            earliest = self._starts[max(first, int(ideal - step / 4))]
            latest = self._starts[ideal]
            cut = _best_cut(self.text, begin, max(earliest, begin + 1), min(latest, end - 1), end)
            if begin < cut < end:
                yield from trimmed(self.text, begin, cut)
                begin = cut
        yield from trimmed(self.text, begin, end)


def cluster_start(text: str, position: int, floor: int, ceiling: int) -> int:
    """Return the place nearest before ``position``, else after it, that cuts no cluster apart.

    Only places between ``floor`` and ``ceiling`` (both excluded) and within 32 characters count;
    where there is none, ``position`` itself is returned.
    """
    backward = range(position, max(floor, position - 32), -1)
    forward = range(position + 1, min(ceiling, position + 32))
    for candidate in chain(backward, forward):
        if not (_continues(text[candidate]) or text[candidate - 1] == "\u200d"):
            return candidate
    return position


def _continues(character: str) -> bool:
    """Whether ``character`` belongs to the one before it: a mark, a joiner, a skin tone."""
    return (
        unicodedata.category(character).startswith("M")
        or character == "\u200d"
        or "\U0001f3fb" <= character <= "\U0001f3ff"
    )


def _best_cut(text: str, begin: int, earliest: int, latest: int, end: int) -> int:
    """Return the best place to cut ``text[begin:end]``, if possible in ``earliest..latest``."""
    for pattern in (_CLAUSE_END, _BLANK):
        ends = [match.end() for match in pattern.finditer(text, earliest - 1, latest)]
        if ends:
            return ends[-1]
    return cluster_start(text, latest, begin, end)


def trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the span without the white space around it, unless nothing is left."""
    stripped = text[start:end].lstrip()
    if stripped:
        begin = end - len(stripped)
        yield begin, begin + len(stripped.rstrip())


def _windows(text: str) -> Iterator[tuple[int, int]]:
    """Yield consecutive windows over ``text``, cut at white space where there is any."""
    begin = 0
    while begin < len(text):
        end = min(begin + _WINDOW, len(text))
        if end < len(text):
            earliest = begin + _WINDOW // 2
            cut = max(text.rfind("\n", earliest, end), text.rfind(" ", earliest, end))
            end = cluster_start(text, end, earliest, len(text)) if cut < 0 else cut
        yield begin, end
        begin = end
