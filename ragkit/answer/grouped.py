"""Extractive answers to questions about several things or documents: the best of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ragkit.answer.abstain import judge
from ragkit.answer.calibration import BUILT_IN
from ragkit.answer.extractive import MAX_SENTENCES, Extract, choose, cite, put_together
from ragkit.answer.sentence_ranking import rank

if TYPE_CHECKING:
    from ragkit.answer.abstain import Verdict
    from ragkit.answer.calibration import Calibration
    from ragkit.answer.candidates import Candidate
    from ragkit.answer.found import Found, Group
    from ragkit.answer.sentence_ranking import Ranking
    from ragkit.embed.embedder import Embedder
    from ragkit.results import Citation
    from ragkit.retrieve.presence import Presence

Place = tuple[str, int, int]

# Scores that differ by less are no different.
_EQUAL = 0.1
NOTHING = "the documents say nothing about it"


@dataclass(frozen=True, slots=True)
class Ranked:
    """A group with its sentences ranked, and whether they answer what it is asked."""

    group: Group
    ranking: Ranking
    verdict: Verdict


def rank_groups(
    found: Found,
    candidates: Sequence[Candidate],
    *,
    embedder: Callable[[], Embedder],
    calibration: Calibration = BUILT_IN,
    presence: Presence | None = None,
) -> list[Ranked]:
    """Rank the sentences of each group or part by how well they answer what that is asked."""
    ranked: list[Ranked] = []
    for group in found.groups or found.parts:
        hits = [found.hits[index] for index in group.hits]
        ranking = rank(group.question, hits, _own(group, candidates), embedder=embedder)
        ranked.append(Ranked(group, ranking, judge(hits, ranking, calibration, presence)))
    return ranked


def best_verdict(ranked: Sequence[Ranked]) -> Verdict:
    """Return the most hopeful of the groups' verdicts: one of them with an answer is enough."""
    return max((each.verdict for each in ranked), key=lambda v: (v.answerable, v.confidence))


def extract_each(ranked: Sequence[Ranked], *, named: bool) -> Extract:
    """Take the sentences that answer from each group, one line for each group that has any.

    Args:
        ranked: The groups, in order.
        named: Whether each line begins with what it is about, and groups without an answer are
            said to have none.
    """
    lines: list[str] = []
    citations: list[Citation] = []
    for each in ranked:
        if not each.verdict.answerable:
            lines += [f"- {each.group.label}: {NOTHING}"] if named else []
            continue
        pieces: list[str] = []
        for candidate in choose(each.ranking)[:2]:
            known = next((c for c in citations if _same(c, candidate)), None)
            if known is None:
                known = cite(candidate, len(citations) + 1)
                citations.append(known)
            pieces.append(f"{'; '.join(candidate.shown)} [{known.n}]")
        label = f"{each.group.label}: " if named else ""
        lines.append(f"- {label}{' '.join(pieces)}")
    return Extract("\n".join(lines), tuple(citations))


def extract_parts(ranked: Sequence[Ranked]) -> Extract:
    """Take the best sentence for each thing asked, filled up with what answers the whole question.

    Args:
        ranked: The question as a whole, then each thing that it asks, if it asks several.
    """
    whole, *parts = ranked
    scores = {_place(entry.candidate): entry.score for entry in whole.ranking.scored}
    best = [_best_of(each, scores) for each in parts if each.verdict.answerable]
    once = {_place(c): c for c in [*best, *choose(whole.ranking)]}
    return put_together(list(once.values())[:MAX_SENTENCES])


def _best_of(part: Ranked, whole: Mapping[Place, float]) -> Candidate:
    """The sentence that answers a part best; of those that are as good, what answers the whole."""
    scored = part.ranking.scored
    equal = [e.candidate for e in scored if scored[0].score - e.score <= _EQUAL]
    return max(equal, key=lambda candidate: whole.get(_place(candidate), 0.0))


def _place(candidate: Candidate) -> Place:
    return candidate.path, candidate.start, candidate.end


def _own(group: Group, candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates of a group, as they would be had its passages been all there are."""
    place = {index: position for position, index in enumerate(group.hits)}
    own = {i: n for n, i in enumerate(i for i, c in enumerate(candidates) if c.hit in place)}
    mine: list[Candidate] = []
    for i in own:
        before = candidates[i].previous
        previous = None if before is None else own.get(before)
        mine.append(replace(candidates[i], hit=place[candidates[i].hit], previous=previous))
    return mine


def _same(citation: Citation, candidate: Candidate) -> bool:
    return (citation.path, citation.start, citation.end) == _place(candidate)
