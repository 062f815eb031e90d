"""From a question to a query: its words looked up in every field, with no syntax to get wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ragkit.store import analysis
from ragkit.store.lexical_index import TEXT_FIELDS
from ragkit.store.paths import storable

FIELD_WEIGHTS = dict(zip(TEXT_FIELDS, (1.0, 0.6, 0.4), strict=True))
CODE_WEIGHT = 1.0
MAX_TERMS = 64
_MAX_CANDIDATES = 4096  # words whose rarity is looked up


def build_query(index: Any, searcher: Any, text: str) -> Any:
    """Build the query: any of the words, in any of the fields; ``None`` without words."""
    import tantivy

    normal = analysis.normalise(storable(text))
    words = dict.fromkeys(analysis.word_analyzer().analyze(normal))
    terms = [
        (field, word, weight)
        for word in _rarest(searcher, TEXT_FIELDS, list(words))
        for field, weight in FIELD_WEIGHTS.items()
    ]
    code_words = list(dict.fromkeys(analysis.codes(normal)))
    terms += [("codes", code, CODE_WEIGHT) for code in _rarest(searcher, ("codes",), code_words)]
    if not terms:
        return None
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


def _rarest(searcher: Any, fields: Sequence[str], words: list[str]) -> list[str]:
    """Those words that occur; of too many, the ones in the fewest chunks."""
    if len(words) > _MAX_CANDIDATES:
        words = words[:_MAX_CANDIDATES]
    seen = [(max(searcher.doc_freq(field, word) for field in fields), word) for word in words]
    there = [(frequency, word) for frequency, word in seen if frequency]
    if len(there) <= MAX_TERMS:
        return [word for _frequency, word in there]
    return [word for _frequency, word in sorted(there)[:MAX_TERMS]]
