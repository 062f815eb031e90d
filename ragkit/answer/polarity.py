"""What two sentences may differ in while their vectors hardly do: negations and opposites."""

from __future__ import annotations

from collections.abc import Mapping

from ragkit.language import lists, words

_NEGATION = lists.pattern("negations")
# "not only" and "no later than" deny nothing.
_NO_NEGATION = lists.pattern("negations.harmless")
# Of each of these a thing is one at a time.
_EXCLUSIVE = tuple(
    lists.values(name)
    for name in (
        "colours",
        "days.weekdays",
        "days.seasons",
        "days.often",
        "months",
        "number_words.ordinals",
        "units.currencies",
        "units.directions",
    )
)
_SIDES: dict[str, set[tuple[int, int]]] = {}
for _pair, _both in enumerate(lists.entries("opposites")):
    for _side, _word in enumerate(_both.split()):
        _SIDES.setdefault(_word, set()).add((_pair, _side))


def is_negated(text: str) -> bool:
    """Whether a text denies something; what is denied twice is not."""
    return len(_NEGATION.findall(_NO_NEGATION.sub(" ", text))) % 2 == 1


def sides(text: str) -> set[tuple[int, int]]:
    """Which sides of which opposites a text names, as (pair, side)."""
    found: set[tuple[int, int]] = set()
    for word in words.words(text):
        found |= _SIDES.get(word, set())
    return found


def opposed(one: str, other: str) -> bool:
    """Whether each names a side of an opposite whose other side only the other names."""
    first, second = sides(one), sides(other)
    if _prefixed(one, other) or _prefixed(other, one):
        return True
    return any(
        (pair, 1 - side) in second and (pair, side) not in second and (pair, 1 - side) not in first
        for pair, side in first
    )


def _prefixed(one: str, other: str) -> bool:
    """Whether a text has the opposite, by prefix, of a word of the other one: paid and unpaid."""
    first, second = set(words.words(one)), set(words.words(other))
    return any(
        word.startswith(lists.entries("negations.prefixes"))
        and len(bare) > 3
        and bare in first
        and word not in first
        and bare not in second
        for word in second
        for bare in (word[2:], word[3:] if word.startswith("non") else "")
    )


def excludes(claim: str, sentence: str) -> bool:
    """Whether a claim names another colour, weekday, month… than the sentence does."""
    return any(
        ours and theirs and not ours & theirs
        for group in _EXCLUSIVE
        for ours, theirs in [(_named(claim, group), _named(sentence, group))]
    )


def _named(text: str, group: Mapping[str, int]) -> set[int]:
    """Which of a group of things a text names."""
    return {group[word] for word in words.words(text) if word in group}
