"""How ``ragkit ingest`` tells what it did, or would do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from ragkit.cli.output import console, human_seconds, plural, printable, printable_path
from ragkit.run.tally import SKIPPED

if TYPE_CHECKING:
    from ragkit.cli.common import Common
    from ragkit.results import FileNote, IngestReport

_MOST_WARNINGS = 20


def print_report(report: IngestReport, common: Common) -> None:
    """Print what an ingest did, and what to do next."""
    out = console()
    parts = [
        f"{len(items):,} {name}"
        for name, items in (
            ("added", report.added),
            ("changed", report.changed),
            ("moved", report.moved),
            ("removed", report.removed),
        )
        if items
    ]
    parts.append(f"{report.same:,} unchanged")
    if report.failed:
        parts.append(f"{len(report.failed):,} failed")
    out.print(f"{', '.join(parts)} in {human_seconds(report.seconds)}.")
    _print_notes(report)
    missing = report.chunks - report.vectors
    vectors = "all with vectors" if missing <= 0 else f"{missing:,} still without vectors"
    if report.chunks:
        out.print(f"{plural(report.chunks, 'passage')} in the knowledge base, {vectors}.")
    elif not report.failed:
        why = "could be read" if report.warnings else "was found"
        out.print(f"The knowledge base is empty: no file {why}.", style="warn")
    if any("encrypted" in item.reason for item in report.failed):
        out.print("Encrypted files open with --password or RAGKIT_PASSWORD.", style="faint")
    if report.failed:
        out.print(
            f"See the failures again with: {common.hint('ls --failed')}",
            style="faint",
            soft_wrap=True,
        )
    if report.added and report.chunks:
        out.print(f'Now ask: {common.hint("ask")} "your question"', style="good", soft_wrap=True)


def print_plan(report: IngestReport) -> None:
    """Print what an ingest would do."""
    out = console()
    for name, style, paths in (
        ("add", "good", report.added),
        ("change", "warn", report.changed),
        ("move", "path", report.moved),
        ("remove", "bad", report.removed),
    ):
        for path in paths:
            out.print(f"{name:7} {printable_path(path)}", style=style)
    _print_notes(report)
    seconds = report.expected_seconds or 0.0
    time = f"about {human_seconds(seconds)}" if seconds >= 1 else "about a second"
    out.print(
        f"Would add {len(report.added):,}, change {len(report.changed):,}, move"
        f" {len(report.moved):,} and remove {len(report.removed):,};"
        f" {report.same:,} unchanged. It would take {time}. Nothing was done."
    )


def _print_notes(report: IngestReport) -> None:
    """Print failures, all of them, and warnings, of which there may be very many."""
    _print_files("failed", "bad", report.failed, len(report.failed))
    _print_files("warning", "warn", report.warnings, _MOST_WARNINGS)


def _print_files(label: str, style: str, notes: Sequence[FileNote], most: int) -> None:
    """Print files, those that are alike skipped for one reason on one line."""
    out = console()
    alike: dict[str, list[FileNote]] = {}
    for item in notes:
        own = item.reason if item.reason.startswith(SKIPPED) else f"{item.path}\0{item.reason}"
        alike.setdefault(own, []).append(item)
    groups = list(alike.values())
    for items in groups[:most]:
        line = Text(f"  {label}  ", style=style)
        line.append(printable_path(items[0].path), style="path")
        more = f" and {plural(len(items) - 1, 'other file')}" if len(items) > 1 else ""
        line.append(f"{more}: {printable(items[0].reason)}")
        out.print(line)
    if len(groups) > most:
        left = sum(map(len, groups[most:]))
        out.print(f"  and {left:,} more; --json lists them all", style="faint")
