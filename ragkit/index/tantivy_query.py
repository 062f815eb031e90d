"""From a question to a query: its words looked up in every field, with no syntax to get wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import tantivy

from ragkit.index.protocols import ALONE, WordWeights
from ragkit.index.tantivy_files import languages_of
from ragkit.language import analysis
from ragkit.language.analysis import Word
from ragkit.store.paths import storable

FINDING_FIELDS = ("body", "heading", "name")
_NEARBY_FIELDS = ("context", "heading", "name")


MAX_TERMS = 64
_MAX_CANDIDATES = 4096  # words whose rarity is looked up
_REAL_WORD = 4  # letters; shorter parts of a code, as in CV-900, say nothing alone
_SATURATION = 2.2  # tantivy's k1 + 1: what a word's score tends to, in units of its rarity
_Wanted = tuple[str, Word, float]  # field, word, weight


def build_query(
    index: Any, searcher: Any, parts: Sequence[tuple[str, float]], weights: WordWeights = ALONE
) -> Any:
    """Build the query: any of the words, in any of the fields; ``None`` if none of them occurs.

    Words that say little, such as "what is the", are looked up only where nothing else is asked.

    Args:
        index: The index.
        searcher: A state of it.
        parts: Texts with their weights. The part of the score that is due to a text is its weight
            times its share of what a chunk would tend to that repeats every word of it.
        weights: What words count by where they stand.
    """
    languages = languages_of(searcher)
    finding: list[_Wanted] = []
    around: list[_Wanted] = []
    nearby: list[tuple[Word, float]] = []
    for text, weight in parts:
        normal = analysis.normalise(storable(text))
        words = analysis.question_words(normal, languages)[:_MAX_CANDIDATES]
        found, rarity = _rarest(searcher, FINDING_FIELDS, words)
        code_words = [Word((code,)) for code in dict.fromkeys(analysis.codes(normal))]
        codes, code_rarity = _rarest(searcher, ("codes",), code_words[:_MAX_CANDIDATES])
        whole = max(rarity, code_rarity)
        if whole <= 0:
            continue
        share = weight / (whole * (1.0 + weights.context + weights.nearby))
        unit = share / _SATURATION
        for word, rare in found:
            finding += [
                ("body", word, unit),
                ("heading", word, unit * weights.heading),
                ("name", word, unit * weights.name),
            ]
            around.append(("context", word, unit * weights.context))
            nearby.append((word, share * weights.nearby * rare))
        finding += [("codes", code, unit * weights.codes) for code, _ in codes]
    if not finding:
        return None
    added = [_one_word(index, searcher, *wanted) for wanted in around if wanted[2]]
    added += [_standing_nearby(index, word, score) for word, score in nearby if score]
    query = _any_of([_one_word(index, searcher, *wanted) for wanted in finding])
    if not added:
        return query
    return tantivy.Query.boolean_query(
        [(tantivy.Occur.Must, query), (tantivy.Occur.Should, _any_of(added))]
    )


def build_presence(index: Any, searcher: Any, word: str) -> Any:
    """Build the query for chunks that hold a word; ``None`` where it is none, or a common one.

    A code (letters with digits) is looked up whole; what is put together of words ("after-tax",
    "level-6") may as well stand apart in one chunk.
    """
    normal = analysis.normalise(storable(word))
    parts = analysis.question_words(normal, languages_of(searcher))
    codes = [code for code in analysis.codes(normal) if any(map(str.isalpha, code))]

    def is_held(fields: Sequence[str], terms: Sequence[str]) -> Any:
        return _any_of(
            [
                tantivy.Query.term_query(index.schema, field, term, "basic")
                for field in fields
                for term in terms
            ]
        )

    ways = [is_held(("codes",), [code]) for code in codes]
    real = [part for part in parts if len(max(part.terms, key=len)) >= _REAL_WORD]
    if parts and (not codes or (len(parts) > 1 and real)):
        held = [(tantivy.Occur.Must, is_held(FINDING_FIELDS, part.terms)) for part in parts]
        ways.append(tantivy.Query.boolean_query(held))
    if not ways or any(part.common_in is not None for part in parts):
        return None
    return _any_of(ways)


def _any_of(queries: Sequence[Any]) -> Any:
    return tantivy.Query.boolean_query([(tantivy.Occur.Should, query) for query in queries])


def _standing_nearby(index: Any, word: Word, score: float) -> Any:
    """Give ``score`` to chunks that a word stands in or near, whatever its number there."""
    stands = [
        tantivy.Query.term_query(index.schema, field, term, "basic")
        for term in word.terms
        for field in _NEARBY_FIELDS
    ]
    return tantivy.Query.const_score_query(_any_of(stands), score)


def _one_word(index: Any, searcher: Any, field: str, word: Word, weight: float) -> Any:
    """Look for a word by its terms in all languages, as rare as they are together.

    A chunk is in one language, and so seldom matched by two.
    """

    def query(term: str, weight: float) -> Any:
        found = tantivy.Query.term_query(index.schema, field, term, "freq")
        return tantivy.Query.boost_query(found, weight)

    if len(word.terms) == 1 and word.common_in is None:
        return query(word.terms[0], weight)
    frequencies = {term: searcher.doc_freq(field, term) for term in word.terms}
    together = _rarity(sum(frequencies.values()), _passages(searcher, word.common_in))
    return tantivy.Query.boolean_query(
        [
            (tantivy.Occur.Should, query(term, weight * together / alone))
            for term, frequency in frequencies.items()
            if frequency and (alone := _rarity(frequency, searcher.num_docs))
        ]
    )


def _passages(searcher: Any, language: str | None) -> int:
    return int(searcher.doc_freq("language", language) if language else searcher.num_docs)


def _rarity(frequency: int, total: int) -> float:
    # ln(1 + (N - n + 0.5) / (n + 0.5)), Robertson & Zaragoza 2009
    # A word may stand in more chunks than there are: those deleted are counted until merged away.
    return math.log((max(total, frequency) + 1) / (frequency + 0.5))


def _rarest(
    searcher: Any, fields: Sequence[str], words: Sequence[Word]
) -> tuple[list[tuple[Word, float]], float]:
    """Those words that occur (of too many, the ones in the fewest chunks), and how rare all are.

    Each comes with its own rarity. The latter is the sum of the inverse document frequencies, as
    BM25 counts them, of the words that occur and of those that do not: a question that is mostly
    about other things finds nothing that scores well.
    """
    seen = []
    for place, word in enumerate(words):
        frequencies = [
            sum(searcher.doc_freq(field, term) for term in word.terms) for field in fields
        ]
        frequency = frequencies[0] or max(frequencies)
        if frequency or word.common_in is None:
            seen.append((frequency, place, word))
    seen.sort(key=lambda entry: entry[:2])
    missing = sum(not frequency for frequency, _, _ in seen)
    kept = seen[missing : missing + MAX_TERMS]
    counted = seen[max(missing - MAX_TERMS, 0) : missing] + kept
    totals = {word.common_in: _passages(searcher, word.common_in) for word in words}
    rarity = sum(_rarity(frequency, totals[word.common_in]) for frequency, _, word in counted)
    kept.sort(key=lambda entry: entry[1])
    return [
        (word, _rarity(frequency, totals[word.common_in])) for frequency, _, word in kept
    ], rarity
