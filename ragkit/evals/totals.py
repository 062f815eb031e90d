"""The figures of an evaluation: means over its questions."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ragkit.evals.answer_measures import auroc, mean_of, refusal_scores, reliability, surety_scores
from ragkit.evals.evaluate import ACROSS, ALONE, REWRITE, WITHIN

if TYPE_CHECKING:
    from ragkit.evals.evaluate import Evaluation, Outcome


@dataclass(frozen=True, slots=True)
class Group:
    """Means over some questions; ``measures`` maps a measure's name to its mean."""

    questions: int
    measures: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of an evaluation.

    Attributes:
        questions: How many were asked.
        units: How many questions name passages, pages, whole documents, or nothing.
        retrieval: For each way of searching the means over the questions that have places.
        follow_ups: The same over follow-ups alone: with history, without, and the gold rewrite.
        answers: Means over the answerable questions whose answer is known; a refusal counts 0.
        refusals: :func:`ragkit.evals.answer_measures.refusal_scores`, empty without answers.
        reliability: :func:`ragkit.evals.answer_measures.reliability`.
        latency: ``"search p50"``, ``"search p95"``, ``"ask p50"``, ``"ask p95"``, milliseconds.
        missed: How many questions have something to say in ``Outcome.missed``.
    """

    questions: int
    units: Mapping[str, int]
    retrieval: Mapping[str, Group]
    follow_ups: Mapping[str, Group]
    answers: Group
    refusals: Mapping[str, float]
    reliability: Sequence[Mapping[str, float]]
    latency: Mapping[str, float]
    missed: int
    counts: Mapping[str, int] = field(default_factory=dict)


def summarise(evaluation: Evaluation) -> Summary:
    """Average an evaluation's outcomes."""
    outcomes = evaluation.outcomes
    judged = [o for o in outcomes if o.answer is not None and o.question.answerable is not None]
    answerable = [bool(o.question.answerable) for o in judged]
    refused = [bool(o.answer and o.answer["refused"]) for o in judged]
    confidence = [o.answer["confidence"] if o.answer else None for o in judged]
    chance = [o.answer["answerable"] if o.answer else None for o in judged]
    sure = [bool(o.answer and o.answer["sure"]) for o in judged]
    right = [o.right for o in judged]
    known = [
        (good, value)
        for good, value in zip(right, confidence, strict=True)
        if value is not None and good is not None
    ]
    follow_ups = [o for o in outcomes if o.question.history and o.scores]
    scored = [o.answer_scores for o in outcomes if o.answer_scores]
    return Summary(
        questions=len(outcomes),
        units={
            unit: sum(o.unit == unit for o in outcomes)
            for unit in ("passage", "page", "document", "")
        },
        retrieval={
            view: group for view in (ACROSS, WITHIN) if (group := _group(outcomes, view)).questions
        },
        follow_ups=_follow_ups(follow_ups),
        answers=Group(len(scored), mean_of(scored)),
        refusals={
            **refusal_scores(answerable, refused, chance),
            **surety_scores(answerable, sure, right),
        }
        if judged
        else {},
        reliability=reliability([good for good, _ in known], [value for _, value in known]),
        latency=_latency(outcomes),
        missed=sum(bool(o.missed) for o in outcomes),
        counts={
            "answerable": sum(answerable),
            "unanswerable": len(answerable) - sum(answerable),
            "refused": sum(refused),
            "sure": sum(sure),
        },
    )


def summary_document(summary: Summary) -> dict[str, Any]:
    """The figures as plain data, for JSON."""

    def group(found: Group) -> dict[str, Any]:
        return {"questions": found.questions, **_rounded(found.measures)}

    return {
        "questions": summary.questions,
        "judged_by": {unit or "nothing": n for unit, n in summary.units.items() if n},
        "retrieval": {view: group(found) for view, found in summary.retrieval.items()},
        "follow_ups": {view: group(found) for view, found in summary.follow_ups.items()},
        "answers": group(summary.answers) if summary.answers.questions else {},
        "refusals": {**_rounded(summary.refusals), **summary.counts} if summary.refusals else {},
        "reliability": [_rounded(row) for row in summary.reliability],
        "latency_ms": {name: round(value, 1) for name, value in summary.latency.items()},
        "missed": summary.missed,
    }


def roc_points(evaluation: Evaluation) -> list[tuple[float, float]]:
    """The ROC curve of the confidence as points (share of unanswerable, of answerable answered)."""
    pairs = [
        (bool(o.question.answerable), o.answer["answerable"])
        for o in evaluation.outcomes
        if o.answer and o.question.answerable is not None and o.answer["answerable"] is not None
    ]
    if auroc([held for held, _ in pairs], [value for _, value in pairs]) is None:
        return []
    from sklearn.metrics import roc_curve

    false, true, _ = roc_curve([held for held, _ in pairs], [value for _, value in pairs])
    return list(zip(map(float, false), map(float, true), strict=True))


def _group(outcomes: Sequence[Outcome], view: str) -> Group:
    rows = [outcome.scores[view] for outcome in outcomes if view in outcome.scores]
    return Group(len(rows), mean_of(rows))


def _follow_ups(outcomes: Sequence[Outcome]) -> dict[str, Group]:
    if not outcomes:
        return {}
    with_history = [o.scores.get(WITHIN, o.scores[ACROSS]) for o in outcomes]
    found = {"with history": Group(len(with_history), mean_of(with_history))}
    for view in (ALONE, REWRITE):
        group = _group(outcomes, view)
        if group.questions:
            found[view] = group
    return found


def _latency(outcomes: Sequence[Outcome]) -> dict[str, float]:
    found: dict[str, float] = {}
    asked = [outcome.ask_ms for outcome in outcomes if outcome.ask_ms is not None]
    for name, values in (("search", [o.search_ms for o in outcomes]), ("ask", asked)):
        if values:
            found[f"{name} p50"] = statistics.median(values)
            found[f"{name} p95"] = sorted(values)[min(len(values) - 1, int(0.95 * len(values)))]
    return found


def _rounded(measures: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in measures.items()}
