"""The figures of a run as bars, one panel each; runs in the environment of the other toolkits.

python plot.py results/DATE-COMMIT.json   → results/DATE-COMMIT.svg
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

MEGABYTE = 1_000_000
OWN, OTHER = "#1f6feb", "#b0b7c0"


def draw(results: dict[str, Any], path: Path) -> None:
    """Draw what there is to compare."""
    shown = [(title, values) for title, values in panels(results) if len(values) > 1]
    if not shown:
        raise SystemExit("nothing to compare")
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "ragkit"  # the same figures give the same file
    from matplotlib import pyplot

    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    figure, axes = pyplot.subplots(
        rows, columns, figsize=(4.2 * columns, 2.4 * rows), squeeze=False, layout="constrained"
    )
    for axis in axes.flat[len(shown) :]:
        axis.set_visible(False)
    for axis, (title, values) in zip(axes.flat, shown, strict=False):
        names = [name for name in results["toolkits"] if name in values]
        colours = [OWN if name == "ragkit" else OTHER for name in names]
        bars = axis.barh(names, [values[name] for name in names], color=colours)
        axis.bar_label(bars, fmt=readable, padding=3, fontsize=8)
        axis.invert_yaxis()
        axis.margins(x=0.18)
        axis.set_title(title, fontsize=10)
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def readable(number: float) -> str:
    """Three digits that matter, and never an exponent."""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def panels(results: dict[str, Any]) -> list[tuple[str, dict[str, float]]]:
    """Title and a number per toolkit."""
    found: list[tuple[str, dict[str, float]]] = []
    for name, quality in results["quality"].items():
        scored = quality["toolkits"]
        metrics = list(next(iter(scored.values()))["mean"]) if scored else []
        for metric in metrics[:2]:
            values = {toolkit: score["mean"][metric] for toolkit, score in scored.items()}
            found.append((f"{name}: {metric}", values))
    for name, ingest in results["ingest"].items():
        runs = {toolkit: run for toolkit, run in ingest["runs"].items() if run}
        seconds = {t: statistics.median(r["seconds"] for r in run) for t, run in runs.items()}
        found.append((f"{name}: ingest, s", seconds))
        if ingest.get("searchable"):
            first = seconds | {"ragkit": ingest["searchable"]["all_seconds"]}
            found.append((f"{name}: until all can be searched, s", first))
        peaks = {
            toolkit: max(r["peak_bytes"] or 0 for r in run) / MEGABYTE
            for toolkit, run in runs.items()
        }
        found.append((f"{name}: peak memory, MB", peaks))
    if results["latency"]:
        measured = results["latency"]["toolkits"]
        values = {toolkit: times["p50_ms"] for toolkit, times in measured.items()}
        found.append((f"{results['latency']['files']:,} passages: query p50, ms", values))
    for label, starts in results["starts"].items():
        values = {toolkit: statistics.median(times) for toolkit, times in starts.items() if times}
        found.append((f"{label}, s", values))
    return [(title.replace("`", ""), values) for title, values in found]


if __name__ == "__main__":
    source = Path(sys.argv[1])
    draw(json.loads(source.read_text(encoding="utf-8")), source.with_suffix(".svg"))
