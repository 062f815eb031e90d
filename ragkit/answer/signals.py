"""What tells whether passages hold the answer to a question."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from math import log1p
from typing import TYPE_CHECKING

from ragkit.language import words
from ragkit.question.names import begins_alike, held_share, holds, holds_all

if TYPE_CHECKING:
    from ragkit.answer.sentence_ranking import Ranking
    from ragkit.question.question import Question
    from ragkit.results import Hit
    from ragkit.retrieve.presence import Presence

_ENDING = 3  # letters
_FIRST = 5  # passages that are compared


@dataclass(frozen=True, slots=True)
class Signals:
    """What is known of a question and its passages.

    Attributes:
        values: By name, as :data:`ragkit.answer.abstain.WEIGHTS` weighs them.
        absent_names: Names, codes and numbers of the question that no document holds.
        absent_words: Its other words that none does.
        apart: What it names together and no passage holds together.
        beyond: The page it asks for, where no document has that many, and how many there are.
    """

    values: Mapping[str, float]
    absent_names: tuple[str, ...] = ()
    absent_words: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()
    beyond: tuple[int, int] | None = None


def signals_of(hits: Sequence[Hit], ranking: Ranking, presence: Presence | None = None) -> Signals:
    """Compute the signals; there must be hits and at least one scored candidate.

    Args:
        hits: The passages found.
        ranking: Their sentences and rows, ranked.
        presence: Looks words up in all documents that may be searched; without it, the passages
            are all there is.
    """
    question = ranking.question
    terms = question.topic_terms
    names = question.names & terms
    passages = [words.terms(f"{hit.text} {hit.path} {hit.heading}") for hit in hits]
    held = frozenset[str]().union(*passages)
    unseen = [
        (word, own)
        for word, own in question.words
        if own & terms and not words.is_unspaced(word) and not _stands(own, held, names)
    ]
    written = presence.spellings([word for word, _ in unseen]) if presence and unseen else {}
    absent = [(word, own) for word, own in unseen if word not in written]
    # A name may be written otherwise in the documents, for it has a slip in the question.
    meant = {
        term: words.terms(written[word]) for word, own in unseen if word in written for term in own
    }
    # What stands nowhere counts as absent, and not as apart from the rest as well.
    nowhere = frozenset[str]().union(*(own for _, own in absent))
    apart = frozenset[str]()
    for named in ((part & names) - nowhere for part in question.beside):
        spelled = frozenset[str]().union(*(meant.get(name, {name}) for name in named))
        if not any(holds_all(passage, spelled) for passage in passages):
            apart = named
            break
    absent_names = tuple(word for word, own in absent if own & names)
    beyond = _beyond(question.pages, presence)
    wanted = {term: weight for term, weight in ranking.wanted.items() if term in terms}
    wanted = wanted or dict(ranking.wanted)
    best = ranking.scored[0]
    values = {
        "alike": max(
            entry.similarity * (0.5 + 0.5 * held_share(entry.nearby, wanted))
            for entry in ranking.scored
        ),
        "names apart": float(bool(apart)),
        "name absent": float(bool(absent_names or beyond)),
        "first passage": hits[0].score,
        "coverage": best.coverage,
        "ahead": hits[0].score - hits[min(_FIRST, len(hits)) - 1].score,
        "passage": 1 / (1 + best.candidate.hit),
        "one document": sum(hit.path == best.candidate.path for hit in hits[:_FIRST])
        / len(hits[:_FIRST]),
        "fragment": float(best.candidate.kind == "fragment"),
        "terms": log1p(len(terms)),
    }
    return Signals(
        values,
        absent_names=absent_names,
        absent_words=tuple(word for word, own in absent if not own & names),
        apart=_as_asked(question, apart),
        beyond=beyond,
    )


def _stands(wanted: Iterable[str], held: AbstractSet[str], names: AbstractSet[str]) -> bool:
    """Whether a word stands in passages; a name at most with another ending, as Japan, Japanese."""
    return all(
        term in held
        or (
            any(
                abs(len(term) - len(other)) <= _ENDING
                for other in held
                if begins_alike(term, other)
            )
            if term in names
            else holds(held, term)
        )
        for term in wanted
    )


def _as_asked(question: Question, terms: AbstractSet[str]) -> tuple[str, ...]:
    """The words of a question, as it writes them, that make up some of its terms."""
    return tuple(word for word, own in question.words if own & terms)


def _beyond(pages: AbstractSet[int], presence: Presence | None) -> tuple[int, int] | None:
    last = presence.last_page() if pages and presence is not None else None
    return (max(pages), last) if last is not None and max(pages) > last else None
