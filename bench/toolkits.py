"""The toolkits under test, and a run's way of calling them: each command a process of its own."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import process
from eval_sets import REPOSITORY, EvalSet

STARTED = time.monotonic()
RIVALS = Path(__file__).resolve().parent / "rivals"


@dataclass(frozen=True, slots=True)
class Toolkit:
    """A toolkit under test.

    Attributes:
        name: What it is called in commands and tables.
        script: How it is called, a file of ``rivals/``.
        own_environment: Whether it runs in the environment of the other toolkits.
        incremental: Whether a second ingest reads only what changed.
        history: Whether its search takes earlier turns without a language model.
    """

    name: str
    script: str
    own_environment: bool = True
    incremental: bool = False
    history: bool = False


RAGKIT = Toolkit("ragkit", "use_ragkit.py", own_environment=False, incremental=True, history=True)
TOOLKITS = (
    RAGKIT,
    Toolkit("langchain", "use_langchain.py"),
    Toolkit("llama_index", "use_llama_index.py"),
    Toolkit("txtai", "use_txtai.py"),
    Toolkit("haystack", "use_haystack.py"),
)


@dataclass(slots=True)
class Bench:
    """One run: who takes part, with what, and what came of it."""

    toolkits: tuple[Toolkit, ...]
    rivals_python: Path
    scratch: Path
    timeout: float
    results: dict[str, Any] = field(default_factory=dict)
    turn: int = 0

    def in_turn(self, *, incremental: bool = False) -> Iterator[Toolkit]:
        """All toolkits, or those that ingest only what changed; each time another one first."""
        chosen = [toolkit for toolkit in self.toolkits if toolkit.incremental or not incremental]
        self.turn += 1
        yield from (chosen[(self.turn + i) % len(chosen)] for i in range(len(chosen)))

    def call(self, toolkit: Toolkit, *arguments: str | Path) -> process.Outcome | None:
        """Run a toolkit's command; a failure is noted and the others go on."""
        say(f"{toolkit.name}: {arguments[0]}")
        command = [self.python(toolkit), RIVALS / toolkit.script, *arguments]
        try:
            return process.run(command, environment=environment(toolkit), timeout=self.timeout)
        except process.CommandError as error:
            say(f"{toolkit.name}: {arguments[0]} failed: {error}")
            self.results["failures"].append(
                {"toolkit": toolkit.name, "command": str(arguments[0]), "error": str(error)}
            )
            return None

    def python(self, toolkit: Toolkit) -> Path:
        """The interpreter that has a toolkit."""
        return self.rivals_python if toolkit.own_environment else Path(sys.executable)

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

    def ingest(
        self, data: EvalSet, folder: Path, repeats: int = 1, *, incremental: bool = False
    ) -> dict[str, Path]:
        """Time ingests in turn; returns where each toolkit's last index is.

        ``incremental``: only by the toolkits whose second ingest reads only what changed.
        """
        runs: dict[str, list[dict[str, Any]]] = {}
        indexes: dict[str, Path] = {}
        for repeat in range(repeats):
            for toolkit in self.in_turn(incremental=incremental):
                runs.setdefault(toolkit.name, [])
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
                        **{f"own_{key}": value for key, value in outcome.answer.items()},
                    }
                )
        self.results["ingest"][data.name] = {
            "files": len(data.files),
            "pages": data.pages,
            "bytes": sum(file.stat().st_size for file in data.files),
            "runs": runs,
        }
        return indexes

    def search(
        self, label: str, questions: Sequence[Mapping[str, Any]], toolkit: Toolkit, index: Path
    ) -> tuple[process.Outcome, dict[str, list[dict[str, Any]]]] | None:
        """Ask questions; returns the outcome and the hits of each by its id."""
        folder = self.scratch / "searches" / label
        folder.mkdir(parents=True, exist_ok=True)
        queries = folder / "queries.jsonl"
        queries.write_text(
            "".join(json.dumps(question) + "\n" for question in questions), encoding="utf-8"
        )
        out = folder / f"{toolkit.name}.jsonl"
        outcome = self.call(toolkit, "search", index, queries, out)
        if outcome is None:
            return None
        with out.open(encoding="utf-8") as lines:
            return outcome, {entry["id"]: entry["hits"] for entry in map(json.loads, lines)}


def environment(toolkit: Toolkit) -> dict[str, str]:
    """Variables that keep everybody off the network."""
    offline = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HAYSTACK_TELEMETRY_ENABLED": "False",
        "LANGSMITH_TRACING": "false",
    }
    if toolkit.own_environment:
        offline.pop("PYTHONPATH", None)
    else:
        offline["PYTHONPATH"] = str(REPOSITORY)
    return offline


def folder_bytes(folder: Path) -> int:
    """Size of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def say(message: str) -> None:
    """Progress on standard error, with the seconds since the start."""
    print(f"{time.monotonic() - STARTED:6.0f} s  {message}", file=sys.stderr, flush=True)
