"""What a question names exactly: codes as they are written, and numbers with the noun they belong to.

``C++`` is not ``C``, ``E-1042`` not ``E-104``, and the 12 of "sensor 12" not that of "bay 12", though
their terms are the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from ragkit.language import lists, words

Label = tuple[str, str]
"""A noun's stem and the number or code that belongs to it; the noun is empty where none does."""

_FORM = re.compile(r"(?<!\w)\.?\w+(?:[-.,'_&/+#:]+\w+)*[+#]*")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*\Z")
_JOINING = lists.words("names.joining")


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
    forms = [words.fold(match[0]).casefold().removesuffix("'s") for match in _FORM.finditer(text)]
    noun = ""
    for place, form in enumerate(forms):
        if not _NUMBER.match(form):
            letters = form.replace("'", "").replace("-", "").isalpha()
            if (words.terms(form) if len(form) == 1 else not letters) and not words.is_unspaced(
                form
            ):
                yield "", form
            if form not in _JOINING:
                noun = _noun(form)
            continue
        following = _noun(forms[place + 1]) if place + 1 < len(forms) else ""
        if noun or not following:
            yield noun, form
        if following and (both or not noun):
            yield following, form


def _noun(form: str) -> str:
    """The stem of a word, empty for one that carries no meaning and for a number."""
    found = words.terms(form) if form.isalpha() else ()
    return next(iter(found), "") if len(found) == 1 else ""
