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

    def common(language: str) -> tuple[int, int]:
        found = common_words(counts, language)
        return len(found), sum(counts[word] for word in found)

    total = counts.total()
    _, english = common(ENGLISH)
    if not total or english >= _SURELY_ENGLISH * total:
        return ENGLISH
    best, most = ENGLISH, 0
    for language in LANGUAGES[1:]:
        different, count = common(language)
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
    distinct = set(words)
    best, most = ENGLISH, len(common_words(distinct, ENGLISH))
    for language in LANGUAGES[1:]:
        count = len(common_words(distinct, language))
        fewest = _FEWEST_ASKED if language in present else _FEWEST_ELSEWHERE
        if count > most and count >= fewest:
            best, most = language, count
    return best
