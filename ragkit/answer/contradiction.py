"""What in a claim a sentence that is close to it does not say: numbers, names, negations, roles.

Rules, not a model: they look at what vectors hardly see. What they cannot see is a claim that
differs from the sentence in ordinary words only.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet

from ragkit.answer import polarity
from ragkit.language import lists, words

_CLAUSES = re.compile(
    rf"[,;:()–—]\s+|\s+(?=(?:{lists.alternatives('clauses.contrast')}"
    rf"|{lists.alternatives('clauses.denying')})\b)",
    re.IGNORECASE,
)
_QUANTITY = re.compile(r"(\d+(?:[.,]\d+)*)\s*(%|[^\W\d_]+)?")
# "One" is a pronoun more often than a number.
_SPELLED = {
    word: str(value) for word, value in lists.values("number_words").items() if word != "one"
}
_LARGER = {  # a unit, and how many of a smaller one it is
    "year": (12, "month"),
    "week": (7, "day"),
    "day": (24, "hour"),
    "hour": (60, "minut"),
    "minut": (60, "second"),
    "jahr": (12, "monat"),
    "woch": (7, "tag"),
}
_SCALES = lists.words("units.scales")
_TIMES = frozenset(map(words.stem, lists.words("units.time")))
_PASSIVE = lists.pattern("clauses.passive")
_NAME = re.compile(r"\b(?=\w*[A-ZÀ-ÖØ-Þ])[\w’'-]+(?:\s+(?=\w*[A-ZÀ-ÖØ-Þ])[\w’'-]+)*")


def differs(
    claim: str, sentence: str, around: str = "", *, asked: AbstractSet[str] = frozenset()
) -> bool:
    """Whether a claim says otherwise than a sentence, or more, in what rules can see.

    Args:
        claim: What is claimed.
        sentence: What is close to it in the source.
        around: What the sentence leans on: its heading, the sentence before it.
        asked: Numbers that the question itself holds.
    """
    clause = _nearest_clause(claim, sentence)
    return (
        bool(_numbers(claim) - _stated_numbers(f"{sentence} {around}") - asked)
        or _other_units(claim, f"{sentence} {around}")
        or _other_polarity(claim, clause)
        or polarity.excludes(claim, sentence)
        or _swapped(claim, sentence)
    )


def _numbers(text: str) -> set[str]:
    return words.numbers(text) | {_SPELLED[w] for w in words.words(text) if w in _SPELLED}


def _stated_numbers(text: str) -> set[str]:
    """The numbers of a source, also as they come out in other units of time."""
    return _numbers(text) | _converted(text)


def _converted(text: str) -> set[str]:
    """Plain numbers of times in the other unit: two years are 24 months, and the reverse."""
    found: set[str] = set()
    for value, unit in _quantities(text):
        if not value.isdigit():
            continue
        times, _ = _LARGER.get(unit, (0, ""))
        if times:
            found.add(str(int(value) * times))
        for count, smaller in _LARGER.values():
            if unit == smaller and int(value) % count == 0:
                found.add(str(int(value) // count))
    return found


def _quantities(text: str) -> list[tuple[str, str]]:
    """Numbers with the stem of the word after each."""
    spelled = re.sub(r"[^\W\d_]+", lambda m: _SPELLED.get(m.group().casefold(), m.group()), text)
    return [
        (
            words.plain_number(number),
            "%" if unit == "%" else words.stem(unit.casefold()) if unit else "",
        )
        for number, unit in _QUANTITY.findall(spelled)
    ]


def _other_units(claim: str, source: str) -> bool:
    """Whether a number of the claim stands before another scale than in the source."""
    said = _quantities(source.replace("percent", "%").replace("per cent", "%"))
    for number, unit in _quantities(claim.replace("percent", "%").replace("per cent", "%")):
        units = {other for value, other in said if value == number}
        if unit in units:
            continue
        if any(unit in kind and units & kind for kind in (_SCALES, _TIMES)):
            return True
    return False


def _other_polarity(claim: str, clause: str) -> bool:
    """Whether one denies what the other states; an opposite that is denied agrees again."""
    denied = polarity.is_negated(claim) != polarity.is_negated(clause)
    return denied != polarity.opposed(claim, clause)


def _nearest_clause(claim: str, sentence: str) -> str:
    clauses = [part for part in _CLAUSES.split(sentence) if part and words.words(part)]
    if len(clauses) < 2 or len([p for p in _CLAUSES.split(claim) if words.terms(p)]) > 1:
        return sentence
    wanted = words.terms(claim)
    scores = [len(wanted & words.terms(part)) for part in clauses]
    best = max(scores)
    if scores.count(best) != 1 or best < 2:
        return sentence
    return clauses[scores.index(best)]


def _swapped(claim: str, sentence: str) -> bool:
    """Whether two names have changed their parts: who did, and to whom it was done."""
    ours, theirs = _named(claim), _named(sentence)
    shared = [name for name in ours if name in theirs]
    if len(shared) < 2:
        return False
    first, second = shared[:2]
    between_ours = _between(claim, ours[first], ours[second])
    between_theirs = _between(sentence, theirs[first], theirs[second])
    if not words.terms(between_ours) & words.terms(between_theirs):
        return False
    turned = (ours[first] < ours[second]) != (theirs[first] < theirs[second])
    return turned != (bool(_PASSIVE.search(claim)) != bool(_PASSIVE.search(sentence)))


def _named(text: str) -> dict[str, int]:
    found = {m.group().casefold(): m.start() for m in reversed(list(_NAME.finditer(text)))}
    return {name: start for name, start in found.items() if words.terms(name)}


def _between(text: str, one: int, other: int) -> str:
    return text[min(one, other) : max(one, other)]
