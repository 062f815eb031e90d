"""Compare ragkit with other toolkits on the same data, in one run, each in its own processes.

    python bench/run.py --small                       # shows that everything works; minutes
    python bench/run.py --sets reports                # ten long PDFs, speed and quality; half an hour
    python bench/run.py                               # every set; hours on two cores
    python bench/run.py --toolkits ragkit txtai --sets chunking

Writes ``bench/results/DATE-COMMIT.json``, ``.md`` and ``.svg``. See
bench/README.md for what is compared.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import process
import quality
import report
import speed
from eval_sets import REPOSITORY, data_folder, longest_pdfs, read_set, small_files
from toolkits import TOOLKITS, Bench, say

PASSAGES, MANY_FILES = 5_000, 10_000
PASSAGES_SMALL, MANY_FILES_SMALL = 100, 200


def arguments() -> argparse.Namespace:
    """The command line."""
    names = [toolkit.name for toolkit in TOOLKITS]
    sets = [*quality.SCORES, "reports"]
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
    """Run what was asked for and write the results."""
    options = arguments()
    sets = [read_set(name, small=options.small) for name in quality.SCORES if name in options.sets]
    with tempfile.TemporaryDirectory(prefix="ragkit-bench-") as scratch:
        bench = Bench(
            toolkits=tuple(t for t in TOOLKITS if t.name in options.toolkits),
            rivals_python=options.rivals_python.absolute(),
            scratch=Path(scratch),
            timeout=options.timeout,
            results={
                **report.circumstances(small=options.small),
                "toolkits": {},
                "ingest": {},
                "quality": {},
                "latency": {},
                "starts": {},
                "failures": [],
            },
        )
        bench.prepare()
        for data in sets:
            quality.measure(bench, data)
        if "reports" in options.sets:
            reports(bench, options)
    bench.results["finished"] = report.now()
    files = report.write(bench.results, options.out)
    for path in files:
        say(f"wrote {path}")
    if len(bench.toolkits) > 1:
        draw(options.rivals_python, files[0])
    print(report.markdown(bench.results))


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
