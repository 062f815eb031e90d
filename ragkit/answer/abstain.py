"""Whether the passages hold an answer at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp
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
# One of "if so, the sentences chosen are right", fitted by bench/generalise.py.
RIGHT_BIAS = -1.71
RIGHT_WEIGHTS: Mapping[str, float] = {
    "coverage": 1.14,
    "ahead": 3.41,
    "passage": 0.86,
    "one document": 0.45,
    "fragment": -0.63,
    "terms": 0.14,
}
# Below this chance of an answer a question is refused; from this confidence on what is said is said
# as the answer. Between them the nearest passages are shown, which claims nothing.
THRESHOLD = 0.35
SURE = 0.6
_HOPELESS = 0.3  # of the threshold
_COVERAGE_ALONE = 0.4
_NAMED = 4  # words listed in a reason


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the passages hold an answer.

    Attributes:
        answerable: Whether to say anything.
        confidence: That the sentences chosen are right, 0 to 1: that there is an answer, and that
            these are it if there is.
        reason: Why not to answer, or not to be sure; empty when ``sure``.
        code: The kind of reason; ``None`` when ``sure``.
        hopeless: So unlikely that a language model need not be asked either.
        sure: Whether to say it as the answer.
        chance: That there is an answer, 0 to 1.
    """

    answerable: bool
    confidence: float
    reason: str = ""
    code: RefusalCode | None = None
    hopeless: bool = False
    sure: bool = False
    chance: float = 0.0


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
        calibration: What makes a chance of an answer of the signals, and its threshold.
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
            reason = "sentences could only be compared with the question by words"
            return Verdict(True, coverage, reason, "low_confidence", chance=coverage)
        reason = "no sentence in the documents holds the question's words"
        return Verdict(False, coverage, reason, "low_confidence", chance=coverage)
    signals = signals_of(hits, ranking, presence)
    chance = calibration.confidence(log_odds(signals.values))
    confidence = chance * right_if_any(signals.values)
    threshold = THRESHOLD if calibration.threshold is None else calibration.threshold
    answerable = chance >= threshold
    if answerable and confidence >= SURE:
        return Verdict(True, confidence, sure=True, chance=chance)
    code, reason = explain(signals, ranking, known=presence is not None)
    if answerable and code == "low_confidence":
        reason = f"nothing found fits the question well enough (confidence {confidence:.2f})"
    hopeless = chance < _HOPELESS * threshold
    return Verdict(answerable, confidence, reason, code, hopeless, chance=chance)


def log_odds(signals: Mapping[str, float]) -> float:
    """Weigh the signals by the built-in model of whether there is an answer."""
    return BIAS + sum(weight * signals[name] for name, weight in WEIGHTS.items())


def right_if_any(signals: Mapping[str, float]) -> float:
    """How likely the sentences chosen are right if there is an answer, 0 to 1."""
    weighed = sum(weight * signals[name] for name, weight in RIGHT_WEIGHTS.items())
    return 1.0 / (1.0 + exp(-RIGHT_BIAS - weighed))


def default_threshold() -> float:
    """Return the chance of an answer below which questions are refused where a base has no other."""
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
