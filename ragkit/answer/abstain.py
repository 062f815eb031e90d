"""Whether the passages hold an answer at all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragkit.answer.ranking import Ranking
    from ragkit.results import Hit

# A logistic model of "the documents hold the answer" over the best candidate's signals.
_BIAS = -4.0
_SIMILARITY = 6.0
_COVERAGE = 2.5
_THRESHOLD = 0.35
_HOPELESS = 0.1
_COVERAGE_ALONE = 0.4


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the passages hold an answer.

    Attributes:
        answerable: Whether to answer.
        confidence: That there is an answer, 0 to 1.
        reason: Why not to answer; empty when ``answerable``.
        hopeless: So unlikely that a language model need not be asked either.
    """

    answerable: bool
    confidence: float
    reason: str = ""
    hopeless: bool = False


def judge(hits: Sequence[Hit], ranking: Ranking) -> Verdict:
    """Decide from the passages and the best sentences whether to answer."""
    if not hits:
        return Verdict(False, 0.0, "no passage in the documents matches the question", True)
    if not ranking.scored:
        return Verdict(False, 0.0, "the passages that match the question hold no sentence")
    similarity = max(entry.similarity for entry in ranking.scored)
    coverage = max(entry.coverage for entry in ranking.scored[:5])
    if ranking.degraded:
        answerable = coverage >= _COVERAGE_ALONE
        reason = "" if answerable else "no sentence in the documents holds the question's words"
        return Verdict(answerable, coverage, reason)
    confidence = 1.0 / (1.0 + math.exp(-(_BIAS + _SIMILARITY * similarity + _COVERAGE * coverage)))
    if confidence >= _THRESHOLD:
        return Verdict(True, confidence)
    return Verdict(
        False,
        confidence,
        f"nothing in the documents is close to the question (best match {similarity:.2f})",
        confidence < _HOPELESS,
    )
