"""From a question to a query: its words looked up in every field, with no syntax to get wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ragkit.store import analysis
from ragkit.store.lexical_index import TEXT_FIELDS
from ragkit.store.paths import storable

# Fitted by bench/fusion.py. ``context`` weighs what the chunks around it say, and only adds to
# the score of a chunk that a word of the question was found in.
FIELD_WEIGHTS = dict(zip(TEXT_FIELDS, (1.0, 0.6, 0.3, 0.4), strict=True))
FINDING_FIELDS = ("body", "heading", "name")
CODE_WEIGHT = 0.6
MAX_TERMS = 64
_MAX_CANDIDATES = 4096  # words whose rarity is looked up
_SATURATION = 2.2  # tantivy's k1 + 1: what a word's score tends to, in units of its rarity


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

    finding: list[tuple[str, str, float]] = []
    around: list[tuple[str, str, float]] = []
    for text, weight in parts:
        normal = analysis.normalise(storable(text))
        words = list(dict.fromkeys(analysis.question_terms(normal)))[:_MAX_CANDIDATES]
        found, rarity = _rarest(searcher, FINDING_FIELDS, words)
        code_words = list(dict.fromkeys(analysis.codes(normal)))[:_MAX_CANDIDATES]
        codes, code_rarity = _rarest(searcher, ("codes",), code_words)
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
    query = _any_of(index, finding)
    if not around:
        return query
    return tantivy.Query.boolean_query(
        [(tantivy.Occur.Must, query), (tantivy.Occur.Should, _any_of(index, around))]
    )


def _any_of(index: Any, terms: Sequence[tuple[str, str, float]]) -> Any:
    import tantivy

    return tantivy.Query.boolean_query(
        [
            (
                tantivy.Occur.Should,
                tantivy.Query.boost_query(
                    tantivy.Query.term_query(index.schema, field, term, "freq"), weight
                ),
            )
            for field, term, weight in terms
        ]
    )


def _rarest(searcher: Any, fields: Sequence[str], words: list[str]) -> tuple[list[str], float]:
    """Those words that occur (of too many, the ones in the fewest chunks), and how rare all are.

    The latter is the sum of the inverse document frequencies, as BM25 counts them, of the words
    that occur and of those that do not: a question that is mostly about other things finds
    nothing that scores well.
    """
    total = searcher.num_docs
    seen = []
    for place, word in enumerate(words):
        frequencies = [searcher.doc_freq(field, word) for field in fields]
        seen.append((frequencies[0] or max(frequencies), place, word))
    seen.sort()
    missing = sum(not frequency for frequency, _, _ in seen)
    kept = seen[missing : missing + MAX_TERMS]
    counted = seen[max(missing - MAX_TERMS, 0) : missing] + kept
    # ln(1 + (N - n + 0.5) / (n + 0.5)), Robertson & Zaragoza 2009
    rarity = sum(
        math.log(max(total + 1, frequency + 0.5) / (frequency + 0.5)) for frequency, _, _ in counted
    )
    return [word for _, _, word in sorted(kept, key=lambda entry: entry[1])], rarity
