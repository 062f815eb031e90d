"""What belongs to a sentence that answers: its table or list, and the sentence it refers to."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ragkit.language import lists

if TYPE_CHECKING:
    from ragkit.answer.candidates import Candidate
    from ragkit.answer.sentence_ranking import Ranking, Scored

_LEADS_IN = re.compile(r"[:：][^\w:：]*\Z")
_REFERS_BACK = re.compile(
    rf"\W*(?:{lists.alternatives('pronouns.third')}|{lists.alternatives('pronouns.demonstrative')}"
    rf"|{lists.alternatives('pronouns.leaning')})\b",
    re.IGNORECASE,
)
# A row or item with so much of the question is asked for itself, not as one of many.
_ITSELF = 0.5


def completed(entry: Scored, ranking: Ranking) -> list[Candidate]:
    """Return what to say for the best sentence: it, or more than it.

    A row of a short table, or an item of a short list, stands for all of it where the question asks
    for several things; a line that leads in to a list comes with the list, and a sentence that
    refers back with the one before it.
    """
    candidate = entry.candidate
    if candidate.whole is not None:
        if _LEADS_IN.search(candidate.text):
            return [candidate, _whole(candidate)]
        itself = entry.signals["subject" if candidate.kind == "row" else "coverage"]
        if ranking.question.asks_list and itself < _ITSELF:
            return [_whole(candidate)]
    before = candidate.previous
    if candidate.kind == "sentence" and before is not None and _REFERS_BACK.match(candidate.text):
        antecedent = ranking.candidates[before]
        if antecedent.kind == "sentence":
            return [candidate, antecedent]
    return [candidate]


def _whole(candidate: Candidate) -> Candidate:
    whole = candidate.whole
    if whole is None:
        return candidate
    return replace(
        candidate,
        page=whole.page,
        line=whole.line,
        start=whole.start,
        end=whole.end,
        text=whole.text,
        shown=whole.shown,
    )
