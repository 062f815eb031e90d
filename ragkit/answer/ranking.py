"""How well each candidate answers the question."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragkit.answer import cues, words
from ragkit.errors import EmbeddingError
from ragkit.retrieve.history import resolve

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragkit.answer.candidates import Candidate
    from ragkit.embed.protocol import Embedder
    from ragkit.results import Hit

# Embedding takes about a millisecond a sentence, so only the likeliest are embedded.
_EMBEDDED = 28
_EMBEDDED_CHARACTERS = 400
_CARRIED_WEIGHT = 0.5

# Weights of the signals, each between 0 and 1, rounded from a conditional logit fitted on two sets
# of questions (short facts and tables; sentences of long texts) that agreed on them.
_SIMILARITY = 1.0
_COVERAGE = 1.0
_CONTEXT_COVERAGE = 0.2
_FIT = 0.3
_PASSAGE = 0.9
_KIND = {"fragment": -0.4, "row": 0.1}


@dataclass(frozen=True, slots=True)
class Scored:
    """A candidate and how well it answers.

    Attributes:
        candidate: The candidate.
        score: The weighted sum of the others; comparable within one question only.
        similarity: Cosine similarity to the question, 0 to 1; 0 when it was not embedded.
        coverage: Share of the question's words, weighted by rarity, that it holds, 0 to 1.
        fit: Whether it has what the question asks for (a number, a date…), 0 to 1.
        vector: Its vector, ``None`` when it was not embedded.
    """

    candidate: Candidate
    score: float
    similarity: float
    coverage: float
    fit: float
    vector: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class Ranking:
    """Candidates, best first, and what was found out on the way.

    ``coverage`` is the share of the question's words that occur anywhere in the passages;
    ``degraded`` says what could not be done.
    """

    scored: tuple[Scored, ...]
    kind: cues.Kind
    coverage: float
    degraded: tuple[str, ...] = ()


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
    kind = cues.question_kind(question)
    texts = [words.terms(candidate.text) for candidate in candidates]
    contexts = [words.terms(candidate.context) for candidate in candidates]
    asked = words.terms(question)
    resolved = resolve(question, history)
    carried = words.terms(resolved.carried) - asked
    pool = [text | context for text, context in zip(texts, contexts, strict=True)]
    wanted = words.weights(pool, asked)
    wanted |= {
        term: _CARRIED_WEIGHT * weight for term, weight in words.weights(pool, carried).items()
    }
    coverages = [words.covered(wanted, text) for text in texts]
    around = [
        words.covered(wanted, both | (texts[c.previous] if c.previous is not None else set()))
        for c, both in zip(candidates, pool, strict=True)
    ]
    fits = [cues.fits(kind, candidate.text) for candidate in candidates]
    passages = _passage_scores(hits)
    partial = [
        _COVERAGE * coverages[i]
        + _CONTEXT_COVERAGE * (around[i] - coverages[i])
        + _FIT * fits[i]
        + _PASSAGE * passages[candidate.hit]
        + _KIND.get(candidate.kind, 0.0)
        for i, candidate in enumerate(candidates)
    ]
    # What says no more than the question does is no answer: a heading, say, or a name.
    answers = [
        i for i, c in enumerate(candidates) if c.kind != "question" and not texts[i] <= asked
    ]
    likeliest = sorted(answers, key=lambda i: (-partial[i], i))[:_EMBEDDED]
    degraded: tuple[str, ...] = ()
    vectors: dict[int, NDArray[np.float32]] = {}
    similarities: dict[int, float] = {}
    if likeliest:
        try:
            query = question_vector(embedder(), resolved.parts)
            matrix = embedder().embed(
                [embedded_text(candidates[i]) for i in likeliest], kind="passage"
            )
        except EmbeddingError as error:
            degraded = (f"the sentences were compared with the question by words only: {error}",)
        else:
            vectors = {i: matrix[row] for row, i in enumerate(likeliest)}
            similarities = {i: max(0.0, float(vectors[i] @ query)) for i in likeliest}
    scored = [
        Scored(
            candidate=candidates[i],
            score=partial[i] + _SIMILARITY * similarities.get(i, 0.0),
            similarity=similarities.get(i, 0.0),
            coverage=coverages[i],
            fit=fits[i],
            vector=vectors.get(i),
        )
        for i in likeliest
    ]
    scored.sort(key=lambda entry: (-entry.score, entry.candidate.hit, entry.candidate.start))
    everything = set[str]().union(*pool) if pool else set()
    return Ranking(tuple(scored), kind, words.covered(wanted, everything), degraded)


def question_vector(
    embedder: Embedder, weighted: Sequence[tuple[str, float]]
) -> NDArray[np.float32]:
    """Embed texts as one question of unit length: the weighted sum of their vectors."""
    import numpy as np

    vectors = embedder.embed([text for text, _ in weighted], kind="query")
    mixed = np.asarray([weight for _, weight in weighted], dtype=np.float32) @ vectors
    return np.asarray(mixed / max(float(np.linalg.norm(mixed)), 1e-12), dtype=np.float32)


def embedded_text(candidate: Candidate) -> str:
    """What stands for a candidate when meanings are compared: it and what it is about."""
    text = candidate.text[:_EMBEDDED_CHARACTERS]
    return f"{candidate.context}: {text}" if candidate.context else text


def _passage_scores(hits: Sequence[Hit]) -> list[float]:
    best = max((hit.score for hit in hits), default=0.0)
    return [hit.score / best if best > 0 else 0.0 for hit in hits]
