"""What a question says about where to look: page numbers and years. Boosts, never filters.

For documents that it names see :mod:`ragkit.retrieve.named_documents`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ragkit.language import lists

_COUNTS = lists.values("number_words", "english")
_ORDINALS = lists.values("number_words.ordinals", "english")
_NUMBERS = {**_COUNTS, **_ORDINALS}
# White space is never given back ("*+"): there may be much of it.
PAGE_NUMBER = (
    rf"\b{lists.alternatives('documents.pages')}\s*+"
    r"(?:(?:no\.?|nr\.?|number|#)\s*+)?[(\[]?(\d{1,4})\b"
)
_PAGE = re.compile(
    rf"{PAGE_NUMBER}"
    rf"|\bpages?\s+({'|'.join(_COUNTS)})\b"
    r"|\bp\.\s*(\d{1,4})\b"
    r"|\b(\d{1,4})(?:st|nd|rd|th) page\b"
    rf"|\b({'|'.join(_ORDINALS)}) (?:cover )?page\b",
    re.IGNORECASE,
)
_FIRST = re.compile(r"\b(?:cover|title|front) page\b", re.IGNORECASE)
_YEAR = re.compile(r"(?<![\d.,-])(?:fy\s?|fiscal\s)?((?:19|20)\d\d)(?![\d,%]|\.\d)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Hints:
    """Where the question says to look: 1-based pages, years, and documents.

    ``documents`` maps the ids of those that it names to what their passages gain.
    """

    pages: frozenset[int] = frozenset()
    years: frozenset[str] = frozenset()
    documents: Mapping[int, float] = field(default_factory=dict)


def find_pages(text: str) -> frozenset[int]:
    """Read page numbers, 1-based, out of a question; a cover is page 1.

    >>> sorted(find_pages("What is the date on page fourteen?"))
    [14]
    """
    pages = set()
    for match in _PAGE.finditer(text):
        found = next(group for group in match.groups() if group)
        pages.add(int(found) if found.isdecimal() else _NUMBERS[found.casefold()])
    if not pages and _FIRST.search(text):
        pages.add(1)
    return frozenset(pages - {0})


def find_hints(question: str) -> Hints:
    """Read page numbers and years out of a question.

    >>> sorted(find_hints("What is the date on page fourteen?").pages)
    [14]
    >>> sorted(find_hints("Revenue in FY2021 and 2022?").years)
    ['2021', '2022']
    """
    return Hints(find_pages(question), frozenset(_YEAR.findall(question)))


def names_year(years: frozenset[str], *texts: str) -> bool:
    """Whether one of the texts, such as a file's name and title, names one of the years."""
    return any(year in text for text in texts for year in years)
