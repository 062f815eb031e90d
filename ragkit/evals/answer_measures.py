"""How good answers are, and how good refusals."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import TYPE_CHECKING, Any

from ragkit.language.analysis import UNSPACED

if TYPE_CHECKING:
    from ragkit.evals.golden import GoldenQuestion, Place

# A citation with its "path", "page", "start" and "end".
Cited = Mapping[str, Any]

_QUOTABLE = 80  # characters: longer gold answers are seldom said word for word
_VERDICTS = frozenset(("yes", "no", "maybe", "true", "false"))
# Below this many of either kind, a rate would say little.
_LEAST = 1
_CITATION = re.compile(r"\s?\[\d{1,3}\]")
_WORD = re.compile(r"[-−]?\d+(?:[.,]\d+)*|\w+|[%€$£¥±°]", re.UNICODE)
_PIECE = re.compile(r"\d+|\D")  # of a word in a script without spaces
_ARTICLES = frozenset(("a", "an", "the"))
_UNSPACED = re.compile(UNSPACED)


def answer_scores(text: str, golden: GoldenQuestion) -> dict[str, float]:
    """Compare an answer with the gold one.

    Returns:
        ``"contains the answer"``: whether a gold answer stands in the text, case, punctuation and
        articles aside, 0 or 1 (of a question for a list, or a gold list as in ``['a', 'b']``: the
        share of its items that do); ``"token F1"``: overlap of the words as for SQuAD (Rajpurkar et
        al. 2016), 0 to 1, with the gold answer that fits best. Empty where no answer is known.
    """
    scored = [_scores_of(text, gold) for gold in golden.answers]
    put_together = mean if golden.kind == "list" else max
    return (
        {name: put_together([each[name] for each in scored]) for name in scored[0]}
        if scored
        else {}
    )


def is_right(text: str, citations: Sequence[Cited], golden: GoldenQuestion) -> bool | None:
    """Judge whether an answer in the documents' words is right.

    It is if it holds a gold answer (a list: all of it). Where that is none to be quoted, for it is
    long, says only yes or no, or is not known, it is if a citation shares half of itself, or half of
    a gold place, with the other; without spans, if it cites a gold document.

    Returns:
        ``None`` where the golden set does not tell.
    """
    if golden.answerable is False:
        return False
    short = [gold for gold in golden.answers if len(gold) <= _QUOTABLE]
    quotable = bool(short) and not all(gold.casefold() in _VERDICTS for gold in golden.answers)
    if quotable and answer_scores(text, golden)["contains the answer"] == 1.0:
        return True
    if quotable and len(short) == len(golden.answers):
        return False
    if not golden.relevant:
        return None
    return any(_agree(cited, place) for cited in citations for place in golden.relevant)


def _agree(cited: Cited, place: Place) -> bool:
    if cited["path"] != place.path or place.start is None or place.end is None:
        same_page = place.page is None or cited["page"] == place.page
        return cited["path"] == place.path and place.start is None and same_page
    shared = min(cited["end"], place.end) - max(cited["start"], place.start)
    least = min(cited["end"] - cited["start"], place.end - place.start)
    return bool(2 * shared >= least)


def _scores_of(text: str, gold: str) -> dict[str, float]:
    said = answer_words(text)
    items = [answer_words(item) for item in _items(gold)]
    wanted = [item for item in items if item] or [answer_words(gold)]
    held = sum(_within(item, said) for item in wanted) / len(wanted)
    every = [word for item in wanted for word in item]
    return {"contains the answer": held, "token F1": _f1(said, every)}


def answer_words(text: str) -> list[str]:
    """Split a text for comparison: lower case, no citations, punctuation or articles."""
    plain = unicodedata.normalize("NFKC", _CITATION.sub("", text)).casefold()
    found: list[str] = []
    for word in _WORD.findall(plain):
        if _UNSPACED.search(word):
            found.extend(_PIECE.findall(word))
        elif word not in _ARTICLES:
            found.append(word)
    return found


def _items(gold: str) -> list[str]:
    stripped = gold.strip()
    if stripped.startswith("[") and stripped.endswith("]"):
        quoted = re.findall(r"'([^']+)'|\"([^\"]+)\"", stripped)
        if quoted:
            return [single or double for single, double in quoted]
    return [gold]


def _within(wanted: Sequence[str], said: Sequence[str]) -> bool:
    n = len(wanted)
    return n > 0 and any(list(said[i : i + n]) == list(wanted) for i in range(len(said) - n + 1))


def _f1(said: Sequence[str], wanted: Sequence[str]) -> float:
    shared = sum((Counter(said) & Counter(wanted)).values())
    if not shared:
        return 0.0
    precision, recall = shared / len(said), shared / len(wanted)
    return 2 * precision * recall / (precision + recall)


def refusal_scores(
    answerable: Sequence[bool], refused: Sequence[bool], confidence: Sequence[float | None]
) -> dict[str, float]:
    """Judge refusals; all three sequences are of the same length, one entry a question.

    Returns:
        ``"AUROC"``: how likely an answerable question has a higher confidence than one that is not,
        0 to 1, 0.5 by chance; at the threshold in use, ``"precision of refusals"`` (share of the
        refusals that were right), ``"recall of refusals"`` (share of the unanswerable questions
        that were refused), ``"answerable refused"`` (share); only what can be told from the data.
    """
    found: dict[str, float] = {}
    value = auroc(answerable, confidence)
    if value is not None:
        found["AUROC"] = value
    should = [not held for held in answerable]
    right = sum(said and wanted for said, wanted in zip(refused, should, strict=True))
    if any(refused) and any(should):
        found["precision of refusals"] = right / sum(refused)
    if sum(should) >= _LEAST:
        found["recall of refusals"] = right / sum(should)
    if sum(answerable) >= _LEAST:
        found["answerable refused"] = (sum(refused) - right) / sum(answerable)
    return found


def auroc(answerable: Sequence[bool], confidence: Sequence[float | None]) -> float | None:
    """Area under the ROC curve of the confidence, or ``None`` where only one kind is there."""
    known = [
        (held, value)
        for held, value in zip(answerable, confidence, strict=True)
        if value is not None
    ]
    kinds = {held for held, _ in known}
    if len(kinds) < 2:
        return None
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score([held for held, _ in known], [value for _, value in known]))


def surety_scores(
    answerable: Sequence[bool], sure: Sequence[bool], right: Sequence[bool | None]
) -> dict[str, float]:
    """Judge what is said as an answer; one entry a question.

    Returns:
        ``"right of what is said as an answer"`` (share, of those that the set tells of),
        ``"said as an answer"`` (share of the answerable questions) and ``"unanswerable said as an
        answer"`` (share), as far as there are any.
    """
    told = [good for said, good in zip(sure, right, strict=True) if said and good is not None]
    found: dict[str, float] = {}
    if told:
        found["right of what is said as an answer"] = sum(told) / len(told)
    for name, wanted in (("said as an answer", True), ("unanswerable said as an answer", False)):
        of_kind = [said for held, said in zip(answerable, sure, strict=True) if held is wanted]
        if len(of_kind) >= _LEAST:
            found[name] = sum(of_kind) / len(of_kind)
    return found


def reliability(
    right: Sequence[bool], confidence: Sequence[float], bins: int = 5
) -> list[dict[str, float]]:
    """Group questions by confidence: how many there are, the mean confidence, the share right.

    A calibrated confidence has both shares equal in each group.
    """
    groups: list[dict[str, float]] = []
    for i in range(bins):
        low, high = i / bins, (i + 1) / bins
        inside = [
            (good, value)
            for good, value in zip(right, confidence, strict=True)
            if low <= value < high or (i == bins - 1 and value == 1.0)
        ]
        if inside:
            groups.append(
                {
                    "questions": len(inside),
                    "confidence": sum(value for _, value in inside) / len(inside),
                    "right": sum(good for good, _ in inside) / len(inside),
                }
            )
    return groups


def mean_of(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Average each measure over the rows that have it."""
    sums: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            sums.setdefault(name, []).append(value)
    return {name: sum(values) / len(values) for name, values in sums.items()}
