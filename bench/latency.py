"""How long one question takes, among as many passages as wanted, and where the time goes.

Embedding a hundred thousand passages takes a quarter of an hour, and how long a search takes does
not depend on what is found. So bases are grown from real ones: each document is copied as often
as needed with a tenth of its words exchanged for others as long, and its passages' vectors are
turned a little. Questions are embedded by the real model.

    ragkit --kb REAL ingest FOLDER
    python bench/latency.py --work SCRATCH --from REAL... --questions QUESTIONS.jsonl...
    python bench/latency.py ... --against ANOTHER_CHECKOUT     # both in turn, with ratios

Each base is grown once and kept in SCRATCH. All figures are milliseconds: least, lower quartile
and median; on a machine with other work, compare the least and the quartile.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ingest.document import Chunk, Document
    from ragkit import KnowledgeBase
    from ragkit.store import FileState, Store
    from ragkit.store.records import StoredDocument

REPOSITORY = Path(__file__).resolve().parent.parent
WORD = re.compile(r"[^\W\d_]{3,}")
EXCHANGED = 0.1  # share of words
TURNED = 0.35  # length of the noise added to a unit vector: cosine 0.94 to the original
DAY = 86_400 * 10**9
DAYS = 9 * 365  # over which the files' dates are spread
FIRST_DAY = 1_420_070_400 * 10**9  # 2015-01-01 in ns since 1970
FILTERS: dict[str, dict[str, str]] = {
    "type=pdf": {"type": "pdf"},
    "date>=2020": {"date": ">=2020"},
    "date=2020-05": {"date": "2020-05"},
    "heading=introduction": {"heading": "introduction"},
    "heading=*a*": {"heading": "*a*"},
    "path=*7/*": {"path": "*7/*"},
    "title=*flow*": {"title": "*flow*"},
    "heading=(none such)": {"heading": "no heading is called this"},
}


# -- growing a base ---------------------------------------------------------------------------


def grow(place: Path, sources: Sequence[Path], passages: int) -> None:
    """Make a base of about so many passages from real ones; see the module's description."""
    from ragkit.store import Store

    unfinished = place.with_name(place.name + ".part")
    randomness = random.Random(1)
    numbers = np.random.default_rng(1)
    with Store.open(unfinished, create=True) as store, store.writing("growing"):
        root = store.root(place, kind="folder")
        opened = [Store.open(source) for source in sources]
        by_length: dict[int, list[str]] = {}
        for source in opened:
            for stored in source.documents():
                for word in WORD.findall(source.document(stored.id).text[:200_000]):
                    by_length.setdefault(len(word), []).append(word)
        for key in ("embedder", "fingerprint", "chunker"):
            value = opened[0].get_setting(key)
            if value is not None:
                store.set_setting(key, value)
        named = json.loads(opened[0].get_setting("fingerprint") or "{}")["embedding"]
        store.use_vectors_of(json.dumps(named, sort_keys=True))
        everything = [(source, stored) for source in opened for stored in source.documents()]
        copy = 0
        while store.counts().chunks < passages:
            randomness.shuffle(everything)
            for source, stored in everything:
                if store.counts().chunks < passages:
                    changed = _changed(source, stored, copy, by_length, randomness, numbers)
                    _put(store, root.id, *changed)
            copy += 1
        store.sync_views(final=True)
        for source in opened:
            source.close()
    unfinished.rename(place)


def _changed(
    source: Store,
    stored: StoredDocument,
    copy: int,
    by_length: dict[int, list[str]],
    randomness: random.Random,
    numbers: np.random.Generator,
) -> tuple[str, FileState, Document, list[Chunk], NDArray[np.float32]]:
    """A document, as it is the first time, changed in words and vectors each time after."""
    from ingest.document import Chunk
    from ragkit.store import FileState

    def exchanged(match: re.Match[str]) -> str:
        if randomness.random() >= EXCHANGED:
            return match[0]
        return randomness.choice(by_length.get(len(match[0]), [match[0]]))

    document = source.document(stored.id)
    text = WORD.sub(exchanged, document.text) if copy else document.text
    there = source.chunks_of(stored.id)
    chunks = [
        Chunk(
            id=chunk.key,
            index=chunk.index,
            start=chunk.start,
            end=chunk.end,
            text=text[chunk.start : chunk.end],
            page=chunk.page,
            heading=chunk.heading,
            prefix=chunk.prefix,
            tokens=chunk.tokens,
        )
        for chunk in there
    ]
    vectors = source.vectors_of([chunk.id for chunk in there])
    if copy:
        noise = numbers.standard_normal(vectors.shape, dtype=np.float32)
        vectors = vectors + TURNED * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    modified = FIRST_DAY + randomness.randrange(DAYS) * DAY
    state = FileState(stored.size, modified, f"{copy}-{stored.sha256}")
    name = f"{source.directory.name}/{copy}/{stored.path}"
    return name, state, replace(document, text=text), chunks, vectors


def _put(
    store: Store,
    root: int,
    name: str,
    state: FileState,
    document: Document,
    chunks: list[Chunk],
    vectors: NDArray[np.float32],
) -> None:
    put = store.put_document(root, name, state, document, chunks)
    store.put_vectors([chunk.id for chunk in store.chunks_of(put)], vectors)


# -- measuring --------------------------------------------------------------------------------


def measure(place: Path, questions: Sequence[str], parts: Sequence[str]) -> dict[str, Any]:
    """Measure one base; figures are lists of milliseconds by what was done."""
    from ragkit import KnowledgeBase

    found: dict[str, list[float]] = {}
    with KnowledgeBase(place, create=False) as base:
        base._store().clear_answer_cache()
        started = time.perf_counter()
        base.search("What is this first question about?")
        found["first search after opening"] = [1e3 * (time.perf_counter() - started)]
        for index in range(10):
            base.search(f"warm up number {index}")
        if "search" in parts:
            _timed(found, "new question, k=10", base, questions)
            _timed(found, "seen question, k=10", base, questions)
            _timed(found, "seen question, k=50", base, questions[::3], k=50)
        if "filters" in parts:
            for name, where in FILTERS.items():
                _timed(found, f"where {name}", base, questions[:12], where=where)
        if "ask" in parts:
            for question in questions[:60]:
                with _clocked(found, "ask (extractive), seen question"):
                    base.ask(question)
    return found


def _timed(
    found: dict[str, list[float]],
    label: str,
    base: KnowledgeBase,
    questions: Sequence[str],
    **options: Any,
) -> None:
    for question in questions:
        started = time.perf_counter()
        result = base.retrieve(question, **options)
        found.setdefault(label, []).append(1e3 * (time.perf_counter() - started))
        for stage, milliseconds in result.milliseconds.items():
            found.setdefault(f"{label}: {stage}", []).append(milliseconds)


class _clocked:
    def __init__(self, found: dict[str, list[float]], label: str) -> None:
        self._times = found.setdefault(label, [])

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, *_exception: object) -> None:
        self._times.append(1e3 * (time.perf_counter() - self._started))


def starts(place: Path, tree: Path, times: int) -> dict[str, list[float]]:
    """Whole processes."""
    found: dict[str, list[float]] = {}
    commands = {
        "process: ragkit --help": ["--help"],
        "process: ragkit search": ["search", "--kb", str(place)],
        "process: ragkit ask": ["ask", "--kb", str(place)],
    }
    for number in range(times):
        for label, arguments in commands.items():
            question = [] if arguments == ["--help"] else [f"What happened in {2000 + number}?"]
            with _clocked(found, label):
                subprocess.run(
                    [sys.executable, "-m", "ragkit", *arguments, *question],
                    env=environment(tree),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    check=False,
                )
    return found


def environment(tree: Path) -> dict[str, str]:
    """The environment in which a checkout's own code is run."""
    return {**os.environ, "PYTHONPATH": str(tree)}


# -- several checkouts in turn ----------------------------------------------------------------


def read_questions(files: Sequence[Path]) -> list[str]:
    """The questions of golden sets, each once, in an order that mixes the sets."""
    found: dict[str, None] = {}
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            found.setdefault(json.loads(line)["question"])
    questions = list(found)
    random.Random(2).shuffle(questions)
    return questions


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--from", dest="sources", type=Path, nargs="+", default=[])
    parser.add_argument("--questions", type=Path, nargs="+", default=[])
    parser.add_argument("--passages", type=int, nargs="+", default=[5_000, 100_000])
    parser.add_argument("--against", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--most", type=int, default=100, help="questions of a round")
    parser.add_argument("--parts", nargs="+", default=["search", "filters", "ask", "starts"])
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        job, place = options.child
        if job == "grow":
            grow(Path(place), options.sources, options.passages[0])
        else:
            questions = json.loads(sys.stdin.read())
            print(json.dumps(measure(Path(place), questions, options.parts)))
        return
    trees = {"this": REPOSITORY} | ({"against": options.against} if options.against else {})
    questions = read_questions(options.questions)
    for passages in options.passages:
        report(passages, dict(run(options, trees, questions, passages)))


def run(
    options: argparse.Namespace, trees: dict[str, Path], questions: list[str], passages: int
) -> Iterator[tuple[str, dict[str, list[float]]]]:
    """Measure one size of base with each checkout in turn."""
    places = {name: options.work / name / str(passages) for name in trees}
    found: dict[str, dict[str, list[float]]] = {name: {} for name in trees}
    for name, tree in trees.items():
        if not places[name].is_dir():
            places[name].parent.mkdir(parents=True, exist_ok=True)
            sources = [str(source) for source in options.sources]
            _child(tree, "grow", places[name], "--from", *sources, "--passages", str(passages))
    for number in range(options.rounds):
        asked = [
            questions[(number * options.most + i) % len(questions)] for i in range(options.most)
        ]
        for name in sorted(trees, reverse=bool(number % 2)):
            output = _child(
                trees[name], "measure", places[name], "--parts", *options.parts, given=asked
            )
            times = json.loads(output)
            if "starts" in options.parts:
                times |= starts(places[name], trees[name], 5)
            for label, values in times.items():
                found[name].setdefault(label, []).extend(values)
    yield from found.items()


def _child(tree: Path, job: str, place: Path, *arguments: str, given: object = None) -> str:
    command = [sys.executable, str(Path(__file__).resolve()), "--work", ".", "--child", job]
    return subprocess.run(
        [*command, str(place), *arguments],
        env=environment(tree),
        input=json.dumps(given),
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout


def report(passages: int, found: dict[str, dict[str, list[float]]]) -> None:
    """Print one line for each thing measured."""
    print(f"\n{passages:,} passages: least, lower quartile, median in ms")
    for label in found["this"]:
        line = f"{label:44s}"
        columns: list[np.ndarray] = []
        for name in reversed(found):
            values = np.asarray(found[name].get(label, [float("nan")]))
            columns.append(np.quantile(values, (0, 0.25, 0.5)))
            line += "  " + " ".join(f"{value:8.2f}" for value in columns[-1])
        if len(columns) == 2:
            line += "  x " + " ".join(f"{value:5.2f}" for value in columns[1] / columns[0])
        print(line, flush=True)


if __name__ == "__main__":
    main()
