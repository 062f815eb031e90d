"""Putting a document together block by block, for formats that are not text themselves."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, zip_longest

from ingest.document import Block, BlockKind, Document, Page
from ingest.errors import TooLargeError
from ingest.structure import normalise_plain, sections_from_headings, title_of

MAX_CHARACTERS = 100_000_000
_LIGATURES = ("ff", "fi", "fl", "ffi", "ffl", "st", "st")
_TRANSLATION: dict[int, str | None] = {
    **{0xFB00 + place: letters for place, letters in enumerate(_LIGATURES)},
    **dict.fromkeys((0xAD, 0x200B, 0x2060, 0xFEFF)),  # soft hyphen, zero-width space, joiner, mark
    **dict.fromkeys((0xA0, 0x2007, 0x202F), " "),  # spaces that do not break
    **dict.fromkeys((0x2028, 0x2029, 0x85), "\n"),
}


@dataclass(slots=True)
class DocumentBuilder:
    """Text so far, with its blocks, headings and pages; blocks are a blank line apart."""

    format: str
    metadata: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    encoding: str | None = None
    _parts: list[str] = field(default_factory=list)
    _length: int = 0
    _blocks: list[Block] = field(default_factory=list)
    _headings: list[tuple[int, int, str]] = field(default_factory=list)
    _page_starts: list[int] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was added yet."""
        return not self._blocks

    def add(self, kind: BlockKind, text: str, *, level: int = 0) -> None:
        """Append a block; a heading has a ``level`` from 1. Lines are tidied except in code."""
        text = tidy_code(text) if kind == "code" else tidy(text)
        if level:
            text = " ".join(text.split())
        if text:
            self.append(kind, text, level=level)

    def append(
        self, kind: BlockKind, text: str, *, level: int = 0, header: int | None = None
    ) -> None:
        """Append a block as it is; ``header`` is the length of a table's header rows."""
        if self._parts:
            self._parts.append("\n\n")
            self._length += 2
        start = self._length
        self._length += len(text)
        if self._length > MAX_CHARACTERS:
            raise TooLargeError(f"it holds more than {MAX_CHARACTERS:,} characters of text")
        self._parts.append(text)
        self._blocks.append(
            Block(kind, start, self._length, None if header is None else start + header)
        )
        if level:
            self._headings.append((start, level, text))

    def add_table(self, rows: Iterable[Sequence[str]], *, header_rows: int = 0) -> None:
        """Append a table, one line a row; ``header_rows`` of its rows name the columns."""
        lines = [table_row(row) for row in rows]
        header = "\n".join(line for line in lines[:header_rows] if line).lstrip()
        text = "\n".join(line for line in lines if line).strip()
        if text:
            has_body = bool(header) and len(header) < len(text)
            self.append("table", text, header=len(header) if has_body else None)

    def begin_page(self) -> None:
        """Let what is added next stand on a new page."""
        self._page_starts.append(self._length)

    def build(self, *, title: str | None = None) -> Document:
        """Return the document; its title is the one given, or the one at its head."""
        text = "".join(self._parts)
        first = title_of(self._headings)
        return Document(
            text=text,
            format=self.format,
            title=tidy_line(title or "") or first,
            pages=tuple(self._pages()),
            sections=sections_from_headings(self._headings, end=len(text)),
            blocks=tuple(self._blocks),
            metadata=tidy_metadata(self.metadata),
            warnings=tuple(self.warnings),
            encoding=self.encoding,
        )

    def _pages(self) -> Iterable[Page]:
        for number, (start, stop) in enumerate(pairwise([*self._page_starts, self._length]), 1):
            # A page begins after the blank line that parts it from the page before.
            begin = min(start + 2, stop) if start and stop > start else start
            yield Page(number, begin, stop)


def table_row(cells: Sequence[str]) -> str:
    """Return the cells as one line, without empty ones at its end."""
    texts = [tidy_line(cell) for cell in cells]
    while texts and not texts[-1]:
        texts.pop()
    return " | ".join(texts)


def names_groups(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names groups of columns, which the second row tells apart."""
    if len(rows) < 3 or any(map(is_number, rows[1])):  # years may name groups
        return False
    groups = [cell for cell in rows[0] if cell.strip()]
    pairs = [pair for pair in zip_longest(*rows[:2], fillvalue="") if any(map(str.strip, pair))]
    return len(set(groups)) < len(groups) and len(set(pairs)) == len(pairs)


def is_number(text: str) -> bool:
    """Whether a cell holds a number, perhaps with a sign, a currency or a percent sign."""
    return text.strip(" +-()$€£¥%").replace(".", "").replace(",", "").isdecimal()


def clean(text: str) -> str:
    """NFC, ligatures spelled out, invisible characters dropped, fixed spaces made plain."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", text.translate(_TRANSLATION))


def tidy(text: str) -> str:
    """Clean text whose line feeds are meant: single spaces, no blank lines, nothing invisible."""
    lines = (" ".join(line.split()) for line in clean(normalise_plain(text)).split("\n"))
    return "\n".join(line for line in lines if line)


def tidy_line(text: str) -> str:
    """Clean text that is to stand on one line."""
    return " ".join(clean(normalise_plain(text)).split()) if text else ""


def tidy_code(text: str) -> str:
    """Keep line breaks and indentation; drop blank lines around."""
    lines = [line.rstrip() for line in normalise_plain(text).split("\n")]
    while lines and not lines[0]:
        del lines[0]
    return "\n".join(lines).rstrip()


def tidy_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Clean the values and leave out empty ones."""
    tidied = {key: tidy_line(value) for key, value in metadata.items()}
    return {key: value for key, value in tidied.items() if value}
