"""Pages of blocks, put together to one normalised text with offsets."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from ingest.document import Block, Page

if TYPE_CHECKING:
    from ingest.loaders.pdf.blocks import PageBlock

_TRANSLATION: Final[dict[int, str | None]] = {
    0xFB00: "ff",
    0xFB01: "fi",
    0xFB02: "fl",
    0xFB03: "ffi",
    0xFB04: "ffl",
    0xFB05: "st",
    0xFB06: "st",
    0x00AD: None,  # soft hyphen
    0x200B: None,  # zero width space
    0xFEFF: None,  # byte order mark
    0xFFFF: None,
    0xFFFE: "-",  # pdfium's mark for a hyphen at the end of a line
    0x0002: "-",
    0xF0B7: "•",  # bullets of the Symbol and Wingdings fonts, which have no Unicode value
    0xF0A7: "▪",
    0xF0D8: "➢",
    **dict.fromkeys((*range(2), *range(3, 32), *range(127, 160)), " "),
}
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_WORD: Final = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_LAST_WORD: Final = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*$")
_HYPHENS: Final = "-\u2010\ufffe\x02\u00ad"
# Scripts that put no space between words: a line break there stands for nothing.
_UNSPACED: Final = re.compile(
    r"[\u2e80-\u303f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]"
)


class Located(NamedTuple):
    """A block with its place in the text and on its page (0-based index)."""

    block: Block
    source: PageBlock
    text: str
    page: int


class Assembled(NamedTuple):
    """A document's text and what stands where in it."""

    text: str
    pages: tuple[Page, ...]
    blocks: tuple[Located, ...]


def normalise(text: str) -> str:
    """Normalise a piece of text: NFC, no ligatures or control characters, single spaces."""
    if not text.isascii() or not text.isprintable():
        if _SURROGATE.search(text):
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        text = unicodedata.normalize("NFC", text.translate(_TRANSLATION))
    return " ".join(text.split())


def assemble(pages: Sequence[Sequence[PageBlock]]) -> Assembled:
    """Join the blocks of all pages, with a blank line between any two."""
    known = _known_words(pages)
    parts: list[str] = []
    located: list[Located] = []
    spans: list[Page] = []
    position = 0
    for index, blocks in enumerate(pages):
        page_start: int | None = None
        end = position
        for block in blocks:
            text, header_end = _text_of(block, known)
            if not text:
                continue
            if located:
                parts.append("\n\n")
                position += 2
            parts.append(text)
            header = None if header_end is None else position + header_end
            placed = Block(block.kind, position, position + len(text), header)
            located.append(Located(placed, block, text, index))
            if page_start is None:
                page_start = position
            position += len(text)
            end = position
        spans.append(Page(index + 1, end if page_start is None else page_start, end))
    return Assembled("".join(parts), tuple(spans), tuple(located))


def _text_of(block: PageBlock, known: frozenset[str]) -> tuple[str, int | None]:
    """Return a block's text, and for a table where its header ends."""
    if block.kind != "table":
        return _join_lines(block.lines, known), None
    rows = [normalise(text) for text, _ in block.lines]
    header = "\n".join(row for row in rows[: block.header_rows] if row)
    return "\n".join(row for row in rows if row), len(header) or None


def _join_lines(lines: Iterable[tuple[str, bool]], known: frozenset[str]) -> str:
    text = ""
    broken = False
    for raw, hyphenated in lines:
        line = normalise(raw.rstrip(_HYPHENS) if hyphenated else raw)
        if not text:
            text = line
        elif broken:
            text = _rejoin(text, line, known)
        elif line and text:
            space = "" if _UNSPACED.match(text[-1]) and _UNSPACED.match(line[0]) else " "
            text = f"{text}{space}{line}"
        broken = hyphenated
    return f"{text}-" if broken else text


def _rejoin(text: str, line: str, known: frozenset[str]) -> str:
    """Join a word that a line break divided, keeping the hyphen where it belongs to the word."""
    before, after = _LAST_WORD.search(text), _WORD.match(line)
    if before is None or after is None:
        return f"{text}-{line}"
    joined = (before.group() + after.group()).casefold()
    hyphened = f"{before.group()}-{after.group()}".casefold()
    if joined in known:
        return text + line
    compound = hyphened in known or "-" in before.group() or "-" in after.group()
    return f"{text}-{line}" if compound or not line[0].islower() else text + line


def _known_words(pages: Sequence[Sequence[PageBlock]]) -> frozenset[str]:
    """Return the words of a document, if any of them is divided by a line break."""
    lines = [line for blocks in pages for block in blocks for line in block.lines]
    if True not in {hyphenated for _, hyphenated in lines}:
        return frozenset()
    text = "\n".join(text for text, _ in lines).casefold()
    for mark in ".,;:()":
        text = text.replace(mark, " ")
    return frozenset(text.split())
