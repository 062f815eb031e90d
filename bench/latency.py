"""How long one question takes, among as many passages as wanted, and where the time goes.

Embedding a hundred thousand passages takes a quarter of an hour, and how long a search takes does
not depend on what is found. So bases are grown from real ones: each document is copied as often
as needed with a tenth of its words exchanged for others as long, and its passages' vectors are
turned a little. Questions are embedded by the real model.

    ragkit ingest FOLDER --kb REAL
    python bench/latency.py --work SCRATCH --from REAL... --questions QUESTIONS.jsonl...
    python bench/latency.py ... --against ANOTHER_CHECKOUT     # both in turn, with ratios

Each base is grown once and kept in SCRATCH. All figures are milliseconds: least, lower quartile and
median of the time on the clock, and the median of processor time, which other work on the machine
disturbs least.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
PARTS = ("search", "filters", "ask", "starts")
FIRST_DAY = 1_420_070_400 * 10**9  # 2015-01-01 in ns since 1970
FILTERS: dict[str, dict[str, str]] = {
    "type=pdf": {"type": "pdf"},
    "date>=2020": {"date": ">=2020"},
    "date=2020-05": {"date": "2020-05"},
    "heading=introduction": {"heading": "introduction"},
    "heading=*a*": {"heading": "*a*"},
    "path=*/2/*": {"path": "*/2/*"},
    "title=*flow*": {"title": "*flow*"},
    "heading=(none such)": {"heading": "no heading is called this"},
}


# -- growing a base ---------------------------------------------------------------------------


def grow(place: Path, sources: Sequence[Path], passages: int) -> None:
    """Make a base of about so many passages from real ones; see the module's description."""
    from ragkit.index.indexes import Indexes
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
        Indexes(store).sync(final=True)
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

Times = dict[str, list[tuple[float, float]]]  # milliseconds on the clock, and of processor time


@contextmanager
def timed(found: Times, label: str, *, children: bool = False) -> Iterator[None]:
    """Time what happens inside, in this process or in those it starts."""

    def spent() -> float:
        if not children:
            return time.process_time()
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    clock, processor = time.perf_counter(), spent()
    yield
    times = 1e3 * (time.perf_counter() - clock), 1e3 * (spent() - processor)
    found.setdefault(label, []).append(times)


def measure(place: Path, questions: Sequence[str], parts: Sequence[str]) -> Times:
    """Measure one base in this process."""
    from ragkit import KnowledgeBase
    from ragkit.store import Store

    with Store.open(place) as store:
        store.clear_answer_cache()
    found: Times = {}
    with KnowledgeBase(place, create=False) as base:
        with timed(found, "first search after opening"):
            base.search("What is this first question about?")
        for index in range(10):
            base.search(f"warm up number {index}")
        if "search" in parts:
            search(found, "new question, k=10", base, questions)
            search(found, "seen question, k=10", base, questions)
            search(found, "seen question, k=50", base, questions[::3], k=50)
        if "filters" in parts:
            for name, where in FILTERS.items():
                search(found, f"where {name}", base, questions[:12], where=where)
        if "ask" in parts:
            base.ask(questions[-1])
            for question in questions[:40]:
                with timed(found, "ask (extractive), seen question"):
                    base.ask(question)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    found["peak memory of the process, MB"] = [(peak, peak)]
    return found


def search(
    found: Times, label: str, base: KnowledgeBase, questions: Sequence[str], **options: Any
) -> None:
    """Time each question, and the stages of it."""
    for question in questions:
        with timed(found, label):
            result = base.retrieve(question, **options)
        for stage, milliseconds in result.milliseconds.items():
            found.setdefault(f"  {stage} ({label})", []).append((milliseconds, float("nan")))


def starts(place: Path, environment: dict[str, str], times: int) -> Times:
    """Time whole processes."""
    found: Times = {}
    for number in range(times):
        for command in ("--help", "search", "ask"):
            arguments = [command]
            if command != "--help":
                arguments += [f"What happened in {2000 + number}?", "--kb", str(place)]
            with timed(found, f"process: ragkit {command}", children=True):
                subprocess.run(
                    [sys.executable, "-m", "ragkit", *arguments],
                    cwd=place,
                    env=environment,
                    stdout=subprocess.DEVNULL,
                    check=command != "ask",
                )
    return found


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
    parser.add_argument("--work", type=Path, required=True, help="where bases are grown and kept")
    parser.add_argument("--from", dest="sources", type=Path, nargs="+", required=True)
    parser.add_argument("--questions", type=Path, nargs="+", default=[])
    parser.add_argument("--passages", type=int, nargs="+", default=[5_000, 100_000])
    parser.add_argument("--against", type=Path, help="another checkout, measured in turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--most", type=int, default=100, help="questions of a round")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        job, place = options.child
        if job == "grow":
            grow(Path(place), options.sources, options.passages[0])
        else:
            print(json.dumps(measure(Path(place), json.load(sys.stdin), options.parts)))
        return
    trees = {"this": REPOSITORY} | ({"against": options.against} if options.against else {})
    for passages in options.passages:
        report(passages, run(options, trees, read_questions(options.questions), passages))


def run(
    options: argparse.Namespace, trees: dict[str, Path], questions: list[str], passages: int
) -> dict[str, Times]:
    """Measure one size of base with each checkout in turn, each with a base of its own."""
    places = {name: options.work.absolute() / name / str(passages) for name in trees}
    found: dict[str, Times] = {name: {} for name in trees}
    # As an installed package has it, bytecode is kept.
    environments = {
        name: {
            **os.environ,
            "PYTHONPATH": str(tree.absolute()),
            "PYTHONPYCACHEPREFIX": str(options.work.absolute() / name / "bytecode"),
            "PYTHONDONTWRITEBYTECODE": "",
        }
        for name, tree in trees.items()
    }

    def child(name: str, job: str, *arguments: str, given: object = None) -> str:
        command = [sys.executable, str(Path(__file__).resolve()), "--work", ".", "--from"]
        command += [str(source.absolute()) for source in options.sources]
        return subprocess.run(
            [*command, "--child", job, str(places[name]), *arguments],
            cwd=options.work,
            env=environments[name],
            input=json.dumps(given),
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        ).stdout

    for name in trees:
        if not places[name].is_dir():
            places[name].parent.mkdir(parents=True, exist_ok=True)
            child(name, "grow", "--passages", str(passages))
    for number in range(options.rounds):
        first = number * options.most
        asked = [questions[(first + i) % len(questions)] for i in range(options.most)]
        for name in sorted(trees, reverse=bool(number % 2)):
            times = json.loads(child(name, "measure", "--parts", *options.parts, given=asked))
            if "starts" in options.parts:
                times |= starts(places[name], environments[name], 5)
            for label, values in times.items():
                found[name].setdefault(label, []).extend(values)
    return found


def report(passages: int, found: dict[str, Times]) -> None:
    """Print a line for each thing measured; with another checkout, that one comes first."""
    print(f"\n{passages:,} passages, ms: least, lower quartile, median; processor time")
    for label in found["this"]:
        columns = []
        for name in reversed(found):
            values = np.asarray(found[name].get(label, [(np.nan, np.nan)]))
            columns.append([*np.quantile(values[:, 0], (0, 0.25, 0.5)), np.median(values[:, 1])])
        line = "  |".join("".join(f"{value:9.2f}" for value in column) for column in columns)
        if len(columns) == 2:
            with np.errstate(invalid="ignore"):
                ratios = np.divide(columns[1], columns[0])
            line += "  | x" + "".join(f"{ratio:6.2f}" for ratio in ratios)
        print(f"{label:52s}{line}", flush=True)


if __name__ == "__main__":
    main()
