"""Words of a question and of the sentences it is compared with."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache

from ragkit.language import analysis, lists

# A word, number or code as it is written: "RX-200" and "1,200.5" are one.
WORD = re.compile(r"\w+(?:[.,'’_-]\w+)*")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
# Scripts written without spaces: there, pairs of characters stand for words.
_UNSPACED = re.compile(f"{analysis.UNSPACED}+")
# A measure written together, "5GHz", is two words, as "5 GHz" is.
_MEASURE = re.compile(
    rf"(?<![\w.,-])(\d+(?:[.,]\d+)?)({lists.alternatives('units.short')})\b", re.IGNORECASE
)

# Words that say how a thing is asked or said rather than what it is about.
_FUNCTION_WORDS = lists.words("stop_words", "english", "german", "french", "spanish") | lists.words(
    "stop_words.light"
)

# Of Latin, Greek and Cyrillic letters; the signs of other scripts are no accents.
_ACCENT = re.compile("[\u0300-\u036f]")

# "I'm", "what's", "don't" of such words; French "l'achat", "qu'il".
_CONTRACTED = re.compile(r"(?:(?<!ca)n['’]t|['’](?:m|s|re|ve|ll|d|t))\Z")
_ELIDED = re.compile(r"(?:[cdjlmnst]|qu)['’](?=\w{2})")


def fold(text: str) -> str:
    """Leave out accents, and write apostrophes in one way: ``José`` and ``Jose`` are one name."""
    if text.isascii():
        return text
    parts = unicodedata.normalize("NFD", text.replace("’", "'"))
    return unicodedata.normalize("NFC", _ACCENT.sub("", parts))


def words(text: str) -> list[str]:
    """Split into lower-case words, in order; numbers and codes such as ``RX-200`` stay whole."""
    return [match.group().casefold() for match in WORD.finditer(text)]


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """Return the stem of a lower-case word, so that ``batteries`` meets ``battery``.

    Codes and numbers are left as they are.
    """
    for possessive in ("'s", "’s"):
        word = word.removesuffix(possessive)
    return analysis.stem(word) if word.isalpha() else word


@lru_cache(maxsize=4_096)
def terms(text: str) -> frozenset[str]:
    """The stems of the words that carry meaning; parts of compounds count as well."""
    found: set[str] = set()
    for word in words(_MEASURE.sub(r"\1 \2", text)):
        word = _ELIDED.sub("", word, count=1) if _ELIDED.match(word) else word
        if word in _FUNCTION_WORDS or _CONTRACTED.sub("", word) in _FUNCTION_WORDS:
            continue
        if _UNSPACED.search(word):
            found.update(_pairs(word))
            continue
        found.add(fold(stem(word)))
        if not word.isalpha():
            parts = [part for part in re.split(r"[.,'’_-]", word) if len(part) > 1]
            found.update(fold(stem(part)) for part in parts if part not in _FUNCTION_WORDS)
    return frozenset(found)


def is_measure(word: str) -> bool:
    """Whether a word is a number with its unit, as "5GHz"."""
    return _MEASURE.fullmatch(word) is not None


def is_unspaced(word: str) -> bool:
    """Whether a word is of a script that puts no space between words."""
    return _UNSPACED.search(word) is not None


def _pairs(word: str) -> set[str]:
    """Pairs of neighbouring characters of an unspaced script; what else is in the word whole."""
    found = {part for part in _UNSPACED.split(word) if part}
    for match in _UNSPACED.finditer(word):
        run = match.group()
        found.update(run[i : i + 2] for i in range(max(1, len(run) - 1)))
    return found


def plain_number(written: str) -> str:
    """Return a number without separators of thousands, and with a point before its decimals.

    A single comma that is not before just three digits is a decimal one: "1,5" is not 15.

    >>> [plain_number(written) for written in ("1,500", "1,234,567.5", "1,5", "1.234,50", "0,125")]
    ['1500', '1234567.5', '1.5', '1234.50', '0.125']
    """
    whole, comma, rest = written.rstrip(".,").partition(",")
    thousands = len(rest.partition(".")[0]) == 3 and int(whole.replace(".", "")) > 0
    if comma and not thousands and "," not in rest:
        return f"{whole.replace('.', '')}.{rest}"
    return whole + rest.replace(",", "")


def numbers(text: str) -> set[str]:
    """The numbers in a text in one spelling, small words as digits; see :func:`plain_number`."""
    found = {plain_number(match.group()) for match in _NUMBER.finditer(text)}
    spelled = lists.values("number_words")
    found.update(str(spelled[word]) for word in words(text) if word in spelled)
    return found


def names(text: str) -> set[str]:
    """Capitalised words other than those that begin the text, and codes with digits, as stems."""
    tokens = [match.group() for match in WORD.finditer(text)]
    return {
        fold(stem(token.casefold())) for token in tokens[1:] if token[0].isupper() and terms(token)
    }


def weights(texts: Sequence[AbstractSet[str]], of: Iterable[str]) -> dict[str, float]:
    """Inverse document frequency of the terms ``of``, each in (0, 1], counted over ``texts``.

    A term that no text holds weighs most: it is what a question is missing.
    """
    total = len(texts)
    scale = math.log(1.0 + total + 1.0)
    return {
        term: math.log(1.0 + (total + 1.0) / (1.0 + sum(term in text for text in texts))) / scale
        for term in of
    }


def covered(wanted: Mapping[str, float], by: AbstractSet[str]) -> float:
    """Share of the wanted terms' weight that a text covers, 0 to 1; 0 when nothing is wanted."""
    total = sum(wanted.values())
    return sum(weight for term, weight in wanted.items() if term in by) / total if total else 0.0
