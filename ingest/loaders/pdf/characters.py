"""What stands where on a PDF page: pdfium's characters as located fragments.

pdfium gives the text of a page in the order of its content stream, with line breaks of its own.
That is fast and nearly always right; where a character stands costs a foreign call each. So the
place of a line is taken from its first and last character, and the places between words are only
looked at in lines that may hold a wide gap (table rows, two columns on one line).
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from ingest.loaders.pdf.glyphs import Box, Glyphs, is_column, is_vertical, turns_of_text
from ingest.loaders.pdf.superscripts import part_notes, with_superscripts

# pdfium marks a hyphen at the end of a line with U+FFFE and swallows the line break after it.
_LINE: Final = re.compile(r"[^\r\n\ufffe\x02]+[\ufffe\x02]?|[\ufffe\x02]")
# Between words: spaces, or a leader of five dots or more, as in tables of contents.
_LEADER: Final = r"[\s\u00a0]*(?:[.\u2026\u00b7][\s\u00a0]?){5,}[\s\u00a0]*"
_SPACES: Final = re.compile(r"[\s\u00a0]+")
_BREAKS: Final = re.compile(rf"{_LEADER}|[\s\u00a0]+")
_ANYWHERE: Final = re.compile(rf"{_BREAKS.pattern}|(?<=\S)(?=\S)")
_LEADERS: Final = re.compile(_LEADER)
_RIGHT_TO_LEFT: Final = re.compile(r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_NUMERIC_END: Final = re.compile(r"[\d—–%)*-][)%]*\s*$")

_MAX_HEADING_LINE: Final = 110
_RAISED: Final = "⁰¹²³⁴⁵⁶⁷⁸⁹"
# Lines so near to a table row may be rows with narrow gaps, such as its header.
_BESIDE: Final = 2
_WIDE_GAP: Final = 1.05
_NARROW_GAP: Final = 0.7
_REPEATED: Final = 4
_HYPHEN_MARKS: Final = "\ufffe\x02"
_LEFT_SPACE: Final = " \t\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"


class Fragment(NamedTuple):
    """A stretch of text on one line, with no wide gap in it.

    Coordinates are PDF points, y upwards; the box is the font's, so all text of one font and size
    on a line has the same ``bottom`` and ``top``. All four are 0 where there is no horizontal
    geometry (``placed`` is false then): rotated text, or a font without measures. ``spans`` are
    the stretches of pdfium's characters that it was made of, half-open; empty for recognised text.
    """

    text: str
    left: float
    bottom: float
    right: float
    top: float
    bold: bool = False
    hyphenated: bool = False
    placed: bool = True
    spans: tuple[tuple[int, int], ...] = ()

    @property
    def height(self) -> float:
        """Height of the font's box, a little more than the font size."""
        return self.top - self.bottom


class _Line(NamedTuple):
    start: int
    end: int
    text: str
    hyphenated: bool
    first: Box
    last: Box


def read_characters(raw: Any, text_page: Any) -> str:
    """Return a text page's characters, one code point for each of pdfium's characters.

    Characters without a Unicode value are NUL, and characters beyond the first plane are two
    surrogates, so that an index into the string is an index into the page's characters.
    """
    count = raw.FPDFText_CountChars(text_page)
    if count <= 0:
        return ""
    # Twice the characters: each may take two words. And one for the terminator.
    buffer = (ctypes.c_ushort * (2 * count + 1))()
    written = raw.FPDFText_GetText(text_page, 0, count, buffer) - 1
    text = bytes(memoryview(buffer)[: max(0, written)]).decode("utf-16-le", errors="surrogatepass")
    if len(text) == count:
        return text
    if written == count:
        return "".join(map(chr, buffer[:written]))
    # Some characters were left out or inserted: ask for each one.
    values = (raw.FPDFText_GetUnicode(text_page, index) for index in range(count))
    return "".join(chr(value) if value < 0x110000 else "\x00" for value in values)


def read_fragments(raw: Any, text_page: Any, characters: str, page_width: float) -> list[Fragment]:
    """Return the text of a page in pdfium's order, cut at line ends, wide gaps and jumps.

    ``characters`` are those that :func:`read_characters` gives for the text page.
    """
    glyphs = Glyphs(raw, text_page, page_width)
    glyphs.turns = turns_of_text(characters, glyphs) or 0
    glyphs.vertical = not glyphs.turns and is_vertical(characters, glyphs)
    characters = with_superscripts(characters, glyphs.box)
    lines = list(_measured_lines(characters, glyphs))
    if glyphs.vertical:
        lines = _from_the_right(lines)
    narrow = _typical_width(lines)
    shared_gutter = _crosses_gutter(lines, glyphs, characters, page_width)
    fragments: list[Fragment] = []
    cut = [_fragments_of(line, glyphs, characters, narrow, shared_gutter) for line in lines]
    in_table = [len(pieces) > 1 for pieces in cut]
    for place, line in enumerate(lines):
        pieces = cut[place]
        beside = any(in_table[max(0, place - _BESIDE) : place + _BESIDE + 1])
        if beside and pieces[0].placed and line.end - line.start <= _MAX_HEADING_LINE:
            pieces = _fragments_of(line, glyphs, characters, 0.0, shared_gutter, _NARROW_GAP)
        if fragments and _goes_on(fragments[-1], pieces[0]):
            before = fragments.pop()
            joined = f"{before.text} {pieces[0].text}"
            spans = before.spans + pieces[0].spans
            pieces[0] = pieces[0]._replace(text=joined, left=before.left, spans=spans)
        fragments += pieces
    texts = part_notes([fragment.text for fragment in fragments])
    return [
        fragment if text is fragment.text else fragment._replace(text=text)
        for fragment, text in zip(fragments, texts, strict=True)
    ]


def _goes_on(one: Fragment, other: Fragment) -> bool:
    """Tell whether pdfium broke a line after a raised digit that ends it."""
    return (
        one.placed
        and other.placed
        and one.text[-1] in _RAISED
        and abs(one.bottom - other.bottom) < 0.1 * one.height
        and -0.1 * one.height < other.left - one.right < 0.5 * one.height
    )


def _measured_lines(characters: str, glyphs: Glyphs) -> Iterator[_Line]:
    spans: Iterable[tuple[int, int]] = (match.span() for match in _LINE.finditer(characters))
    if glyphs.vertical:
        spans = [column for span in spans for column in _single_columns(*span, characters, glyphs)]
    for start, end in spans:
        text = characters[start:end]
        hyphenated = text[-1] in _HYPHEN_MARKS
        stripped = text.rstrip(_LEFT_SPACE + "\x00")
        start += len(text) - len(text.lstrip(_LEFT_SPACE + "\x00"))
        end -= len(text) - len(stripped)
        if start < end:
            yield _Line(
                start,
                end,
                characters[start:end],
                hyphenated,
                glyphs.box(start),
                glyphs.box(end - 1),
            )


def _single_columns(
    start: int, end: int, characters: str, glyphs: Glyphs
) -> Iterator[tuple[int, int]]:
    """Part columns that pdfium takes for one line."""
    if not is_column(characters[start:end], glyphs, start):
        yield start, end
        return
    before = glyphs.box(start)
    for index in range(start + 1, end):
        if characters[index].isspace():
            continue
        box = glyphs.box(index)
        height = box[1] - box[3]
        if abs(box[1] - before[1]) > 0.8 * height or box[0] < before[0] - height:
            yield start, index
            start = index
        before = box
    yield start, end


def _from_the_right(lines: Sequence[_Line]) -> list[_Line]:
    """Order columns that begin at one height from right to left; pdfium gives them the other way."""
    ordered: list[_Line] = []
    run: list[_Line] = []
    for line in lines:
        if run and abs(run[0].first[0] - line.first[0]) > 0.5 * (line.first[1] - line.first[3]):
            ordered += sorted(run, key=lambda line: -line.first[1])
            run = []
        run.append(line)
    return ordered + sorted(run, key=lambda line: -line.first[1])


def _typical_width(lines: Sequence[_Line]) -> float:
    """Average width of a character in font heights, as in the page's tightest long lines."""
    ratios = sorted(
        (line.last[2] - line.first[0]) / ((line.end - line.start) * height)
        for line in lines
        if line.end - line.start >= 15 and (height := line.first[1] - line.first[3]) > 0.5
    )
    if not ratios:
        return 0.42
    return min(0.55, max(0.3, ratios[len(ratios) // 4]))


def _crosses_gutter(
    lines: Sequence[_Line], glyphs: Glyphs, characters: str, page_width: float
) -> bool:
    """Tell whether lines run across two columns, from a sample of the page's widest lines."""
    crossing = [
        line
        for line in lines
        if line.first[0] < 0.42 * page_width < 0.58 * page_width < line.last[2]
        and line.end - line.start > 30
    ]
    if len(crossing) < 5:
        return False
    sample = [crossing[round(i * (len(crossing) - 1) / 4)] for i in range(5)]
    wide = 0
    for line in sample:
        height = line.first[1] - line.first[3]
        middle = [
            match.span()
            for match in _SPACES.finditer(characters, line.start, line.end)
            if 0.25 < (match.start() - line.start) / (line.end - line.start) < 0.75
        ]
        wide += any(
            glyphs.box(after)[0] - glyphs.box(before - 1)[2] > 0.9 * height
            for before, after in middle
        )
    return wide >= 3


def _fragments_of(
    line: _Line,
    glyphs: Glyphs,
    characters: str,
    narrow: float,
    shared_gutter: bool,
    widest: float = _WIDE_GAP,
) -> list[Fragment]:
    left, top, _, bottom = line.first
    right, last_bottom = line.last[2], line.last[3]
    height = top - bottom
    last_height = line.last[1] - last_bottom
    if height < 0.85 * last_height and (height <= 0.1 or line.last[1] > bottom > last_bottom):
        # The first character is an odd space, or the number of a footnote: the last one speaks
        # for all.
        top, bottom, height = line.last[1], last_bottom, last_height
    if height <= 0.1:
        return [_unplaced(line)]
    count = line.end - line.start
    jumps = abs(last_bottom - bottom) > 0.5 * height
    if (jumps or right <= left) and (
        glyphs.vertical
        or glyphs.quarter_turns(line.start) != glyphs.turns
        or (line.end - line.start > 2 and is_column(line.text, glyphs, line.start))
    ):
        return [_unplaced(line)]
    excess = right - left - narrow * count * height
    # Bold matters for headings only: not worth asking in long lines, or amid a sentence.
    bold = (
        count <= _MAX_HEADING_LINE
        and not line.text[0].islower()
        and glyphs.is_bold(line.start)
        and glyphs.is_bold(line.end - 1)
    )
    plain = not (
        jumps
        or shared_gutter
        or _has_leader(line.text)
        # Drawn twice, it may be read as one line that goes on where it began.
        or (count > _REPEATED and line.text.startswith(line.text[:_REPEATED], (count + 1) // 2))
        or excess > 1.2 * height + 0.06 * (right - left)
        or (excess > (0 if count < 70 else height) and _NUMERIC_END.search(line.text) is not None)
    )
    if plain or not (line.text.isascii() or _RIGHT_TO_LEFT.search(line.text) is None):
        return [
            Fragment(
                line.text,
                min(left, line.last[0]),
                bottom,
                max(right, line.first[2]),
                top,
                bold,
                line.hyphenated,
                spans=((line.start, line.end),),
            )
        ]
    # What stands right below the text before it, pdfium reads on as one word.
    breaks = _ANYWHERE if jumps else _BREAKS if _has_leader(line.text) else _SPACES
    return list(_cut(line, top, bottom, glyphs, characters, bold, shared_gutter, widest, breaks))


def _cut(
    line: _Line,
    top: float,
    bottom: float,
    glyphs: Glyphs,
    characters: str,
    bold: bool,
    shared_gutter: bool,
    widest: float,
    breaks: re.Pattern[str],
) -> Iterator[Fragment]:
    """Cut a line where the next word stands far to the right, or on another line altogether."""
    start = line.start
    left = line.first[0]
    for match in breaks.finditer(characters, line.start, line.end):
        before, after = match.span()
        if after == line.end or before == start:
            # A leader at an end of the line: it leads to or from nothing on this line.
            if before > start:
                text, spans = characters[start:before], ((start, before),)
                yield Fragment(text, left, bottom, line.last[2], top, bold, spans=spans)
                return
            continue
        next_left, next_top, _, next_bottom = next_box = glyphs.box(after)
        last_left, last_top, last_right, last_bottom = glyphs.box(before - 1)
        height = max(last_top - last_bottom, next_top - next_bottom)
        if next_top - next_bottom <= 0.1 or last_top - last_bottom <= 0.1:
            continue
        numbers = _is_number_edge(characters[before - 1]) and _is_number_edge(characters[after])
        gap = next_left - last_right
        overlap = min(last_top, next_top) - max(last_bottom, next_bottom)
        jumped = overlap < 0.15 * min(last_top - last_bottom, next_top - next_bottom)
        leader = after - before >= 5 and not match.group().isspace()
        wide = leader or (
            after > before
            and gap > (0.55 if numbers else min(0.85, widest) if shared_gutter else widest) * height
        )
        if not (jumped or wide or gap < -3 * height):
            continue
        stacked = after == before and abs(next_left - last_left) < 0.5 * height
        if stacked and characters[before - 1].isalpha() and characters[after].isalpha():
            # A word written downwards, not values below each other.
            continue
        text, spans = characters[start:before], ((start, before),)
        yield Fragment(text, left, bottom, last_right, top, bold, spans=spans)
        start = after
        left, top, _, bottom = next_box
    yield Fragment(
        characters[start : line.end],
        left,
        bottom,
        line.last[2],
        top,
        bold,
        line.hyphenated,
        spans=((start, line.end),),
    )


def _has_leader(text: str) -> bool:
    return "....." in text or ". . . ." in text or "……" in text or "····" in text


def _unplaced(line: _Line) -> Fragment:
    spans = ((line.start, line.end),)
    return Fragment(line.text, 0.0, 0.0, 0.0, 0.0, False, line.hyphenated, False, spans)


def _is_number_edge(character: str) -> bool:
    return character.isdigit() or character in "$€£¥()%—–-.,*+"
