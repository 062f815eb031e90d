"""Extractive answers to questions about several things or documents: the best of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ragkit.answer.abstain import judge
from ragkit.answer.extractive import Extract, choose, cite
from ragkit.answer.ranking import rank

if TYPE_CHECKING:
    from ragkit.answer.calibration import Calibration
    from ragkit.answer.candidates import Candidate
    from ragkit.answer.found import Found, Group
    from ragkit.embed.protocol import Embedder
    from ragkit.results import Citation

NOTHING = "the documents say nothing about it"


def extract_each(
    found: Found,
    candidates: Sequence[Candidate],
    *,
    embedder: Callable[[], Embedder],
    calibration: Calibration,
    named: bool,
) -> Extract:
    """Take the sentences that answer from each group, one line for each group that has any.

    Args:
        found: The passages and their groups.
        candidates: What the passages were cut into.
        embedder: Gives the embedding model.
        calibration: Decides whether a group holds an answer.
        named: Whether each line begins with what it is about, and groups without an answer are
            said to have none.
    """
    lines: list[str] = []
    citations: list[Citation] = []
    for group in found.groups:
        chosen = _chosen(group, found, candidates, embedder, calibration)
        if not chosen:
            lines += [f"- {group.label}: {NOTHING}"] if named else []
            continue
        pieces: list[str] = []
        for candidate in chosen:
            known = next((c for c in citations if _same(c, candidate)), None)
            if known is None:
                known = cite(candidate, len(citations) + 1)
                citations.append(known)
            pieces.append(f"{candidate.shown} [{known.n}]")
        label = f"{group.label}: " if named else ""
        lines.append(f"- {label}{' '.join(pieces)}")
    return Extract("\n".join(lines) if citations else "", tuple(citations))


def _chosen(
    group: Group,
    found: Found,
    candidates: Sequence[Candidate],
    embedder: Callable[[], Embedder],
    calibration: Calibration,
) -> list[Candidate]:
    place = {index: position for position, index in enumerate(group.hits)}
    hits = [found.hits[index] for index in group.hits]
    own = {i: n for n, i in enumerate(i for i, c in enumerate(candidates) if c.hit in place)}
    mine = []
    for i in own:
        before = candidates[i].previous
        previous = None if before is None else own.get(before)
        mine.append(replace(candidates[i], hit=place[candidates[i].hit], previous=previous))
    ranking = rank(group.question, hits, mine, embedder=embedder)
    if not judge(hits, ranking, calibration).answerable:
        return []
    return choose(ranking)[:2]


def _same(citation: Citation, candidate: Candidate) -> bool:
    return (citation.path, citation.start, citation.end) == (
        candidate.path,
        candidate.start,
        candidate.end,
    )
