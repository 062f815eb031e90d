"""Kill an ingest, fill its disk, cut its power; finish it, and compare with an undisturbed run.

    python bench/kill.py                  # some 200 kills and 50 of each of the others
    python bench/kill.py --moments 1000   # as many as you have time for

Two ingests are disturbed: of a new folder, and of one in which files were edited, moved, removed
and added. Afterwards the same ingest is run to its end, and every document, passage and vector is
compared byte by byte with those of a run that nobody disturbed, as is what searches find and what
``doctor`` says. The kinds of disturbance:

- steps: SIGKILL before or after a commit, a rename, an fsync and the like, counted in Python;
- calls: SIGKILL in place of one of the system calls that change the disk, whoever makes it: SQLite,
  FAISS, tantivy or Python. So between any two changes there is a moment of this kind;
- torn: the same, after half of the data of a write was written;
- full: from that call on the disk is full (ENOSPC); then there is room again;
- power: what is on disk is only what fsync had been called for, files and folders alike: the worst
  that a file system may make of a power cut at that call.

All but the first need Linux and a C compiler. The embedder is ragkit.testing.HashEmbedder, whose
vectors do not depend on what else is in a batch.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests" / "ragkit")]

from kill_harness import Scenario, scenarios  # noqa: E402

KINDS = ("steps", "calls", "torn", "full", "power")
FAULTS = {"calls": "kill", "torn": "torn", "full": "full", "power": "kill"}
NAMES = ("first ingest", "changed folder")


def compiled(scratch: Path) -> Path:
    """Compile what counts system calls and makes them fail."""
    library = scratch / "disk_faults.so"
    source = REPOSITORY / "tests" / "ragkit" / "disk_faults.c"
    command = [os.environ.get("CC", "cc"), "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"]
    subprocess.run(list(map(str, command)), check=True)
    return library


def moments(total: int, wanted: int, seed: int) -> list[int]:
    """Half spread evenly, the first and the last among them, half at random."""
    if wanted >= total:
        return list(range(1, total + 1))
    even = {
        1 + round(number * (total - 1) / max(1, wanted // 2 - 1)) for number in range(wanted // 2)
    }
    others = sorted(set(range(1, total + 1)) - even)
    chance = random.Random(seed)
    return sorted(even | set(chance.sample(others, min(len(others), wanted - len(even)))))


def disturb(name: str, points: list[int], attempt: Callable[[int], list[str]]) -> dict[str, Any]:
    """Try each moment; say which ended otherwise than undisturbed, and how."""
    begin = time.perf_counter()
    wrong: dict[int, list[str]] = {}
    for number, point in enumerate(points, start=1):
        found = attempt(point)
        if found:
            wrong[point] = found
        print(f"\r{name}: {number} of {len(points)}, {len(wrong)} wrong ", end="", file=sys.stderr)
    print(file=sys.stderr)
    return {
        "name": name,
        "moments": len(points),
        "as_undisturbed": len(points) - len(wrong),
        "wrong": wrong,
        "seconds": round(time.perf_counter() - begin),
    }


def fill_and_finish(scenario: Scenario, limit: int) -> list[str]:
    """Run on a disk that gets full; it must fail, and not be killed, and be finished later."""
    directory = scenario.fresh()
    ended = scenario.ingest(directory, limit)
    told = not ended["failed"] or "error" in (ended["answer"] or {})
    wrong = [] if told else ["it ended with an error that is none of ragkit's"]
    return wrong + scenario.finish(directory)


class PowerCuts:
    """One run, watched, and what of it is durable at any moment."""

    def __init__(self, scenario: Scenario, log: Path) -> None:
        self._scenario = scenario
        self._log = log
        for old in log.iterdir():
            old.unlink()
        self._root = scenario.fresh()
        self._before: dict[int, bytes] = {}
        self._listed_before: dict[str, dict[str, int]] = {}
        if self._root.exists():
            for folder, _names, files in os.walk(self._root):
                place = Path(folder)
                self._listed_before[folder] = {
                    entry.name: entry.stat().st_ino for entry in place.iterdir()
                }
                for file in files:
                    path = place / file
                    self._before[path.stat().st_ino] = path.read_bytes()
        # Numbers of files must stay those of one file: nothing deleted may give its number away.
        self._held = [path.open("rb") for path in self._root.rglob("*") if path.is_file()]
        scenario.ingest(self._root, 0)
        lines = (log / "events").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        self._events = [line.split("\t") for line in lines]
        for stream in self._held:
            stream.close()

    def finish_after(self, call: int) -> list[str]:
        """Make the folder what is durable after ``call``, and finish the ingest there."""
        contents, listed = dict(self._before), dict(self._listed_before)
        for kind, number, *rest in self._events:
            if int(number) > call:
                break
            if kind == "F":
                contents[int(rest[0])] = (self._log / f"{number}-{rest[0]}").read_bytes()
            else:
                path, *entries = rest
                listed[path] = dict(zip(entries[::2], map(int, entries[1::2]), strict=True))
        directory = self._scenario.fresh()
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        self._write(str(self._root), directory, contents, listed)
        return self._scenario.finish(directory)

    def _write(
        self,
        source: str,
        target: Path,
        contents: dict[int, bytes],
        listed: dict[str, dict[str, int]],
    ) -> None:
        for name, number in listed.get(source, {}).items():
            path = f"{source}/{name}"
            if Path(path).is_dir() or path in listed:
                (target / name).mkdir()
                self._write(path, target / name, contents, listed)
            else:
                (target / name).write_bytes(contents.get(number, b""))


@contextlib.contextmanager
def environment_of(kind: str, scratch: Path) -> Iterator[dict[str, str]]:
    if kind == "steps":
        yield {}
        return
    environment = {
        "LD_PRELOAD": str(compiled(scratch)),
        "DISK_FAULT": FAULTS[kind],
        "DISK_FOLDER": str(scratch),
    }
    if kind == "power":
        (scratch / "log").mkdir()
        environment["DISK_LOG"] = str(scratch / "log")
    yield environment


def run_kind(kind: str, wanted: int, seed: int) -> list[dict[str, Any]]:
    rows = []
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name).resolve()
        with (
            environment_of(kind, scratch) as environment,
            scenarios(scratch, environment=environment) as both,
        ):
            for title, scenario in zip(NAMES, both, strict=True):
                assert scenario.expected["health"] == scenario.expected["files"] == "[]"
                points = moments(scenario.steps, wanted, seed)
                attempt: Callable[[int], list[str]] = scenario.kill_and_finish
                if kind == "full":
                    attempt = lambda point, of=scenario: fill_and_finish(of, point)  # noqa: E731
                elif kind == "power":
                    attempt = PowerCuts(scenario, scratch / "log").finish_after
                row = disturb(f"{kind}, {title}", points, attempt)
                rows.append({**row, "kind": kind, "run": title, "of": scenario.steps})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--moments", type=int, help="for each kind and each of the two ingests")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for kind in options.kinds:
        wanted = options.moments or (50 if kind in ("steps", "calls") else 25)
        rows += run_kind(kind, wanted, options.seed)
        if options.json:
            options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print("| disturbance | ingest | moments (of) | ended as undisturbed |\n|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['kind']} | {row['run']} | {row['moments']:,} ({row['of']:,})"
            f" | {row['as_undisturbed']:,} |"
        )
    if any(row["wrong"] for row in rows):
        raise SystemExit(f"wrong: {[(row['name'], row['wrong']) for row in rows if row['wrong']]}")


if __name__ == "__main__":
    main()
