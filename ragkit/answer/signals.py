"""What tells whether passages hold the answer to a question."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from ragkit.answer import cues, words

if TYPE_CHECKING:
    from ragkit.answer.ranking import Ranking
    from ragkit.results import Hit

_ACRONYM = re.compile(r"\b[A-Z]{2,}\b")
_GERMAN = re.compile(
    r"\b(?:der|die|das|den|dem|ein|eine|ich|wie|was|wer|wann|wo|ist|sind|für|und|mein|meine|muss|"
    r"darf|bei|von|zum|zur|gibt)\b",
    re.IGNORECASE,
)
# Terms that begin alike count as the same from this length on: Japan, Japanese; Urlaub, Urlaubstage.
_BEGINNING = 4
_MOST_MISSING = 3
_TOP_STAGE = 3


def signals_of(hits: Sequence[Hit], ranking: Ranking) -> dict[str, float]:
    """Compute the signals; there must be hits and at least one scored candidate.

    Returns:
        Each between about 0 and 1: similarities of the best candidate and of the most similar one;
        how much of the question stands near the best candidates and anywhere; whether names,
        numbers and the rarest term are missing; whether both searches agree on the first passage;
        how far the best candidate and passage stand out.
    """
    best = ranking.scored[:5]
    wanted = ranking.wanted
    around = [
        entry.nearby | words.terms(hits[entry.candidate.hit].text) for entry in ranking.scored[:3]
    ]
    every = frozenset().union(
        *(words.terms(f"{hit.text} {hit.path} {hit.heading}") for hit in hits)
    )
    absent = [term for term in wanted if not _holds(every, term)]
    named = names_of(ranking.question) & wanted.keys()
    far = [term for term in named if not _holds(around[0], term)]
    rarest = max(wanted, key=lambda term: wanted[term], default="")
    first = hits[0]
    scores = [hit.score for hit in hits[3:8]]
    return {
        "best similarity": best[0].similarity,
        "highest similarity": max(entry.similarity for entry in ranking.scored),
        "near": max(_covered(wanted, held) for held in around),
        "anywhere": _covered(wanted, every),
        "absent": min(_MOST_MISSING, len(absent)) / _MOST_MISSING,
        "name absent": float(any(term in named for term in absent)),
        "names far": len(far) / len(named) if named else 0.0,
        "rarest far": float(not rarest or not _holds(around[0], rarest)),
        "fit": best[0].fit,
        "unit absent": float(
            cues.asks_unit(ranking.kinds) and all(entry.fit < 1.0 for entry in best[:3])
        ),
        "first passage": first.score,
        "passage lead": first.score - sum(scores) / len(scores) if scores else 0.0,
        "agreement": float(
            (first.ranks.dense or 99) <= _TOP_STAGE and (first.ranks.lexical or 99) <= _TOP_STAGE
        ),
        "best score": best[0].score / 3,
        "lead": best[0].score - best[min(3, len(best) - 1)].score,
        "length": min(10, len(wanted)) / 10,
    }


def names_of(question: str) -> set[str]:
    """The terms of a question that only the thing itself is called: names, codes, numbers, acronyms.

    German writes every noun with a capital, so there only codes, numbers and acronyms count.
    """
    terms = words.terms(question)
    found = {term for term in terms if any(character.isdigit() for character in term)}
    found |= {words.stem(match.casefold()) for match in _ACRONYM.findall(question)}
    if not _GERMAN.search(question):
        found |= words.names(question)
    return found & terms


def _holds(terms: AbstractSet[str], wanted: str) -> bool:
    if wanted in terms:
        return True
    if len(wanted) < _BEGINNING or not wanted.isalpha():
        return False
    return any(
        term.startswith(wanted) or (len(term) >= _BEGINNING and wanted.startswith(term))
        for term in terms
        if term[:_BEGINNING] == wanted[:_BEGINNING]
    )


def _covered(wanted: Mapping[str, float], by: AbstractSet[str]) -> float:
    total = sum(wanted.values())
    held = sum(weight for term, weight in wanted.items() if _holds(by, term))
    return held / total if total else 0.0
