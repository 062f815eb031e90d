"""The pages that a question names."""

from __future__ import annotations

import re

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
_SEVERAL = lists.pattern("documents.several_pages")
# What goes on from the first of several pages, to the last of a span or to another one.
_MORE = re.compile(
    rf"\s*+(?:({lists.alternatives('dates.to')})|[,&]|{lists.alternatives('dates.and')})\s*+(\d{{1,4}})\b",
    re.IGNORECASE,
)
_MOST_PAGES = 50  # of a span
_FIRST = re.compile(r"\b(?:cover|title|front) page\b", re.IGNORECASE)


def find_pages(text: str) -> frozenset[int]:
    """Read page numbers, 1-based, out of a question; a cover is page 1.

    >>> sorted(find_pages("What is the date on page fourteen?"))
    [14]
    >>> sorted(find_pages("What do pages 3-5 and 9 say?"))
    [3, 4, 5, 9]
    """
    pages = set()
    for match in _PAGE.finditer(text):
        found = next(group for group in match.groups() if group)
        last = int(found) if found.isdecimal() else _NUMBERS[found.casefold()]
        pages.add(last)
        end = match.end() if _SEVERAL.search(match[0]) else len(text)
        while more := _MORE.match(text, end):
            end, next_one = more.end(), int(more[2])
            if more[1] and last < next_one <= last + _MOST_PAGES:
                pages.update(range(last, next_one))
            pages.add(next_one)
            last = next_one
    if not pages and _FIRST.search(text):
        pages.add(1)
    return frozenset(pages - {0})
