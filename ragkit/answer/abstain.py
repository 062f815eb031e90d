"""Whether the passages hold an answer at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragkit.answer.calibration import BUILT_IN, Calibration

if TYPE_CHECKING:
    from ragkit.answer.ranking import Ranking
    from ragkit.results import Hit, RefusalCode

# A logistic model of "the documents hold the answer" over the best candidate's signals.
_BIAS = -4.0
_SIMILARITY = 6.0
_COVERAGE = 2.5
_THRESHOLD = 0.35
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
    similarity = max(entry.similarity for entry in ranking.scored)
    coverage = max(entry.coverage for entry in ranking.scored[:5])
    if ranking.degraded:
        answerable = coverage >= _COVERAGE_ALONE
        if answerable:
            return Verdict(True, coverage)
        reason = "no sentence in the documents holds the question's words"
        return Verdict(False, coverage, reason, "low_confidence")
    log_odds = _BIAS + _SIMILARITY * similarity + _COVERAGE * coverage
    confidence = calibration.confidence(log_odds)
    threshold = _THRESHOLD if calibration.threshold is None else calibration.threshold
    if confidence >= threshold:
        return Verdict(True, confidence)
    return Verdict(
        False,
        confidence,
        f"nothing in the documents is close to the question (best match {similarity:.2f})",
        "low_confidence",
        confidence < _HOPELESS * threshold,
    )


def default_threshold() -> float:
    """Return the confidence from which on questions are answered where a base has no other."""
    return _THRESHOLD
