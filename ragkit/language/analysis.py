"""How text becomes terms: the same way when it is indexed and when it is asked for."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ragkit.language.languages import ENGLISH, STOP_WORDS, common_words, language_asked

ANALYSIS_VERSION = "2"
_TAG = "/"  # no letter or digit, so in no word
_LONGEST_TERM = 80  # bytes; longer runs are base64 and the like
_REMEMBERED = 40  # characters: single words are looked at again and again
# Characters of scripts that put no space between words: each becomes a term of its own.
UNSPACED = (
    "["
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f"  # Myanmar
    "\u1780-\u17ff"  # Khmer
    "\u3040-\u30ff\u31f0-\u31ff"  # Hiragana, Katakana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
    "]"
)
_UNSPACED = re.compile(f"({UNSPACED})")
# Runs of letters and digits, perhaps joined by punctuation: 12.5, X-200, word
_JOINED = re.compile(r"[^\W_]+(?:[-./:,+][^\W_]+)*")
_DIGIT = re.compile(r"\d")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_JOINERS = re.compile(r"[-./:,+]")
_JOINED_YEAR = re.compile(r"[a-z]{1,3}((?:19|20)\d\d)")  # FY2021


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


def terms(text: str, language: str) -> list[str]:
    """List the terms of normalised text in a language, in order.

    All but English ones end in the language, so that what one language's stemmer makes of a word
    never meets what another's makes of a different one.
    """
    stems: list[str] = word_analyzer(language).analyze(text)
    return stems if language == ENGLISH else [term_of(stem, language) for stem in stems]


def term_of(stem: str, language: str) -> str:
    """Return the term of a stem in a language."""
    return stem if language == ENGLISH else f"{stem}{_TAG}{language}"


def stem_of(term: str) -> str:
    """Return a term without its language."""
    return term.partition(_TAG)[0]


@dataclass(frozen=True, slots=True)
class Word:
    """A word to look up: any of its terms will do.

    Attributes:
        terms: What the languages of the documents make of it, each once.
        common_in: The language, not English, that it says little in, if that is the question's.
            It is then worth what it is there: between documents in English it would look rare.
    """

    terms: tuple[str, ...]
    common_in: str | None = None


def question_words(text: str, languages: Sequence[str] = (ENGLISH,)) -> list[Word]:
    """List a question's words in order, without those that say little, unless it has no others.

    Documents keep all of their words: "The Who" and "to be or not to be" can be found. Of a
    question in another language that documents are in, words that say little are kept, since
    they tell its documents from others.

    Args:
        text: The question, normalised.
        languages: Those of the documents, English first.

    Returns:
        Words that are the same in the language of the question are taken together.
    """
    if len(text) > _REMEMBERED:
        return list(_question_words(text, languages))
    return list(_remembered_words(text, tuple(languages)))


@functools.lru_cache(maxsize=4096)
def _remembered_words(text: str, languages: tuple[str, ...]) -> tuple[Word, ...]:
    return _question_words(text, languages)


def _question_words(text: str, languages: Sequence[str]) -> tuple[Word, ...]:
    plain = plain_analyzer().analyze(text)
    words = lower_analyzer().analyze(text)
    asked = language_asked(words, languages)
    little = STOP_WORDS if asked == ENGLISH else common_words(words, asked)
    compared = plain if asked == ENGLISH else words
    kept = asked in languages[1:]
    main = languages.index(asked) if kept else 0
    by_language = [terms(text, language) for language in languages]
    everything: dict[str, dict[str, None]] = {}
    telling: dict[str, dict[str, None]] = {}
    common: dict[str, None] = {}
    for word, *forms in zip(compared, *by_language, strict=True):
        everything.setdefault(forms[main], {}).update(dict.fromkeys(forms))
        if word not in little:
            telling.setdefault(forms[main], {}).update(dict.fromkeys(forms))
        elif kept:
            common[forms[main]] = None
    for word in plain:
        if match := _JOINED_YEAR.fullmatch(word):
            forms = [term for language in languages for term in terms(match[1], language)]
            telling.setdefault(forms[main], {}).update(dict.fromkeys(forms))
    found = [Word(tuple(forms)) for forms in (telling or everything).values()]
    if telling:
        found += [Word((term,), asked) for term in common if term not in telling]
    return tuple(found)


def stem(word: str, language: str = ENGLISH) -> str:
    """Return the stem of one lower-case word in a language."""
    stems: list[str] = _stemmer(language).analyze(word)
    return stems[0]


@functools.cache
def _stemmer(language: str) -> Any:
    import tantivy

    raw = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.raw())
    return raw.filter(tantivy.Filter.stemmer(language)).build()


@functools.cache
def lower_analyzer() -> Any:
    """Words in lower case."""
    return _words().build()


@functools.cache
def plain_analyzer() -> Any:
    """Words in lower case, without accents."""
    import tantivy

    return _words().filter(tantivy.Filter.ascii_fold()).build()


@functools.cache
def word_analyzer(language: str = ENGLISH) -> Any:
    """Words in lower case, without accents, stemmed for ``language``."""
    import tantivy

    fold, stem = tantivy.Filter.ascii_fold(), tantivy.Filter.stemmer(language)
    # Endings of other languages have accents; in English they are an ornament.
    first, second = (fold, stem) if language == ENGLISH else (stem, fold)
    return _words().filter(first).filter(second).build()


def _words() -> Any:
    import tantivy

    return (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        .filter(tantivy.Filter.remove_long(_LONGEST_TERM))
        .filter(tantivy.Filter.lowercase())
    )


def space_analyzer() -> Any:
    """Terms between spaces, as the index is given :func:`terms` and :func:`codes`."""
    import tantivy

    return tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
