"""Fitting the confidence and its threshold to a base and its own golden set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragkit.answer.abstain import default_threshold
from ragkit.answer.calibration import Calibration
from ragkit.errors import UsageError
from ragkit.evals.answer_measures import auroc

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragkit.evals.evaluate import Evaluation

LEAST = 8
_FOLDS = 5
_SEED = 20_250_101


@dataclass(frozen=True, slots=True)
class Fit:
    """A calibration and what it does, measured on questions it was not fitted on.

    Attributes:
        calibration: What was fitted.
        answerable: Number of answerable questions.
        unanswerable: Number of the others.
        auroc: How well the confidence tells them apart, 0 to 1; fitting does not change it.
        balanced_before: Mean share of each kind treated rightly at the threshold so far, 0 to 1.
        balanced_after: The same at the new threshold, in cross-validation.
        brier_before: Mean squared error of the confidence so far, 0 to 1; 0 is best.
        brier_after: The same after fitting, in cross-validation.
    """

    calibration: Calibration
    answerable: int
    unanswerable: int
    auroc: float
    balanced_before: float
    balanced_after: float
    brier_before: float
    brier_after: float


def fit_calibration(evaluation: Evaluation, current: Calibration) -> Fit:
    """Fit slope, intercept (Platt 1999) and threshold to an evaluation's questions.

    The threshold is where the mean share of answerable questions answered and of the others refused
    is largest. Questions for which nothing was found are refused in any case and left out.

    Args:
        evaluation: With answers; made with the calibration ``current``.
        current: The calibration that its confidences come from.

    Raises:
        UsageError: there are too few questions of a kind, or the confidence does not tell them
            apart, so that no threshold would help.
    """
    rows = [
        (bool(o.question.answerable), o.answer["answerable"], o.answer["reason_code"])
        for o in evaluation.outcomes
        if o.answer is not None and o.question.answerable is not None
    ]
    used = [
        (held, confidence)
        for held, confidence, code in rows
        if confidence is not None and code not in ("no_passage", "no_sentence")
    ]
    held = np.array([kind for kind, _ in used], dtype=bool)
    n_held, n_other = int(held.sum()), int((~held).sum())
    if min(n_held, n_other) < LEAST:
        raise UsageError(
            f"calibrating needs at least {LEAST} questions that the documents answer and {LEAST} "
            f'that they do not ("answerable": false), with something found for each; there are '
            f"{n_held} and {n_other}"
        )
    confidence = np.array([value for _, value in used], dtype=np.float64)
    separation = auroc(held.tolist(), confidence.tolist()) or 0.5
    if separation <= 0.5:
        raise UsageError(
            f"the confidence does not tell these questions apart (AUROC {separation:.2f}), so no "
            "threshold would help; see the report for what was missed"
        )
    log_odds = (_logit(confidence) - current.intercept) / current.slope
    slope, intercept, threshold = _fit(log_odds, held)
    after = np.zeros_like(confidence)
    right = np.zeros_like(held)
    for test in _folds(held):
        train = np.ones_like(held)
        train[test] = False
        fold_slope, fold_intercept, fold_threshold = _fit(log_odds[train], held[train])
        after[test] = _sigmoid(fold_slope * log_odds[test] + fold_intercept)
        right[test] = (after[test] >= fold_threshold) == held[test]
    old = default_threshold() if current.threshold is None else current.threshold
    return Fit(
        calibration=Calibration(slope, intercept, threshold, questions=len(used)),
        answerable=n_held,
        unanswerable=n_other,
        auroc=separation,
        balanced_before=_balanced((confidence >= old) == held, held),
        balanced_after=_balanced(right, held),
        brier_before=float(np.mean((confidence - held) ** 2)),
        brier_after=float(np.mean((after - held) ** 2)),
    )


def _fit(log_odds: NDArray[np.float64], held: NDArray[np.bool_]) -> tuple[float, float, float]:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=10.0).fit(log_odds[:, None], held)
    slope, intercept = max(0.05, float(model.coef_[0, 0])), float(model.intercept_[0])
    confidence = _sigmoid(slope * log_odds + intercept)
    cuts = np.unique(confidence)
    middles = (cuts[:-1] + cuts[1:]) / 2
    if not len(middles):
        return slope, intercept, float(cuts[0])
    worth = [_balanced((confidence >= cut) == held, held) for cut in middles]
    best = max(worth)
    # Of equally good thresholds the middle one is least a matter of single questions.
    good = [float(cut) for cut, value in zip(middles, worth, strict=True) if value == best]
    return slope, intercept, good[len(good) // 2]


def _folds(held: NDArray[np.bool_]) -> Sequence[NDArray[np.intp]]:
    from sklearn.model_selection import StratifiedKFold

    splitter = StratifiedKFold(_FOLDS, shuffle=True, random_state=_SEED)
    return [test for _, test in splitter.split(np.zeros((len(held), 1)), held)]


def _balanced(right: NDArray[np.bool_], held: NDArray[np.bool_]) -> float:
    return float((right[held].mean() + right[~held].mean()) / 2)


def _logit(confidence: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = np.clip(confidence, 1e-6, 1.0 - 1e-6)
    return np.asarray(np.log(clipped / (1.0 - clipped)), dtype=np.float64)


def _sigmoid(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(log_odds, -60, 60))), dtype=np.float64)
