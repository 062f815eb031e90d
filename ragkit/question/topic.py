"""What a question is about, apart from how it wants its answer written."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet

from ragkit.language import lists, words
from ragkit.question.pages import PAGE_NUMBER
from ragkit.question.parts import READ_CHARACTERS

# A further sentence such as "Round your answer to two decimals." or "Give me an integer."
_INSTRUCTION = re.compile(
    r"(?:(?<=[.?!])|(?<=\n)|(?<=\s\s))\s*+(?:please\s+)?"
    rf"{lists.alternatives('answer_form.verbs')}\b"
    rf"(?=[^.?!]*\b{lists.alternatives('answer_form.forms')}\b).*\Z",
    re.IGNORECASE | re.DOTALL,
)
# What is left without it must ask something: "I have a P-310. List its parts in order." does not.
_ASKS = re.compile(rf"[?？]|\b{lists.alternatives('asking.requests')}\b", re.IGNORECASE)
_EXAMPLE = re.compile(
    r"\(?(?:,\s*)?\b(?:for example|e\.g\.|like|such as)\W*\[[^\]]*\]\)?"
    r"|\b(?:(?:as|in) )?Y{2,4}[-/. ]M{2}(?:[-/. ]D{2})?\b",
    re.IGNORECASE,
)
_PAGE = re.compile(rf"{PAGE_NUMBER}[)\]]?", re.IGNORECASE)
_POSSESSIVE = re.compile(r"['’]s\Z")
_FISCAL_YEAR = re.compile(r"\bfy[\s'’]?(?=(?:19|20)\d\d\b)", re.IGNORECASE)

# Words that speak of documents and their parts, or order and count things, rather than name one.
_OF_DOCUMENTS = frozenset(
    words.stem(word)
    for word in lists.words("answer_form.documents")
    | lists.words("number_words", "english")
    | lists.words("number_words.ordinals", "english")
)

# Between things that need not stand together: "in Europe and in Japan", "lower than that of".
_BESIDE = re.compile(rf"[,;+]|\b{lists.alternatives('asking.beside')}\b", re.IGNORECASE)
# What only the eye can tell; a colour alone may well be told in words ("the LED turns red").
_SEEN = lists.pattern("answer_form.looks", "english")

_LETTERS = r"[A-Z](?:[\w-]|['’](?!s\b))*"
_NAME = rf"(?P<name>(?:{_LETTERS}\.? ){{0,3}}{_LETTERS}?)"
_SAYING = lists.alternatives("saying")
# Not forms that are mostly nouns: nobody need have said "Leave request" or "Tesla claims".
_SAID = rf"(?:{_SAYING}(?:ed|ing)|{lists.alternatives('saying.third_person')}e?s|said|says?)"
_WILL_SAY = lists.alternatives("saying.auxiliaries")
# Whoever is reported to say something. Capitals tell names, so only what is around them may vary.
_SPEAKERS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b[Aa]ccording to {_NAME}(?:(?![\w’'-])|['’]s (?:statements?|views?|words|opinion)\b)",
        rf"\b{_WILL_SAY} (?:\w+ly )?(?:the )?{_NAME} (?:\w+ly )?(?:{_SAYING}e?|say)\b",
        rf"\b(?<![A-Z] ){_NAME} (?:\w+ly )?{_SAID}\b",
        rf"\b{_SAID} by {_NAME}(?![\w’'-])",
        # Not "Acme's postal address" and "Acme's financial statements".
        rf"\b{_NAME}['’]s (?:\w+ ){{0,5}}{lists.alternatives('saying.speeches')}\b",
    )
)


def topic_of(question: str) -> str:
    """Return a question without instructions on the form of its answer, and years without "FY".

    Of an endless question, only the beginning.

    >>> topic_of("What was the profit in FY2021? Answer in millions.")
    'What was the profit in 2021?'
    """
    plain = _FISCAL_YEAR.sub("", question[:READ_CHARACTERS])
    asked = _INSTRUCTION.sub("", plain)
    return _EXAMPLE.sub("", asked if _ASKS.search(asked) else plain).strip() or plain


def topic_terms(topic: str) -> frozenset[str]:
    """Return the terms of what :func:`topic_of` left, without those that speak of documents."""
    return words.terms(topic) - _OF_DOCUMENTS


def about_looks(topic: str) -> str:
    """Return the word by which a question asks for what only the eye can tell, else nothing."""
    match = _SEEN.search(topic)
    return match[0] if match is not None else ""


def speakers_of(topic: str) -> frozenset[str]:
    """Return the terms that name who is reported to say something; documents seldom do.

    >>> sorted(speakers_of("What did President Miller promise, according to Smith?"))
    ['miller', 'president', 'smith']
    >>> sorted(speakers_of("When was President Miller born?"))
    []
    """
    return frozenset().union(
        *(words.terms(match["name"]) for each in _SPEAKERS for match in each.finditer(topic))
    )


def without_pages(topic: str) -> str:
    """Return a topic without the numbers of pages: they say where to look, not what is named."""
    return _PAGE.sub("page", topic)


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


def asked_words(topic: str, terms: AbstractSet[str]) -> tuple[str, ...]:
    """Return the words of a topic, as they are written, that make up some of its terms."""
    return tuple(
        dict.fromkeys(
            match[0] for match in words.WORD.finditer(topic) if words.terms(match[0]) & terms
        )
    )
