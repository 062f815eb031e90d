"""From a question to a query: its words looked up in every field, with no syntax to get wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ragkit.store import analysis
from ragkit.store.analysis import Word
from ragkit.store.lexical_index import TEXT_FIELDS, languages_of
from ragkit.store.paths import storable

# Fitted by bench/fusion.py. ``context`` weighs what the chunks around it say, and only adds to
# the score of a chunk that a word of the question was found in.
FIELD_WEIGHTS = dict(zip(TEXT_FIELDS, (1.0, 0.6, 0.3, 0.4), strict=True))
FINDING_FIELDS = ("body", "heading", "name")
CODE_WEIGHT = 0.6
MAX_TERMS = 64
_MAX_CANDIDATES = 4096  # words whose rarity is looked up
_REAL_WORD = 4  # letters; shorter parts of a code, as in CV-900, say nothing alone
_SATURATION = 2.2  # tantivy's k1 + 1: what a word's score tends to, in units of its rarity
_Wanted = tuple[str, Word, float]  # field, word, weight


def build_query(index: Any, searcher: Any, parts: Sequence[tuple[str, float]]) -> Any:
    """Build the query: any of the words, in any of the fields; ``None`` if none of them occurs.

    Words that say little, such as "what is the", are looked up only where nothing else is asked.

    Args:
        index: The index.
        searcher: A state of it.
        parts: Texts with their weights. The part of the score that is due to a text is its weight
            times its share of what a chunk would tend to that repeats every word of it.
    """
    import tantivy

    languages = languages_of(searcher)
    finding: list[_Wanted] = []
    around: list[_Wanted] = []
    for text, weight in parts:
        normal = analysis.normalise(storable(text))
        words = analysis.question_words(normal, languages)[:_MAX_CANDIDATES]
        found, rarity = _rarest(searcher, FINDING_FIELDS, words)
        code_words = [Word((code,)) for code in dict.fromkeys(analysis.codes(normal))]
        codes, code_rarity = _rarest(searcher, ("codes",), code_words[:_MAX_CANDIDATES])
        ceiling = _SATURATION * max(rarity, code_rarity)
        if ceiling <= 0:
            continue
        unit = weight / (ceiling * (FIELD_WEIGHTS["body"] + FIELD_WEIGHTS["context"]))
        finding += [
            (field, word, unit * FIELD_WEIGHTS[field]) for word in found for field in FINDING_FIELDS
        ]
        finding += [("codes", code, unit * CODE_WEIGHT) for code in codes]
        around += [("context", word, unit * FIELD_WEIGHTS["context"]) for word in found]
    if not finding:
        return None
    query = _any_of(index, searcher, finding)
    if not around:
        return query
    return tantivy.Query.boolean_query(
        [
            (tantivy.Occur.Must, query),
            (tantivy.Occur.Should, _any_of(index, searcher, around)),
        ]
    )


def build_presence(index: Any, searcher: Any, word: str) -> Any:
    """Build the query for chunks that hold a word; ``None`` where it is none, or a common one.

    A code (letters with digits) is looked up whole; what is put together of words ("after-tax",
    "level-6") may as well stand apart in one chunk.
    """
    import tantivy

    normal = analysis.normalise(storable(word))
    parts = analysis.question_words(normal, languages_of(searcher))
    codes = [code for code in analysis.codes(normal) if any(map(str.isalpha, code))]

    def is_held(fields: Sequence[str], terms: Sequence[str]) -> Any:
        return tantivy.Query.boolean_query(
            [
                (
                    tantivy.Occur.Should,
                    tantivy.Query.term_query(index.schema, field, term, "basic"),
                )
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
    return tantivy.Query.boolean_query([(tantivy.Occur.Should, way) for way in ways])


def _any_of(index: Any, searcher: Any, wanted: Sequence[_Wanted]) -> Any:
    import tantivy

    return tantivy.Query.boolean_query(
        [
            (tantivy.Occur.Should, _one_word(index, searcher, field, word, weight))
            for field, word, weight in wanted
        ]
    )


def _one_word(index: Any, searcher: Any, field: str, word: Word, weight: float) -> Any:
    """Look for a word by its terms in all languages, as rare as they are together.

    A chunk is in one language, and so never matched by two.
    """
    import tantivy

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
    return math.log(max(total + 1, frequency + 0.5) / (frequency + 0.5))


def _rarest(
    searcher: Any, fields: Sequence[str], words: Sequence[Word]
) -> tuple[list[Word], float]:
    """Those words that occur (of too many, the ones in the fewest chunks), and how rare all are.

    The latter is the sum of the inverse document frequencies, as BM25 counts them, of the words
    that occur and of those that do not: a question that is mostly about other things finds
    nothing that scores well.
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
    return [word for _, _, word in sorted(kept, key=lambda entry: entry[1])], rarity
