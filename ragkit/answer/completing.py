"""What belongs to a sentence that answers: its table or list, and the sentence it refers to."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import TYPE_CHECKING

from ragkit.language import lists, words
from ragkit.question import kinds as cues

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
# Scores that differ by less are no different.
_EQUAL = 0.1
_LESS_LIKE = 0.8


def table_asked(candidate: Candidate, asked: AbstractSet[str]) -> bool:
    """Whether a question is about a row's table as such: none of its rows holds a word of it."""
    whole = candidate.whole
    return candidate.kind == "row" and whole is not None and not asked & words.terms(whole.text)


def leading(ranking: Ranking) -> Scored:
    """Return the best sentence, or a row whose table is asked for as such.

    Such a table says all that there is to say, where a sentence may tell one case of it or only
    mention the thing: it leads if it is about as good, and if it answers what kind of thing is
    asked for and its caption and columns hold the whole question, even if it is less like it.
    """
    best = ranking.scored[0]
    for entry in ranking.scored:
        answers = entry.coverage >= 1.0 and entry.fit >= 1.0
        if best.score - entry.score > (_LESS_LIKE if answers else _EQUAL):
            continue
        if entry.as_table and entry.fit >= best.fit:
            return entry
    return best


def completed(entry: Scored, ranking: Ranking) -> list[Candidate]:
    """Return what to say for the best sentence: it, or more than it.

    A row of a table that is asked for as such stands for all its rows, as does an item of a list
    where the question asks for several things; a line that leads in to a list comes with the list,
    and a sentence that refers back with the one before it.
    """
    candidate = entry.candidate
    if candidate.whole is not None:
        if _LEADS_IN.search(candidate.text):
            return [candidate, _whole(candidate)]
        if _all_asked(entry, ranking):
            return [_whole(candidate)]
    before = candidate.previous
    if candidate.kind == "fragment":
        return [candidate, *_after(entry, ranking)]
    if candidate.kind == "sentence" and before is not None and _REFERS_BACK.match(candidate.text):
        antecedent = ranking.candidates[before]
        if antecedent.kind == "sentence":
            return [candidate, antecedent]
    return [candidate]


def _after(title: Scored, ranking: Ranking) -> list[Candidate]:
    """Return the sentence right below a title, if it answers as well as the title does."""
    return [
        entry.candidate
        for entry in ranking.scored
        if (before := entry.candidate.previous) is not None
        and ranking.candidates[before] is title.candidate
        and entry.fit >= title.fit
    ]


def _all_asked(entry: Scored, ranking: Ranking) -> bool:
    candidate = entry.candidate
    if candidate.kind == "row":
        if entry.as_table and entry.fit >= _ITSELF:
            return True
        itself = entry.signals.get("subject", 0.0)
    else:
        itself = entry.coverage
    return cues.asks_list(ranking.question) and itself < _ITSELF


def _whole(candidate: Candidate) -> Candidate:
    whole = candidate.whole
    if whole is None:
        return candidate
    return replace(
        candidate,
        page=whole.page,
        start=whole.start,
        end=whole.end,
        text=whole.text,
        shown="\n".join(whole.shown),
    )
