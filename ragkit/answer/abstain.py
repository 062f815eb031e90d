"""Whether the passages hold an answer at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragkit.answer.calibration import BUILT_IN, Calibration
from ragkit.answer.signals import signals_of

if TYPE_CHECKING:
    from ragkit.answer.ranking import Ranking
    from ragkit.results import Hit, RefusalCode

# A logistic model of "the documents hold the answer", fitted by bench/fit_answers.py.
BIAS = -3.34
WEIGHTS: Mapping[str, float] = {
    "alike": 3.25,
    "named": 1.83,
    "name absent": -1.52,
    "unit absent": -2.53,
    "first passage": 2.73,
    "length": 1.69,
}
THRESHOLD = 0.36
_HOPELESS = 0.3  # of the threshold
_COVERAGE_ALONE = 0.4


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the passages hold an answer.

    Attributes:
        answerable: Whether to answer.
        confidence: That there is an answer, 0 to 1.
        reason: Why not to answer; empty when ``answerable``.
        code: The kind of reason; ``None`` when ``answerable``.
        hopeless: So unlikely that a language model need not be asked either.
    """

    answerable: bool
    confidence: float
    reason: str = ""
    code: RefusalCode | None = None
    hopeless: bool = False


def judge(hits: Sequence[Hit], ranking: Ranking, calibration: Calibration = BUILT_IN) -> Verdict:
    """Decide from the passages and the best sentences whether to answer."""
    if not hits:
        reason = "no passage in the documents matches the question"
        return Verdict(False, 0.0, reason, "no_passage", True)
    if not ranking.scored:
        reason = "the passages that match the question hold no sentence"
        return Verdict(False, 0.0, reason, "no_sentence")
    if ranking.degraded:
        coverage = max(entry.coverage for entry in ranking.scored[:5])
        if coverage >= _COVERAGE_ALONE:
            return Verdict(True, coverage)
        reason = "no sentence in the documents holds the question's words"
        return Verdict(False, coverage, reason, "low_confidence")
    signals = signals_of(hits, ranking)
    confidence = calibration.confidence(log_odds(signals))
    threshold = THRESHOLD if calibration.threshold is None else calibration.threshold
    if confidence >= threshold:
        return Verdict(True, confidence)
    reason = _reason(signals, ranking)
    return Verdict(False, confidence, reason, "low_confidence", confidence < _HOPELESS * threshold)


def log_odds(signals: Mapping[str, float]) -> float:
    """Weigh the signals by the built-in model."""
    return BIAS + sum(weight * signals[name] for name, weight in WEIGHTS.items())


def default_threshold() -> float:
    """Return the confidence from which on questions are answered where a base has no other."""
    return THRESHOLD


def _reason(signals: Mapping[str, float], ranking: Ranking) -> str:
    similarity = max(entry.similarity for entry in ranking.scored)
    if signals["name absent"]:
        return (
            "the passages found do not name all that the question does "
            f"({', '.join(sorted(ranking.named))}; best match {similarity:.2f})"
        )
    return f"nothing in the documents is close to the question (best match {similarity:.2f})"
