"""What a question names: the words that only the thing itself is called by."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from ragkit.language import lists, words

_ACRONYM = re.compile(r"\b[A-Z]{2,}\b")
_SENTENCE = re.compile(r"(?<=[.?!:])\s+")
_ORDINAL = re.compile(r"\d+(?:st|nd|rd|th)", re.IGNORECASE)
_JOINING = lists.words("names.joining")
_YEAR = 4
_SHOUT = 15  # letters; fewer may well be an acronym or two
# Terms that begin alike count as the same from this length on: Japan, Japanese; Urlaub, Urlaubstage.
_BEGINNING = 4


def own_names(text: str, terms: AbstractSet[str], language: str | None) -> frozenset[str]:
    """Those of a text's terms that are names, codes, acronyms, or numbers that label something.

    German writes every noun with a capital, so there only codes, numbers and acronyms count.
    """
    found = set(_labels(text))
    if not _shouted(text):
        found |= {words.fold(words.stem(m.casefold())) for m in _ACRONYM.findall(text)}
        if language != "German":
            found.update(*map(words.names, _SENTENCE.split(text)))
    return frozenset(found & terms)


def holds(terms: AbstractSet[str], wanted: str) -> bool:
    """Whether a term, or one that begins alike, is among others."""
    if wanted in terms:
        return True
    if len(wanted) < _BEGINNING or not wanted.isalpha():
        return False
    start = wanted[:_BEGINNING]
    return any(term.startswith(start) and begins_alike(wanted, term) for term in terms)


def begins_alike(one: str, other: str) -> bool:
    """Whether one term is the beginning of another, and long enough to tell."""
    return (
        min(len(one), len(other)) >= _BEGINNING
        and one.isalpha()
        and (other.startswith(one) or one.startswith(other))
    )


def holds_all(terms: AbstractSet[str], wanted: Iterable[str]) -> bool:
    """Whether all of them are among others, as :func:`holds` tells."""
    return all(holds(terms, term) for term in wanted)


def held_share(terms: AbstractSet[str], wanted: Mapping[str, float]) -> float:
    """The share by weight of those that are among others, 0 to 1; 0 where none is wanted."""
    total = sum(wanted.values())
    held = sum(weight for term, weight in wanted.items() if holds(terms, term))
    return held / total if total else 0.0


def _labels(question: str) -> frozenset[str]:
    """Codes, years and numbers that label something, as "terminal 8", not amounts, as "8 days"."""
    found: set[str] = set()
    before = ""
    labelled = False
    for match in words.WORD.finditer(question):
        token = match[0]
        after = question[match.end() : match.end() + 1]
        if words.is_measure(token) or _ORDINAL.fullmatch(token):
            labelled = False
        elif any(character.isdigit() for character in token):
            short = token.isdecimal() and len(token) < _YEAR
            # "numbers 288 and 388": what goes on after "and" is of the same kind.
            listed = labelled and before.casefold() in _JOINING
            labelled = not short or (after != "%" and (bool(words.terms(before)) or listed))
            if labelled:
                found |= words.terms(token)
        elif token.casefold() not in _JOINING:
            labelled = False
        before = token
    return frozenset(term for term in found if any(character.isdigit() for character in term))


def _shouted(question: str) -> bool:
    """Whether most of a question is in capitals, so that they tell nothing."""
    letters = [character for character in question if character.isalpha()]
    capitals = sum(character.isupper() for character in letters)
    return len(letters) > _SHOUT and 2 * capitals > len(letters)
