"""Compare ragkit with other toolkits on the same data, in one run, each in its own processes.

    python bench/run.py --small                       # shows that everything works; minutes
    python bench/run.py --sets reports                # ten long PDFs, speed and quality; half an hour
    python bench/run.py --sets chunking cranfield mmlongbench mtrag   # what is found; 40 minutes
    python bench/run.py                               # every set
    python bench/run.py --toolkits ragkit txtai --sets chunking
    python bench/run.py --resume bench/results/DATE-COMMIT.json      # the sets that are missing

Writes ``bench/results/DATE-COMMIT.json``, ``.md`` and ``.svg``, after each set what there is so far.
See bench/README.md for what is compared.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import process
import quality
import report
import speed
from eval_sets import REPOSITORY, data_folder, longest_pdfs, read_set, small_files
from toolkits import STARTED, TOOLKITS, Bench, say

PASSAGES, MANY_FILES = 5_000, 10_000
PASSAGES_SMALL, MANY_FILES_SMALL = 100, 200
REPORTS = "reports"
# What each set takes with all five toolkits on two idle cores; for the forecast alone.
MINUTES = {"chunking": 8, "cranfield": 7, "mmlongbench": 17, "mtrag": 9, REPORTS: 25}
MINUTES_SMALL = {"chunking": 1, "cranfield": 1, "mmlongbench": 2, "mtrag": 2, REPORTS: 4}


def arguments() -> argparse.Namespace:
    """The command line."""
    names = [toolkit.name for toolkit in TOOLKITS]
    sets = [*quality.SETS, REPORTS]
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--small", action="store_true", help="small parts of the sets; minutes")
    parser.add_argument("--toolkits", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument(
        "--sets",
        nargs="+",
        choices=sets,
        default=sets,
        metavar="SET",
        help=f"which of {', '.join(sets)}; reports: speed and quality on the longest PDFs",
    )
    parser.add_argument(
        "--pdfs", type=Path, help="a folder whose PDFs stand in for those of the set reports"
    )
    parser.add_argument(
        "--longest", type=int, default=10, metavar="N", help="PDFs of the set reports (default 10)"
    )
    parser.add_argument(
        "--repeats", type=int, default=1, metavar="N", help="timed ingests of the PDFs (default 1)"
    )
    parser.add_argument(
        "--rivals-python",
        type=Path,
        default=Path(
            os.environ.get("RAGKIT_RIVALS_PYTHON", REPOSITORY / ".venv-rivals/bin/python")
        ),
        help="the interpreter that has the other toolkits (default: .venv-rivals/bin/python)",
    )
    parser.add_argument(
        "--resume",
        type=Path,
        metavar="FILE",
        help="go on with a run that was stopped: measure the sets that its results lack",
    )
    parser.add_argument("--timeout", type=float, default=7200, help="seconds for one command")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "results")
    options = parser.parse_args()
    if options.longest < 1 or options.repeats < 1:
        parser.error("--longest and --repeats must be at least 1")
    if options.pdfs and not options.pdfs.is_dir():
        parser.error(f"--pdfs: {str(options.pdfs)!r} is not a folder")
    if set(options.toolkits) != {"ragkit"} and not options.rivals_python.is_file():
        parser.error(
            f"--rivals-python: {str(options.rivals_python)!r} does not exist; "
            "bench/README.md says how to install the other toolkits"
        )
    return options


def main() -> None:
    """Run what was asked for and write the results, also of a run that is stopped."""
    options = arguments()
    results = resumed(options) if options.resume else fresh(options)
    todo = [name for name in options.sets if name not in results["sets"]]
    with tempfile.TemporaryDirectory(prefix="ragkit-bench-") as scratch:
        bench = Bench(
            toolkits=tuple(t for t in TOOLKITS if t.name in options.toolkits),
            rivals_python=options.rivals_python.absolute(),
            scratch=Path(scratch),
            timeout=options.timeout,
            results=results,
        )
        try:
            bench.prepare()
            for number, name in enumerate(todo):
                forecast(options, todo, number)
                measure(bench, options, name)
                results["sets"].append(name)
                report.write(results, options.out)
            results["finished"] = report.now()
        except KeyboardInterrupt:
            raise SystemExit("stopped; --resume goes on with the sets that are missing") from None
        finally:
            files = report.write(results, options.out)
            for path in files:
                say(f"wrote {path}")
    if len(bench.toolkits) > 1:
        draw(options.rivals_python, files[0])
    print(report.markdown(results))


def fresh(options: argparse.Namespace) -> dict[str, Any]:
    """The results of a run that begins."""
    return {
        **report.circumstances(small=options.small),
        "sets": [],
        "toolkits": {},
        "ingest": {},
        "quality": {},
        "latency": {},
        "starts": {},
        "failures": [],
    }


def resumed(options: argparse.Namespace) -> dict[str, Any]:
    """The results of a run that was stopped.

    Raises:
        SystemExit: they are of another commit or other toolkits, so that they do not go together.
    """
    results: dict[str, Any] = json.loads(options.resume.read_text(encoding="utf-8"))
    now = report.circumstances(small=options.small)
    for key in ("commit", "small"):
        if results[key] != now[key]:
            raise SystemExit(
                f"--resume: {str(options.resume)!r} has {key} {results[key]!r}, this run {now[key]!r}"
            )
    if set(results["toolkits"]) - set(options.toolkits):
        raise SystemExit(f"--resume: {str(options.resume)!r} compares other toolkits")
    results.setdefault("resumed", []).append(now)
    return results


def forecast(options: argparse.Namespace, todo: list[str], number: int) -> None:
    """Say how far the run is, and about how long the rest takes where nothing else runs."""
    minutes = MINUTES_SMALL if options.small else MINUTES
    share = len(options.toolkits) / len(TOOLKITS)
    left = sum(minutes[name] for name in todo[number:]) * share
    gone = (time.monotonic() - STARTED) / 60
    say(
        f"set {number + 1} of {len(todo)}: {todo[number]}; {gone:.0f} min so far, about "
        f"{left:.0f} more on two idle cores"
    )


def measure(bench: Bench, options: argparse.Namespace, name: str) -> None:
    """One set, and how each toolkit starts where nothing else tells."""
    if name == REPORTS:
        reports(bench, options)
        return
    indexes = quality.measure(bench, read_set(name, small=options.small))
    if REPORTS not in options.sets and not bench.results["starts"]:
        speed.starts(bench, indexes)


def draw(python: Path, results: Path) -> None:
    """Bars of the figures, drawn where matplotlib is: with the other toolkits."""
    command = [python, Path(__file__).with_name("plot.py"), results]
    try:
        process.wall_seconds(command, environment=os.environ)
        say(f"wrote {results.with_suffix('.svg')}")
    except process.CommandError as error:
        say(f"no bars were drawn: {error}")


def reports(bench: Bench, options: argparse.Namespace) -> None:
    """Everything that people wait for, and what is found in the same PDFs."""
    pdfs = longest_pdfs(options.pdfs, 2 if options.small else options.longest, small=options.small)
    speed.reports(bench, pdfs, options.repeats)
    if data_folder() is None:
        say("no evaluation data: the latency among many passages is left out")
        return
    count, many = (PASSAGES_SMALL, MANY_FILES_SMALL) if options.small else (PASSAGES, MANY_FILES)
    speed.passages(bench, small_files("passages", bench.scratch / "passages-corpus", count))
    speed.many_files(bench, small_files("many files", bench.scratch / "many-corpus", many))


if __name__ == "__main__":
    main()
