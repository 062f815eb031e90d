"""Which page and which section an offset is in."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingest.document import Document, Section
    from ingest.tokens import TokenIndex

_NOT_BLANK = re.compile(r"\S")


class Places:
    """Finds the page and the section of an offset.

    Attributes:
        sections: The document's, except that a few words between the top of a page and the
            first heading on it count with that heading: they are the page's running head, or the
            last words of a section whose chunks cannot reach over the page break.
    """

    __slots__ = ("_document", "_page_starts", "_section_starts", "sections")

    def __init__(self, document: Document, index: TokenIndex, *, few: int) -> None:
        """Prepare; ``few`` is the most tokens that count with a heading below them."""
        self._document = document
        self._page_starts = [page.start for page in document.pages]
        self.sections = self._adopt(document.sections, index, few)
        self._section_starts = [section.start for section in self.sections]

    def page(self, position: int) -> int | None:
        """Return the 1-based page that ``position`` is on, ``None`` without pages."""
        if not self._page_starts:
            return None
        ordinal = max(bisect_right(self._page_starts, position) - 1, 0)
        return self._document.pages[ordinal].number

    def section(self, position: int) -> Section | None:
        """Return the section that ``position`` is in."""
        ordinal = bisect_right(self._section_starts, position) - 1
        if ordinal < 0 or position >= self.sections[ordinal].end:
            return None
        return self.sections[ordinal]

    def starts_section(self, position: int) -> bool:
        """Return whether the text of its section begins at ``position``."""
        section = self.section(position)
        return (
            section is not None
            and _NOT_BLANK.search(self._document.text, section.start, position) is None
        )

    def _adopt(self, sections: tuple[Section, ...], index: TokenIndex, few: int) -> list[Section]:
        adopted: list[Section] = []
        for section in sections:
            ordinal = bisect_right(self._page_starts, section.start) - 1
            top = self._page_starts[ordinal] if ordinal >= 0 else section.start
            if top < section.start and 0 < index.count(top, section.start) <= few:
                if not adopted:
                    section = replace(section, start=top)
                elif adopted[-1].start < top:
                    adopted[-1] = replace(adopted[-1], end=min(adopted[-1].end, top))
                    section = replace(section, start=top)
            adopted.append(section)
        return adopted
