"""What is found and said on sets that nothing was fitted to: the figures that the docs may quote.

Every set of the evaluation data, and the project's own, is ingested and asked. How likely the
sentences chosen are right where there is an answer is fitted to the other families of sets and
scored on this one; then to all of them, and the weights are printed for ``ragkit/answer/abstain.py``.
How likely there is an answer is fitted to the project's own bases alone (``bench/fit_answers.py``),
so that every other set is one that it was not fitted to.

    python bench/generalise.py --work FOLDER            # all sets; bases are kept in FOLDER
    python bench/generalise.py --work FOLDER --small    # sixty questions of each, some minutes
    python bench/generalise.py --work FOLDER --again    # fits and tells what was asked last time
    python bench/generalise.py --work FOLDER --found    # what is found, beside plain baselines

Intervals are 95 %, by the normal approximation over questions.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from eval_sets import REPOSITORY, needed_data
from numpy.typing import NDArray
from scipy.optimize import minimize
from scoring import document_recall, gold_share, ndcg, page_hit
from sklearn.metrics import roc_auc_score

from ragkit import KnowledgeBase
from ragkit.answer import abstain
from ragkit.answer.candidates import candidates_of
from ragkit.answer.found import find
from ragkit.answer.grouped import extract_parts, rank_groups
from ragkit.answer.signals import signals_of
from ragkit.chat import ANSWER_HITS
from ragkit.evals.answer_measures import answer_scores, is_right
from ragkit.evals.golden import GoldenQuestion, read_golden
from ragkit.question.reading import read_question
from ragkit.retrieve.filters import parse_where
from ragkit.retrieve.presence import Presence

if TYPE_CHECKING:
    from ragkit.results import Hit, SearchResult

FITTING = REPOSITORY / "bench" / "fitting"
OWN = {
    "sample_docs": (REPOSITORY / "sample_docs", REPOSITORY / "tests/data/sample_docs_golden.jsonl"),
    "sample_docs_2": (
        REPOSITORY / "sample_docs",
        REPOSITORY / "tests/data/sample_docs_unfitted.jsonl",
    ),
    **{
        name: (FITTING / name / "docs", FITTING / name / "queries.jsonl")
        for name in ("brightwater", "nordlicht", "longreports")
    },
}
# Sets that share their sources count as one family; others are families of their own.
FAMILIES = {"squad2": "wikipedia", "xquad": "wikipedia", "tatqa": "tables", "wikitables": "tables"}
SCOPED = frozenset({"policyqa", "contractnli", "tatqa", "wikitables"})
NAMES = tuple(abstain.RIGHT_WEIGHTS)
AGAINST = frozenset({"fragment"})  # may not speak for an answer, and the others not against it
BINS = 10
SMALL = 60
STRENGTH = 0.002  # of the penalty on weights, in units of the signals' spread

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and what came of it.

    Attributes:
        kind: Why it cannot be answered, as the set names it; empty where it can.
        signals: By name; ``None`` where nothing was found to judge.
        right: Whether the sentences chosen are right; ``None`` where the set does not tell.
        holds: Whether they hold a gold answer; ``None`` where none is known.
    """

    kind: str
    signals: Mapping[str, float] | None
    right: bool | None
    holds: float | None

    @property
    def chance(self) -> float:
        """How likely there is an answer, 0 to 1; 0 where nothing was found."""
        return 0.0 if self.signals is None else 1 / (1 + math.exp(-abstain.log_odds(self.signals)))

    @property
    def row(self) -> list[float]:
        """The signals that tell whether the answer is right."""
        return [0.0 if self.signals is None else self.signals[name] for name in NAMES]


@dataclass(frozen=True, slots=True)
class Model:
    """A logistic model of whether an answer is right where there is one."""

    bias: float
    weights: Matrix

    def confidence(self, asked: Sequence[Asked]) -> Matrix:
        """How likely each answer is right, 0 to 1; 0 where nothing was found."""
        rows = np.array([a.row for a in asked], dtype=np.float64)
        chances = np.array([a.chance for a in asked])
        return np.asarray(chances / (1 + np.exp(-(rows @ self.weights + self.bias))))


def family(name: str) -> str:
    """Which family a set is of."""
    first = name.split("_")[0]
    return "own" if name in OWN else FAMILIES.get(first, first)


def sets(names: Sequence[str]) -> Iterator[tuple[str, Path, tuple[GoldenQuestion, ...]]]:
    """The sets with their documents and questions."""
    found = {
        path.parent.name: (path.parent / "corpus", path)
        for path in sorted(needed_data().glob("*/queries.jsonl"))
    }
    for name, (folder, queries) in (OWN | found).items():
        if not names or name in names:
            yield name, folder, read_golden(queries)


def ask(kb: KnowledgeBase, golden: GoldenQuestion, *, scoped: bool) -> Asked:
    """Answer a question in the documents' words, whatever the confidence."""
    where = {"path": golden.scope} if scoped and golden.scope else None
    base = kb._base

    def retrieve(question: Any, *, k: int = ANSWER_HITS) -> SearchResult:
        return base.passages(question, k, where)

    found = find(read_question(golden.question, golden.history), "single", retrieve)
    candidates = candidates_of(found.hits, base.document_of)
    presence = Presence(base.indexes(), base.question_embedder, parse_where(where))
    ranked = rank_groups(found, candidates, embedder=base.question_embedder, presence=presence)
    kind = (golden.kind or "other") if golden.answerable is False else ""
    if not ranked or not ranked[0].ranking.scored:
        return Asked(kind, None, False, 0.0 if golden.answers else None)
    taken = extract_parts(ranked)
    signals = signals_of(found.hits, ranked[0].ranking, presence).values
    return Asked(
        kind,
        signals,
        is_right(taken.text, [asdict(citation) for citation in taken.citations], golden),
        answer_scores(taken.text, golden).get("contains the answer"),
    )


def fit(groups: Mapping[str, Sequence[Asked]]) -> Model:
    """Fit to sets; each family weighs the same, and each set within it."""
    usable = {
        name: [a for a in asked if not a.kind and a.signals is not None and a.right is not None]
        for name, asked in groups.items()
    }
    usable = {name: asked for name, asked in usable.items() if asked}
    in_family: defaultdict[str, int] = defaultdict(int)
    for name in usable:
        in_family[family(name)] += 1
    rows = np.array([a.row for asked in usable.values() for a in asked], dtype=np.float64)
    right = np.array([bool(a.right) for asked in usable.values() for a in asked])
    weight = np.concatenate(
        [np.full(len(a), 1 / (len(a) * in_family[family(name)])) for name, a in usable.items()]
    )
    weight /= weight.sum()
    spread = rows.std(axis=0) + 1e-9
    scaled = rows / spread

    def loss(x: Matrix) -> tuple[float, Matrix]:
        log_odds = scaled @ x[1:] + x[0]
        chance = 1 / (1 + np.exp(-log_odds))
        value = float(weight @ (np.logaddexp(0, log_odds) - right * log_odds))
        slope = weight * (chance - right)
        gradient = np.concatenate([[slope.sum()], scaled.T @ slope + 2 * STRENGTH * x[1:]])
        return value + STRENGTH * float(x[1:] @ x[1:]), gradient

    bounds = [(None, None)] + [(None, 0.0) if n in AGAINST else (0.0, None) for n in NAMES]
    found = minimize(loss, np.zeros(len(NAMES) + 1), jac=True, method="L-BFGS-B", bounds=bounds)
    return Model(float(found.x[0]), np.asarray(found.x[1:] / spread))


def calibration_error(confidence: Matrix, right: NDArray[np.bool_]) -> float:
    """The expected calibration error over ten bins of equal width, 0 to 1."""
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return float(
        sum(
            (bins == i).mean() * abs(confidence[bins == i].mean() - right[bins == i].mean())
            for i in range(BINS)
            if (bins == i).any()
        )
    )


def interval(values: NDArray[Any]) -> str:
    """A mean with its interval."""
    if not len(values):
        return "–"
    half = 1.96 * float(values.std()) / math.sqrt(len(values))
    return f"{values.mean():.2f} ± {half:.2f}"


def report(data: Mapping[str, Sequence[Asked]]) -> None:
    """Print how what is said does on each set, with what the others taught."""
    head = "set | questions | holds the gold | right | right of what is sure | sure | refused | ECE | AUROC"
    print(f"| {head} |\n|{'---|' * 9}")
    rows: list[tuple[float, ...]] = []
    beyond: defaultdict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for name, asked in data.items():
        others = {n: a for n, a in data.items() if family(n) != family(name)}
        confidence = fit(others).confidence(asked)
        known = np.array([a.right is not None for a in asked])
        right = np.array([bool(a.right) for a in asked])
        answerable = np.array([not a.kind for a in asked])
        chances = np.array([a.chance for a in asked])
        refused = chances < abstain.THRESHOLD
        sure = (confidence >= abstain.SURE) & ~refused
        holds = np.array([a.holds for a in asked if not a.kind and a.holds is not None])
        error = calibration_error(confidence[known], right[known]) if known.any() else math.nan
        separation = math.nan
        if 0 < answerable.sum() < len(asked):
            separation = float(roc_auc_score(answerable, chances))
        for one, is_sure, is_refused in zip(asked, sure, refused, strict=True):
            if one.kind:
                beyond[one.kind].append((bool(is_sure), bool(is_refused)))
        said = right[sure & known]
        print(
            f"| {name} | {len(asked)} | {interval(holds)} | {interval(right[answerable & known])} "
            f"| {interval(said)} | {sure[answerable].mean():.2f} | {refused[answerable].mean():.2f} "
            f"| {error:.2f} | {separation:.2f} |"
        )
        rows.append(
            (
                holds.mean() if len(holds) else math.nan,
                right[answerable & known].mean() if (answerable & known).any() else math.nan,
                said.mean() if len(said) else math.nan,
                sure[answerable].mean(),
                refused[answerable].mean(),
                error,
                separation,
            )
        )
    means = " | ".join(f"{value:.2f}" for value in np.nanmean(np.array(rows), axis=0))
    print(f"| **mean of sets** | | {means} |\n")
    print("| unanswerable, by kind | questions | said as an answer | refused |\n|---|---|---|---|")
    for kind, outcomes in sorted(beyond.items()):
        shares = np.array(outcomes).mean(axis=0)
        print(f"| {kind} | {len(outcomes)} | {shares[0]:.2f} | {shares[1]:.2f} |")


def thresholds(data: Mapping[str, Sequence[Asked]]) -> None:
    """Print what other thresholds would do, held out."""
    print(
        "\n| from | said of answerable | right of what is said | not answerable, said |\n|---|---|---|---|"
    )
    parts: list[tuple[float, Asked]] = []
    for name, asked in data.items():
        others = {n: a for n, a in data.items() if family(n) != family(name)}
        every = fit(others).confidence(asked).tolist()
        parts += [
            (c if a.chance >= abstain.THRESHOLD else 0.0, a)
            for c, a in zip(every, asked, strict=True)
        ]
    for cut in (0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75):
        above = [a for c, a in parts if c >= cut]
        told = [a.right for a in above if a.right is not None]
        answerable = sum(not a.kind for a in above) / max(sum(not a.kind for _, a in parts), 1)
        other = sum(bool(a.kind) for a in above) / max(sum(bool(a.kind) for _, a in parts), 1)
        print(f"| {cut} | {answerable:.2f} | {np.mean(told) if told else 0:.2f} | {other:.2f} |")


def place_score(hits: Sequence[Hit], golden: GoldenQuestion) -> float:
    """What the gold places allow to tell: gold in 2,000 characters, page hit@5, nDCG@10, recall@5."""
    places = [place.mapping() for place in golden.relevant]
    found = [asdict(hit) for hit in hits]
    if all("start" in place for place in places):
        return gold_share(found, places, 2000, _no_source)
    if all("page" in place for place in places):
        return page_hit(found, places, 5)
    if any("grade" in place for place in places):
        return ndcg(found, places, 10)
    return document_recall(found, places, 5)


def _no_source(path: str) -> Any:
    raise AssertionError(f"ragkit's hits have offsets: {path}")


def merged(*rankings: Sequence[Hit]) -> list[Hit]:
    """Reciprocal rank fusion (Cormack et al. 2009), with its usual constant 60."""
    scores: defaultdict[tuple[str, int], float] = defaultdict(float)
    hits: dict[tuple[str, int], Hit] = {}
    for ranking in rankings:
        for rank, hit in enumerate(ranking, start=1):
            hits[hit.path, hit.start] = hit
            scores[hit.path, hit.start] += 1 / (60 + rank)
    return [hits[key] for key in sorted(scores, key=lambda key: (-scores[key], key))]


def found_by(kb: KnowledgeBase, golden: GoldenQuestion, *, scoped: bool) -> dict[str, float]:
    """What each way of searching finds."""
    where = {"path": golden.scope} if scoped and golden.scope else None
    options: dict[str, Any] = {"where": where, "k": 50, "history": golden.history or None}
    words = kb.search(golden.question, mode="lexical", **options)
    meaning = kb.search(golden.question, mode="dense", **options)
    ways = {
        "words": words,
        "meaning": meaning,
        "reciprocal ranks": merged(words, meaning),
        "ragkit": kb.search(golden.question, **options),
        "as ask searches": kb.search(golden.question, quoting=True, **options),
    }
    return {name: place_score(hits, golden) for name, hits in ways.items()}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="keep the bases here")
    parser.add_argument("--sets", nargs="*", default=[], help="only these")
    parser.add_argument("--small", action="store_true", help=f"{SMALL} questions of each set")
    parser.add_argument("--again", action="store_true", help="do not ask, take what was asked")
    parser.add_argument("--found", action="store_true", help="what is found, not what is said")
    options = parser.parse_args()
    data: dict[str, list[Asked]] = {}
    found: dict[str, list[dict[str, float]]] = {}
    kept = options.work / "asked.json"
    if options.again:
        read = json.loads(kept.read_text("utf-8"))
        data = {name: [Asked(**one) for one in asked] for name, asked in read.items()}
    for name, folder, questions in () if options.again else sets(options.sets):
        chosen = questions[:: max(1, len(questions) // SMALL)] if options.small else questions
        with KnowledgeBase(options.work / name, traces="off") as kb:
            kb.ingest(folder)
            if options.found:
                placed = [golden for golden in chosen if golden.relevant]
                found[name] = [found_by(kb, g, scoped=name in SCOPED) for g in placed]
                shown = {w: np.array([f[w] for f in found[name]]) for w in (found[name] or [{}])[0]}
                print(name, {way: interval(values) for way, values in shown.items()}, flush=True)
                continue
            data[name] = [ask(kb, golden, scoped=name in SCOPED) for golden in chosen]
            print(f"{name}: asked {len(chosen)} questions", flush=True)
    if options.found:
        ways = next(iter(found.values()))[0]
        table = np.array([[np.mean([f[w] for f in each]) for w in ways] for each in found.values()])
        print("mean of sets", dict(zip(ways, table.mean(axis=0).round(3), strict=True)))
        return
    asked_now = {name: [asdict(one) for one in asked] for name, asked in data.items()}
    kept.write_text(json.dumps(asked_now), "utf-8")
    report(data)
    thresholds(data)
    every = fit(data)
    print(f"\nRIGHT_BIAS = {every.bias:.2f}\nRIGHT_WEIGHTS")
    for name, weight in zip(NAMES, every.weights, strict=True):
        print(f'    "{name}": {weight:.2f},')


if __name__ == "__main__":
    main()
