"""How much of the gold text a fixed budget of context holds, by chunk size and prefix.

Asks every question of a retrieval set whose gold passages have offsets, takes the best chunks
until the budget of characters is full, and reports the mean share of gold characters in them, for
dense retrieval, BM25, and the two fused by reciprocal rank. "fixed" is the baseline: equal
numbers of tokens, without regard for structure.

    python bench/chunking.py                          # the set "chunking" of the evaluation data
    python bench/chunking.py --targets 96 128 --set chunking --budgets 2000 6000
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ingest.chunker import ChunkerOptions, Tokenizer, chunk_document
from ingest.tokens import TokenIndex

if TYPE_CHECKING:
    from ingest.document import Document

Floats = NDArray[np.float32]
Embed = Callable[[Sequence[str], str], Floats]


@dataclass(frozen=True, slots=True)
class Passage:
    path: str
    start: int
    end: int
    embedded: str


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    gold: tuple[tuple[str, int, int], ...]


def read_questions(path: Path) -> list[Question]:
    questions = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            gold = tuple(
                (place["path"], place["start"], place["end"])
                for place in entry.get("relevant", ())
                if "start" in place
            )
            if gold:
                questions.append(Question(entry["question"], gold))
    return questions


def cut_by_structure(
    documents: dict[str, Document], tokenizer: Tokenizer, options: ChunkerOptions
) -> list[Passage]:
    return [
        Passage(path, chunk.start, chunk.end, chunk.embedded_text)
        for path, document in documents.items()
        for chunk in chunk_document(document, tokenizer=tokenizer, options=options, name=path)
    ]


def cut_evenly(documents: dict[str, Document], tokenizer: Tokenizer, target: int) -> list[Passage]:
    passages = []
    for path, document in documents.items():
        text = document.text
        index = TokenIndex(text, tokenizer)
        parts = max(round(index.count(0, len(text)) / target), 1)
        spans = index.cut(0, len(text), parts)
        passages += [Passage(path, start, end, text[start:end]) for start, end in spans]
    return passages


def bm25(passages: Sequence[Passage], questions: Sequence[Question]) -> Floats:
    """Scores of shape (questions, passages); k1 1.2, b 0.75 (Robertson & Zaragoza 2009)."""
    postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
    lengths = np.zeros(len(passages), dtype=np.float32)
    for number, passage in enumerate(passages):
        words = re.findall(r"\w+", passage.embedded.lower())
        lengths[number] = len(words)
        for word, count in Counter(words).items():
            postings[word].append((number, count))
    norm = 1.2 * (0.25 + 0.75 * lengths / lengths.mean())
    scores = np.zeros((len(questions), len(passages)), dtype=np.float32)
    for row, question in zip(scores, questions, strict=True):
        for word in set(re.findall(r"\w+", question.text.lower())):
            found = postings.get(word)
            if not found:
                continue
            numbers, counts = np.array(found).T
            idf = math.log(1 + (len(passages) - len(found) + 0.5) / (len(found) + 0.5))
            row[numbers] += idf * counts * 2.2 / (counts + norm[numbers])
    return scores


def fuse(*rankings: NDArray[np.intp]) -> NDArray[np.intp]:
    """Reciprocal rank fusion, k = 60 (Cormack et al. 2009), of (questions, passages) rankings."""
    total = np.zeros(rankings[0].shape)
    for ranking in rankings:
        places = np.empty_like(ranking)
        np.put_along_axis(places, ranking, np.arange(ranking.shape[1])[None, :], axis=1)
        total += 1 / (61 + places)
    return np.argsort(-total, axis=1, kind="stable")


def share_found(
    passages: Sequence[Passage],
    ranking: NDArray[np.intp],
    questions: Sequence[Question],
    budget: int,
) -> float:
    """Return the mean share of gold characters in the best chunks that fill ``budget``."""
    shares = []
    for order, question in zip(ranking, questions, strict=True):
        wanted = {
            (path, position) for path, start, end in question.gold for position in range(start, end)
        }
        room = budget
        found: set[tuple[str, int]] = set()
        for number in order:
            passage = passages[number]
            end = min(passage.end, passage.start + room)
            for path, gold_start, gold_end in question.gold:
                if path == passage.path:
                    both = range(max(passage.start, gold_start), min(end, gold_end))
                    found.update((path, position) for position in both)
            room -= end - passage.start
            if room <= 0:
                break
        shares.append(len(found) / len(wanted))
    return float(np.mean(shares))


def cached(embed: Embed, directory: Path | None) -> Embed:
    """Keep the vectors of each batch of texts in ``directory``: measuring again is then quick."""
    if directory is None:
        return embed
    directory.mkdir(parents=True, exist_ok=True)

    def embed_cached(texts: Sequence[str], kind: str) -> Floats:
        key = hashlib.blake2b("\0".join([kind, *texts]).encode(), digest_size=12).hexdigest()
        path = directory / f"{key}.npy"
        if not path.exists():
            np.save(path, embed(texts, kind))
        vectors: Floats = np.load(path)
        return vectors

    return embed_cached


def measure(
    documents: dict[str, Document],
    questions: Sequence[Question],
    tokenizer: Tokenizer,
    embed: Embed,
    *,
    targets: Sequence[int],
    budgets: Sequence[int],
    max_tokens: int,
) -> None:
    asked = embed([question.text for question in questions], "query")
    heads = [f"{way}@{budget}" for way in ("dense", "bm25", "both") for budget in budgets]
    print(f"{'cut':18}{'chunks':>8}{'chars':>7}{'MB/s':>7}", *(f"{head:>11}" for head in heads))
    size = sum(len(document.text) for document in documents.values())
    for target in targets:
        for way in ("prefix", "no prefix", "fixed"):
            began = time.perf_counter()
            if way == "fixed":
                passages = cut_evenly(documents, tokenizer, target)
            else:
                options = ChunkerOptions(
                    target_tokens=target, max_tokens=max_tokens, prefix=way == "prefix"
                )
                passages = cut_by_structure(documents, tokenizer, options)
            seconds = time.perf_counter() - began
            vectors = embed([passage.embedded for passage in passages], "passage")
            dense = np.argsort(-(asked @ vectors.T), axis=1, kind="stable")
            lexical = np.argsort(-bm25(passages, questions), axis=1, kind="stable")
            shares = [
                share_found(passages, ranking, questions, budget)
                for ranking in (dense, lexical, fuse(dense, lexical))
                for budget in budgets
            ]
            length = sum(passage.end - passage.start for passage in passages) / len(passages)
            print(
                f"{target:>4} {way:13}{len(passages):>8}{length:>7.0f}{size / 1e6 / seconds:>7.2f}",
                *(f"{share:>11.3f}" for share in shares),
                flush=True,
            )


def main() -> None:
    from ingest import load
    from ragkit.embed import load_embedder

    default = os.environ.get("RAGKIT_EVAL_DATA", "../shared/eval")
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path(default), help="evaluation data")
    parser.add_argument("--set", default="chunking", help="folder with corpus/ and queries.jsonl")
    parser.add_argument("--targets", type=int, nargs="+", default=[64, 96, 128, 160, 200])
    parser.add_argument("--budgets", type=int, nargs="+", default=[2000, 6000])
    parser.add_argument("--cache", type=Path, help="folder to keep vectors in")
    arguments = parser.parse_args()
    folder = arguments.data / arguments.set
    if not (folder / "queries.jsonl").exists():
        parser.error(f"no queries.jsonl in {folder}: set RAGKIT_EVAL_DATA or --data")
    corpus = folder / "corpus"
    documents = {
        path.relative_to(corpus).as_posix(): load(path)
        for path in sorted(corpus.rglob("*"))
        if path.is_file()
    }
    embedder = load_embedder()
    measure(
        documents,
        read_questions(folder / "queries.jsonl"),
        embedder.tokenizer,
        cached(lambda texts, kind: embedder.embed(texts, kind=kind), arguments.cache),
        targets=arguments.targets,
        budgets=arguments.budgets,
        max_tokens=embedder.max_tokens,
    )


if __name__ == "__main__":
    main()
