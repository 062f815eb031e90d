"""What a question names: the words that only the thing itself is called by."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from ragkit.answer import words

_ACRONYM = re.compile(r"\b[A-Z]{2,}\b")
_GERMAN = re.compile(
    r"\b(?:der|die|das|den|dem|ein|eine|ich|wie|was|wer|wann|wo|ist|sind|für|und|mein|meine|muss|"
    r"darf|bei|von|zum|zur|gibt)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]{3,}")
# So often a word must stand in the passages, always with a capital, to be taken for a name.
_TIMES = 2
# Terms that begin alike count as the same from this length on: Japan, Japanese; Urlaub, Urlaubstage.
_BEGINNING = 4


def names_of(question: str, passages: Iterable[str] = ()) -> frozenset[str]:
    """The terms of a question that are names, codes, numbers or acronyms.

    A word without a capital, as in "heron torque", is a name if the passages always write it with
    one. German writes every noun with a capital, so there only codes, numbers and acronyms count.

    Args:
        question: The question.
        passages: The text of the passages found for it.
    """
    terms = words.terms(question)
    found = {term for term in terms if any(character.isdigit() for character in term)}
    found |= {words.stem(match.casefold()) for match in _ACRONYM.findall(question)}
    if not _GERMAN.search(question):
        found |= words.names(question) | _always_capital(terms, passages)
    return frozenset(found & terms)


def holds(terms: AbstractSet[str], wanted: str) -> bool:
    """Whether a term, or one that begins alike, is among others."""
    if wanted in terms:
        return True
    if len(wanted) < _BEGINNING or not wanted.isalpha():
        return False
    return any(
        term.startswith(wanted) or (len(term) >= _BEGINNING and wanted.startswith(term))
        for term in terms
        if term[:_BEGINNING] == wanted[:_BEGINNING]
    )


def holds_all(terms: AbstractSet[str], wanted: Iterable[str]) -> bool:
    """Whether all of them are among others, as :func:`holds` tells."""
    return all(holds(terms, term) for term in wanted)


def held_share(terms: AbstractSet[str], wanted: Mapping[str, float]) -> float:
    """The share by weight of those that are among others, 0 to 1; 0 where none is wanted."""
    total = sum(wanted.values())
    held = sum(weight for term, weight in wanted.items() if holds(terms, term))
    return held / total if total else 0.0


def _always_capital(terms: AbstractSet[str], passages: Iterable[str]) -> set[str]:
    capital: Counter[str] = Counter()
    small: set[str] = set()
    for passage in passages:
        for word in _WORD.findall(passage):
            stem = words.stem(word.casefold())
            if stem not in terms:
                continue
            if word[0].isupper():
                capital[stem] += 1
            else:
                small.add(stem)
    return {term for term, times in capital.items() if times >= _TIMES and term not in small}
