"""Numbers with what they count or measure: "5 km", "€ 20", "seven days"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ragkit.language import lists, words

_SIGNS = lists.alternatives("units.signs")
_WORDS = "|".join(
    lists.alternatives(f"units.{kind}") for kind in ("time", "currencies", "scales", "measures")
)
_SPELLED = lists.values("number_words")
_QUANTITY = re.compile(
    rf"(?P<before>{_SIGNS})?\s?"
    rf"(?P<number>\d+(?:[.,]\d+)*|\b{lists.alternatives('number_words')}\b)"
    rf"(?:[\s-]?(?P<unit>{_SIGNS}|(?:{lists.alternatives('units.short')}(?:/\w{{1,3}})?"
    rf"|(?:{_WORDS})(?:s|e|en|n)?)\b))?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number and its unit, as a question writes them.

    Attributes:
        number: In one spelling: digits, a point for decimals, no separators of thousands.
        unit: Its unit or currency, a word by its stem, such as ``"km/h"``, ``"day"``, ``"€"``;
            empty where none stands beside it.
    """

    number: str
    unit: str = ""


def quantities(text: str) -> tuple[Quantity, ...]:
    """Return the numbers of a text in order, with their units.

    >>> quantities("Is 1,500 kg for seven days more than $20?")  # doctest: +NORMALIZE_WHITESPACE
    (Quantity(number='1500', unit='kg'), Quantity(number='7', unit='day'),
     Quantity(number='20', unit='$'))
    """
    found = []
    for match in _QUANTITY.finditer(text):
        written = match["number"].casefold()
        spelled = _SPELLED.get(written)
        number = words.plain_number(written) if spelled is None else str(spelled)
        unit = (match["before"] or match["unit"] or "").casefold()
        found.append(
            Quantity(number, words.stem(unit) if unit.isalpha() and len(unit) > 3 else unit)
        )
    return tuple(found)
