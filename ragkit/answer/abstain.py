"""Whether the passages hold an answer at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragkit.answer.calibration import BUILT_IN, Calibration
from ragkit.answer.signals import signals_of

if TYPE_CHECKING:
    from ragkit.answer.sentence_ranking import Ranking
    from ragkit.answer.signals import Signals
    from ragkit.results import Hit, RefusalCode
    from ragkit.retrieve.presence import Presence

# A logistic model of "the documents hold an answer", fitted by bench/fit_answers.py.
BIAS = -2.00
WEIGHTS: Mapping[str, float] = {
    "alike": 4.33,
    "names apart": -1.77,
    "name absent": -1.22,
    "first passage": 3.17,
}
THRESHOLD = 0.43
_HOPELESS = 0.3  # of the threshold
_COVERAGE_ALONE = 0.4
_NAMED = 4  # words listed in a reason


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


def judge(
    hits: Sequence[Hit],
    ranking: Ranking,
    calibration: Calibration = BUILT_IN,
    presence: Presence | None = None,
) -> Verdict:
    """Decide from the passages and the best sentences whether to answer.

    Args:
        hits: The passages found.
        ranking: Their sentences and rows, ranked.
        calibration: What makes a confidence of the signals, and its threshold.
        presence: Looks words up in all documents that may be searched; without it, those that the
            passages lack count as absent.
    """
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
    signals = signals_of(hits, ranking, presence)
    confidence = calibration.confidence(log_odds(signals.values))
    threshold = THRESHOLD if calibration.threshold is None else calibration.threshold
    if confidence >= threshold:
        return Verdict(True, confidence)
    code, reason = explain(signals, ranking, known=presence is not None)
    return Verdict(False, confidence, reason, code, confidence < _HOPELESS * threshold)


def log_odds(signals: Mapping[str, float]) -> float:
    """Weigh the signals by the built-in model."""
    return BIAS + sum(weight * signals[name] for name, weight in WEIGHTS.items())


def default_threshold() -> float:
    """Return the confidence from which on questions are answered where a base has no other."""
    return THRESHOLD


def explain(signals: Signals, ranking: Ranking, *, known: bool) -> tuple[RefusalCode, str]:
    """Say what is missing, the surest first.

    Args:
        signals: What is known.
        ranking: The sentences and rows that were ranked.
        known: Whether all documents that may be searched were looked through for the words, not
            only the passages found.
    """
    where = "in the documents that were searched" if known else "in the passages found"
    if signals.beyond is not None:
        page, last = signals.beyond
        held = "1 page" if last == 1 else f"{last:,} pages"
        return "page_absent", f"there is no page {page:,}: the longest document has {held}"
    if signals.absent_names:
        return (
            "name_absent",
            f"{_listed(signals.absent_names)} {_occurs(signals.absent_names)} {where}",
        )
    if signals.apart:
        together = "" if len(signals.apart) == 1 else " together"
        return "names_apart", f"no passage found holds {_listed(signals.apart)}{together}"
    similarity = max(entry.similarity for entry in ranking.scored)
    near = f"nothing {where} is close to the question (best match {similarity:.2f})"
    if signals.absent_words:
        near += f"; {_listed(signals.absent_words)} {_occurs(signals.absent_words)} there"
    return "low_confidence", near


def _listed(names: Sequence[str]) -> str:
    quoted = [repr(name) for name in names[:_NAMED]]
    if len(names) > _NAMED:
        quoted.append(f"{len(names) - _NAMED} more")
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def _occurs(names: Sequence[str]) -> str:
    return "occurs nowhere" if len(names) == 1 else "occur nowhere"
