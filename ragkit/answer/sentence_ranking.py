"""How well each candidate answers the question."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ragkit.answer.candidates import antecedent, row_subject
from ragkit.answer.labels import asked_labels, lacking
from ragkit.errors import EmbeddingError
from ragkit.language import lists, words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragkit.answer.candidates import Candidate
    from ragkit.embed.embedder import Embedder
    from ragkit.question.question import Question
    from ragkit.results import Hit

# Embedding takes about a millisecond a sentence, so only the likeliest are embedded.
_EMBEDDED = 20
_EMBEDDED_CHARACTERS = 400
_CARRIED_WEIGHT = 0.5
_ASKING = re.compile(rf"\b{lists.alternatives('asking.words')}\b", re.IGNORECASE)
_ASKS = re.compile(rf"\b{lists.alternatives('asking.for_something')}\b", re.IGNORECASE)

# Weights of the signals of a candidate, each signal between 0 and 1; that of "lacking" is set, for sets
# where it matters are few, the others are a conditional logit fitted by
# bench/fit_answers.py, scaled so that the similarity weighs 1, and rounded.
WEIGHTS: Mapping[str, float] = {
    "similarity": 1.00,
    "coverage": 0.78,
    "around": 0.33,
    "passage": 0.83,
    "subject": 0.62,
    "fragment": -0.26,
    "lacking": -1.00,
}


@dataclass(frozen=True, slots=True)
class Scored:
    """A candidate and how well it answers.

    Attributes:
        candidate: The candidate.
        signals: What the score is made of, by name, each 0 to 1.
        vector: Its vector, ``None`` when it was not embedded.
        nearby: The terms of the candidate, of what leads to it, and of its passage's place.
    """

    candidate: Candidate
    signals: Mapping[str, float]
    vector: NDArray[np.float32] | None
    nearby: frozenset[str]

    @property
    def score(self) -> float:
        """The sum of the signals by :data:`WEIGHTS`; comparable within one question only."""
        return sum(WEIGHTS[name] * value for name, value in self.signals.items())

    @property
    def similarity(self) -> float:
        """Cosine similarity to the question, 0 to 1; 0 when it was not embedded."""
        return self.signals["similarity"]

    @property
    def coverage(self) -> float:
        """Share of the question's words, weighted by rarity, that it holds, 0 to 1."""
        return self.signals["coverage"]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Candidates, best first, and what was found out on the way.

    ``question`` is what was asked, ``wanted`` its terms with their weight by rarity; ``degraded``
    says what could not be done; ``candidates`` are all there were, in their order; ``carried`` are the
    terms of the turn before where that is what the question goes on asking.
    """

    scored: tuple[Scored, ...]
    question: Question
    wanted: Mapping[str, float]
    degraded: tuple[str, ...] = ()
    candidates: Sequence[Candidate] = ()
    carried: frozenset[str] = frozenset()


def rank(
    question: Question,
    hits: Sequence[Hit],
    candidates: Sequence[Candidate],
    *,
    embedder: Callable[[], Embedder],
) -> Ranking:
    """Score the candidates against the question and put the best first.

    Args:
        question: What was asked.
        hits: The passages the candidates come from.
        candidates: What :func:`ragkit.answer.candidates.candidates_of` found in them.
        embedder: Gives the embedding model; where it fails, words alone decide and the ranking
            says so.
    """
    texts = [words.terms(candidate.text) for candidate in candidates]
    pool = [
        text | words.terms(candidate.context)
        for text, candidate in zip(texts, candidates, strict=True)
    ]
    own = words.weights(pool, question.terms)
    carried = words.weights(pool, question.carried_terms)
    wanted = own | {term: _CARRIED_WEIGHT * weight for term, weight in carried.items()}
    places = [words.terms(f"{hit.path} {hit.heading}") for hit in hits]
    best = max((hit.score for hit in hits), default=0.0) or 1.0
    labels = asked_labels(question.text)
    asks = _ASKS.search(question.text) is not None
    entries: list[Scored] = []
    for candidate, text, both in zip(candidates, texts, pool, strict=True):
        if candidate.kind == "question":
            continue
        before = antecedent(candidate, candidates)
        about = text if before is None else text | words.terms(before.text)
        # What says no more than a question for something is no answer to it: a heading, a name.
        if about <= question.terms and (asks or candidate.kind == "fragment"):
            continue
        hit = hits[candidate.hit]
        around = (candidate.context, hit.path, hit.heading, before.text if before else "")
        led = both if candidate.previous is None else both | texts[candidate.previous]
        signals = {
            "similarity": 0.0,
            "coverage": (coverage := words.covered(wanted, text)),
            "around": words.covered(wanted, led) - coverage,
            "passage": hits[candidate.hit].score / best,
            "subject": _subject(candidate, question.terms),
            "fragment": float(candidate.kind == "fragment"),
            "lacking": lacking(labels, candidate.text, around, hit.text),
        }
        entries.append(Scored(candidate, signals, None, led | places[candidate.hit]))
    likeliest = sorted(entries, key=lambda entry: -entry.score)[:_EMBEDDED]
    degraded: tuple[str, ...] = ()
    try:
        scored = _compared(question, likeliest, embedder)
    except EmbeddingError as error:
        scored = likeliest
        degraded = (f"the sentences were compared with the question by words only: {error}",)
    scored.sort(key=lambda entry: (-entry.score, entry.candidate.hit, entry.candidate.start))
    # "And for the second one?" asks nothing by itself: what it asks was asked before.
    gone_on = frozenset() if _ASKING.search(question.text) else question.carried_terms
    return Ranking(tuple(scored), question, own, degraded, candidates, gone_on)


def _compared(
    question: Question, entries: Sequence[Scored], embedder: Callable[[], Embedder]
) -> list[Scored]:
    """Add to candidates how similar in meaning they are to the question."""
    if not entries:
        return []
    asked = question_vector(embedder(), question.searches)
    texts = [embedded_text(entry.candidate) for entry in entries]
    vectors = embedder().embed(texts, kind="passage")
    return [
        replace(
            entry,
            signals={**entry.signals, "similarity": max(0.0, float(asked @ vector))},
            vector=vector,
        )
        for entry, vector in zip(entries, vectors, strict=True)
    ]


def question_vector(
    embedder: Embedder, weighted: Sequence[tuple[str, float]]
) -> NDArray[np.float32]:
    """Embed texts as one question: the sum of their vectors by weight, of unit length."""
    import numpy as np

    shares = np.asarray([weight for _, weight in weighted], dtype=np.float32)
    mixed = shares @ embedder.embed([text for text, _ in weighted], kind="query")
    return np.asarray(mixed / max(float(np.linalg.norm(mixed)), 1e-12), dtype=np.float32)


def embedded_text(candidate: Candidate) -> str:
    """What stands for a candidate when meanings are compared: it and what it is about."""
    text = candidate.text[:_EMBEDDED_CHARACTERS]
    return f"{candidate.context}: {text}" if candidate.context else text


def _subject(candidate: Candidate, asked: AbstractSet[str]) -> float:
    """Share of the words of a row's first cell that the question names; 0 for anything else."""
    subject = words.terms(row_subject(candidate)) if candidate.kind == "row" else frozenset()
    return len(subject & asked) / len(subject) if subject else 0.0
