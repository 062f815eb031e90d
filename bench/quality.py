"""What the toolkits find: every question of a set, scored by the places that come back."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import scoring
from eval_sets import EvalSet
from report import CHECK

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
        return shares | {CHECK: scoring.found_again(hits[:10], source)}


def score_documents(
    hits: Sequence[dict[str, Any]], query: dict[str, Any], _: EvalSet
) -> dict[str, float]:
    """Document ranking."""
    return {"nDCG@10": scoring.ndcg(hits, query["relevant"], 10)}


def score_found_documents(
    hits: Sequence[dict[str, Any]], query: dict[str, Any], _: EvalSet
) -> dict[str, float]:
    """Documents found, by passages and by different documents, and their ranking."""
    gold = query["relevant"]
    documents = [{"path": path} for path in dict.fromkeys(hit["path"] for hit in hits)]
    return {
        "recall@5": scoring.document_recall(hits, gold, 5),
        "recall@10": scoring.document_recall(hits, gold, 10),
        "recall in 5 different documents": scoring.document_recall(documents, gold, 5),
        "nDCG@10": scoring.ndcg(hits, gold, 10),
    }


@dataclass(frozen=True, slots=True)
class View:
    """One way of asking the questions of a set.

    Attributes:
        score: What its gold places allow.
        name: Told apart by this where a set has several; else empty.
        scope: Each question is asked within the one document that it is about.
        history: The earlier turns are given; only to toolkits that take them without an LLM.
    """

    score: Score
    name: str = ""
    scope: bool = False
    history: bool = False

    def label(self, data: EvalSet) -> str:
        """The set's name, and this one's."""
        return f"{data.name}, {self.name}" if self.name else data.name

    def asked(self, query: dict[str, Any]) -> dict[str, Any]:
        """What a toolkit is given of a question: never its gold fields."""
        given = {"id": query["id"], "question": query["question"]}
        if self.scope:
            given["scope"] = query["scope"]
        if self.history:
            given["history"] = query.get("history", [])
        return given


# The sets that are whole folders of the evaluation data, and how they are asked.
SETS: dict[str, tuple[View, ...]] = {
    "chunking": (View(ShareScore()),),
    "cranfield": (View(score_documents),),
    "mmlongbench": (
        View(score_pages, "across the collection"),
        View(score_pages, "within the named document", scope=True),
    ),
    "mtrag": (
        View(score_found_documents, "last turn alone"),
        View(score_found_documents, "last turn and history", history=True),
    ),
}


def measure(bench: Bench, data: EvalSet) -> dict[str, Path]:
    """Index a set, ask its questions, score the places that come back; returns the indexes."""
    folder = bench.scratch / data.name / "corpus"
    data.copy_to(folder)
    indexes = bench.ingest(data, folder)
    for view in SETS[data.name]:
        ask(bench, data, indexes, view)
    return indexes


def ask(bench: Bench, data: EvalSet, indexes: dict[str, Path], view: View) -> None:
    """Ask the questions of a set that is indexed, and score what comes back."""
    scored: dict[str, Any] = {}
    asked = []
    questions = [view.asked(query) for query in data.queries]
    for toolkit in bench.in_turn():
        if view.history and not toolkit.history:
            continue
        asked.append(toolkit.name)
        index = indexes.get(toolkit.name)
        found = index and bench.search(view.label(data), questions, toolkit, index)
        if not found:
            continue
        outcome, hits = found
        each = {query["id"]: view.score(hits[query["id"]], query, data) for query in data.queries}
        scored[toolkit.name] = {
            "mean": {
                metric: statistics.fmean(scores[metric] for scores in each.values())
                for metric in next(iter(each.values()))
            },
            "each": each,
            **latency(outcome.answer["milliseconds"]),
            "peak_bytes": outcome.peak_bytes,
        }
    bench.results["quality"][view.label(data)] = {
        "questions": len(data.queries),
        "files": len(data.files),
        "asked": asked,
        "toolkits": scored,
    }


def latency(milliseconds: Sequence[float]) -> dict[str, float]:
    """The time of half and of nearly all questions."""
    ordered = sorted(milliseconds)
    return {
        "p50_ms": statistics.median(ordered),
        "p95_ms": ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))],
    }
