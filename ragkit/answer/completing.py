"""What belongs to a sentence that answers: its table or list, and the sentence it refers to."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ragkit.answer.candidates import antecedent

if TYPE_CHECKING:
    from ragkit.answer.candidates import Candidate
    from ragkit.answer.sentence_ranking import Ranking, Scored

_LEADS_IN = re.compile(r"[:：][^\w:：]*\Z")
# A row or item with so much of the question is asked for itself, not as one of many.
_ITSELF = 0.5
_CHAIN = 3  # sentences, each of which refers to the one before


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
    said = [candidate]
    while len(said) < _CHAIN and (before := antecedent(said[-1], ranking.candidates)) is not None:
        said.append(before)
    return said


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
