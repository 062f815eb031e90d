"""What loaders share: normalising text, and making sections out of headings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ingest.document import Document, Section

# A title or heading is embedded and looked up with every passage below it; so are those above it.
# What is longer than so many characters is no name, and no path is deeper than so many headings.
_LONGEST_NAME = 300
_DEEPEST = 16
# A title stands at the head of a document: with no more than so many characters before it.
_HEAD = 500
_CONTROLS = {
    code: " " for code in (*range(32), *range(127, 160)) if code not in (0x09, 0x0A, 0x0D, 0x85)
}
_CONTROLS[0x85] = "\n"
_SURROGATE = re.compile("[\ud800-\udfff]")
# Raised signs of numbers, where a document only shows them as such.
SUPERSCRIPTS = str.maketrans("0123456789+-−–()", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁻⁽⁾")
_UNSAFE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def normalise_plain(text: str) -> str:
    r"""Normalise decoded plain text so that offsets in the file stay what they are.

    ``\r\n`` and ``\r`` become ``\n``; every control character becomes one space and every lone
    surrogate one U+FFFD. Nothing else changes.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if _UNSAFE.search(text) is None:
        return text
    text = text.translate(_CONTROLS)
    return _SURROGATE.sub("\ufffd", text)


def sections_from_headings(
    headings: Iterable[tuple[int, int, str]], *, end: int
) -> tuple[Section, ...]:
    """Make sections from headings given as (start, level, title), in order of start.

    Each section runs to the next heading of any level, the last to ``end``. A heading stands
    below those before it that have a lower level; levels that the source leaves out do not count.
    Headings without a title begin no section.
    """
    titled = [(start, level, " ".join(title.split())) for start, level, title in headings]
    found = [heading for heading in titled if heading[2]]
    stops = [start for start, _, _ in found[1:]] + [end]
    sections: list[Section] = []
    above: list[tuple[int, str]] = []
    for (start, level, title), stop in zip(found, stops, strict=False):
        while above and above[-1][0] >= level:
            above.pop()
        above.append((level, title))
        path = tuple(name for _, name in above)
        sections.append(Section(path, len(path), start, stop))
    return tuple(sections)


def title_of(headings: Sequence[tuple[int, int, str]], *, begin: int = 0) -> str | None:
    """Return the title among headings given as (start, level, title): the first one of level 1.

    It must stand at the head of the text, which begins at ``begin``, for a title is embedded with
    every passage: the caption of a figure far down says nothing of the others.
    """
    first = next((heading for heading in headings if heading[1] == 1 and heading[2]), None)
    return first[2] if first is not None and first[0] - begin <= _HEAD else None


def with_short_names(document: Document) -> Document:
    """Shorten the title and the headings that are too long to be names; the text stays whole."""
    title = document.title
    if title is not None and len(title) > _LONGEST_NAME:
        title = _shortened(title)
    sections = document.sections
    if any(
        len(section.path) > _DEEPEST or max(map(len, section.path)) > _LONGEST_NAME
        for section in sections
    ):
        sections = tuple(replace(one, path=_short_path(one.path)) for one in sections)
    return replace(document, title=title, sections=sections)


def _short_path(path: tuple[str, ...]) -> tuple[str, ...]:
    ends = path if len(path) <= _DEEPEST else (*path[: _DEEPEST - 1], path[-1])
    return tuple(name if len(name) <= _LONGEST_NAME else _shortened(name) for name in ends)


def _shortened(name: str) -> str:
    """Cut a name, at a blank if there is one near the end."""
    kept = name[: _LONGEST_NAME - 1]
    at_blank = kept.rpartition(" ")[0].rstrip()
    return f"{at_blank if len(at_blank) > _LONGEST_NAME // 2 else kept}…"


def faults(document: Document) -> list[str]:
    """Return how a document breaks the promises of :class:`~ingest.document.Document`, if it does.

    For tests of loaders: blocks and sections in order and in range, blocks apart from each other
    and over all that is not white space, pages numbered from 1 and in order.
    """
    problems: list[str] = []
    length = len(document.text)
    if _SURROGATE.search(document.text):
        problems.append("a lone surrogate in the text")
    position = 0
    for block in document.blocks:
        if not position <= block.start < block.end <= length:
            problems.append(f"block out of order or range: {block!r}")
        elif document.text[position : block.start].strip():
            problems.append(f"text before {block!r} is in no block")
        if block.header_end is not None and not block.start < block.header_end <= block.end:
            problems.append(f"header outside its table: {block!r}")
        position = block.end
    if document.text[position:].strip():
        problems.append("text after the last block is in no block")
    problems += _disorder(document.sections, length)
    position = 0
    for number, page in enumerate(document.pages, start=1):
        if page.number != number or not position <= page.start <= page.end <= length:
            problems.append(f"page out of order or range: {page!r}")
        position = page.end
    return problems


def _disorder(sections: Sequence[Section], length: int) -> list[str]:
    problems: list[str] = []
    position = 0
    for section in sections:
        if not position <= section.start <= section.end <= length or not section.path:
            problems.append(f"section out of order or range: {section!r}")
        position = section.end
    return problems
