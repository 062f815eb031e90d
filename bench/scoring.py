"""Scores by place of what a toolkit returned; what ragkit measures itself with is imported."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ragkit.evals import measures
from ragkit.evals.measures import distinct_page_hit, page_hit

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

Hit = Mapping[str, Any]
Place = Mapping[str, Any]


def ndcg(hits: Sequence[Hit], relevant: Sequence[Place], k: int) -> float:
    """nDCG@k with linear gains, as trec_eval computes it; a document ranks as its best passage."""
    grades: dict[str, int] = {}
    for place in relevant:
        grades[place["path"]] = max(grades.get(place["path"], 0), place.get("grade", 1))
    ranked = list(dict.fromkeys(hit["path"] for hit in hits))[:k]
    ideal = sorted(grades.values(), reverse=True)[:k]
    best = sum(grade / math.log2(rank + 2) for rank, grade in enumerate(ideal))
    got = sum(grades.get(path, 0) / math.log2(rank + 2) for rank, path in enumerate(ranked))
    return got / best if best else 0.0


def document_recall(hits: Sequence[Hit], relevant: Sequence[Place], k: int) -> float:
    """Share of the gold documents of which one of the first ``k`` passages comes."""
    gold = {place["path"] for place in relevant}
    return len(gold & {hit["path"] for hit in hits[:k]}) / len(gold) if gold else 0.0


class SourceText:
    """A file's text in which passages are found again, white space aside."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._offsets = [i for i, character in enumerate(text) if not character.isspace()]
        self._squashed = "".join(text[i] for i in self._offsets)

    def locate(self, passage: str) -> list[tuple[int, int]]:
        """Spans of a passage: one if it stands there whole, else those of its lines that do."""
        whole = self._find(passage)
        if whole:
            return [whole]
        found = (self._find(line) for line in passage.split("\n") if len(line) >= 20)
        return [span for span in found if span]

    def _find(self, passage: str) -> tuple[int, int] | None:
        wanted = "".join(passage.split())
        at = self._squashed.find(wanted) if wanted else -1
        if at < 0:
            return None
        return self._offsets[at], self._offsets[at + len(wanted) - 1] + 1


def spans_of(hit: Hit, text: str, source: Callable[[str], SourceText]) -> list[tuple[int, int]]:
    """Where the first part of a passage, ``text``, stands: as the toolkit says, else as found."""
    if hit["start"] is not None:
        return [(hit["start"], hit["start"] + len(text))]
    return source(hit["path"]).locate(text)


def found_again(hits: Sequence[Hit], source: Callable[[str], SourceText]) -> float:
    """Share of the returned characters that stand where they were said or found to stand.

    A check of the measurement itself: what is not found again cannot be credited.
    """
    returned = found = 0
    for hit in hits:
        text = source(hit["path"]).text
        returned += len("".join(hit["text"].split()))
        wanted = "".join(hit["text"].split())
        for start, end in spans_of(hit, hit["text"], source):
            piece = "".join(text[start:end].split())
            found += len(piece) if piece in wanted else 0
    return min(1.0, found / returned) if returned else 0.0


def gold_share(
    hits: Sequence[Hit],
    relevant: Sequence[Place],
    budget: int,
    source: Callable[[str], SourceText],
) -> float:
    """Share of the gold characters in the first ``budget`` characters of returned text."""
    return measures.gold_share(
        hits, relevant, budget, lambda hit, text: spans_of(hit, text, source)
    )
