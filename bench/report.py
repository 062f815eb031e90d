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

from ragkit.evals.compare import SIGNIFICANT, Difference, holm, paired_difference

REPOSITORY = Path(__file__).resolve().parent.parent
MEGABYTE = 1_000_000
CHECK = "returned text found again"  # judges the measurement, not a toolkit


def circumstances(*, small: bool) -> dict[str, Any]:
    """When, where and of what commit."""
    return {
        "date": now(),
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


def now() -> str:
    """The time, for people and programs."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


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
    small = []
    if results["small"]:
        small += ["A small run: it shows that everything works; too little data to compare.", ""]
    changed = " with uncommitted changes" if results["uncommitted_changes"] else ""
    if not results.get("finished"):
        small.append("This run was stopped, or is still going on; it has not measured everything.")
        small.append("")
    head = [
        f"# Comparison of {results['date'][:10]}",
        "",
        *small,
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
    tail = [*chance(results), "", "## Versions", ""]
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
        asked = quality["asked"]
        for metric in metrics:
            cells = best_bold(scored, asked, lambda s, m=metric: s["mean"][m])
            yield (
                f"{label}: {metric}",
                [dict(zip(asked, cells, strict=True)).get(n, "–") for n in names],
            )
        for part, cells in latency_rows(set_name, scored, asked):
            yield part, [dict(zip(asked, cells, strict=True)).get(n, "–") for n in names]
    for set_name, ingest in results["ingest"].items():
        yield from ingest_rows(set_name, ingest, names)
    if results["latency"]:
        label = f"{results['latency']['files']:,} passages"
        yield from latency_rows(label, results["latency"]["toolkits"], names)
    for label, starts in results["starts"].items():
        times = {name: found for name, found in starts.items() if found}
        yield (
            f"{label}, whole process, s",
            plain(times, names, lambda t: f"{statistics.median(t):.2f}", missing="–"),
        )
    prepared = {
        name: toolkit["prepare_seconds"]
        for name, toolkit in results["toolkits"].items()
        if toolkit["prepare_seconds"] is not None
    }
    yield "preparation, once per machine, s", plain(prepared, names, lambda s: f"{s:.1f}")


def differences(results: dict[str, Any]) -> list[tuple[str, Difference]]:
    """Of each metric and each other toolkit: how ragkit differs, question by question.

    Returns:
        The other toolkit and the difference, its p-value corrected for the number of all of them.
    """
    names: list[str] = []
    found: list[Difference] = []
    for label, quality in results["quality"].items():
        scored = quality["toolkits"]
        if "ragkit" not in scored:
            continue
        own = scored["ragkit"]
        others = [name for name in results["toolkits"] if name in scored and name != "ragkit"]
        for metric in own["mean"]:
            for name in others if metric != CHECK else ():
                each = scored[name]["each"]
                values = [
                    (key, each[key][metric], mine[metric]) for key, mine in own["each"].items()
                ]
                names.append(name)
                found.append(paired_difference(f"{label}: {metric}", values))
    return list(zip(names, holm(found), strict=True))


def chance(results: dict[str, Any]) -> list[str]:
    """Whether ragkit's lead, or lag, could be chance."""
    found = differences(results)
    if not found:
        return []
    lines = [
        "",
        "## Is it chance?",
        "",
        "ragkit's mean less the other's, on the same questions, with the 95% bootstrap interval; p "
        "of a paired permutation test, corrected by Holm's method for all rows; "
        f"* below {SIGNIFICANT}.",
        "",
        "| measure | against | difference | 95% interval | p | better / same / worse |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for name, d in found:
        same = d.questions - d.better - d.worse
        star = " *" if d.p < SIGNIFICANT else ""
        lines.append(
            f"| {d.measure} | {name} | {d.second - d.first:+.3f} | {d.low:+.3f} to {d.high:+.3f} "
            f"| {d.p:.4f}{star} | {d.better} / {same} / {d.worse} |"
        )
    return lines


def ingest_rows(
    set_name: str, ingest: dict[str, Any], names: list[str]
) -> Iterator[tuple[str, list[str]]]:
    """Time, size and memory of an ingest, and how often ragkit's time fits into the others'."""
    runs = {name: found for name, found in ingest["runs"].items() if found}
    asked = [name for name in names if name in ingest["runs"]]
    pages = f", {ingest['pages']:,} pages" if ingest["pages"] else ""
    size = f"{ingest['files']:,} files{pages}, {ingest['bytes'] / MEGABYTE:.1f} MB"

    def cells(cell: Callable[[list[dict[str, Any]]], str]) -> list[str]:
        return [
            "–" if name not in asked else cell(runs[name]) if name in runs else "failed"
            for name in names
        ]

    yield f"{set_name}, ingest of {size}: s", cells(lambda r: f"{median(r, 'seconds'):.1f}")
    if len(runs) > 1 and "ragkit" in runs:
        own = median(runs["ragkit"], "seconds")
        yield (
            f"{set_name}: times as long as ragkit",
            cells(lambda r: f"{median(r, 'seconds') / own:.1f}"),
        )
    if searchable := ingest.get("searchable"):
        for key, label in (
            ("first_seconds", "until the first file can be searched"),
            ("all_seconds", "until all files can be searched"),
        ):
            own = searchable[key]
            yield (
                f"{set_name}: {label}, s",
                [
                    f"{own:.1f}"
                    if name == "ragkit"
                    else f"{median(runs[name], 'seconds'):.1f} "
                    f"(× {median(runs[name], 'seconds') / own:.0f})"
                    if name in runs
                    else "failed"
                    for name in names
                ],
            )
    yield f"{set_name}: passages", cells(lambda r: f"{r[-1]['own_passages']:,}")
    yield f"{set_name}: peak memory, MB", cells(megabytes("peak_bytes"))
    yield f"{set_name}: index on disk, MB", cells(megabytes("index_bytes"))
    if "again_seconds" in ingest:
        yield (
            f"{set_name}: unchanged folder again, s",
            plain(ingest["again_seconds"], names, lambda s: f"{s:.2f}", missing="builds anew"),
        )


def latency_rows(
    label: str, measured: dict[str, Any], names: list[str]
) -> Iterator[tuple[str, list[str]]]:
    """Half and nearly all questions."""
    yield f"{label}: query p50, ms", plain(measured, names, lambda s: f"{s['p50_ms']:.1f}")
    yield f"{label}: query p95, ms", plain(measured, names, lambda s: f"{s['p95_ms']:.1f}")


def median(runs: list[dict[str, Any]], key: str) -> float:
    """Median over the runs."""
    return statistics.median(run[key] for run in runs)


def megabytes(key: str) -> Callable[[list[dict[str, Any]]], str]:
    """Largest value over the runs, in megabytes; a dash where it could not be measured."""

    def cell(runs: list[dict[str, Any]]) -> str:
        values = [run[key] for run in runs if run[key] is not None]
        return f"{max(values) / MEGABYTE:,.1f}" if values else "–"

    return cell


def plain(
    values: dict[str, Any],
    names: list[str],
    cell: Callable[[Any], str],
    *,
    missing: str = "failed",
) -> list[str]:
    """A cell for each toolkit; ``missing`` where there is no value."""
    return [cell(values[name]) if name in values else missing for name in names]


def best_bold(
    values: dict[str, Any], names: list[str], number: Callable[[Any], float]
) -> list[str]:
    """Numbers with three decimals, the highest in bold."""
    cells = plain(values, names, lambda value: f"{number(value):.3f}")
    top = max((f"{number(value):.3f}" for value in values.values()), default="")
    return [f"**{cell}**" if cell == top else cell for cell in cells]
