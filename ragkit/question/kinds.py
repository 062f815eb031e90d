"""What kind of answer a question asks for, and whether a sentence has one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Literal

from ragkit.language import lists, words

Kind = Literal[
    "number",
    "money",
    "duration",
    "share",
    "weight",
    "temperature",
    "phone",
    "date",
    "person",
    "place",
    "steps",
    "reason",
    "other",
]

# Where a question begins, or a further one within it.
_ASKS: dict[Kind, re.Pattern[str]] = {
    "number": lists.pattern("asking.number"),
    "date": lists.pattern("asking.date"),
    "person": lists.pattern("asking.person"),
    "place": lists.pattern("asking.place"),
    "steps": lists.pattern("asking.steps"),
    "reason": lists.pattern("asking.reason"),
}
_NUMBER = lists.pattern("showing.number")
_DATE = lists.pattern("showing.date")
_NAME = re.compile(r"(?<=\S\s)[A-Z][\w'’-]+|^[A-Z][\w'’-]+\s+[A-Z][\w'’-]+")
_PLACE = lists.pattern("showing.place")
_STEP = lists.pattern("showing.steps")
_REASON = lists.pattern("showing.reason")
_MEASURED = lists.pattern("asking.measured")
_SHOWS: dict[Kind, re.Pattern[str]] = {
    "number": _NUMBER,
    "date": _DATE,
    "person": _NAME,
    "place": _PLACE,
    "steps": _STEP,
    "reason": _REASON,
}


# What a number is of, asked in so many words; also in German, French and Japanese.
_ASKS_UNIT: dict[Kind, re.Pattern[str]] = {
    "share": lists.pattern("asking.share"),
    "duration": lists.pattern("asking.duration"),
    "weight": lists.pattern("asking.weight"),
    "temperature": lists.pattern("asking.temperature"),
    "phone": lists.pattern("asking.phone"),
    "money": lists.pattern("asking.money"),
}
_SHOWS_UNIT: dict[Kind, re.Pattern[str]] = {
    "share": lists.pattern("showing.share"),
    "duration": lists.pattern("showing.duration"),
    "weight": lists.pattern("showing.weight"),
    "temperature": re.compile(r"\d\s?(?:°|degrees?\b|grad\b|degrés?\b)|\d\s?[CF]\b|\bK\b"),
    # Not a date such as 2025-05-12.
    "phone": re.compile(r"(?:\+\d|\(0|\b0)[\d\s()/.-]{5,}\d|\b\d{3}[\s.-]\d{3}[\s.-]\d{4}\b"),
    "money": lists.pattern("showing.money"),
}
# What those are called in a sentence.
UNITS: dict[Kind, str] = {
    "share": "percentage",
    "duration": "length of time",
    "weight": "weight",
    "temperature": "temperature",
    "phone": "telephone number",
    "money": "sum of money",
}
# Keywords without a question word that ask for a figure.
_ASKS_FIGURE = lists.pattern("asking.figure")
_ASKS_WHETHER = lists.pattern("asking.whether")
_COUNTED = re.compile(
    r"\b(?:how many|number of|combien d(?:e |['’])|wie ?viele|cuánt[oa]s)\s*(?P<noun>[\w-]+)"
    r"(?:\s+(?P<next>[\w-]+))?",
    re.IGNORECASE,
)
_BETWEEN = 2
_ENUMERATE = re.compile(r"^\W*(?:please\s+)?(?:list|enumerate|name|tell|nenne)\b", re.IGNORECASE)
_ASKS_LIST = lists.pattern("asking.list")
# Kinds that a question may have beside the unit of a number: "when … and what does it cost".
_BESIDE: frozenset[Kind] = frozenset(("date", "person", "place", "reason"))
_UNFIT = 0.3


def question_kind(question: str) -> Kind:
    """Guess what an answer must hold; ``"other"`` when nothing shows (in most languages, it does not)."""
    found = [
        (match.start(), order, kind)
        for order, (kind, pattern) in enumerate(_ASKS.items())
        if (match := pattern.search(question)) is not None
    ]
    return min(found)[2] if found else "other"


def fits(kind: Kind, sentence: str) -> float:
    """How well a sentence could be an answer of this kind: 1 yes, 0 no, 0.5 when any may be."""
    pattern = _SHOWS_UNIT.get(kind) or _SHOWS.get(kind)
    if pattern is None:
        return 0.5
    if kind == "date" and _SHOWS_UNIT["duration"].search(sentence):
        return 1.0  # "four weeks before"
    return 1.0 if pattern.search(sentence) else 0.0


def question_kinds(question: str) -> tuple[Kind, ...]:
    """Guess all that an answer may be asked to hold; a number's unit where the question tells."""
    kind = question_kind(question)
    units = [unit for unit, pattern in _ASKS_UNIT.items() if pattern.search(question)]
    if kind in ("steps", "reason", "person") or (
        kind == "other" and _ASKS_WHETHER.search(question)
    ):
        units = [unit for unit in units if unit != "money"]
    if not units:
        figure = kind == "other" and _ASKS_FIGURE.search(question)
        return ("number",) if figure else (kind,)
    return (*units, kind) if kind in _BESIDE else tuple(units)


def asks_unit(kinds: Sequence[Kind]) -> bool:
    """Whether the question tells what its number is of, such as money or days."""
    return any(kind in _SHOWS_UNIT for kind in kinds)


def without_measure(question: str) -> str:
    """Return a question without what asks only: "how long" and "list" are no topics."""
    return _MEASURED.sub("how", _ENUMERATE.sub("", question))


def asks_list(question: str) -> bool:
    """Whether a question asks for several things: "list …", "which parts are …"."""
    return _ASKS_LIST.search(question) is not None


def counted(question: str) -> frozenset[str]:
    """Return the terms of what a question asks the number of: ``station`` in "how many stations"."""
    match = _COUNTED.search(question)
    if match is None:
        return frozenset()
    # "how many faulty packs": either word may stand behind the number.
    return words.terms(match["noun"]) | words.terms(match["next"] or "")


def counts(things: AbstractSet[str], sentence: str) -> bool:
    """Whether a number stands just before one of these things in a sentence."""
    if not things:
        return False
    tokens = words.words(sentence)
    return any(
        _NUMBER.match(token) is not None
        and any(words.stem(after) in things for after in tokens[i + 1 : i + 2 + _BETWEEN])
        for i, token in enumerate(tokens)
    )


def fit(
    kinds: Sequence[Kind], sentence: str, *, terms: AbstractSet[str], numbers: AbstractSet[str]
) -> float:
    """How well a sentence answers one of these kinds with something the question does not hold.

    Args:
        kinds: What the question asks for, from :func:`question_kinds`.
        sentence: The sentence.
        terms: The question's terms: a person it names already is no answer to who.
        numbers: The question's numbers, likewise.

    Returns:
        1 yes, 0 no, in between perhaps.
    """
    return max(_fit(kind, sentence, terms, numbers) for kind in kinds)


def _fit(kind: Kind, sentence: str, terms: AbstractSet[str], numbers: AbstractSet[str]) -> float:
    found = fits(kind, sentence)
    if kind in _SHOWS_UNIT and not found:
        return _UNFIT if words.numbers(sentence) - numbers else 0.0
    if kind == "number" and found:
        stated = words.numbers(sentence)
        return _UNFIT if stated and not stated - numbers else 1.0
    if kind == "person" and found:
        return 1.0 if words.names(sentence) - terms else _UNFIT
    return found
