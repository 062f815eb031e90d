"""Which language a text is in, told by the commonest words of each.

tantivy has stemmers for all these languages and lists of common words for most; the lists here
are for the others, and add words that ask. Tamil is not among them: its words are cut at a sign
that tantivy takes for punctuation, and so cannot be stemmed.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

from ragkit.language import lists

ENGLISH = "english"
# Taken for English from this share of English words on, without looking at other languages.
_SURELY_ENGLISH = 0.25
# A text is in another language if so many different words and such a share of all are common ones
# there, and so many times as many as are common in English.
_FEWEST = 3
_SHARE = 0.15
_MARGIN = 2
# So many different common words must be in a question, in a language that documents are in, or
# that none is in: English questions hold names such as "de la Cruz".
_FEWEST_ASKED = 2
_FEWEST_ELSEWHERE = 3
_WORD = re.compile(r"[^\W\d_]+")
_LETTER = re.compile(r"[^\W\d_]")
_LONGEST_COMMON = 40  # letters of a common word, and more
_MOST_CHARACTERS = 2_000  # of a text whose language is named
_LEAD = 2  # so many common words more than in any other language, or so many times as many
_SCRIPTS = (
    ("Japanese", re.compile(r"[\u3040-\u30ff]")),
    ("Korean", re.compile(r"[\uac00-\ud7af]")),
    ("Chinese", re.compile(r"[\u4e00-\u9fff]")),
    ("Hebrew", re.compile(r"[\u0590-\u05ff]")),
    ("Thai", re.compile(r"[\u0e00-\u0e7f]")),
)

LANGUAGES = lists.languages_of("stop_words")
# Those that tantivy has no list of common words for.
_UNLISTED = frozenset((ENGLISH, "arabic", "greek", "romanian", "turkish"))
STOP_WORDS = lists.words("stop_words", ENGLISH)


@functools.cache
def _list(language: str) -> Any:
    import tantivy

    return (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace())
        .filter(tantivy.Filter.stopword(language))
        .build()
    )


def common_words(words: Iterable[str], language: str) -> set[str]:
    """Those of the words, in lower case with their accents, that say little in a language."""
    distinct = set(words)
    found = distinct & lists.words("stop_words", language)
    if language not in _UNLISTED:
        found |= distinct.difference(_list(language).analyze(" ".join(distinct)))
    return found


def language_of(text: str) -> str:
    """Tell a text's language: one of :data:`LANGUAGES`, English where it is not sure.

    Texts of a few words, tables, and languages without a stemmer count as English.
    """
    counts = Counter(_WORD.findall(text.lower()))
    total = counts.total()
    _, english = _common(counts, ENGLISH)
    if not total or english >= _SURELY_ENGLISH * total:
        return ENGLISH
    best, most = ENGLISH, 0
    for language in LANGUAGES[1:]:
        different, count = _common(counts, language)
        enough = different >= _FEWEST and count >= max(_SHARE * total, _MARGIN * english)
        if enough and count > most:
            best, most = language, count
    return best


def language_asked(words: Collection[str], present: Collection[str]) -> str:
    """Tell the language of a question, whose words are in lower case; English if not sure.

    Args:
        words: All of its words.
        present: Languages of the documents: fewer words tell these.
    """
    counts = Counter(
        language
        for word in set(words)
        if len(word) <= _LONGEST_COMMON
        for language in _languages_common_in(word)
    )
    best, most = ENGLISH, counts[ENGLISH]
    for language in LANGUAGES[1:]:
        count = counts[language]
        fewest = _FEWEST_ASKED if language in present else _FEWEST_ELSEWHERE
        if count > most and count >= fewest:
            best, most = language, count
    return best


@functools.lru_cache(maxsize=16_384)
def _languages_common_in(word: str) -> tuple[str, ...]:
    return tuple(language for language in LANGUAGES if common_words((word,), language))


@functools.lru_cache(maxsize=256)
def language_name(text: str) -> str | None:
    """Return the English name of the language of ``text``, or ``None`` where that is not plain.

    Also of some languages that are told by their script alone, such as Japanese.
    """
    text = text[:_MOST_CHARACTERS]
    letters = len(_LETTER.findall(text))
    for name, script in _SCRIPTS:
        if letters and len(script.findall(text)) > letters / 4:
            return name
    counts = Counter(_WORD.findall(text.lower()))
    ranked = sorted((_common(counts, language)[1], language) for language in LANGUAGES)
    (second, _), (best, language) = ranked[-2:]
    plain = best >= _LEAD and (best >= _LEAD * second or best >= _LEAD + second)
    return language.capitalize() if plain else None


def _common(counts: Counter[str], language: str) -> tuple[int, int]:
    """How many different words of a text, and how many of all, are common in a language."""
    found = common_words(counts, language)
    return len(found), sum(counts[word] for word in found)
