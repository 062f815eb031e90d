"""Questions that compare things: which these are, and the question for one of them alone."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ragkit.language import lists, words
from ragkit.question.parts import READ_CHARACTERS

_COMPARED = 4
_AND = r"\s*,?\s+(?:and|und|et|y|e|en)\s+"
_SEVERAL = re.compile(rf"\s*,\s*|{_AND}|\s+{lists.alternatives('asking.versus')}\s+", re.IGNORECASE)
_FORMS = [re.compile(form, re.IGNORECASE | re.DOTALL) for form in lists.entries("asking.comparing")]
_ASPECT = re.compile(
    rf"\s*:.*|\s+{lists.alternatives('asking.aspect')}\s+.*", re.IGNORECASE | re.DOTALL
)


def compared(question: str) -> tuple[str, ...]:
    """Return the things that a question compares, as it names them; none where that is not plain.

    ``"Compare the Basic and the Pro plan"`` compares ``"the Basic"`` with ``"the Pro plan"``.
    """
    asked = " ".join(question[:READ_CHARACTERS].split()).rstrip("?.! ")
    for form in _FORMS:
        match = form.search(asked)
        if match is None:
            continue
        parts = match.groupdict()
        if "all" in parts:
            named = [part for part in _SEVERAL.split(_ASPECT.sub("", parts["all"])) if part]
        else:
            named = [parts["one"], _ASPECT.sub("", parts["two"])]
        subjects = tuple(dict.fromkeys(part.strip() for part in named if words.words(part)))
        if 2 <= len(subjects) <= _COMPARED and all(len(s) <= 80 for s in subjects):
            return subjects
    return ()


def without_others(question: str, subject: str, subjects: Sequence[str]) -> str:
    """Return a question without the words that only the other subjects have."""
    own = _vocabulary(subject)
    # "Compare the warranty of the X1 and the X2": the warranty is asked of both, the names are not.
    foreign: set[str] = set()
    for other in subjects:
        if other != subject:
            named = _names(other) - own
            foreign |= named or _vocabulary(other) - own

    def keep(match: re.Match[str]) -> str:
        return "" if match.group().casefold() in foreign else match.group()

    left = re.sub(r"[\w-]+", keep, question)
    return " ".join(left.split()) if words.terms(left) else subject


def _vocabulary(text: str) -> set[str]:
    return {match.casefold() for match in re.findall(r"[\w-]+", text)}


def _names(text: str) -> set[str]:
    """Words that look like names: with a capital letter or a digit in them."""
    return {
        word.casefold()
        for word in re.findall(r"[\w-]+", text)
        if any(c.isupper() or c.isdigit() for c in word)
    }
