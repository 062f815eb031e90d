"""Answers without a language model: the sentences that answer, verbatim."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragkit.answer.completing import completed
from ragkit.answer.contradiction import differs
from ragkit.language import words
from ragkit.results import Citation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ragkit.answer.candidates import Candidate
    from ragkit.answer.sentence_ranking import Ranking, Scored

MAX_SENTENCES = 3
MAX_CHARACTERS = 450

# How much worse than the best a further sentence may be. Set by bench/fit_answers.py: with this,
# answers hold the gold one as often as with any larger one.
_NEXT = 0.4
_SAME = 0.9
_DIVERSITY = 0.3


@dataclass(frozen=True, slots=True)
class Extract:
    """The chosen candidates as text with ``[n]`` after each, and their citations."""

    text: str
    citations: tuple[Citation, ...]


def put_together(candidates: Sequence[Candidate]) -> Extract:
    """Write sentences, the best first, in readable order and with citations."""
    chosen = _in_order(candidates)
    citations = tuple(cite(candidate, number) for number, candidate in enumerate(chosen, start=1))
    said = list(zip(chosen, citations, strict=True))
    lines = [[f"{line} [{n.n}]" for line in c.shown] for c, n in said]
    listed = sum(c.kind != "sentence" for c in chosen) > 1 or any(len(each) > 1 for each in lines)
    pieces = [piece for each in lines for piece in each]
    text = "\n".join(f"- {piece}" for piece in pieces) if listed else " ".join(pieces)
    return Extract(text, citations)


def cite(candidate: Candidate, number: int) -> Citation:
    """Make the citation that quotes a candidate."""
    return Citation(
        n=number,
        path=candidate.path,
        page=candidate.page,
        heading=candidate.heading,
        line=candidate.line,
        start=candidate.start,
        end=candidate.end,
        quote=candidate.text,
    )


def choose(ranking: Ranking) -> list[Candidate]:
    """Pick the best candidate, and up to two more that answer nearly as well."""
    if not ranking.scored:
        return []
    best = ranking.scored[0]
    said = completed(best, ranking)
    picked = [best]
    length = sum(map(_length, said))
    rest = [e for e in ranking.scored if not any(_within(e.candidate, c) for c in said)]
    while rest and len(said) < MAX_SENTENCES:
        entry = max(rest, key=lambda other: _worth(other, picked))
        rest.remove(entry)
        if best.score - entry.score > _NEXT or _lacks(entry, best, ranking.carried):
            continue
        more = [each for each in completed(entry, ranking) if each not in said]
        longer = length + sum(map(_length, more))
        if longer > MAX_CHARACTERS or len(said) + len(more) > MAX_SENTENCES:
            continue
        if any(_repeats(entry, other) for other in picked):
            continue
        picked.append(entry)
        said += more
        length = longer
    return said


def _lacks(entry: Scored, best: Scored, carried: AbstractSet[str]) -> bool:
    """Whether an entry is of something else than what is asked, which the best one is of."""
    if entry.signals["lacking"] > best.signals["lacking"]:
        return True
    said, told = (words.terms(each.candidate.text) & carried for each in (entry, best))
    return said < told


def _length(candidate: Candidate) -> int:
    return sum(map(len, candidate.shown))


def _within(one: Candidate, other: Candidate) -> bool:
    return one.path == other.path and other.start <= one.start and one.end <= other.end


def _worth(entry: Scored, picked: Sequence[Scored]) -> float:
    """The score, less for what has been said."""
    return entry.score - _DIVERSITY * _overlap(entry, picked)


def _repeats(entry: Scored, other: Scored) -> bool:
    """Whether an entry says what another does; of two that contradict each other both are said."""
    same = _likeness(entry, other) > _SAME
    return same and not differs(entry.candidate.text, other.candidate.text)


def _overlap(entry: Scored, picked: Iterable[Scored]) -> float:
    """How much of what an entry says has been said, 0 to 1."""
    return max(_likeness(entry, other) for other in picked)


def _likeness(one: Scored, other: Scored) -> float:
    first, second = words.terms(one.candidate.text), words.terms(other.candidate.text)
    shared = len(first & second) / max(1, min(len(first), len(second)))
    if one.vector is None or other.vector is None:
        return shared
    return max(float(one.vector @ other.vector), shared if len(first) > 2 else 0.0)


def _in_order(chosen: Sequence[Candidate]) -> list[Candidate]:
    """Documents by their best sentence; within one document as it reads."""
    order = {path: rank for rank, path in reversed(list(enumerate(c.path for c in chosen)))}
    return sorted(chosen, key=lambda candidate: (order[candidate.path], candidate.start))
