"""Where a stretch of a document's text stands on the page of its PDF file.

The text of a page is what the loader made of pdfium's characters: put in order, joined, cleaned. To
find a place again, the page is read once more in the same way, this time keeping which characters
each block is made of, and the two are aligned code point by code point.
"""

from __future__ import annotations

import ctypes
import math
import unicodedata
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from ingest.loaders.pdf.assemble import normalise
from ingest.loaders.pdf.pdfium_reader import read_one_page

if TYPE_CHECKING:
    from ingest.document import Block
    from ingest.loaders.pdf.blocks import PageBlock

_Box: TypeAlias = tuple[float, float, float, float]  # left, top, right, bottom; y downwards
_Folded: TypeAlias = list[tuple[str, int]]  # a letter, and the index that it comes from

_HYPHENS: Final = frozenset("-\u2010\ufffe\x02\u00ad")
_FINE: Final = 64  # steps in a point: pdfium converts to whole numbers
_SAME_LINE: Final = 0.5  # of the lower one's height
_WIDEST_GAP: Final = 1.2  # in heights: wider is another cell
_HEADINGS: Final = 200  # pieces of a table's header that are tried for its merged headings


class TextBox(NamedTuple):
    """A stretch of text on one line, and its box in points from the upper left corner as shown.

    ``start`` and ``end`` are code points of the document's text; ``down`` tells that it is written
    downwards or upwards on the page.
    """

    start: int
    end: int
    left: float
    top: float
    right: float
    bottom: float
    down: bool = False


class PageBoxes(NamedTuple):
    """A page's size as shown, in points, and where its text stands, in the text's order.

    ``found`` is the share of its letters that have a place: 1 unless the page was not read by
    pdfium, or has changed.
    """

    width: float
    height: float
    boxes: tuple[TextBox, ...]
    found: float


class _Glyph(NamedTuple):
    letter: str
    box: _Box
    down: bool


def page_boxes(
    document: Any, page: int, text: str, blocks: Sequence[Block], start: int, end: int
) -> PageBoxes:
    """Find where the text of one page stands.

    Args:
        document: The file, opened by :func:`~ingest.loaders.pdf.pdfium_reader.open_document`.
        page: Number of the page, from 1.
        text: The text of the page, from the first of its blocks to the end of the last.
        blocks: The blocks of the page, in order, with offsets into the document's text.
        start: The first code point to be found, as an offset into the document's text.
        end: Just past the last one.
    """
    glyphs: dict[int, _Glyph] = {}
    rotation = _rotation(document, page - 1)

    def visit(_page: Any, text_page: Any, characters: str) -> None:
        glyphs.update(_glyphs(text_page, characters))

    read = [block for block in read_one_page(document, page - 1, visit) if _has_text(block)]
    size = _place_as_shown(document, page - 1, rotation, glyphs)
    if not blocks:
        return PageBoxes(*size, (), 1.0)
    offset = blocks[0].start
    stretches = [(block, text[block.start - offset : block.end - offset]) for block in blocks]
    places: dict[int, int] = {}
    if len(read) == len(blocks):
        for (block, own), source in zip(stretches, read, strict=True):
            if block.start < end and start < block.end:
                header = 0 if block.header_end is None else block.header_end - block.start
                found = _align_block(own, header, _folded_glyphs([source], glyphs))
                places |= {block.start + index: place for index, place in found.items()}
    else:
        found = _align(_folded(text), _folded_glyphs(read, glyphs))
        places = {offset + index: place for index, place in found.items()}
    first, last = max(start, offset), min(end, offset + len(text))
    letters = {index + first for _, index in _folded(text[first - offset : last - offset])}
    letters = {index for index in letters if index in places or text[index - offset] != "|"}
    kept = {index: places[index] for index in sorted(letters) if index in places}
    share = len(kept) / len(letters) if letters else 1.0
    return PageBoxes(*size, tuple(_lines(kept, glyphs)), share)


def _rotation(document: Any, index: int) -> int:
    page = document[index]
    try:
        return int(page.get_rotation())
    finally:
        page.close()


def _has_text(block: PageBlock) -> bool:
    return any(normalise(text) for text, _ in block.lines)


# -- characters of the page -----------------------------------------------------------------------


def _glyphs(text_page: Any, characters: str) -> Iterator[tuple[int, _Glyph]]:
    """Yield all characters that can be seen, by pdfium's index, with their places in the file."""
    from pypdfium2 import raw

    found = raw.FS_RECTF()
    index = 0
    while index < len(characters):
        letter, place = characters[index], index
        index += 1
        if "\ud800" <= letter < "\udc00" and index < len(characters):
            letter += characters[index]
            letter = letter.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
            index += 1
        if letter.isspace() or not raw.FPDFText_GetLooseCharBox(text_page.raw, place, found):
            continue
        if found.right != found.left and found.top != found.bottom:
            quarters = raw.FPDFText_GetCharAngle(text_page.raw, place) / (math.pi / 2)
            box = (found.left, found.top, found.right, found.bottom)
            yield place, _Glyph(letter, box, round(quarters) % 2 == 1)


def _place_as_shown(
    document: Any, index: int, rotation: int, glyphs: dict[int, _Glyph]
) -> tuple[float, float]:
    """Turn the page back that reading may have turned, and places into those on the shown page."""
    from pypdfium2 import raw

    page = document[index]
    page.set_rotation(rotation)
    page.close()
    page = document[index]
    try:
        width, height = float(page.get_width()), float(page.get_height())
        x, y = ctypes.c_int(), ctypes.c_int()
        steps = (0, 0, round(width * _FINE), round(height * _FINE), 0)
        for place, (letter, box, down) in glyphs.items():
            corners = []
            for corner in (box[:2], box[2:]):
                raw.FPDF_PageToDevice(page.raw, *steps, *corner, ctypes.byref(x), ctypes.byref(y))
                corners.append((x.value / _FINE, y.value / _FINE))
            (one, high), (other, low) = corners
            shown = (min(one, other), min(high, low), max(one, other), max(high, low))
            glyphs[place] = _Glyph(letter, shown, down != (rotation in (90, 270)))
        return width, height
    finally:
        page.close()


def _folded_glyphs(blocks: Sequence[PageBlock], glyphs: dict[int, _Glyph]) -> _Folded:
    folded: _Folded = []
    for block in blocks:
        for row in block.rows:
            for cell in row.cells:
                for start, end in cell.spans:
                    for index in range(start, end):
                        glyph = glyphs.get(index)
                        if glyph is not None:
                            folded += ((one, index) for one in _fold(glyph.letter))
    return folded


def _folded(text: str) -> _Folded:
    return [(one, index) for index, letter in enumerate(text) for one in _fold(letter)]


def _fold(letter: str) -> str:
    """Return what is compared of a letter: ligatures parted, raised digits as plain, no spaces."""
    if letter in _HYPHENS:
        return "-"
    if letter.isascii():
        return "" if letter.isspace() else letter
    return "".join(unicodedata.normalize("NFKD", normalise(letter)).split())


# -- alignment ------------------------------------------------------------------------------------


def _align_block(text: str, header: int, source: _Folded) -> dict[int, int]:
    """Align a block's text with its characters; the header of a table may be put together anew."""
    own = _folded(text)
    if [one for one, _ in own] == [one for one, _ in source]:
        return {index: place for (_, index), (_, place) in zip(own, source, strict=True)}
    if not header:
        return _align(own, source)
    # The rows below are in the order of the page: aligned from the end, they leave the header.
    body = [(one, index) for one, index in own if index >= header and one != "|"]
    rest = [pair for pair in source if pair[0] != "|"]
    letters = [one for one, _ in rest]
    cut = len(rest) - len(body)
    if cut < 0 or letters[cut:] != [one for one, _ in body]:
        return _align(own, source)
    places = {index: place for (_, index), (_, place) in zip(body, rest[cut:], strict=True)}
    return places | _align_header(text[:header], rest[:cut])


def _align_header(text: str, source: _Folded) -> dict[int, int]:
    """Align a heading of each column, in which a heading over several columns comes again."""
    pieces = _pieces(source)
    used: set[int] = set()
    places: dict[int, int] = {}
    position = 0
    for heading in text.split(" | "):
        own = [(one, index + position) for one, index in _folded(heading) if one != "|"]
        position += len(heading) + 3
        chosen = _cover([one for one, _ in own], pieces, used)
        if chosen is None:
            places |= _align(own, source)
            continue
        used.update(chosen)
        letters = [pair for number in chosen for pair in pieces[number]]
        places |= {index: place for (_, index), (_, place) in zip(own, letters, strict=True)}
    return places


def _pieces(source: _Folded) -> list[_Folded]:
    """Part characters where pdfium's do not follow each other: cells, lines and words."""
    pieces: list[_Folded] = []
    before = -2
    for one, place in source:
        if place not in (before, before + 1):
            pieces.append([])
        pieces[-1].append((one, place))
        before = place
    return pieces[:_HEADINGS]


def _cover(letters: list[str], pieces: list[_Folded], used: set[int]) -> list[int] | None:
    """Return pieces, in order, that give these letters: such as are not used yet, where there are."""
    texts = ["".join(one for one, _ in piece) for piece in pieces]
    whole = "".join(letters)
    # What has been covered so far, and the least number of used pieces that this takes.
    best: dict[int, tuple[int, list[int]]] = {0: (0, [])}
    for number, text in enumerate(texts):
        cost = number in used
        for length, (spent, chosen) in sorted(best.items(), reverse=True):
            if text and whole.startswith(text, length):
                reached = length + len(text)
                if reached not in best or spent + cost < best[reached][0]:
                    best[reached] = (spent + cost, [*chosen, number])
    return best[len(whole)][1] if len(whole) in best else None


def _align(own: _Folded, source: _Folded) -> dict[int, int]:
    """Align two texts that are nearly the same; what stands in one alone has no place."""
    left, right = [one for one, _ in own], [one for one, _ in source]
    places: dict[int, int] = {}
    first = 0
    while first < min(len(left), len(right)) and left[first] == right[first]:
        places[own[first][1]] = source[first][1]
        first += 1
    matcher = SequenceMatcher(None, left[first:], right[first:], autojunk=False)
    for here, there, size in matcher.get_matching_blocks():
        for step in range(first, first + size):
            places.setdefault(own[here + step][1], source[there + step][1])
    return places


# -- lines ----------------------------------------------------------------------------------------


def _lines(places: dict[int, int], glyphs: dict[int, _Glyph]) -> Iterator[TextBox]:
    """Join the boxes of code points that stand beside each other on a line."""
    current: TextBox | None = None
    for index, place in places.items():
        glyph = glyphs[place]
        box = TextBox(index, index + 1, *glyph.box, glyph.down)
        if current is not None and _goes_on(current, box):
            current = TextBox(
                current.start,
                index + 1,
                min(current.left, box.left),
                min(current.top, box.top),
                max(current.right, box.right),
                max(current.bottom, box.bottom),
                current.down,
            )
            continue
        if current is not None:
            yield current
        current = box
    if current is not None:
        yield current


def _goes_on(one: TextBox, other: TextBox) -> bool:
    if one.down != other.down:
        return False
    if one.down:
        one, other = _across(one), _across(other)
    height = min(one.bottom - one.top, other.bottom - other.top)
    overlap = min(one.bottom, other.bottom) - max(one.top, other.top)
    gap = max(other.left - one.right, one.left - other.right)
    return overlap > _SAME_LINE * height and gap < _WIDEST_GAP * max(
        one.bottom - one.top, other.bottom - other.top
    )


def _across(box: TextBox) -> TextBox:
    return box._replace(left=box.top, top=box.left, right=box.bottom, bottom=box.right)
