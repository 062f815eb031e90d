"""Fit how sentences are weighed as answers, and when to refuse; cross-validated by set.

    python bench/fit_answers.py                        # sample_docs and the two bases of fitting/
    python bench/fit_answers.py --more NAME FOLDER QUERIES.jsonl

Prints the weights for ``ragkit/answer/ranking.py`` and ``ragkit/answer/abstain.py``, and what each
set scores with weights fitted on the others. The features are those of the answerer itself, so
this is run again whenever search or candidates change.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from ragkit import KnowledgeBase
from ragkit.answer import abstain, ranking
from ragkit.answer.calibration import BUILT_IN
from ragkit.answer.candidates import candidates_of
from ragkit.answer.extractive import extract
from ragkit.answer.found import find
from ragkit.answer.grouped import best_verdict, extract_parts, rank_groups
from ragkit.answer.signals import signals_of
from ragkit.answering import ANSWER_HITS
from ragkit.evals.answers import answer_scores
from ragkit.evals.golden import GoldenQuestion, read_golden

if TYPE_CHECKING:
    from ragkit.results import SearchResult

REPOSITORY = Path(__file__).resolve().parent.parent
FITTING = REPOSITORY / "bench" / "fitting"
SETS = (
    ("sample_docs", REPOSITORY / "sample_docs", REPOSITORY / "tests/data/sample_docs_golden.jsonl"),
    ("brightwater", FITTING / "brightwater/docs", FITTING / "brightwater/queries.jsonl"),
    ("nordlicht", FITTING / "nordlicht/docs", FITTING / "nordlicht/queries.jsonl"),
)
NAMES = tuple(ranking.WEIGHTS)
Matrix = NDArray[np.float64]


@dataclass(slots=True)
class Asked:
    """A question with its candidates' signals, which of them answer, and its own signals.

    ``contained`` is whether the text of the answer holds the gold one, 0 to 1, ``said`` whether it
    is said or refused, and ``sentences`` how many it has.
    """

    question: GoldenQuestion
    candidates: Matrix
    right: NDArray[np.bool_]
    signals: dict[str, float]
    contained: float
    said: bool
    sentences: int


def ask(kb: KnowledgeBase, question: GoldenQuestion) -> Asked | None:
    """Search, cut and rank as the answerer does."""
    history = [dict(turn) for turn in question.history]
    where = {"path": question.scope} if question.scope else None

    def retrieve(
        text: str, k: int = ANSWER_HITS, history: Sequence[Mapping[str, str]] = history
    ) -> SearchResult:
        return kb.retrieve(text, k=k, where=where, history=history)

    found = find(question.question, "single", retrieve, history)
    candidates = candidates_of(found.hits, kb._document_of)
    parts = rank_groups(found.parts, found, candidates, embedder=kb._embedder, calibration=BUILT_IN)
    if parts:
        ranked, hits = parts[0].ranking, [found.hits[i] for i in parts[0].group.hits]
    else:
        hits = list(found.hits)
        ranked = ranking.rank(
            question.question, hits, candidates, embedder=kb._embedder, history=history
        )
    if not ranked.scored:
        return None
    taken = extract_parts(parts[0], parts[1:]) if parts else extract(ranked)

    def holds(text: str) -> float:
        return answer_scores(text, question.answer or "")["contains the answer"]

    answered = bool(question.answerable and question.answer)
    return Asked(
        question,
        np.array([[entry.signals.get(name, 0.0) for name in NAMES] for entry in ranked.scored]),
        np.array([answered and holds(e.candidate.shown) == 1.0 for e in ranked.scored]),
        signals_of(hits, ranked),
        holds(taken.text) if answered else 0.0,
        (best_verdict(parts) if parts else abstain.judge(hits, ranked)).answerable,
        len(taken.citations),
    )


def fit_ranking(asked: Sequence[Asked], penalty: float = 0.3) -> Matrix:
    """Conditional logit: the likelihood that a right candidate is chosen among a question's."""
    usable = [(a.candidates, a.right) for a in asked if a.right.any() and not a.right.all()]

    def loss(weights: Matrix) -> tuple[float, Matrix]:
        total, gradient = penalty * float(weights @ weights), 2 * penalty * weights
        for matrix, right in usable:
            scores = matrix @ weights
            chosen = np.exp(scores - scores.max())
            chosen /= chosen.sum()
            share = float(chosen[right].sum()) + 1e-12
            total -= np.log(share)
            gradient -= matrix.T @ (np.where(right, chosen / share, 0.0) - chosen)
        return total, gradient

    return np.asarray(minimize(loss, np.zeros(len(NAMES)), jac=True, method="L-BFGS-B").x)


def hits_at(asked: Sequence[Asked], weights: Matrix, k: int) -> float:
    """Share of the answerable questions with a right candidate among the best ``k``."""
    known = [a for a in asked if a.question.answerable and a.question.answer]
    best = [np.argsort(-(a.candidates @ weights), kind="stable")[:k] for a in known]
    return float(np.mean([a.right[i].any() for a, i in zip(known, best, strict=True)]))


@dataclass(slots=True)
class Logistic:
    """A logistic model in the signals' own units."""

    names: list[str]
    weights: Matrix
    bias: float

    def log_odds(self, asked: Sequence[Asked]) -> Matrix:
        """Weigh the signals."""
        return _signals(asked, self.names) @ self.weights + self.bias


def fit_abstention(groups: Sequence[Sequence[Asked]], strength: float) -> Logistic:
    """Regularised logistic regression in which each set and each kind weighs the same."""
    asked = [a for group in groups for a in group]
    names = list(asked[0].signals)
    kinds = _kinds(asked)
    weights = np.concatenate(
        [
            np.where(_kinds(group), 0.5 / _kinds(group).sum(), 0.5 / (~_kinds(group)).sum())
            for group in groups
        ]
    )
    scaler = StandardScaler().fit(_signals(asked, names))
    model = LogisticRegression(C=strength).fit(
        scaler.transform(_signals(asked, names)),
        kinds,
        sample_weight=weights * len(asked) / weights.sum(),
    )
    scaled = model.coef_[0] / scaler.scale_
    return Logistic(names, scaled, float(model.intercept_[0] - scaled @ scaler.mean_))


def best_threshold(confidence: Matrix, kinds: NDArray[np.bool_], weight: float) -> float:
    """Where answering answerable questions, times ``weight``, and refusing others is best."""
    cuts = np.linspace(0.05, 0.95, 91)
    worth = [
        weight * (confidence[kinds] >= cut).mean() + (confidence[~kinds] < cut).mean()
        for cut in cuts
    ]
    return float(np.mean(cuts[np.isclose(worth, max(worth))]))


def _signals(asked: Sequence[Asked], names: Sequence[str]) -> Matrix:
    return np.array([[a.signals[name] for name in names] for a in asked])


def _kinds(asked: Sequence[Asked]) -> NDArray[np.bool_]:
    return np.array([bool(a.question.answerable) for a in asked])


def main() -> None:
    """Fit and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--more", nargs=3, action="append", default=[], metavar=("NAME", "FOLDER", "QUERIES")
    )
    parser.add_argument("--strength", type=float, default=0.03, help="inverse regularisation")
    parser.add_argument("--kbs", type=Path, help="keep the bases here and use them again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        data: dict[str, list[Asked]] = {}
        for name, folder, queries in (*SETS, *options.more):
            with KnowledgeBase((options.kbs or Path(scratch)) / name, traces="off") as kb:
                kb.ingest(folder)
                found = [ask(kb, question) for question in read_golden(queries)]
                data[name] = [a for a in found if a is not None]
    report(data, options.strength)


def report(data: dict[str, list[Asked]], strength: float) -> None:
    """Print scores with the weights in use, in cross-validation by set, and the weights."""
    used = np.array([ranking.WEIGHTS[name] for name in NAMES])
    print(
        "set            questions  best 1/2/3 now      held out            "
        "answers now: right  and said  sentences  AUROC: now  held out"
    )
    for name, asked in data.items():
        others = [group for other, group in data.items() if other != name]
        held_out = fit_ranking([a for group in others for a in group])
        scores = [
            "/".join(f"{hits_at(asked, weights, k):.3f}" for k in (1, 2, 3))
            for weights in (used, held_out)
        ]
        known = [a for a in asked if a.question.answerable and a.question.answer]
        answers = np.mean([(a.contained, a.contained * a.said, a.sentences) for a in known], axis=0)
        separation = [
            roc_auc_score(_kinds(asked), log_odds)
            for log_odds in (
                [abstain.log_odds(a.signals) for a in asked],
                fit_abstention(others, strength).log_odds(asked),
            )
        ]
        print(
            f"{name:15}{len(asked):8}   {scores[0]}   {scores[1]}   "
            f"{answers[0]:18.3f} {answers[1]:9.3f} {answers[2]:10.2f}"
            f"      {separation[0]:.3f}       {separation[1]:.3f}"
        )
    every = [a for group in data.values() for a in group]
    weights = fit_ranking(every)
    weights /= weights[NAMES.index("similarity")]
    print("\nranking.WEIGHTS")
    for name, weight in zip(NAMES, weights, strict=True):
        print(f'    "{name}": {weight:.2f},')
    model = fit_abstention(list(data.values()), strength)
    print(f"\nabstain.BIAS = {model.bias:.2f}\nabstain.WEIGHTS")
    for name, weight in zip(model.names, model.weights, strict=True):
        print(f'    "{name}": {weight:.2f},')
    log_odds = model.log_odds(every)
    confidence = 1 / (1 + np.exp(-log_odds))
    print(f"in sample, all sets: AUROC {roc_auc_score(_kinds(every), log_odds):.3f}")
    for weight in (1.0, 2.0, 3.0):
        cut = best_threshold(confidence, _kinds(every), weight)
        kinds = _kinds(every)
        print(
            f"threshold {cut:.2f} (answering weighs {weight:g}): "
            f"{(confidence[kinds] >= cut).mean():.3f} answered, "
            f"{(confidence[~kinds] < cut).mean():.3f} refused rightly"
        )


if __name__ == "__main__":
    main()
