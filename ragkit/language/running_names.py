"""Names in running text, found by how they are written.

Without a model: words with a capital that do not merely begin a sentence, codes with digits, and
what stands in quotes. Right for most European languages; in German every noun counts as a name,
which costs room but finds more, and scripts without capitals have no names here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.sentences import sentence_spans
from ragkit.language import lists

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_WORD = re.compile(r"[^\W_]+(?:[-.'’/&][^\W_]+)*", re.UNICODE)
_QUOTED = re.compile(r"[\"“„«]([^\"“”„«»\n]{2,60})[\"”“»]")
_POSSESSIVE = re.compile(r"['’]s?$", re.IGNORECASE)
_LINKS = lists.words("names.links")
# Capitalised anywhere, or at the beginning of a sentence, without being anybody's name.
_NO_NAMES = frozenset().union(
    *(
        lists.words(name, "english")
        for name in (
            "names.openers",
            "stop_words",
            "pronouns.third",
            "pronouns.first",
            "months",
            "months.short",
            "days.weekdays",
            "days.near",
        )
    )
)


@dataclass(frozen=True, slots=True)
class Name:
    """A name as it was written first; ``key`` is the same for all its spellings."""

    text: str
    key: str


def sentences(text: str) -> list[str]:
    """Return the sentences of ``text``, without white space around them."""
    return [text[start:end].strip() for start, end in sentence_spans(text)]


def names_in(sentence: str, *, known: Iterable[str] = ()) -> list[Name]:
    """Return the names in a sentence, in order, each once.

    Args:
        sentence: One sentence.
        known: Keys of names seen elsewhere: one of them counts also where it begins a sentence.
    """
    known = frozenset(known)
    found: dict[str, Name] = {}
    for text, begins in _candidates(sentence):
        key = key_of(text)
        if not key or key in _NO_NAMES:
            continue
        words = text.split()
        alone = len(words) == 1 and begins
        if alone and key not in known and not _is_code(text) and not text[1:].isupper():
            continue
        found.setdefault(key, Name(text, key))
    for match in _QUOTED.finditer(sentence):
        if match[1][:1].isupper() or _is_code(match[1]):
            found.setdefault(key_of(match[1]), Name(match[1], key_of(match[1])))
    return list(found.values())


def key_of(text: str) -> str:
    """Return the form of a name that its spellings share."""
    return " ".join(_POSSESSIVE.sub("", word).casefold() for word in text.split()).strip()


def is_about(key: str, words: frozenset[str]) -> bool:
    """Whether a question with these words (as :func:`words_of` gives them) names ``key``.

    Any telling part of a name is enough: "Smith" names "Alice Smith".
    """
    parts = [part for part in key.split() if part not in _LINKS]
    return any(part in words for part in parts if len(part) > 1 or not part.isascii())


def words_of(question: str) -> frozenset[str]:
    """Return the words of a question as they may stand in names."""
    words = {key_of(match[0]) for match in _WORD.finditer(question)}
    return frozenset(words - _NO_NAMES - _LINKS)


def _candidates(sentence: str) -> Iterator[tuple[str, bool]]:
    """Yield runs of capitalised words, and whether each begins the sentence."""
    run: list[re.Match[str]] = []
    for match in _WORD.finditer(sentence):
        word = match[0]
        joined = bool(run) and sentence[run[-1].end() : match.start()] == " "
        named = word[:1].isupper() or _is_code(word)
        if run and not joined:
            yield _close(sentence, run), _begins(run)
            run = []
        if (named and not (not run and word.casefold() in _NO_NAMES)) or (
            run and word.casefold() in _LINKS
        ):
            run.append(match)
        elif run:
            yield _close(sentence, run), _begins(run)
            run = []
    if run:
        yield _close(sentence, run), _begins(run)


def _begins(run: list[re.Match[str]]) -> bool:
    """Whether a run of words begins its sentence."""
    return not run[0].string[: run[0].start()].strip(" \t\n\"'“”‘’«»([-*•>")


def _close(sentence: str, run: list[re.Match[str]]) -> str:
    """Return the text of a run, without linking words at its end."""
    kept = list(run)
    while len(kept) > 1 and kept[-1][0].casefold() in _LINKS:
        kept.pop()
    return _POSSESSIVE.sub("", sentence[kept[0].start() : kept[-1].end()])


def _is_code(word: str) -> bool:
    """Whether a word mixes letters and digits, as product names do: CV-300, A4, 3M."""
    return any(c.isdigit() for c in word) and any(c.isalpha() for c in word) and len(word) < 30
