"""How text becomes terms: the same way when it is indexed and when it is asked for."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

ANALYSIS_VERSION = "1"
LANGUAGE = "english"
_LONGEST_TERM = 80  # bytes; longer runs are base64 and the like
# Scripts that put no space between words: each character becomes a term of its own.
_UNSPACED = re.compile(
    "(["
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f"  # Myanmar
    "\u1780-\u17ff"  # Khmer
    "\u3040-\u30ff\u31f0-\u31ff"  # Hiragana, Katakana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
    "])"
)
# Runs of letters and digits, perhaps joined by punctuation: 12.5, X-200, word
_JOINED = re.compile(r"[^\W_]+(?:[-./:,+][^\W_]+)*")
_DIGIT = re.compile(r"\d")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_JOINERS = re.compile(r"[-./:,+]")
_JOINED_YEAR = re.compile(r"[a-z]{1,3}((?:19|20)\d\d)")  # FY2021
_STOP_WORDS = """
    a about also am an and any are as at be because been being both but by can could did do does
    doing each for from had has have having he her here him his how i if in into is it its itself
    just may me might more most must my no not of on only or other our own s same shall she should
    so some such t than that the their them then there these they this those to too up us very was
    we were what when where which while who whom whose why will with would you your
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())


def normalise(text: str) -> str:
    """Bring text to NFKC, and set spaces around each character of unspaced scripts."""
    if text.isascii():
        return text
    return _UNSPACED.sub(r" \1 ", unicodedata.normalize("NFKC", text))


def codes(text: str) -> list[str]:
    """List numbers, dates and codes, in the one form that all their spellings share.

    Letters with digits lose what joins them (``X-200`` and ``x200`` are ``x200``); numbers lose
    their thousands commas; others stay (``12.5``, ``2024-01-31``). Plain short numbers are
    words like others, and left out.
    """
    found: list[str] = []
    if not _DIGIT.search(text):
        return found
    for run in _JOINED.findall(text):
        if len(run) > _LONGEST_TERM or not _DIGIT.search(run):
            continue
        code = run.casefold()
        if any(character.isalpha() for character in code):
            found.append(_JOINERS.sub("", code))
        elif _THOUSANDS.fullmatch(code):
            found.append(code.replace(",", ""))
        elif len(code) > 3 or not code.isdecimal():
            found.append(code)
    return found


def question_terms(text: str) -> list[str]:
    """List a question's terms in order, without words that say little, unless it has no others.

    Documents keep all of their words: "The Who" and "to be or not to be" can be found.
    """
    terms = word_analyzer().analyze(text)
    plain = plain_analyzer().analyze(text)
    telling = [term for term, word in zip(terms, plain, strict=True) if word not in STOP_WORDS]
    years = [match[1] for word in plain if (match := _JOINED_YEAR.fullmatch(word))]
    return [*telling, *years] or terms


def plain_analyzer() -> Any:
    """Words in lower case, without accents; the terms of :func:`word_analyzer` before stemming."""
    import tantivy

    return (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        .filter(tantivy.Filter.remove_long(_LONGEST_TERM))
        .filter(tantivy.Filter.lowercase())
        .filter(tantivy.Filter.ascii_fold())
        .build()
    )


def word_analyzer(language: str = LANGUAGE) -> Any:
    """Words in lower case, without accents, stemmed for ``language``."""
    import tantivy

    return (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        .filter(tantivy.Filter.remove_long(_LONGEST_TERM))
        .filter(tantivy.Filter.lowercase())
        .filter(tantivy.Filter.ascii_fold())
        .filter(tantivy.Filter.stemmer(language))
        .build()
    )


def code_analyzer() -> Any:
    """Terms between spaces, as :func:`codes` gives them."""
    import tantivy

    return tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
