"""Fit the weights of hybrid search, and check them on sets they were not fitted to.

Reads the retrieval sets of the evaluation data, keeps each in a knowledge base, and tries other
weights around those in use, one at a time and as long as any helps (coordinate ascent). The
objective is the mean over the sets of each set's own metric, so that no set outweighs another.
Each set is then left out in turn: the weights fitted to the others are scored on it.

    python bench/fusion.py --work /some/folder                 # fit and cross-validate
    python bench/fusion.py --work /some/folder --only-measure  # the weights in use

The sets' names are read from the data folder; nothing depends on them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from eval_sets import data_folder
from scoring import gold_share, ndcg, page_hit

from ragkit import KnowledgeBase
from ragkit.retrieve import arrange as arranging
from ragkit.retrieve.candidates import CANDIDATES
from ragkit.retrieve.fusion import DENSE_WEIGHT, Fused
from ragkit.retrieve.reading import Reading, read, vocabulary_of
from ragkit.store import lexical_query

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragkit.store.records import ChunkPlace

FIELDS = ("context", "heading", "name")
STEPS = (0.1, -0.1, 0.2, -0.2)
GAIN = 0.0005  # smaller gains are noise

Weights = dict[str, float]


@dataclass(slots=True)
class Question:
    """A question with the passages that could be found, and their scores by part."""

    entry: Mapping[str, Any]
    reading: Reading
    ids: NDArray[np.int64]
    parts: dict[str, NDArray[np.float64]]
    places: dict[int, ChunkPlace]
    hits: dict[int, dict[str, Any]] = field(default_factory=dict)


def in_use() -> Weights:
    """The weights as they are in the code."""
    weights = {name: lexical_query.FIELD_WEIGHTS[name] for name in FIELDS}
    return {
        "dense": DENSE_WEIGHT,
        "same page": arranging.SAME_PAGE,
        "codes": lexical_query.CODE_WEIGHT,
    } | weights


def collect(kb: KnowledgeBase, entries: Sequence[Mapping[str, Any]]) -> list[Question]:
    """Search for each question, once for each part of the score."""
    store, embedder = kb._store(), kb._embedder()
    questions = []
    for entry in entries:
        text = entry.get("rewrite") or entry["question"]
        reading = read(text, (), vocabulary_of(store, lambda: embedder))
        vectors = embedder.embed([part for part, _ in reading.parts], kind="query")
        vector = np.asarray([weight for _, weight in reading.parts], np.float32) @ vectors
        length = float(np.linalg.norm(vector))
        dense = {
            one.chunk_id: one.score * length for one in store.search_dense(vector, 2 * CANDIDATES)
        }
        lexical = {name: parts_of(store, reading, name) for name in ("body", *FIELDS, "codes")}
        found = lexical["body"].keys() | lexical["heading"].keys() | lexical["name"].keys()
        ids = np.array(sorted(dense.keys() | found), np.int64)
        missing = [int(number) for number in ids if int(number) not in dense]
        if missing:
            cosines = store.vectors_of(missing) @ vector
            dense |= dict(zip(missing, cosines.tolist(), strict=True))
        parts = {"dense": np.array([max(dense[int(n)], 0.0) for n in ids])}
        for name, scores in lexical.items():
            parts[name] = np.array([scores.get(int(number), 0.0) for number in ids])
        question = Question(entry, reading, ids, parts, store.places(ids.tolist()))
        for chunk in store.chunks(ids.tolist()):
            question.hits[chunk.id] = {
                "path": chunk.path,
                "page": chunk.page,
                "start": chunk.start,
                "text": chunk.text,
            }
        questions.append(question)
    return questions


def parts_of(store: Any, reading: Reading, name: str) -> dict[int, float]:
    """The lexical score that is due to one field alone, in units of that of the text."""
    before = dict(lexical_query.FIELD_WEIGHTS), lexical_query.CODE_WEIGHT
    tiny = 1e-6  # a field that only adds needs others to find
    try:
        for other in lexical_query.FIELD_WEIGHTS:
            lexical_query.FIELD_WEIGHTS[other] = 1.0 if other == name else tiny
        lexical_query.CODE_WEIGHT = 1.0 if name == "codes" else tiny
        unit = lexical_query.FIELD_WEIGHTS["body"] + lexical_query.FIELD_WEIGHTS["context"]
        found = store.search_lexical(reading.parts, 4 * CANDIDATES)
        return {one.chunk_id: one.score * unit for one in found}
    finally:
        lexical_query.FIELD_WEIGHTS.update(before[0])
        lexical_query.CODE_WEIGHT = before[1]


def ranked(question: Question, weights: Weights) -> list[dict[str, Any]]:
    """The hits of a question under some weights."""
    words = question.parts["body"] + sum(
        weights[name] * question.parts[name] for name in (*FIELDS, "codes")
    )
    words = np.minimum(words / (1 + weights["context"]), 1.0)
    scores = weights["dense"] * question.parts["dense"] + (1 - weights["dense"]) * words
    order = np.lexsort((question.ids, -scores))[:100]
    ranking = [Fused(int(question.ids[n]), float(scores[n]), None, None) for n in order]

    arranging.SAME_PAGE = weights["same page"]
    listed = arranging.arrange(ranking, question.places, question.reading.hints, limit=50)
    return [question.hits[passage.fused.chunk_id] for passage in listed]


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


def objective(sets: Mapping[str, list[Question]], weights: Weights) -> float:
    return float(np.mean([measure(questions, weights) for questions in sets.values()]))


def measure(questions: Sequence[Question], weights: Weights) -> float:
    return float(np.mean([score(q, ranked(q, weights)) for q in questions]))


def fit(sets: Mapping[str, list[Question]]) -> Weights:
    weights = in_use()
    best = objective(sets, weights)
    improved = True
    while improved:
        improved = False
        for name in weights:
            scale = 0.25 if name == "same page" else 1.0
            for step in STEPS:
                tried = {**weights, name: round(max(weights[name] + step * scale, 0.0), 3)}
                if tried["dense"] > 1:
                    continue
                value = objective(sets, tried)
                if value > best + GAIN:
                    weights, best, improved = tried, value, True
    return weights


def load_sets(work: Path) -> dict[str, list[Question]]:
    sets = {}
    for folder in sorted(path.parent for path in data_folder().glob("*/queries.jsonl")):
        with (folder / "queries.jsonl").open(encoding="utf-8") as lines:
            entries = [json.loads(line) for line in lines]
        entries = [entry for entry in entries if entry["answerable"] and entry["relevant"]]
        with KnowledgeBase(work / folder.name) as kb:
            kb.ingest(folder / "corpus")
            sets[folder.name] = collect(kb, entries)
    return sets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="folder to keep the bases in")
    parser.add_argument("--only-measure", action="store_true")
    arguments = parser.parse_args()
    sets = load_sets(arguments.work)
    print("in use:", in_use())
    for name, questions in sets.items():
        print(f"  {name:16}{measure(questions, in_use()):.4f}")
    if arguments.only_measure:
        return
    weights = fit(sets)
    print("fitted to all:", weights)
    for name, questions in sets.items():
        print(f"  {name:16}{measure(questions, weights):.4f}")
    print("fitted to the others, scored on the one left out:")
    for left_out, questions in sets.items():
        others = {name: found for name, found in sets.items() if name != left_out}
        weights = fit(others)
        print(f"  {left_out:16}{measure(questions, weights):.4f}  {weights}", flush=True)


if __name__ == "__main__":
    main()
