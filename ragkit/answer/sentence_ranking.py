"""How well each candidate answers the question."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ragkit.answer.candidates import row_subject
from ragkit.answer.completing import table_asked
from ragkit.errors import EmbeddingError
from ragkit.language import words
from ragkit.question import kinds as cues
from ragkit.question.history import refers_back, resolve
from ragkit.question.names import names_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragkit.answer.candidates import Candidate
    from ragkit.embed.embedder import Embedder
    from ragkit.results import Hit

# Embedding takes about a millisecond a sentence, so only the likeliest are embedded.
_EMBEDDED = 20
_EMBEDDED_CHARACTERS = 400
_CARRIED_WEIGHT = 0.5

# Weights of the signals of a candidate, each signal between 0 and 1: a conditional logit fitted by
# bench/fit_answers.py, scaled so that the similarity weighs 1, and rounded.
WEIGHTS: Mapping[str, float] = {
    "similarity": 1.00,
    "coverage": 0.78,
    "context": 0.34,
    "previous": 0.33,
    "place": 0.14,
    "fit": 0.57,
    "passage": 0.83,
    "subject": 0.62,
    "counted": 0.24,
    "fragment": -0.26,
    "row": -0.05,
}


@dataclass(frozen=True, slots=True)
class Scored:
    """A candidate and how well it answers.

    Attributes:
        candidate: The candidate.
        score: The sum of the signals by :data:`WEIGHTS`; comparable within one question only.
        similarity: Cosine similarity to the question, 0 to 1; 0 when it was not embedded.
        coverage: Share of the question's words, weighted by rarity, that it holds, 0 to 1.
        fit: Whether it has what the question asks for (a number, a date…), 0 to 1.
        vector: Its vector, ``None`` when it was not embedded.
        signals: What the score is made of, by name, each 0 to 1.
        nearby: The terms of the candidate, of what leads to it, and of its passage's place.
        as_table: Whether it is a row whose table is asked for as such.
    """

    candidate: Candidate
    score: float
    similarity: float
    coverage: float
    fit: float
    vector: NDArray[np.float32] | None
    signals: Mapping[str, float] = field(default_factory=dict)
    nearby: frozenset[str] = frozenset()
    as_table: bool = False


@dataclass(frozen=True, slots=True)
class Ranking:
    """Candidates, best first, and what was found out on the way.

    ``question`` is what was asked, ``wanted`` its terms with their weight by rarity, ``named`` those
    of them that are names, ``kinds`` what it asks for; ``coverage`` is the share of its words that occur anywhere in the candidates;
    ``degraded`` says what could not be done; ``candidates`` are all there were, in their order.
    """

    scored: tuple[Scored, ...]
    question: str
    wanted: Mapping[str, float]
    kinds: tuple[cues.Kind, ...]
    coverage: float
    degraded: tuple[str, ...] = ()
    named: frozenset[str] = frozenset()
    candidates: Sequence[Candidate] = ()


def rank(
    question: str,
    hits: Sequence[Hit],
    candidates: Sequence[Candidate],
    *,
    embedder: Callable[[], Embedder],
    history: Sequence[Mapping[str, str]] = (),
) -> Ranking:
    """Score the candidates against the question and put the best first.

    Args:
        question: What was asked.
        hits: The passages the candidates come from.
        candidates: What :func:`ragkit.answer.candidates.candidates_of` found in them.
        embedder: Gives the embedding model; where it fails, words alone decide and the ranking
            says so.
        history: Earlier turns, for a question that refers back to them.
    """
    kinds = _kinds(question, history)
    resolved = resolve(question, history)
    asked, numbers = words.terms(cues.without_measure(question)), words.numbers(question)
    things = cues.counted(question)
    carried = words.terms(resolved.carried) - asked
    texts = [words.terms(candidate.text) for candidate in candidates]
    pool = [
        text | words.terms(candidate.context)
        for text, candidate in zip(texts, candidates, strict=True)
    ]
    own = words.weights(pool, asked)
    wanted = own | {
        term: _CARRIED_WEIGHT * weight for term, weight in words.weights(pool, carried).items()
    }
    named = names_of(question, [hit.text for hit in hits])
    places = [words.terms(f"{hit.path} {hit.heading}") for hit in hits]
    passages = _passage_scores(hits)
    signals: list[dict[str, float]] = []
    nearby: list[frozenset[str]] = []
    as_table: list[bool] = []
    for candidate, text, both in zip(candidates, texts, pool, strict=True):
        led = both | (texts[candidate.previous] if candidate.previous is not None else frozenset())
        whole = led | places[candidate.hit]
        shares = [words.covered(wanted, held) for held in (text, both, led, whole)]
        as_table.append(table_asked(candidate, asked | carried))
        if as_table[-1]:
            shares[0] = words.covered(wanted, text | words.terms(candidate.table))
        fit = cues.fit(kinds, candidate.text, terms=asked, numbers=numbers)
        if candidate.kind == "code" and not {"steps", "other"} & set(kinds):
            fit = 0.0
        signals.append(
            {
                "coverage": shares[0],
                "context": shares[1] - shares[0],
                "previous": shares[2] - shares[1],
                "place": shares[3] - shares[2],
                "fit": fit,
                "passage": passages[candidate.hit],
                "subject": _subject(candidate, asked),
                "counted": float(cues.counts(things, candidate.text)),
                "fragment": float(candidate.kind == "fragment"),
                "row": float(candidate.kind == "row" and not as_table[-1]),
            }
        )
        nearby.append(whole)
    partial = [_weigh(signal) for signal in signals]
    # What says no more than the question does is no answer: a heading, say, or a name.
    answers = [
        i for i, c in enumerate(candidates) if c.kind != "question" and not texts[i] <= asked
    ]
    likeliest = sorted(answers, key=lambda i: (-partial[i], i))[:_EMBEDDED]
    degraded: tuple[str, ...] = ()
    vectors: dict[int, NDArray[np.float32]] = {}
    if likeliest:
        try:
            asked_vector = question_vector(embedder(), resolved.parts)
            likeliest_texts = [embedded_text(candidates[i]) for i in likeliest]
            matrix = embedder().embed(likeliest_texts, kind="passage")
        except EmbeddingError as error:
            degraded = (f"the sentences were compared with the question by words only: {error}",)
        else:
            vectors = {i: matrix[row] for row, i in enumerate(likeliest)}
            for i in likeliest:
                signals[i]["similarity"] = max(0.0, float(asked_vector @ vectors[i]))
    scored = [
        Scored(
            candidate=candidates[i],
            score=_weigh(signals[i]),
            similarity=signals[i].get("similarity", 0.0),
            coverage=signals[i]["coverage"],
            fit=signals[i]["fit"],
            vector=vectors.get(i),
            signals=signals[i],
            nearby=nearby[i],
            as_table=as_table[i],
        )
        for i in likeliest
    ]
    scored.sort(key=lambda entry: (-entry.score, entry.candidate.hit, entry.candidate.start))
    everything = set[str]().union(*pool) if pool else set()
    return Ranking(
        scored=tuple(scored),
        question=question,
        wanted=own,
        kinds=kinds,
        coverage=words.covered(wanted, everything),
        degraded=degraded,
        named=named,
        candidates=candidates,
    )


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


def _kinds(question: str, history: Sequence[Mapping[str, str]]) -> tuple[cues.Kind, ...]:
    """What a question asks for; "and in 2023?" asks for the same as the question before it."""
    kinds = cues.question_kinds(question)
    earlier = [turn.get("content", "") for turn in history if turn.get("role") == "user"]
    if kinds == ("other",) and earlier and refers_back(question):
        return cues.question_kinds(earlier[-1])
    return kinds


def _weigh(signals: Mapping[str, float]) -> float:
    return sum(WEIGHTS[name] * value for name, value in signals.items())


def _subject(candidate: Candidate, asked: AbstractSet[str]) -> float:
    """Share of the words of a row's first cell that the question names; 0 for anything else."""
    subject = words.terms(row_subject(candidate)) if candidate.kind == "row" else frozenset()
    return len(subject & asked) / len(subject) if subject else 0.0


def _passage_scores(hits: Sequence[Hit]) -> list[float]:
    best = max((hit.score for hit in hits), default=0.0)
    return [hit.score / best if best > 0 else 0.0 for hit in hits]
