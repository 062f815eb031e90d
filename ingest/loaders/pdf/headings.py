"""Headings of a PDF: its outline found on the pages, or lines that look like headings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from ingest.document import Section

if TYPE_CHECKING:
    from ingest.loaders.pdf.assemble import Located

_MAX_HEADING: Final = 150
_MAX_LEVEL: Final = 8
_DIGITS: Final = re.compile(r"\d+")
_WORD_CHARACTERS: Final = re.compile(r"[\W_]+")
_NUMBERING: Final = re.compile(r"(?:\d{1,3}(?:\.\d{1,3})*|[a-z]|[ivx]{1,5})[.)]?\s+(?=\S)")
_LETTERS: Final = re.compile(r"[^\W\d_]")
_SENTENCE_END: Final = re.compile(r"[.,;][\"”’)]*$")
_BIGGER: Final = 1.15


class OutlineEntry(NamedTuple):
    """An outline entry: 1 is the outermost level; the page is 0-based, the height in points."""

    title: str
    level: int
    page: int | None
    top: float | None = None


class Heading(NamedTuple):
    """A heading found in the text; ``block`` is the index of its block, if it is one of its own."""

    title: str
    level: int
    start: int
    block: int | None = None


def find_headings(
    outline: Sequence[OutlineEntry], blocks: Sequence[Located], pages: int
) -> list[Heading]:
    """Return the headings of a document in order of where they stand.

    The outline decides where it has entries enough; a sparse one gets the headings that the
    type shows below its own.
    """
    from_outline = _locate(outline, blocks)
    if len(from_outline) >= max(3, pages // 4):
        return from_outline
    from_type = _by_type(blocks, pages)
    if not from_outline:
        return from_type
    taken = {heading.block for heading in from_outline}
    merged: list[Heading] = []
    depth = 0
    for heading in sorted(
        [*from_outline, *(h for h in from_type if h.block not in taken)],
        key=lambda h: (h.start, h not in from_outline),
    ):
        if heading in from_outline:
            depth = heading.level
            merged.append(heading)
        else:
            level = min(_MAX_LEVEL, depth + heading.level)
            merged.append(heading._replace(level=level))
    return merged


def sections_of(headings: Sequence[Heading], length: int) -> tuple[Section, ...]:
    """Return the stretches of text under the headings, each with its path."""
    sections: list[Section] = []
    path: list[tuple[int, str]] = []
    for position, heading in enumerate(headings):
        while path and path[-1][0] >= heading.level:
            path.pop()
        path.append((heading.level, heading.title))
        end = headings[position + 1].start if position + 1 < len(headings) else length
        if end > heading.start:
            titles = tuple(title for _, title in path)
            sections.append(Section(titles, len(titles), heading.start, end))
    return tuple(sections)


def largest_text(blocks: Sequence[Located]) -> str | None:
    """Return the text in by far the largest type on the first page that has text, if there is one.

    It is the title as a reader sees it.
    """
    if not blocks:
        return None
    first = [item for item in blocks if item.page == blocks[0].page and item.source.height]
    body = body_height(blocks)
    candidates = [
        item
        for item in first
        if item.source.height >= 1.3 * body
        and item.block.kind != "table"
        and 6 <= len(item.text) <= 200
        and " " in item.text
        and len(_LETTERS.findall(item.text)) >= 5
    ]
    if not candidates or not body:
        return None
    return max(candidates, key=lambda item: item.source.height).text


def body_height(blocks: Sequence[Located]) -> float:
    """Return the height of the type that most of the text is set in; 0 if unknown."""
    weights: Counter[float] = Counter()
    for item in blocks:
        if item.source.height:
            weights[round(item.source.height * 4) / 4] += len(item.text)
    return weights.most_common(1)[0][0] if weights else 0.0


# -- by the outline -------------------------------------------------------------------------------


def _locate(outline: Sequence[OutlineEntry], blocks: Sequence[Located]) -> list[Heading]:
    by_page: dict[int, list[int]] = {}
    for index, item in enumerate(blocks):
        by_page.setdefault(item.page, []).append(index)
    keys: dict[int, str] = {}
    headings: list[Heading] = []
    for entry in outline:
        title = " ".join(entry.title.split())
        if not title or entry.page is None:
            continue
        found = _place(entry, title, by_page, blocks, keys)
        if found is not None:
            index, own = found
            start = blocks[index].block.start
            headings.append(Heading(title, entry.level, start, index if own else None))
    headings.sort(key=lambda heading: heading.start)
    return headings


def _place(
    entry: OutlineEntry,
    title: str,
    by_page: Mapping[int, Sequence[int]],
    blocks: Sequence[Located],
    keys: dict[int, str],
) -> tuple[int, bool] | None:
    """Find the block an entry points to, and whether that block is just the heading."""
    page = entry.page or 0
    wanted = _key(title)
    candidates = by_page.get(page, ())
    for index in candidates:
        if index not in keys:
            keys[index] = _key(blocks[index].text[:300])
    if wanted:
        for index in candidates:
            if keys[index] == wanted:
                return index, True
        for index in candidates:
            if keys[index].startswith(wanted) or (
                len(keys[index]) >= 6 and wanted.endswith(keys[index])
            ):
                return index, len(keys[index]) <= len(wanted) + 8
        for index in candidates:
            if len(wanted) >= 6 and wanted in keys[index]:
                return index, False
    if entry.top is not None:
        for index in candidates:
            if blocks[index].source.height and blocks[index].source.top <= entry.top + 4:
                return index, False
    if candidates:
        return candidates[0], False
    later = [number for number in by_page if number > page]
    return (by_page[min(later)][0], False) if later else None


def _key(text: str) -> str:
    """Return a text's letters and digits, without the number that a heading may begin with."""
    return _WORD_CHARACTERS.sub("", _NUMBERING.sub("", text.casefold()))


# -- by the type ----------------------------------------------------------------------------------


def _by_type(blocks: Sequence[Located], pages: int) -> list[Heading]:
    body = body_height(blocks)
    if not body:
        return []
    running = running_lines(blocks, pages)
    bold_text = sum(len(item.text) for item in blocks if item.source.bold)
    bold_counts = bold_text < 0.3 * sum(len(item.text) for item in blocks)
    found: list[tuple[int, float]] = []
    for index, item in enumerate(blocks):
        source = item.source
        if index in running or not _may_be_heading(item):
            continue
        if index + 1 < len(blocks) and blocks[index + 1].text[:1].islower():
            continue
        if source.height >= _BIGGER * body:
            found.append((index, source.height))
        elif bold_counts and source.bold and source.height >= 0.97 * body:
            found.append((index, body))
    found = _without_cover(found, blocks)
    levels = _levels([height for _, height in found])
    return [
        Heading(blocks[index].text, levels[height], blocks[index].block.start, index)
        for index, height in found
    ]


def _without_cover(
    found: Sequence[tuple[int, float]], blocks: Sequence[Located]
) -> list[tuple[int, float]]:
    """Leave out type that is larger on the first page than anywhere after it.

    A title, or the lines of a cover: everything would stand under them.
    """
    first = blocks[0].page
    later = max((height for index, height in found if blocks[index].page > first), default=0.0)
    if not later:
        return list(found)
    return [
        (index, height)
        for index, height in found
        if blocks[index].page > first or height <= 1.08 * later
    ]


def _may_be_heading(item: Located) -> bool:
    return (
        item.block.kind in ("paragraph", "list_item")
        and not item.source.gapped
        and len(item.source.lines) <= 3
        and 2 <= len(item.text) <= _MAX_HEADING
        and len(_LETTERS.findall(item.text)) >= 2
        and not _SENTENCE_END.search(item.text)
    )


def _levels(heights: Sequence[float]) -> dict[float, int]:
    """Map type heights to levels: the largest is 1; sizes within a twelfth share a level."""
    levels: dict[float, int] = {}
    level, reference = 0, float("inf")
    for height in sorted(set(heights), reverse=True):
        if height < reference * 0.92:
            level, reference = min(level + 1, 4), height
        levels[height] = level
    return levels


def running_lines(blocks: Sequence[Located], pages: int) -> frozenset[int]:
    """Return the blocks at the top or foot of a page that come again on many pages."""
    edges: dict[int, list[int]] = {}
    for index, item in enumerate(blocks):
        edges.setdefault(item.page, []).append(index)
    seen: dict[str, list[int]] = {}
    for indices in edges.values():
        for index in {*indices[:2], *indices[-2:]}:
            text = blocks[index].text
            if len(text) <= _MAX_HEADING:
                seen.setdefault(_DIGITS.sub("#", text.casefold()), []).append(index)
    enough = max(3, pages // 6)
    return frozenset(
        index for indices in seen.values() if len(indices) >= enough for index in indices
    )
