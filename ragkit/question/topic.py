"""What a question is about, apart from where it says to look and what it asks of documents."""

from __future__ import annotations

import re

from ragkit.language import lists, words
from ragkit.question.pages import PAGE_NUMBER
from ragkit.question.parts import READ_CHARACTERS

_PAGE = re.compile(rf"{PAGE_NUMBER}[)\]]?", re.IGNORECASE)
_FISCAL_YEAR = re.compile(r"\bfy[\s'’]?(?=(?:19|20)\d\d\b)", re.IGNORECASE)

# Words that speak of documents and their parts, or order and count things, rather than name one.
_OF_DOCUMENTS = frozenset(
    words.stem(word)
    for word in lists.words("documents.words_of")
    | lists.words("number_words", "english")
    | lists.words("number_words.ordinals", "english")
)

# Between things that need not stand together: "in Europe and in Japan", "lower than that of".
_BESIDE = re.compile(rf"[,;+]|\b{lists.alternatives('asking.beside')}\b", re.IGNORECASE)


def topic_of(question: str) -> str:
    """Return a question without page numbers, which say where to look, and years without "FY".

    Of an endless question, only the beginning.

    >>> topic_of("What was the profit in FY2021, on page 3?")
    'What was the profit in 2021, on page?'
    """
    return _PAGE.sub("page", _FISCAL_YEAR.sub("", question[:READ_CHARACTERS]))


def topic_terms(topic: str) -> frozenset[str]:
    """Return the terms of what :func:`topic_of` left, without those that speak of documents."""
    return words.terms(topic) - _OF_DOCUMENTS


def apart(topic: str) -> list[str]:
    """Cut a topic where it sets things beside each other.

    >>> apart("Is the Heron dearer in Norway than in Japan?")
    ['Is the Heron dearer in Norway ', ' in Japan?']
    """
    return _BESIDE.split(topic)


def words_of(topic: str) -> tuple[tuple[str, frozenset[str]], ...]:
    """Return the words of a topic as they are written, each once, with its terms."""
    written = dict.fromkeys(match[0] for match in words.WORD.finditer(topic))
    return tuple((word, terms) for word in written if (terms := words.terms(word)))
