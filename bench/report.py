"""The results of a run as JSON and as a Markdown table, with what is needed to judge them."""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
MEGABYTE = 1_000_000


def circumstances(*, small: bool) -> dict[str, Any]:
    """When, where and of what commit."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "small": small,
        "commit": git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(git("status", "--porcelain", "--untracked-files=no")),
        "machine": {
            "cpu": cpu_model(),
            "cores": os.cpu_count(),
            "memory_bytes": memory_bytes(),
            "system": f"{platform.system()} {platform.release()}",
            "load_at_start": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        },
    }


def git(*arguments: str) -> str:
    """Output of a git command in the repository; empty where git or the repository is missing."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def cpu_model() -> str:
    """The processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def memory_bytes() -> int | None:
    """Physical memory, where the system tells."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def write(results: dict[str, Any], folder: Path) -> list[Path]:
    """Both files, named after the day and the commit."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{results['date'][:10]}-{results['commit'][:7] or 'unknown'}"
    if results["small"]:
        name += "-small"
    files = [folder / f"{name}.json", folder / f"{name}.md"]
    files[0].write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    files[1].write_text(markdown(results), encoding="utf-8")
    return files


def markdown(results: dict[str, Any]) -> str:
    """The table that people read."""
    names = list(results["toolkits"])
    machine = results["machine"]
    small = ["A small run: it shows that everything works; it is too little data to compare.", ""]
    changed = " with uncommitted changes" if results["uncommitted_changes"] else ""
    head = [
        f"# Comparison of {results['date'][:10]}",
        "",
        *(small if results["small"] else []),
        f"Commit {results['commit'][:10] or 'unknown'}{changed}; {machine['cpu']}, "
        f"{machine['cores']} cores, {(machine['memory_bytes'] or 0) / 2**30:.0f} GiB, "
        f"{machine['system']}; load {machine['load_at_start'] or 0:.1f} at the start.",
        "",
    ]
    table = [
        "| | " + " | ".join(names) + " |",
        "|---|" + "---:|" * len(names),
        *(f"| {label} | " + " | ".join(cells) + " |" for label, cells in rows(results, names)),
    ]
    tail = ["", "## Versions", ""]
    for name in names:
        versions = results["toolkits"][name]["versions"] or {}
        tail.append(f"- {name}: " + ", ".join(f"{k} {v}" for k, v in versions.items()))
    if results["failures"]:
        tail += ["", "## Failures", ""]
        tail += [
            f"- {failure['toolkit']} {failure['command']}: {failure['error'].splitlines()[-1]}"
            for failure in results["failures"]
        ]
    return "\n".join([*head, *table, *tail]) + "\n"


def rows(results: dict[str, Any], names: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Label and one cell per toolkit."""
    for set_name, quality in results["quality"].items():
        scored = quality["toolkits"]
        metrics = next(iter(scored.values()))["mean"] if scored else {}
        label = f"{set_name} ({quality['questions']} questions, {quality['files']} files)"
        for metric in metrics:
            yield f"{label}: {metric}", best_bold(scored, names, lambda s, m=metric: s["mean"][m])
        yield f"{set_name}: query p50, ms", plain(scored, names, lambda s: f"{s['p50_ms']:.1f}")
        yield f"{set_name}: query p95, ms", plain(scored, names, lambda s: f"{s['p95_ms']:.1f}")
    for set_name, ingest in results["ingest"].items():
        label = (
            f"{set_name}, ingest of {ingest['files']} files, {ingest['bytes'] / MEGABYTE:.1f} MB"
        )
        runs = {name: found for name, found in ingest["runs"].items() if found}
        yield f"{label}: s", plain(runs, names, lambda r: f"{median(r, 'seconds'):.1f}")
        yield f"{set_name}: passages", plain(runs, names, lambda r: f"{r[-1]['passages']:,}")
        yield f"{set_name}: peak memory, MB", plain(runs, names, megabytes("peak_bytes"))
        yield f"{set_name}: index on disk, MB", plain(runs, names, megabytes("index_bytes"))
        if "again_seconds" in ingest:
            cells = [
                f"{ingest['again_seconds'][name]:.1f}"
                if name in ingest["again_seconds"]
                else "builds anew"
                for name in names
            ]
            yield f"{set_name}: same folder again, s", cells
    cold = {name: times for name, times in results["cold_start_seconds"].items() if times}
    if cold:
        yield (
            "one search from a cold start, s",
            plain(cold, names, lambda times: f"{statistics.median(times):.2f}"),
        )
    prepared = {
        name: toolkit["prepare_seconds"]
        for name, toolkit in results["toolkits"].items()
        if toolkit["prepare_seconds"] is not None
    }
    yield "preparation, once per machine, s", plain(prepared, names, lambda s: f"{s:.1f}")


def median(runs: list[dict[str, Any]], key: str) -> float:
    """Median over the runs."""
    return statistics.median(run[key] for run in runs)


def megabytes(key: str) -> Callable[[list[dict[str, Any]]], str]:
    """Largest value over the runs, in megabytes; a dash where it could not be measured."""

    def cell(runs: list[dict[str, Any]]) -> str:
        values = [run[key] for run in runs if run[key] is not None]
        return f"{max(values) / MEGABYTE:,.1f}" if values else "–"

    return cell


def plain(values: dict[str, Any], names: list[str], cell: Callable[[Any], str]) -> list[str]:
    """A cell for each toolkit; "failed" where there is no value."""
    return [cell(values[name]) if name in values else "failed" for name in names]


def best_bold(
    values: dict[str, Any], names: list[str], number: Callable[[Any], float]
) -> list[str]:
    """Numbers with three decimals, the highest in bold."""
    cells = plain(values, names, lambda value: f"{number(value):.3f}")
    top = max((f"{number(value):.3f}" for value in values.values()), default="")
    return [f"**{cell}**" if cell == top else cell for cell in cells]
