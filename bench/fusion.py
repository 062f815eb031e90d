"""Fit the weights of hybrid search to retrieval sets, and cross-validate them by set and by half.

Passages are searched for once for each part of the score (meaning; words in the text, around it, in
headings, names and codes, and whether they stand nearby); then the parts' weights and the malus for
repeating a page are varied one by one, as long as the mean of the sets' metrics rises, from a start
at which all that was fitted is left out. Each set is then
left out in turn, and random halves of all questions: the weights fitted to the rest are scored on
them.

    python bench/fusion.py --work /some/folder                 # fit and cross-validate
    python bench/fusion.py --work /some/folder --only-measure  # the weights in use

The sets' names are read from the data folder; nothing depends on them. Passages that repeat another
one's text are not looked for here.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from eval_sets import needed_data
from scoring import gold_share, ndcg, page_hit

from ragkit import KnowledgeBase
from ragkit.index.protocols import WordWeights
from ragkit.question import read_question
from ragkit.retrieve import arrange as arranging
from ragkit.retrieve.fusion import LISTED
from ragkit.retrieve.pipeline import CANDIDATES
from ragkit.retrieve.spelling import correct, vocabulary_of
from ragkit.store.allowed import Allowed, as_array
from ragkit.store.changes import ranges_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragkit.index.indexes import Indexes

FIELDS = ("context", "heading", "name", "codes", "nearby")
NO_FIELD = WordWeights(context=0.0, heading=0.0, name=0.0, codes=0.0, nearby=0.0)
START = {"dense": 0.5, "same page": 0.0} | dict.fromkeys(FIELDS, 0.0)
STEPS = (0.1, -0.1, 0.2, -0.2)
FINE = {"same page": 0.25, "dense": 0.5}  # of a step
GAIN = 0.0005  # smaller gains are noise
HALVES = 3

Weights = dict[str, float]


@dataclass(slots=True)
class Question:
    """A question with the passages that could be found, and their scores by part."""

    entry: Mapping[str, Any]
    parts: dict[str, NDArray[np.float64]]
    boosts: NDArray[np.float64]
    units: list[Hashable]  # what should not be repeated
    documents: list[int]
    hits: list[dict[str, Any]]


Sets = Mapping[str, Sequence[Question]]


def in_use() -> Weights:
    """The weights as they are in the code."""
    fields = {name: getattr(LISTED.words, name) for name in FIELDS}
    return {"dense": LISTED.dense, "same page": LISTED.same_page} | fields


def collect(kb: KnowledgeBase, entries: Sequence[Mapping[str, Any]]) -> list[Question]:
    """Search for each question, once for each part of the score."""
    indexes, embedder = kb._base.indexes(), kb._base.embedder()
    store, words = indexes.store, indexes.word_reader()
    assert words is not None, "the base has no word index"
    questions = []
    for entry in entries:
        read = read_question(entry.get("rewrite") or entry["question"])
        text = correct(read.text, vocabulary_of(words, lambda: embedder))[0]
        vector = embedder.embed([text], kind="query")[0]
        near = indexes.search_dense(vector, 2 * CANDIDATES)
        said = indexes.search_lexical(text, 4 * CANDIDATES, weights=LISTED.words)
        ids = sorted({one.chunk_id for one in (*near, *said)})
        parts = {"dense": np.maximum(store.vectors_of(ids) @ vector, 0.0).astype(np.float64)}
        parts |= word_parts(indexes, text, ids)
        by_id = store.places(ids)
        places = [by_id[number] for number in ids]
        questions.append(
            Question(
                entry,
                parts,
                np.array([arranging.boost_of(p, read.pages, read.years, {}) for p in places]),
                [arranging.unit_of(place) for place in places],
                [place.document_id for place in places],
                [
                    {"path": one.path, "page": one.page, "start": one.start, "text": one.text}
                    for one in store.chunks(ids)
                ],
            )
        )
    return questions


def word_parts(indexes: Indexes, text: str, ids: Sequence[int]) -> dict[str, NDArray[np.float64]]:
    """The lexical score of some passages by the field that it is due to, in units of the text's."""
    only = Allowed(as_array(ranges_of(ids)), None)

    def scores(weights: WordWeights) -> NDArray[np.float64]:
        found = indexes.search_lexical(text, len(ids), weights=weights, allowed=only)
        by_id = {one.chunk_id: one.score for one in found}
        whole = 1.0 + weights.context + weights.nearby
        return np.array([by_id.get(number, 0.0) for number in ids]) * whole

    body = scores(NO_FIELD)
    return {"body": body} | {
        name: np.maximum(scores(replace(NO_FIELD, **{name: 1.0})) - body, 0.0) for name in FIELDS
    }


def ranked(question: Question, weights: Weights) -> list[dict[str, Any]]:
    """The hits of a question under some weights: what the retriever does, on arrays."""
    words = question.parts["body"] + sum(weights[name] * question.parts[name] for name in FIELDS)
    words = np.minimum(words / (1 + weights["context"] + weights["nearby"]), 1.0)
    scores = weights["dense"] * question.parts["dense"] + (1 - weights["dense"]) * words
    order = np.argsort(-scores, kind="stable")[:110]
    nearest = {at: rank for rank, at in enumerate(np.argsort(-question.parts["dense"]), start=1)}
    best: dict[int, float] = {}
    for at in order:
        best.setdefault(question.documents[at], scores[at])
    gained = [
        LISTED.document * best[question.documents[at]] + LISTED.nearest / nearest[at]
        for at in order
    ]
    scores = (scores[order] + np.array(gained)) / (1 + LISTED.document + LISTED.nearest)
    scores = scores + question.boosts[order]
    listed: dict[Hashable, int] = {}
    for place in np.argsort(-scores, kind="stable").tolist():
        unit = question.units[order[place]]
        if unit is not None:
            scores[place] -= weights["same page"] * listed.get(unit, 0)
            listed[unit] = listed.get(unit, 0) + 1
    return [question.hits[order[place]] for place in np.argsort(-scores, kind="stable")[:50]]


def score(question: Question, hits: list[dict[str, Any]]) -> float:
    """The metric that the question's gold places allow."""
    gold = question.entry["relevant"]
    if "start" in gold[0]:
        return float(
            np.mean([gold_share(hits, gold, budget, _no_source) for budget in (2000, 6000)])
        )
    if "page" in gold[0]:
        return float(np.mean([page_hit(hits, gold, 5), page_hit(hits, gold, 10)]))
    if any("grade" in place for place in gold):
        return ndcg(hits, gold, 10)
    paths = {place["path"] for place in gold}
    return len(paths & {hit["path"] for hit in hits[:5]}) / len(paths)


def _no_source(path: str) -> Any:
    raise AssertionError(f"ragkit's hits have offsets: {path}")


def objective(sets: Sets, weights: Weights) -> float:
    """The mean of the sets' metrics."""
    return float(np.mean([measure(questions, weights) for questions in sets.values()]))


def measure(questions: Sequence[Question], weights: Weights) -> float:
    """The mean metric of a set."""
    return float(np.mean([score(q, ranked(q, weights)) for q in questions]))


def fit(sets: Sets) -> Weights:
    """Climb from :data:`START`, one weight at a time."""
    weights = dict(START)
    best = objective(sets, weights)
    improved = True
    while improved:
        improved = False
        for name in weights:
            for step in STEPS:
                changed = weights[name] + step * FINE.get(name, 1.0)
                tried = {**weights, name: round(max(changed, 0.0), 3)}
                if tried["dense"] > 1 or tried == weights:
                    continue
                value = objective(sets, tried)
                if value > best + GAIN:
                    weights, best, improved = tried, value, True
                    break
    return weights


def load_sets(work: Path) -> dict[str, list[Question]]:
    """Ingest what is not there yet, and search."""
    sets = {}
    for folder in sorted(path.parent for path in needed_data().glob("*/queries.jsonl")):
        with (folder / "queries.jsonl").open(encoding="utf-8") as lines:
            entries = [json.loads(line) for line in lines]
        entries = [entry for entry in entries if entry["answerable"] and entry["relevant"]]
        with KnowledgeBase(work / folder.name) as kb:
            kb.ingest(folder / "corpus")
            sets[folder.name] = collect(kb, entries)
    return sets


def pick(sets: Sets, chosen: Callable[[str, int], bool]) -> dict[str, list[Question]]:
    """The sets with only those questions that are chosen by set and number."""
    kept = {
        name: [q for number, q in enumerate(questions) if chosen(name, number)]
        for name, questions in sets.items()
    }
    return {name: questions for name, questions in kept.items() if questions}


def print_line(label: str, sets: Sets, *settings: Weights) -> None:
    """Print what some settings score on each set."""
    for name, questions in sets.items():
        values = "  ".join(f"{measure(questions, weights):.4f}" for weights in settings)
        print(f"  {label:12}{name:16}{values}", flush=True)


def main() -> None:
    """Fit, cross-validate and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="folder to keep the bases in")
    parser.add_argument("--only-measure", action="store_true")
    arguments = parser.parse_args()
    sets = load_sets(arguments.work)
    print("in use:", in_use())
    print_line("in use", sets, in_use())
    if arguments.only_measure:
        return
    weights = fit(sets)
    print("fitted to all:", weights)
    print_line("fitted", sets, weights)
    print("weights in use, weights fitted to the other sets:")
    for left_out in sets:
        weights = fit(pick(sets, lambda name, _, out=left_out: name != out))
        print_line("left out", {left_out: sets[left_out]}, in_use(), weights)
        print("   ", weights)
    print("on one half of the questions: weights in use, weights fitted to the other half:")
    for seed in range(HALVES):
        number_of = random.Random(seed)
        halves = {
            name: set(number_of.sample(range(len(questions)), len(questions) // 2))
            for name, questions in sets.items()
        }
        for first in (True, False):
            weights = fit(pick(sets, lambda n, i, a=first, h=halves: (i in h[n]) is a))
            rest = pick(sets, lambda n, i, a=first, h=halves: (i in h[n]) is not a)
            print_line(f"half {seed}{'ab'[first]}", rest, in_use(), weights)


if __name__ == "__main__":
    main()
