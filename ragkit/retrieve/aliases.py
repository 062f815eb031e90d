"""Other names of things, where the documents say so: "X, also known as Y", "X (formerly Y)"."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from ragkit.language import lists

if TYPE_CHECKING:
    from ragkit.store import Store

Alias = tuple[str, str]

# Each cue stands between the two names, but for those that follow the second one.
# What a passage must hold to be read at all.
_SIGNS = lists.entries("documents.alias_signs")
_WORD = r"[^\W_][\w&.'’-]*"
_NAME = rf"{_WORD}(?: (?:{_WORD}|&)){{0,4}}"
_MARKS = "\"“”„«»'’‘"
_ARTICLES = lists.alternatives("names.articles")
_BETWEEN = re.compile(
    rf"(?P<one>{_NAME}) ?[,(] ?{lists.alternatives('documents.aliases')}:? (?:as )?"
    rf"(?:(?:{_ARTICLES}|l['’]) ?)?[{_MARKS}]? ?(?:{_ARTICLES} )?"
    rf"(?P<two>{_NAME}) ?[{_MARKS}]?(?=[\s,.;:()]|$)",
    re.IGNORECASE,
)
_AROUND = re.compile(
    rf"(?P<one>{_NAME}) ?[,(] ?auch [{_MARKS}]?(?P<two>{_NAME})[{_MARKS}]? genannt", re.IGNORECASE
)
_QUOTED = re.compile(rf"[{_MARKS}](?P<two>[^{_MARKS}]{{2,60}})[{_MARKS}]")
_ENDS = lists.words("stop_words", "english", "german", "french") | lists.words("stop_words.light")


def find_aliases(texts: Iterable[str]) -> list[Alias]:
    """Read pairs of names for the same thing out of texts.

    The first name is all that stands before the cue, at most five words: how many of them are the
    name is decided by the question, see :func:`other_names`.
    """
    found: dict[Alias, None] = {}
    for text in texts:
        flat = " ".join(text.split())
        for pattern in (_BETWEEN, _AROUND):
            for match in pattern.finditer(flat):
                one, two = _trimmed(match["one"], match["two"])
                quoted = _QUOTED.search(flat, match.start("two") - 2, match.end() + 60)
                if quoted and quoted.start() <= match.start("two"):
                    two = " ".join(quoted["two"].split()).removeprefix("the ")
                if one and two and one.casefold() != two.casefold():
                    found[one, two] = None
    return list(found)


def _trimmed(one: str, two: str) -> Alias:
    """Cut the first name at its last small word, the second one at its first."""
    first = one.split()
    cuts = [number for number, word in enumerate(first) if word.casefold() in _ENDS]
    second = two.rstrip(".").split()
    end = next((n for n, word in enumerate(second) if word.casefold() in _ENDS), len(second))
    return " ".join(first[cuts[-1] + 1 if cuts else 0 :]), " ".join(second[:end])


def other_names(question: str, aliases: Iterable[Alias]) -> list[tuple[str, str]]:
    """Return names in a question, each with the other name that a document gives for it.

    Of the first name of a pair, its last words are looked for, as many as possible: at least two,
    or all of it where it is one word with a capital letter.
    """
    found: dict[str, str] = {}
    for one, two in aliases:
        words = one.split()
        tails = [" ".join(words[start:]) for start in range(len(words))]
        tails = [tail for tail in tails if " " in tail or (tail == one and one[0].isupper())]
        if _holds(question, two):
            if not _holds(question, one):
                found.setdefault(two, one)
            continue
        for tail in tails:
            if _holds(question, tail):
                found.setdefault(tail, two)
                break
    return list(found.items())


def _holds(question: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", question, re.IGNORECASE) is not None


_KNOWN: WeakKeyDictionary[Store, tuple[str, list[Alias]]] = WeakKeyDictionary()


def aliases_of(store: Store) -> list[Alias]:
    """Return the pairs that a base's passages give; they are read once, until the base changes."""
    state = store.answer_state()
    known = _KNOWN.get(store)
    if known is None or known[0] != state:
        known = _KNOWN[store] = (state, find_aliases(store.texts_with(_SIGNS)))
    return known[1]
