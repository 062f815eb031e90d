"""The pages that a question names."""

from __future__ import annotations

import re

_UNITS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen twenty"
)
_ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth"
    " fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
)
_NUMBERS = {word: number for number, word in enumerate(_UNITS.split(), start=1)}
_NUMBERS |= {word: number for number, word in enumerate(_ORDINALS.split(), start=1)}
# White space is never given back ("*+"): there may be much of it.
_PAGE = re.compile(
    r"\b(?:pages?|seiten?|páginas?)\s*+(?:(?:no\.?|nr\.?|number|#)\s*+)?[(\[]?(\d{1,4})\b"
    rf"|\bpages?\s+({'|'.join(_UNITS.split())})\b"
    r"|\bp\.\s*(\d{1,4})\b"
    r"|\b(\d{1,4})(?:st|nd|rd|th) page\b"
    rf"|\b({'|'.join(_ORDINALS.split())}) (?:cover )?page\b",
    re.IGNORECASE,
)
_FIRST = re.compile(r"\b(?:cover|title|front) page\b", re.IGNORECASE)


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
