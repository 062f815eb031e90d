"""Files that stand in a text as base64, which nobody reads: left out, and told.

One picture of a megabyte would be thousands of passages. It does not matter which format it stood
in: what is looked at is the text that a loader made.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingest.document import Document

LEFT_OUT = "…"
_SIGNS = r"[A-Za-z0-9+/_-]"
# After the head of a data URI; what is shorter is an example of one.
_SHORTEST_DATA = 64
_DATA_URI = re.compile(
    r"data:[\w.+-]{1,80}/[\w.+-]{1,80}(?:;[\w.+=-]{1,80}){0,4},(?P<data>[^\s\"'<>()\\]+)"
)
# Without that head it has to be longer than a key or a token that somebody may look for. It may be
# wrapped, as in mail, in a string of code or in a list of lines.
_SHORTEST_RUN = 2_000
_BETWEEN = r"[\s\"'+,\\>]{1,80}"
# The last line is shorter; it is no word, for it has letters of both cases and digits, or padding.
_NO_WORD = "".join(rf"(?={_SIGNS}{{0,75}}{some})" for some in ("[0-9]", "[a-z]", "[A-Z]"))
_RUN = re.compile(
    rf"(?<!{_SIGNS}){_SIGNS}{{60,}}(?:{_BETWEEN}{_SIGNS}{{60,}})*"
    rf"(?:={{1,2}}|{_BETWEEN}(?:{_SIGNS}{{1,75}}={{1,2}}|{_NO_WORD}{_SIGNS}{{8,75}}(?!{_SIGNS})))?"
)
_DIGIT, _LETTER = re.compile(r"[0-9]"), re.compile("[A-Za-z]")


def without_embedded_files(document: Document) -> Document:
    """Put :data:`LEFT_OUT` in the place of each embedded file, and warn of it.

    Offsets after it are then no longer those of the file.
    """
    spans = _spans(document.text)
    if not spans:
        return document
    parts, position = [], 0
    for start, end in spans:
        parts += [document.text[position:start], LEFT_OUT]
        position = end
    moved = _moved(spans)
    size = sum(end - start for start, end in spans)
    count = "1 embedded file" if len(spans) == 1 else f"{len(spans):,} embedded files"
    return replace(
        document,
        text="".join([*parts, document.text[position:]]),
        pages=tuple(
            replace(page, start=moved(page.start), end=moved(page.end)) for page in document.pages
        ),
        sections=tuple(
            replace(one, start=moved(one.start), end=moved(one.end)) for one in document.sections
        ),
        blocks=tuple(
            replace(
                block,
                start=moved(block.start),
                end=moved(block.end),
                header_end=None if block.header_end is None else moved(block.header_end),
            )
            for block in document.blocks
        ),
        warnings=(
            *document.warnings,
            f"{count} left out of the text ({size:,} characters of base64 or the like)",
        ),
    )


def _spans(text: str) -> list[tuple[int, int]]:
    """Find what is to be left out, in order and disjoint."""
    spans: list[tuple[int, int]] = []
    position = 0
    for start, end in sorted([*_data_uris(text), *_runs(text)]):
        if end > position:
            if spans and start <= position:
                spans[-1] = (spans[-1][0], end)
            else:
                spans.append((start, end))
            position = end
    return spans


def _data_uris(text: str) -> Iterator[tuple[int, int]]:
    if "data:" in text:
        for match in _DATA_URI.finditer(text):
            if match.end("data") - match.start("data") >= _SHORTEST_DATA:
                yield match.span("data")


def _runs(text: str) -> Iterator[tuple[int, int]]:
    if len(text) >= _SHORTEST_RUN:
        for match in _RUN.finditer(text):
            start, end = match.span()
            # Letters alone may be a sequence of genes, digits alone a number.
            if (
                end - start >= _SHORTEST_RUN
                and _DIGIT.search(text, start, end)
                and _LETTER.search(text, start, end)
            ):
                yield start, end


def _moved(spans: list[tuple[int, int]]) -> Callable[[int], int]:
    """Return where an offset is, once each span is :data:`LEFT_OUT`."""
    starts = [start for start, _ in spans]
    removed = [0]
    for start, end in spans:
        removed.append(removed[-1] + end - start - len(LEFT_OUT))

    def moved(offset: int) -> int:
        number = bisect_right(starts, offset - 1)  # spans that begin before it
        if number and offset < spans[number - 1][1]:  # within one: at its end
            return starts[number - 1] - removed[number - 1] + len(LEFT_OUT)
        return offset - removed[number]

    return moved
