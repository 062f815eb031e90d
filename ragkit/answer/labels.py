"""What a question names exactly: codes as they are written, and numbers with the noun they belong to.

``C++`` is not ``C``, ``E-1042`` not ``E-104``, and the 12 of "sensor 12" not that of "bay 12", though
their terms are the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from ragkit.language import lists, words
from ragkit.language.dates import MONTH_OF

Label = tuple[str, str]
"""A noun's stem and the number or code that belongs to it; the noun is empty where none does."""

# An initial, as the T of "T. Collins", keeps its stop: it is no code.
_FORM = re.compile(r"(?<!\w)(?:[A-Z]\.(?!\w)|\.?\w+(?:[-.,'_&/+#:]+\w+)*[+#]*)")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*\Z")
# A code has a digit, or a sign that no word ends or begins with; one capital alone is one, too.
_CODE = re.compile(r"(?=.*[\d_])[\w.,'&/+#:-]*\w|\.\w+|\w+[+#]+|[B-HJ-Z]", re.ASCII)
_ORDINAL = re.compile(r"\d+(?:st|nd|rd|th)", re.IGNORECASE)
_YEAR = re.compile(r"(?:19|20)\d\d")
_JOINING = lists.words("names.joining")
_MONTHS = frozenset(map(words.stem, MONTH_OF))


def asked_labels(question: str) -> frozenset[Label]:
    """Return the codes and numbers of a question, each with its noun."""
    return frozenset(_labels(question))


@lru_cache(maxsize=4_096)
def stated(text: str) -> frozenset[Label]:
    """Return the codes and numbers of a text, each with the noun before it and the one after it."""
    return frozenset(_labels(text, both=True))


def lacking(asked: frozenset[Label], text: str, around: Iterable[str], passage: str) -> float:
    """Return the share of the labels asked for that a sentence is not about, 0 to 1.

    Args:
        asked: The labels of the question.
        text: The sentence.
        around: What it is read with: its heading, the sentence that it refers to.
        passage: The passage that it is from, whose labels hold for it unless it has others.
    """
    if not asked:
        return 0.0
    near, far = _Said([text, *around]), _Said([text, *around, passage])
    return sum(
        not near.holds(label) and (near.rivals(label) or not far.holds(label)) for label in asked
    ) / len(asked)


class _Said:
    """The labels and nouns of texts that are read together."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._labels = frozenset[Label]().union(*map(stated, texts))
        self._nouns = frozenset[str]().union(*map(words.terms, texts))

    def holds(self, label: Label) -> bool:
        noun, number = label
        if not noun:
            return any(other == number for _, other in self._labels)
        # In a table, and in "its number is 12", the noun stands elsewhere.
        return label in self._labels or (("", number) in self._labels and noun in self._nouns)

    def rivals(self, label: Label) -> bool:
        """Whether they name another of the same kind."""
        noun, number = label
        if _NUMBER.match(number):
            return any(noun == other for other, _ in self._labels)
        return any(not other and not _NUMBER.match(form) for other, form in self._labels)


def _labels(text: str, *, both: bool = False) -> Iterator[Label]:
    written = [words.fold(match[0]).removesuffix("'s") for match in _FORM.finditer(text)]
    forms = [form.casefold() for form in written]
    noun = ""
    for place, form in enumerate(forms):
        if not _NUMBER.match(form):
            if _CODE.fullmatch(written[place]) and not _ORDINAL.fullmatch(form):
                yield "", form
            if form not in _JOINING:
                noun = _noun(form)
            continue
        # Years and days tell when, not which of several things.
        if _YEAR.fullmatch(form) or noun in _MONTHS:
            continue
        following = _noun(forms[place + 1]) if place + 1 < len(forms) else ""
        if following in _MONTHS:
            continue
        if noun or not following:
            yield noun, form
        if following and (both or not noun):
            yield following, form


def _noun(form: str) -> str:
    """The stem of a word, empty for one that carries no meaning and for a number."""
    found = words.terms(form) if form.isalpha() else ()
    return next(iter(found), "") if len(found) == 1 else ""
