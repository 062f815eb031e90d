"""Fit how sentences are weighed as answers, and when to refuse; cross-validated by set.

    python bench/fit_answers.py                        # sample_docs and the bases of fitting/
    python bench/fit_answers.py --more NAME FOLDER QUERIES.jsonl
    python bench/fit_answers.py --check NAME FOLDER QUERIES.jsonl    # measured, never fitted to

Prints the weights for ``ragkit/answer/sentence_ranking.py`` and ``ragkit/answer/abstain.py``, and what each
set scores with weights fitted on the others. The features are those of the answerer itself, so
this is run again whenever search or candidates change.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from ragkit import KnowledgeBase
from ragkit.answer import abstain
from ragkit.answer import sentence_ranking as ranking
from ragkit.answer.candidates import candidates_of
from ragkit.answer.found import find
from ragkit.answer.grouped import best_verdict, extract_parts, rank_groups
from ragkit.answer.signals import signals_of
from ragkit.chat import ANSWER_HITS
from ragkit.evals.answer_measures import answer_scores
from ragkit.evals.golden import GoldenQuestion, read_golden
from ragkit.question.reading import read_question
from ragkit.retrieve.filters import parse_where
from ragkit.retrieve.presence import Presence

if TYPE_CHECKING:
    from ragkit.question.question import Question
    from ragkit.results import SearchResult

REPOSITORY = Path(__file__).resolve().parent.parent
FITTING = REPOSITORY / "bench" / "fitting"
SETS = (
    ("sample_docs", REPOSITORY / "sample_docs", REPOSITORY / "tests/data/sample_docs_golden.jsonl"),
    ("brightwater", FITTING / "brightwater/docs", FITTING / "brightwater/queries.jsonl"),
    ("nordlicht", FITTING / "nordlicht/docs", FITTING / "nordlicht/queries.jsonl"),
    ("longreports", FITTING / "longreports/docs", FITTING / "longreports/queries.jsonl"),
)
NAMES = tuple(ranking.WEIGHTS)
UNFOUND = -100.0  # log-odds of an answer where no passage was found
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
    signals: Mapping[str, float]
    contained: float
    said: bool
    sentences: int


def ask(kb: KnowledgeBase, golden: GoldenQuestion) -> Asked | None:
    """Search, cut and rank as the answerer does."""
    where = {"path": golden.scope} if golden.scope else None
    presence = Presence(kb._base.indexes(), kb._base.embedder, parse_where(where))
    asked = read_question(golden.question, golden.history)

    def retrieve(question: Question, *, k: int = ANSWER_HITS) -> SearchResult:
        return kb._base.passages(question, k, where)

    found = find(asked, "single", retrieve)
    candidates = candidates_of(found.hits, kb._base.document_of)
    ranked = rank_groups(found, candidates, embedder=kb._base.embedder, presence=presence)
    best = ranked[0].ranking
    if not best.scored:
        return None
    taken = extract_parts(ranked)

    def holds(text: str) -> float:
        return answer_scores(text, golden)["contains the answer"]

    answered = bool(golden.answerable and golden.answer)
    return Asked(
        golden,
        np.array([[entry.signals[name] for name in NAMES] for entry in best.scored]),
        np.array([answered and holds(" ".join(e.candidate.shown)) == 1.0 for e in best.scored]),
        signals_of(found.hits, best, presence).values,
        holds(taken.text) if answered else 0.0,
        best_verdict(ranked).answerable,
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
    """Regularised logistic regression in which each set and each kind weighs the same.

    What speaks against an answer may not speak for one, nor the other way round: with few questions
    that it is true of, chance would decide that.
    """
    asked = [a for group in groups for a in group]
    names = list(asked[0].signals)
    kinds = np.where(_kinds(asked), 1.0, -1.0)
    weights = np.concatenate(
        [
            np.where(_kinds(group), 0.5 / _kinds(group).sum(), 0.5 / (~_kinds(group)).sum())
            for group in groups
        ]
    )
    weights *= strength * len(asked) / weights.sum()
    scaler = StandardScaler().fit(_signals(asked, names))
    scaled = scaler.transform(_signals(asked, names))

    def loss(model: Matrix) -> tuple[float, Matrix]:
        margins = kinds * (scaled @ model[1:] + model[0])
        pull = -weights * kinds / (1.0 + np.exp(margins))
        total = weights @ np.logaddexp(0.0, -margins) + 0.5 * model[1:] @ model[1:]
        return float(total), np.concatenate([[pull.sum()], scaled.T @ pull + model[1:]])

    signs = [(None, 0.0) if abstain.WEIGHTS[name] < 0 else (0.0, None) for name in names]
    bounds = [(None, None), *signs]
    model = minimize(loss, np.zeros(len(bounds)), jac=True, bounds=bounds, method="L-BFGS-B").x
    unscaled = model[1:] / scaler.scale_
    return Logistic(names, unscaled, float(model[0] - unscaled @ scaler.mean_))


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
    parser.add_argument(
        "--check", nargs=3, action="append", default=[], metavar=("NAME", "FOLDER", "QUERIES")
    )
    parser.add_argument("--strength", type=float, default=0.03, help="inverse regularisation")
    parser.add_argument("--kbs", type=Path, help="keep the bases here and use them again")
    options = parser.parse_args()
    data: dict[str, list[Asked]] = {}
    unfound: dict[str, list[bool]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, folder, queries in (*SETS, *options.more, *options.check):
            with KnowledgeBase((options.kbs or Path(scratch)) / name, traces="off") as kb:
                kb.ingest(folder)
                found = [(ask(kb, question), question) for question in read_golden(queries)]
                data[name] = [a for a, _ in found if a is not None]
                unfound[name] = [bool(question.answerable) for a, question in found if a is None]
    checked = {name for name, _, _ in options.check}
    report_answers(data, checked)
    report_refusals(data, unfound, checked, options.strength)


def report_answers(data: Mapping[str, list[Asked]], checked: Set[str]) -> None:
    """Print how sentences are chosen, now and in cross-validation by set, and the weights."""
    used = np.array([ranking.WEIGHTS[name] for name in NAMES])
    print(
        "set            questions  best 1/2/3 now      held out            "
        "answers now: right  and said  sentences"
    )
    for name, asked in data.items():
        known = [a for a in asked if a.question.answerable and a.question.answer]
        if not known:
            continue
        held_out = fit_ranking([a for group in _others(data, name, checked) for a in group])
        scores = [
            "/".join(f"{hits_at(asked, weights, k):.3f}" for k in (1, 2, 3))
            for weights in (used, held_out)
        ]
        answers = np.mean([(a.contained, a.contained * a.said, a.sentences) for a in known], axis=0)
        print(
            f"{name:15}{len(asked):8}   {scores[0]}   {scores[1]}   "
            f"{answers[0]:18.3f} {answers[1]:9.3f} {answers[2]:10.2f}"
        )
    weights = fit_ranking([a for group in _others(data, "", checked) for a in group])
    weights /= weights[NAMES.index("similarity")]
    print("\nranking.WEIGHTS")
    for name, weight in zip(NAMES, weights, strict=True):
        print(f'    "{name}": {weight:.2f},')


def report_refusals(
    data: Mapping[str, list[Asked]],
    unfound: Mapping[str, list[bool]],
    checked: Set[str],
    strength: float,
) -> None:
    """Print how the confidence tells questions apart, now and held out, and the weights."""
    print(
        "\nset            AUROC now  held out  answered of answerable  refused of others  "
        "refusals that are right"
    )
    for name, asked in data.items():
        kinds = np.array([*_kinds(asked), *unfound[name]])
        rest = np.full(len(unfound[name]), UNFOUND)
        now = np.array([*(abstain.log_odds(a.signals) for a in asked), *rest])
        held_out = fit_abstention(_others(data, name, checked), strength).log_odds(asked)
        said = np.array([*(a.said for a in asked), *(rest > 0)], dtype=bool)
        print(
            f"{name:15}{roc_auc_score(kinds, now):9.3f} "
            f"{roc_auc_score(kinds, np.concatenate([held_out, rest])):9.3f} "
            f"{said[kinds].mean():23.3f} {(~said[~kinds]).mean():18.3f} {(~kinds[~said]).mean():24.3f}"
        )
    groups = _others(data, "", checked)
    every = [a for group in groups for a in group]
    model = fit_abstention(groups, strength)
    print(f"\nabstain.BIAS = {model.bias:.2f}\nabstain.WEIGHTS")
    for name, weight in zip(model.names, model.weights, strict=True):
        print(f'    "{name}": {weight:.2f},')
    log_odds = model.log_odds(every)
    confidence = 1 / (1 + np.exp(-log_odds))
    kinds = _kinds(every)
    print(f"in sample, all sets: AUROC {roc_auc_score(kinds, log_odds):.3f}")
    for weight in (1.0, 2.0, 3.0):
        cut = best_threshold(confidence, kinds, weight)
        print(
            f"threshold {cut:.2f} (answering weighs {weight:g}): "
            f"{(confidence[kinds] >= cut).mean():.3f} answered, "
            f"{(confidence[~kinds] < cut).mean():.3f} refused rightly"
        )


def _others(data: Mapping[str, list[Asked]], name: str, checked: Set[str]) -> list[list[Asked]]:
    """The sets to fit to where one of them is left out; those only checked always are."""
    return [asked for other, asked in data.items() if other != name and other not in checked]


if __name__ == "__main__":
    main()
