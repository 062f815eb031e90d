"""Two ways to search or ask, on the same questions: which is better, and is it chance?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ragkit.evals.answer_measures import auroc
from ragkit.evals.evaluate import ACROSS, WITHIN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragkit.evals.evaluate import Evaluation, Outcome

RESAMPLES = 9_999
SIGNIFICANT = 0.05
_SEED = 20_250_101
_EXAMPLES = 10


@dataclass(frozen=True, slots=True)
class Difference:
    """How a measure differs between two settings, question by question.

    Attributes:
        measure: Its name, with the way of searching.
        questions: How many questions have it in both.
        first: Its mean in the first setting.
        second: Its mean in the second.
        low: Lower end of the 95% bootstrap interval of ``second - first``.
        high: Its upper end.
        p: How likely a difference as large arises by chance: a paired permutation test, corrected
            for the number of measures by Holm's method; 0 to 1.
        better: Questions for which the second is better.
        worse: Questions for which it is worse.
    """

    measure: str
    questions: int
    first: float
    second: float
    low: float
    high: float
    p: float
    better: int
    worse: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences, and the questions that changed most: ``(id, measure, first, second)``."""

    names: tuple[str, str]
    differences: tuple[Difference, ...]
    changed: tuple[tuple[str, str, float, float], ...]


def compare(first: Evaluation, second: Evaluation, *, names: tuple[str, str]) -> Comparison:
    """Compare two evaluations of the same golden set, paired by question.

    Only measures of which some question has both are compared. Of the refusals, which are judged
    together rather than one by one, the difference in AUROC is given with its bootstrap interval
    and the p-value that follows from it.
    """
    pairs = _pairs(first, second)
    differences = [paired_difference(measure, values) for measure, values in _values(pairs).items()]
    separation = _auroc_difference(pairs)
    if separation is not None:
        differences.append(separation)
    return Comparison(names, holm(differences), _changed(pairs))


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """A comparison as plain data, for JSON."""
    return {
        "first": comparison.names[0],
        "second": comparison.names[1],
        "differences": [
            {
                "measure": d.measure,
                "questions": d.questions,
                "first": round(d.first, 4),
                "second": round(d.second, 4),
                "difference": round(d.second - d.first, 4),
                "interval": [round(d.low, 4), round(d.high, 4)],
                "p": round(d.p, 4),
                "better": d.better,
                "worse": d.worse,
            }
            for d in comparison.differences
        ],
        "changed": [
            {"id": name, "measure": measure, "first": one, "second": other}
            for name, measure, one, other in comparison.changed
        ],
    }


def _pairs(first: Evaluation, second: Evaluation) -> list[tuple[Outcome, Outcome]]:
    others = {outcome.question.id: outcome for outcome in second.outcomes}
    return [
        (outcome, others[outcome.question.id])
        for outcome in first.outcomes
        if outcome.question.id in others
    ]


def _measures(outcome: Outcome) -> dict[str, float]:
    found: dict[str, float] = {}
    for view in (ACROSS, WITHIN):
        for name, value in outcome.scores.get(view, {}).items():
            found[name if view == ACROSS else f"{name}, {view}"] = value
    found |= outcome.answer_scores
    if outcome.answer is not None and outcome.question.answerable is not None:
        right = bool(outcome.answer["refused"]) != bool(outcome.question.answerable)
        found["answered or refused rightly"] = float(right)
    return found


def _values(
    pairs: Sequence[tuple[Outcome, Outcome]],
) -> dict[str, list[tuple[str, float, float]]]:
    found: dict[str, list[tuple[str, float, float]]] = {}
    for one, other in pairs:
        first, second = _measures(one), _measures(other)
        for name in first:
            if name in second:
                found.setdefault(name, []).append((one.question.id, first[name], second[name]))
    return found


def paired_difference(measure: str, values: Sequence[tuple[str, float, float]]) -> Difference:
    """Test whether a measure differs, by random swaps of each question's two values.

    Args:
        measure: Its name.
        values: For each question its id and both values; at least one.

    Returns:
        The difference, its ``p`` not yet corrected for other measures: see :func:`holm`.
    """
    from scipy import stats

    first = np.array([one for _, one, _ in values])
    second = np.array([other for _, _, other in values])
    change = second - first
    low = high = 0.0
    p = 1.0
    if np.any(change != 0):
        low, high = _interval(_bootstrap_means(change))
        p = float(
            stats.permutation_test(
                (change,),
                np.mean,
                permutation_type="samples",
                n_resamples=RESAMPLES,
                vectorized=True,
                rng=np.random.default_rng(_SEED),
            ).pvalue
        )
    return Difference(
        measure=measure,
        questions=len(values),
        first=float(first.mean()),
        second=float(second.mean()),
        low=low,
        high=high,
        p=p,
        better=int(np.sum(change > 0)),
        worse=int(np.sum(change < 0)),
    )


def _bootstrap_means(change: NDArray[np.float64]) -> NDArray[np.float64]:
    rng = np.random.default_rng(_SEED)
    rows = rng.integers(0, len(change), size=(2_000, len(change)))
    return np.asarray(change[rows].mean(axis=1), dtype=np.float64)


def _interval(means: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def _auroc_difference(pairs: Sequence[tuple[Outcome, Outcome]]) -> Difference | None:
    judged = [
        (bool(one.question.answerable), one.answer["answerable"], other.answer["answerable"])
        for one, other in pairs
        if one.answer and other.answer and one.question.answerable is not None
    ]
    judged = [row for row in judged if row[1] is not None and row[2] is not None]

    def both(rows: Sequence[tuple[bool, float, float]]) -> tuple[float, float] | None:
        held = [row[0] for row in rows]
        first, second = auroc(held, [r[1] for r in rows]), auroc(held, [r[2] for r in rows])
        return None if first is None or second is None else (first, second)

    whole = both(judged)
    if whole is None:
        return None
    rng = np.random.default_rng(_SEED)
    changes = []
    for _ in range(500):
        sample = both([judged[i] for i in rng.integers(0, len(judged), size=len(judged))])
        if sample is not None:
            changes.append(sample[1] - sample[0])
    low, high = _interval(np.array(changes or [0.0]))
    below = sum(change <= 0 for change in changes) / max(1, len(changes))
    above = sum(change >= 0 for change in changes) / max(1, len(changes))
    tail = max(min(below, above), 1 / (len(changes) + 1))
    p = 1.0 if whole[0] == whole[1] else min(1.0, 2 * tail)
    return Difference("AUROC", len(judged), *whole, low, high, p, 0, 0)


def holm(differences: Sequence[Difference]) -> tuple[Difference, ...]:
    """Correct p-values for their number by Holm's method (1979).

    The smallest of m is taken times m, the next times m - 1, and none is below the one before.
    """
    order = sorted(range(len(differences)), key=lambda i: differences[i].p)
    corrected = list(differences)
    least = 0.0
    for rank, i in enumerate(order):
        least = max(least, min(1.0, (len(differences) - rank) * differences[i].p))
        corrected[i] = replace(differences[i], p=least)
    return tuple(corrected)


def _changed(
    pairs: Sequence[tuple[Outcome, Outcome]],
) -> tuple[tuple[str, str, float, float], ...]:
    """The questions that changed most, by what matters most of what they have."""
    found: list[tuple[str, str, float, float]] = []
    for one, other in pairs:
        first, second = _measures(one), _measures(other)
        for measure in ("contains the answer", f"ndcg@10, {WITHIN}", "ndcg@10"):
            if measure in first and measure in second and first[measure] != second[measure]:
                found.append((one.question.id, measure, first[measure], second[measure]))
                break
    found.sort(key=lambda row: -abs(row[3] - row[2]))
    return tuple(found[:_EXAMPLES])
