"""Plain text: paragraphs, list items and certain headings, at the offsets of the file."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from ingest.decode import decode
from ingest.document import Block, Document
from ingest.structure import normalise_plain, sections_from_headings

if TYPE_CHECKING:
    from ingest.loader_spec import Source

# Lines up to a blank one, without the white space around them.
_PARAGRAPH: Final = re.compile(r"\S(?:.*\S)?(?:[^\S\n]*\n.*\S)*")
_ITEM: Final = r"(?:[-*•‣◦–]|\(?\d{1,3}[.)]|\(?[a-z][.)])[ \t]+\S"
_ITEM_HERE: Final = re.compile(_ITEM)
_ITEM_LINES: Final = re.compile(rf"\n[ \t]{{0,12}}(?={_ITEM})")
_UNDERLINED: Final = re.compile(
    r"(?P<title>[^\n]{1,120})\n[ \t]*(?P<rule>={3,}|-{3,}|~{3,})[ \t]*(?:\n|\Z)"
)
_UNDERLINE_LEVELS: Final = {"=": 1, "-": 2, "~": 3}
_NUMBERED: Final = re.compile(
    r"(?P<number>\d{1,2}(?:\.\d{1,2}){0,3})[.)]?[ \t]+(?P<name>\S.{1,79})"
)
_LETTERS_IN_NAME: Final = 4


class Heading(NamedTuple):
    """A heading in plain text; ``level`` is 1 for the outermost."""

    start: int
    level: int
    title: str


def load_text(source: Source) -> Document:
    """Load plain text. Offsets are those of the decoded file wherever it has plain line ends."""
    decoded = decode(source.data)
    text = normalise_plain(decoded.text)
    blocks, headings = find_blocks(text)
    begins_with_one = bool(headings) and headings[0].start == blocks[0].start
    return Document(
        text=text,
        format="text",
        title=headings[0].title if begins_with_one and headings[0].level == 1 else None,
        sections=sections_from_headings(headings, end=len(text)),
        blocks=blocks,
        warnings=(decoded.warning,) if decoded.warning else (),
        encoding=decoded.encoding,
    )


def find_blocks(text: str) -> tuple[tuple[Block, ...], list[Heading]]:
    """Find the blocks of plain text, and its headings in order.

    Blank lines part paragraphs. Few signs are taken for a heading, for a wrong one misleads every
    passage below it: a line underlined at about its length, and numbered lines between blank ones
    that count up, in capitals or with text below each.
    """
    blocks: list[Block] = []
    headings: list[Heading] = []
    numbered: list[int] = []
    for match in _PARAGRAPH.finditer(text):
        start, end = match.span()
        underlined = _UNDERLINED.match(text, start, end)
        if underlined and (title := _underlined_title(underlined)):
            rule_end = underlined.end("rule")
            level = _UNDERLINE_LEVELS[underlined["rule"][0]]
            headings.append(Heading(start, level, title))
            blocks.append(Block("heading", start, rule_end))
            rest = _PARAGRAPH.search(text, rule_end, end)
            if rest is None:
                continue
            start = rest.start()
        if "0" <= text[start] <= "9" and _is_numbered_heading(text, start, end):
            numbered.append(len(blocks))
        blocks += _items(text, start, end)
    for index in _counting_up(text, blocks, numbered):
        start, end = blocks[index].start, blocks[index].end
        blocks[index] = Block("heading", start, end)
        title = text[start:end]
        headings.append(Heading(start, _numbers(title).count(".") + 1, title))
    headings.sort()
    return tuple(blocks), headings


def _underlined_title(match: re.Match[str]) -> str | None:
    title = match["title"].strip()
    fits = len(title) <= 2 * len(match["rule"])
    return title if fits and any(map(str.isalnum, title)) else None


def _items(text: str, start: int, end: int) -> Iterator[Block]:
    """Part a paragraph where list items begin; lines after an item belong to it."""
    is_item = _ITEM_HERE.match(text, start, end) is not None
    for match in _ITEM_LINES.finditer(text, start, end):
        stop = start + len(text[start : match.start()].rstrip())
        yield Block("list_item" if is_item else "paragraph", start, stop)
        start, is_item = match.end(), True
    yield Block("list_item" if is_item else "paragraph", start, end)


def _is_numbered_heading(text: str, start: int, end: int) -> bool:
    """Whether a paragraph is one short line with a number before it that is no sentence."""
    if end - start > 100 or not (match := _NUMBERED.fullmatch(text, start, end)):
        return False
    name = match["name"]
    letters = sum(map(str.isalpha, name))
    return not name[0].islower() and letters >= _LETTERS_IN_NAME and name[-1] not in ".:;,!?"


def _counting_up(text: str, blocks: Sequence[Block], indices: Sequence[int]) -> Sequence[int]:
    """Return those of the numbered lines that are headings: they count up, with text below.

    All of them are if they begin with 1 and each has text below; else they might be a list, and
    only those in capitals are, if most of these have text below.
    """
    lines = {index: text[blocks[index].start : blocks[index].end] for index in indices}
    numbers = {index: tuple(map(int, _numbers(lines[index]).split("."))) for index in indices}
    capitals = [index for index in indices if lines[index].isupper()]
    begins = _rising(numbers, indices) and numbers[indices[0]] == (1,)
    if begins and _with_text_below(blocks, indices) == len(indices):
        return indices
    if _rising(numbers, capitals) and 2 * _with_text_below(blocks, capitals) > len(capitals):
        return capitals
    return ()


def _rising(numbers: Mapping[int, tuple[int, ...]], indices: Sequence[int]) -> bool:
    rising = all(numbers[one] < numbers[other] for one, other in itertools.pairwise(indices))
    return rising and len(indices) >= 2


def _with_text_below(blocks: Sequence[Block], indices: Sequence[int]) -> int:
    taken = set(indices)
    return sum(index + 1 < len(blocks) and index + 1 not in taken for index in indices)


def _numbers(line: str) -> str:
    match = _NUMBERED.match(line)
    return match["number"] if match else ""
