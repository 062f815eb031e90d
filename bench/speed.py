"""How long people wait: for an ingest, for the first answer, for a start, for an unchanged folder.

All of it in one run on one folder of long PDFs, plus folders of small text files for the latency at
a known number of passages and for the second ingest of many files.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING

import process
import quality
from toolkits import RAGKIT, Bench, environment, say

if TYPE_CHECKING:
    from eval_sets import EvalSet

STARTS = 3
COMMAND_STARTS = 9


def reports(bench: Bench, data: EvalSet, repeats: int) -> None:
    """Ingest of long PDFs, their questions, the same folder again, and starts."""
    folder = bench.scratch / data.name / "corpus"
    data.copy_to(folder)
    indexes = bench.ingest(data, folder, repeats)
    if data.queries:
        quality.ask(bench, data, indexes, quality.View(quality.score_pages))
    found = bench.results["ingest"][data.name]
    if RAGKIT in bench.toolkits:
        watched = bench.call(
            RAGKIT, "searchable", folder, bench.workdir(data, RAGKIT, repeats), str(len(data.files))
        )
        found["searchable"] = watched and watched.answer
    found["again_seconds"] = again(bench, folder, indexes)
    starts(bench, indexes)


def again(bench: Bench, folder: Path, indexes: dict[str, Path]) -> dict[str, float]:
    """Seconds of a second ingest of an unchanged folder, where a toolkit's defaults have it."""
    seconds: dict[str, list[float]] = {}
    for _ in range(STARTS):
        for toolkit in bench.in_turn(incremental=True):
            if toolkit.name in indexes:
                outcome = bench.call(toolkit, "ingest", folder, indexes[toolkit.name])
                if outcome is not None:
                    seconds.setdefault(toolkit.name, []).append(outcome.seconds)
    return {name: statistics.median(times) for name, times in seconds.items()}


def starts(bench: Bench, indexes: dict[str, Path]) -> None:
    """Whole processes that only import, or answer one question from an index that is there."""
    times: dict[str, dict[str, list[float]]] = {
        command: {toolkit.name: [] for toolkit in bench.toolkits} for command in ("import", "once")
    }
    for number in range(STARTS):
        for toolkit in bench.in_turn():
            if toolkit.name not in indexes:
                continue
            # Another question each time, for a toolkit may remember those asked before.
            for command, arguments in (
                ("import", ()),
                ("once", (indexes[toolkit.name], question_of(number))),
            ):
                outcome = bench.call(toolkit, command, *arguments)
                if outcome is not None:
                    times[command][toolkit.name].append(outcome.seconds)
    bench.results["starts"] = {
        "importing the toolkit": times["import"],
        "one search from a cold start": times["once"],
    }
    if RAGKIT.name in indexes:
        knowledge_base = str(indexes[RAGKIT.name] / "kb")
        command = [bench.python(RAGKIT), "-m", "ragkit"]
        for label, arguments in (
            ("`ragkit --help`", lambda _: ["--help"]),
            ("`ragkit search`", lambda n: ["search", question_of(n), "--kb", knowledge_base]),
        ):
            say(f"ragkit: {label}")
            bench.results["starts"][label] = {
                RAGKIT.name: [
                    process.wall_seconds(
                        [*command, *arguments(STARTS + number)], environment=environment(RAGKIT)
                    )
                    for number in range(COMMAND_STARTS)
                ]
            }


def question_of(number: int) -> str:
    """A question that was not asked before."""
    return f"What were the main results of the year {2000 + number}?"


def passages(bench: Bench, data: EvalSet) -> None:
    """Latency of questions among as many passages as there are files, each one passage long."""
    indexes = bench.ingest(data, data.root)
    measured: dict[str, dict[str, float]] = {}
    view = quality.View(quality.score_documents)
    questions = [view.asked(query) for query in data.queries]
    for toolkit in bench.in_turn():
        index = indexes.get(toolkit.name)
        found = index and bench.search(data.name, questions, toolkit, index)
        if found:
            measured[toolkit.name] = quality.latency(found[0].answer["milliseconds"])
    bench.results["latency"] = {
        "files": len(data.files),
        "questions": len(data.queries),
        "toolkits": measured,
    }


def many_files(bench: Bench, data: EvalSet) -> None:
    """A second ingest of very many small files that have not changed."""
    indexes = bench.ingest(data, data.root, incremental=True)
    bench.results["ingest"][data.name]["again_seconds"] = again(bench, data.root, indexes)
