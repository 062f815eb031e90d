"""Scores by place; the one implementation is ragkit's own."""

from ragkit.evals.gold_places import (
    SourceText,
    distinct_page_hit,
    document_recall,
    found_again,
    gold_share,
    ndcg,
    page_hit,
    spans_of,
)

__all__ = [
    "SourceText",
    "distinct_page_hit",
    "document_recall",
    "found_again",
    "gold_share",
    "ndcg",
    "page_hit",
    "spans_of",
]
