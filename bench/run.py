"""Compare ragkit with other toolkits on the same data, in one run, each in its own processes.

    python bench/run.py --small                                   # minutes
    python bench/run.py --rivals-python .venv-rivals/bin/python   # everything; hours on two cores
    python bench/run.py --toolkits ragkit txtai --sets chunking

Writes ``bench/results/DATE-COMMIT.json`` and ``.md``. See bench/README.md for what is compared.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import process
import report
import scoring
from eval_sets import REPOSITORY, EvalSet, pdf_folder, read_set

RIVALS = Path(__file__).resolve().parent / "rivals"
COLD_STARTS = 3
QUESTION = "What were the main results of the year?"


@dataclass(frozen=True, slots=True)
class Toolkit:
    """A toolkit under test. ``incremental``: a second ingest reads only what changed."""

    name: str
    script: str
    own_environment: bool = True
    incremental: bool = False


TOOLKITS = (
    Toolkit("ragkit", "use_ragkit.py", own_environment=False, incremental=True),
    Toolkit("langchain", "use_langchain.py"),
    Toolkit("llama_index", "use_llama_index.py"),
    Toolkit("txtai", "use_txtai.py"),
    Toolkit("haystack", "use_haystack.py"),
)

Score = Callable[[Sequence[dict[str, Any]], dict[str, Any], EvalSet], dict[str, float]]


def score_pages(
    hits: Sequence[dict[str, Any]], query: dict[str, Any], _: EvalSet
) -> dict[str, float]:
    """Page hits, by passages and by different pages."""
    gold = query["relevant"]
    return {
        "page hit@5": scoring.page_hit(hits, gold, 5),
        "page hit@10": scoring.page_hit(hits, gold, 10),
        "hit in 5 different pages": scoring.distinct_page_hit(hits, gold, 5),
        "hit in 10 different pages": scoring.distinct_page_hit(hits, gold, 10),
    }


class ShareScore:
    """Share of gold characters within budgets; keeps the sources it has read."""

    def __init__(self) -> None:
        self._sources: dict[tuple[Path, str], scoring.SourceText] = {}

    def __call__(
        self, hits: Sequence[dict[str, Any]], query: dict[str, Any], data: EvalSet
    ) -> dict[str, float]:
        def source(path: str) -> scoring.SourceText:
            key = (data.root, path)
            if key not in self._sources:
                self._sources[key] = scoring.SourceText(data.text(path))
            return self._sources[key]

        gold = query["relevant"]
        shares = {
            f"gold share in {budget:,} characters": scoring.gold_share(hits, gold, budget, source)
            for budget in (2000, 6000)
        }
        return shares | {"returned text found again": scoring.found_again(hits[:10], source)}


def score_documents(
    hits: Sequence[dict[str, Any]], query: dict[str, Any], _: EvalSet
) -> dict[str, float]:
    """Document ranking."""
    return {"nDCG@10": scoring.ndcg(hits, query["relevant"], 10)}


# Each set of the evaluation data and what its gold places allow to be scored.
SCORES: dict[str, Score] = {
    "chunking": ShareScore(),
    "cranfield": score_documents,
    "mmlongbench": score_pages,
}


@dataclass(slots=True)
class Bench:
    """One run: who takes part, with what, and what came of it."""

    toolkits: tuple[Toolkit, ...]
    rivals_python: Path
    scratch: Path
    timeout: float
    results: dict[str, Any] = field(default_factory=dict)
    turn: int = 0

    def in_turn(self) -> Iterator[Toolkit]:
        """All toolkits, each time another one first."""
        n = len(self.toolkits)
        self.turn += 1
        yield from (self.toolkits[(self.turn + i) % n] for i in range(n))

    def call(self, toolkit: Toolkit, *arguments: str | Path) -> process.Outcome | None:
        """Run a toolkit's command; a failure is noted and the others go on."""
        python = self.rivals_python if toolkit.own_environment else Path(sys.executable)
        environment = {
            **os.environ,
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_OFFLINE": "1",
            "HAYSTACK_TELEMETRY_ENABLED": "False",
            "LANGSMITH_TRACING": "false",
        }
        if not toolkit.own_environment:
            environment["PYTHONPATH"] = str(REPOSITORY)
        command = [python, RIVALS / toolkit.script, *arguments]
        say(f"{toolkit.name}: {arguments[0]}")
        try:
            return process.run(command, environment=environment, timeout=self.timeout)
        except process.CommandError as error:
            say(f"{toolkit.name}: {arguments[0]} failed: {error}")
            self.results["failures"].append(
                {"toolkit": toolkit.name, "command": str(arguments[0]), "error": str(error)}
            )
            return None

    def workdir(self, data: EvalSet, toolkit: Toolkit, repeat: int = 0) -> Path:
        """A new folder for an index."""
        folder = self.scratch / data.name / f"{toolkit.name}-{repeat}"
        folder.mkdir(parents=True)
        return folder

    def prepare(self) -> None:
        """Versions, and what each does once per machine."""
        for toolkit in self.toolkits:
            versions = self.call(toolkit, "versions")
            prepared = self.call(toolkit, "prepare")
            self.results["toolkits"][toolkit.name] = {
                "versions": versions and versions.answer,
                "prepare_seconds": prepared and prepared.answer["seconds"],
            }

    def ingest(self, data: EvalSet, folder: Path, repeats: int) -> dict[str, Path]:
        """Time ingests in turn; returns where each toolkit's last index is."""
        runs: dict[str, list[dict[str, Any]]] = {toolkit.name: [] for toolkit in self.toolkits}
        indexes: dict[str, Path] = {}
        for repeat in range(repeats):
            for toolkit in self.in_turn():
                workdir = self.workdir(data, toolkit, repeat)
                outcome = self.call(toolkit, "ingest", folder, workdir)
                if outcome is None:
                    continue
                indexes[toolkit.name] = workdir
                runs[toolkit.name].append(
                    {
                        "seconds": outcome.seconds,
                        "peak_bytes": outcome.peak_bytes,
                        "index_bytes": folder_bytes(workdir),
                        **outcome.answer,
                    }
                )
        self.results["ingest"][data.name] = {
            "files": len(data.files),
            "bytes": sum(file.stat().st_size for file in data.files),
            "runs": runs,
        }
        return indexes

    def quality(self, data: EvalSet) -> None:
        """Index a set, ask its questions, score the places that come back."""
        folder = self.scratch / data.name / "corpus"
        data.copy_to(folder)
        indexes = self.ingest(data, folder, repeats=1)
        queries = self.scratch / data.name / "queries.jsonl"
        queries.write_text(
            "".join(
                json.dumps({"id": query["id"], "question": query["question"]}) + "\n"
                for query in data.queries
            ),
            encoding="utf-8",
        )
        scored: dict[str, Any] = {}
        for toolkit in self.in_turn():
            if toolkit.name not in indexes:
                continue
            out = self.scratch / data.name / f"{toolkit.name}.jsonl"
            outcome = self.call(toolkit, "search", indexes[toolkit.name], queries, out)
            if outcome is None:
                continue
            with out.open(encoding="utf-8") as lines:
                hits = {entry["id"]: entry["hits"] for entry in map(json.loads, lines)}
            each = {
                query["id"]: SCORES[data.name](hits[query["id"]], query, data)
                for query in data.queries
            }
            times = outcome.answer["milliseconds"]
            scored[toolkit.name] = {
                "mean": {
                    metric: statistics.fmean(scores[metric] for scores in each.values())
                    for metric in next(iter(each.values()))
                },
                "each": each,
                "p50_ms": statistics.median(times),
                "p95_ms": percentile(times, 0.95),
                "peak_bytes": outcome.peak_bytes,
            }
        self.results["quality"][data.name] = {
            "questions": len(data.queries),
            "files": len(data.files),
            "toolkits": scored,
        }

    def speed(self, data: EvalSet, repeats: int) -> None:
        """Ingest of PDFs, the same folder again, and searches from a cold start."""
        folder = self.scratch / data.name / "corpus"
        data.copy_to(folder)
        indexes = self.ingest(data, folder, repeats)
        again: dict[str, float] = {}
        cold: dict[str, list[float]] = {toolkit.name: [] for toolkit in self.toolkits}
        for toolkit in self.toolkits:
            if toolkit.incremental and toolkit.name in indexes:
                outcome = self.call(toolkit, "ingest", folder, indexes[toolkit.name])
                if outcome is not None:
                    again[toolkit.name] = outcome.seconds
        for _ in range(COLD_STARTS):
            for toolkit in self.in_turn():
                if toolkit.name in indexes:
                    outcome = self.call(toolkit, "once", indexes[toolkit.name], QUESTION)
                    if outcome is not None:
                        cold[toolkit.name].append(outcome.seconds)
        self.results["ingest"][data.name]["again_seconds"] = again
        self.results["cold_start_seconds"] = cold


def folder_bytes(folder: Path) -> int:
    """Size of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def say(message: str) -> None:
    """Progress, on standard error."""
    print(message, file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    """The command line."""
    names = [toolkit.name for toolkit in TOOLKITS]
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--small", action="store_true", help="small parts of the sets; minutes")
    parser.add_argument("--toolkits", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument(
        "--sets", nargs="+", choices=[*SCORES, "pdfs"], default=[*SCORES, "pdfs"], metavar="SET"
    )
    parser.add_argument("--pdfs", type=Path, help="a folder of PDFs to time the ingest of")
    parser.add_argument(
        "--repeats", type=int, help="timed ingests of the PDFs (default 3; small 1)"
    )
    parser.add_argument(
        "--rivals-python",
        type=Path,
        default=Path(
            os.environ.get("RAGKIT_RIVALS_PYTHON", REPOSITORY / ".venv-rivals/bin/python")
        ),
        help="the interpreter that has the other toolkits (default: .venv-rivals/bin/python)",
    )
    parser.add_argument("--timeout", type=float, default=7200, help="seconds for one command")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "results")
    options = parser.parse_args()
    if options.pdfs and not options.pdfs.is_dir():
        parser.error(f"--pdfs: {str(options.pdfs)!r} is not a folder")
    if set(options.toolkits) != {"ragkit"} and not options.rivals_python.is_file():
        parser.error(
            f"--rivals-python: {str(options.rivals_python)!r} does not exist; "
            "bench/README.md says how to install the other toolkits"
        )
    return options


def main() -> None:
    """Run what was asked for and write the results."""
    options = arguments()
    sets = [read_set(name, small=options.small) for name in SCORES if name in options.sets]
    pdfs = pdf_folder(options.pdfs, small=options.small) if "pdfs" in options.sets else None
    with tempfile.TemporaryDirectory(prefix="ragkit-bench-") as scratch:
        bench = Bench(
            toolkits=tuple(t for t in TOOLKITS if t.name in options.toolkits),
            rivals_python=options.rivals_python,
            scratch=Path(scratch),
            timeout=options.timeout,
            results={
                **report.circumstances(small=options.small),
                "toolkits": {},
                "ingest": {},
                "quality": {},
                "cold_start_seconds": {},
                "failures": [],
            },
        )
        bench.prepare()
        for data in sets:
            bench.quality(data)
        if pdfs is not None:
            bench.speed(pdfs, options.repeats or (1 if options.small else 3))
    for path in report.write(bench.results, options.out):
        say(f"wrote {path}")
    print(report.markdown(bench.results))


if __name__ == "__main__":
    main()
