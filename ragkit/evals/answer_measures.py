"""How good answers are, and how good refusals."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence

from ragkit.language.analysis import UNSPACED

# Below this many of either kind, a rate would say little.
_LEAST = 1
_CITATION = re.compile(r"\s?\[\d{1,3}\]")
_WORD = re.compile(r"[-−]?\d+(?:[.,]\d+)*|\w+|[%€$£¥±°]", re.UNICODE)
_PIECE = re.compile(r"\d+|\D")  # of a word in a script without spaces
_ARTICLES = frozenset(("a", "an", "the"))
_UNSPACED = re.compile(UNSPACED)


def answer_scores(text: str, gold: str) -> dict[str, float]:
    """Compare an answer with the gold one.

    Returns:
        ``"contains the answer"``: whether the gold answer stands in the text, case, punctuation and
        articles aside, 0 or 1 (a gold list, as in ``['a', 'b']``: the share of its items that do);
        ``"token F1"``: overlap of the words as for SQuAD (Rajpurkar et al. 2016), 0 to 1.
    """
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


def reliability(
    answerable: Sequence[bool], confidence: Sequence[float], bins: int = 5
) -> list[dict[str, float]]:
    """Group questions by confidence: how many there are, the mean confidence, the share answerable.

    A calibrated confidence has both shares equal in each group.
    """
    groups: list[dict[str, float]] = []
    for i in range(bins):
        low, high = i / bins, (i + 1) / bins
        inside = [
            (held, value)
            for held, value in zip(answerable, confidence, strict=True)
            if low <= value < high or (i == bins - 1 and value == 1.0)
        ]
        if inside:
            groups.append(
                {
                    "questions": len(inside),
                    "confidence": sum(value for _, value in inside) / len(inside),
                    "answerable": sum(held for held, _ in inside) / len(inside),
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
