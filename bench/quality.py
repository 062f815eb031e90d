"""What the toolkits find: every question of a set, scored by the places that come back."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import scoring
from eval_sets import EvalSet

if TYPE_CHECKING:
    from toolkits import Bench

Score = Callable[[Sequence[dict[str, Any]], dict[str, Any], EvalSet], dict[str, float]]


def score_pages(
    hits: Sequence[dict[str, Any]], query: dict[str, Any], _: EvalSet
) -> dict[str, float]:
    """Page hits, by passages and by different pages."""
    gold = query["relevant"]
    return {
        "page hit@5": scoring.page_hit(hits, gold, 5),
        "page hit@10": scoring.page_hit(hits, gold, 10),
        "hit in 5 different pages": scoring.distinct_page_hit(hits, gold, 5),
        "hit in 10 different pages": scoring.distinct_page_hit(hits, gold, 10),
    }


class ShareScore:
    """Share of gold characters within budgets; keeps the sources it has read."""

    def __init__(self) -> None:
        self._sources: dict[tuple[Path, str], scoring.SourceText] = {}

    def __call__(
        self, hits: Sequence[dict[str, Any]], query: dict[str, Any], data: EvalSet
    ) -> dict[str, float]:
        def source(path: str) -> scoring.SourceText:
            key = (data.root, path)
            if key not in self._sources:
                self._sources[key] = scoring.SourceText(data.text(path))
            return self._sources[key]

        gold = query["relevant"]
        shares = {
            f"gold share in {budget:,} characters": scoring.gold_share(hits, gold, budget, source)
            for budget in (2000, 6000)
        }
        return shares | {"returned text found again": scoring.found_again(hits[:10], source)}


def score_documents(
    hits: Sequence[dict[str, Any]], query: dict[str, Any], _: EvalSet
) -> dict[str, float]:
    """Document ranking."""
    return {"nDCG@10": scoring.ndcg(hits, query["relevant"], 10)}


# The sets that are whole folders of the evaluation data, and what their gold places allow.
SCORES: dict[str, Score] = {
    "chunking": ShareScore(),
    "cranfield": score_documents,
    "mmlongbench": score_pages,
}


def measure(bench: Bench, data: EvalSet) -> None:
    """Index a set, ask its questions, score the places that come back."""
    folder = bench.scratch / data.name / "corpus"
    data.copy_to(folder)
    ask(bench, data, bench.ingest(data, folder), SCORES[data.name])


def ask(bench: Bench, data: EvalSet, indexes: dict[str, Path], score: Score) -> None:
    """Ask the questions of a set that is indexed, and score what comes back."""
    scored: dict[str, Any] = {}
    for toolkit in bench.in_turn():
        found = toolkit.name in indexes and bench.search(data, toolkit, indexes[toolkit.name])
        if not found:
            continue
        outcome, hits = found
        each = {query["id"]: score(hits[query["id"]], query, data) for query in data.queries}
        scored[toolkit.name] = {
            "mean": {
                metric: statistics.fmean(scores[metric] for scores in each.values())
                for metric in next(iter(each.values()))
            },
            "each": each,
            **latency(outcome.answer["milliseconds"]),
            "peak_bytes": outcome.peak_bytes,
        }
    bench.results["quality"][data.name] = {
        "questions": len(data.queries),
        "files": len(data.files),
        "toolkits": scored,
    }


def latency(milliseconds: Sequence[float]) -> dict[str, float]:
    """The time of half and of nearly all questions."""
    ordered = sorted(milliseconds)
    return {
        "p50_ms": statistics.median(ordered),
        "p95_ms": ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))],
    }
