"""``ragkit ingest``: read folders and files into the knowledge base."""

from __future__ import annotations

import glob
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ragkit.cli.app import EXIT_FAILURES, Interrupted
from ragkit.cli.common import Command, Common, common_options, embedder_options, open_kb
from ragkit.cli.output import (
    can_prompt,
    human_seconds,
    plural,
    print_json,
)
from ragkit.cli.progress import ProgressDisplay

if TYPE_CHECKING:
    from ingest.isolate import LoadLimits
    from ragkit.results import FileNote, IngestReport

_MOST_WARNINGS = 20
_MEGABYTE = 1_000_000


@click.command(
    "ingest",
    cls=Command,
    examples=(
        "ragkit ingest docs",
        "ragkit ingest docs ~/reports/2024.pdf --dry-run",
        "ragkit ingest docs --kb ~/bases/work --json",
    ),
)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path())
@click.option("--dry-run", is_flag=True, help="Say what would be done and change nothing.")
@click.option(
    "--retry-failed",
    is_flag=True,
    help="Also read files again that failed before and have not changed since.",
)
@embedder_options
@click.option(
    "--password",
    metavar="TEXT",
    envvar="RAGKIT_PASSWORD",
    show_envvar=True,
    help="Password of encrypted PDFs. Other users of this machine can see what is typed here:"
    " the environment variable, or being asked on a terminal, keeps it from them.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Processes that read files.  [default: the processors at hand, up to 4]",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Time that one file may take.  [default: 60; 900 with --ocr]",
)
@click.option(
    "--memory",
    type=click.IntRange(200),
    metavar="MB",
    help="Memory that a process reading files may use; not enforced on macOS and Windows."
    "  [default: 1000; 4000 with --ocr]",
)
@click.option(
    "--max-file-size",
    type=click.IntRange(1),
    metavar="MB",
    help="Larger files are not read.  [default: 256]",
)
@click.option(
    "--ocr",
    is_flag=True,
    help="Recognise the text of scanned PDF pages: some seconds a page."
    " Needs: pip install 'ragkit[ocr]'",
)
@common_options
def command(
    common: Common,
    paths: tuple[str, ...],
    dry_run: bool,
    retry_failed: bool,
    embedder: str | None,
    embedder_base_url: str | None,
    password: str | None,
    workers: int | None,
    timeout: float | None,
    memory: int | None,
    max_file_size: int | None,
    ocr: bool,
) -> int:
    """Read folders and files into the knowledge base.

    A folder is mirrored: new and changed files are read, those that are gone are removed, and
    unchanged ones cost nothing. A file is added or updated. Documents are searchable by their
    words within seconds; vectors follow, and a run that was stopped goes on where it was.

    Files are read in separate processes: one that crashes, hangs or eats up its memory costs the
    file it was reading, which is reported as failed, and all others go on.

    Exits with 1 when a file could not be read; all others are ingested all the same.
    """
    with ProgressDisplay() as display:
        try:
            with open_kb(
                common,
                create=True,
                embedder=embedder,
                embedder_base_url=embedder_base_url,
                listener=display,
            ) as kb:
                report = kb.ingest(
                    _expand(paths),
                    dry_run=dry_run,
                    retry_failed=retry_failed,
                    password=password or (_ask_password(display) if can_prompt() else None),
                    workers=workers,
                    limits=_limits(timeout, memory, max_file_size),
                    ocr=ocr,
                    listener=display,
                )
        except KeyboardInterrupt:
            raise Interrupted(_what_is_kept(common)) from None
    if common.as_json:
        print_json(_as_json(report))
    elif dry_run:
        _print_plan(report)
    else:
        _print_report(report, common)
    return EXIT_FAILURES if report.failed else 0


def _limits(timeout: float | None, memory: int | None, max_file_size: int | None) -> LoadLimits:
    from ingest.isolate import LoadLimits

    limits = LoadLimits(seconds=timeout, memory_bytes=memory and memory * _MEGABYTE)
    return replace(limits, file_bytes=max_file_size * _MEGABYTE) if max_file_size else limits


def _as_json(report: IngestReport) -> dict[str, Any]:
    document = asdict(report)
    if report.expected_seconds is None:
        del document["expected_seconds"]
    return document


def _expand(paths: Sequence[str]) -> list[str]:
    """Expand wildcards that the shell left alone, as those of Windows do."""
    expanded: list[str] = []
    for path in paths:
        is_pattern = glob.has_magic(path) and not Path(path).exists()
        matches = glob.glob(path) if is_pattern else []  # noqa: PTH207 - takes absolute ones too
        expanded += sorted(matches) or [path]
    return expanded


def _ask_password(display: ProgressDisplay) -> Callable[[str], str | None]:
    def ask(path: str) -> str | None:
        from ragkit.cli.output import printable_path

        with display.paused():
            try:
                given: str = click.prompt(
                    f"Password for {printable_path(path)} (Enter to leave it out)",
                    hide_input=True,
                    default="",
                    show_default=False,
                    err=True,
                )
            except click.Abort:  # Ctrl-C, which click makes its own
                raise KeyboardInterrupt from None
        return given or None

    return ask


def _what_is_kept(common: Common) -> str:
    message = "Stopped. Everything read so far is kept; run the same command again to go on."
    try:
        with open_kb(common) as kb:
            status = kb.status()
    except Exception:  # nothing may hide that it was stopped; there may be no base yet
        return message
    if not status.documents:
        return "Stopped. No file was read yet."
    return (
        f"Stopped. {plural(status.documents, 'document')} with"
        f" {plural(status.chunks, 'passage')} ({status.vectors:,} with vectors) are kept;"
        " run the same command again to go on."
    )


def _print_report(report: IngestReport, common: Common) -> None:
    from ragkit.cli.terminal import console

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


def _print_plan(report: IngestReport) -> None:
    from ragkit.cli.output import printable_path
    from ragkit.cli.terminal import console

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
    time = human_seconds(report.expected_seconds or 0.0)
    out.print(
        f"Would add {len(report.added):,}, change {len(report.changed):,}, move"
        f" {len(report.moved):,} and remove {len(report.removed):,};"
        f" {report.same:,} unchanged. It would take about {time}. Nothing was done."
    )


def _print_notes(report: IngestReport) -> None:
    """Print failures, all of them, and warnings, of which there may be very many."""
    _print_files("failed", "bad", report.failed, len(report.failed))
    _print_files("warning", "warn", report.warnings, _MOST_WARNINGS)


def _print_files(label: str, style: str, notes: Sequence[FileNote], most: int) -> None:
    from rich.text import Text

    from ragkit.cli.output import printable, printable_path
    from ragkit.cli.terminal import console

    out = console()
    for item in notes[:most]:
        line = Text(f"  {label}  ", style=style)
        line.append(printable_path(item.path), style="path")
        line.append(f": {printable(item.reason)}")
        out.print(line)
    if len(notes) > most:
        out.print(f"  and {len(notes) - most:,} more; --json lists them all", style="faint")
