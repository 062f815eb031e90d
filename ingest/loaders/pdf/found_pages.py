"""What either of the two readers finds in a file, before it is put together."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ingest.errors import EncryptedError

if TYPE_CHECKING:
    from ingest.loader_spec import Source
    from ingest.loaders.pdf.blocks import PageBlock
    from ingest.loaders.pdf.headings import OutlineEntry

MAX_PAGES: Final = 20_000
MAX_CHARACTERS: Final = 100_000_000


@dataclass(slots=True)
class Reading:
    """What a reader found in a file; the page numbers are indices from 0.

    Attributes:
        pages: The blocks of each page.
        outline: The entries of the outline.
        metadata: See :func:`~ingest.loaders.pdf.info.read_metadata`.
        warnings: Sentences for the user.
        unmapped: Pages whose fonts do not say which characters their glyphs are.
        incomplete: Pages with text that pdfium leaves out, for want of the font.
        recognised: Pages whose text was recognised from their picture.
    """

    pages: list[list[PageBlock]] = field(default_factory=list)
    outline: list[OutlineEntry] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    unmapped: list[int] = field(default_factory=list)
    incomplete: list[int] = field(default_factory=list)
    recognised: list[int] = field(default_factory=list)

    @property
    def has_text(self) -> bool:
        """Whether any page has a block of text."""
        return any(self.pages)


def password_error(source: Source) -> EncryptedError:
    """Return the error for a file that the source's password, or none, does not open."""
    if source.password:
        return EncryptedError("encrypted, and the given password does not open it")
    return EncryptedError("encrypted: a password is needed")


@contextmanager
def quiet(logger_name: str) -> Iterator[None]:
    """Keep a library's log, one line for each oddity of a damaged file, off the terminal."""
    logger = logging.getLogger(logger_name)
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


def page_list(numbers: Sequence[int]) -> str:
    """Return page numbers for a person: ``"pages 3-7, 9"``."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    shown = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges[:8])
    more = f" and {len(ranges) - 8:,} more ranges" if len(ranges) > 8 else ""
    return f"page{'s' if len(numbers) > 1 else ''} {shown}{more}"
