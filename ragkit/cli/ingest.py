"""``ragkit ingest``: read folders and files into the knowledge base."""

from __future__ import annotations

import glob
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ragkit.cli.app import EXIT_FAILURES, Interrupted
from ragkit.cli.bars import ProgressDisplay
from ragkit.cli.common import Command, Common, common_options, embedder_options, open_kb
from ragkit.cli.output import as_json, can_prompt, note, plural, print_json, printable_path
from ragkit.cli.stopping import prompt_stop
from ragkit.errors import UsageError

if TYPE_CHECKING:
    from ingest.isolate import LoadLimits
    from ragkit.results import IngestReport

_MEGABYTE = 1_000_000


@click.command(
    "ingest",
    cls=Command,
    examples=(
        "ragkit ingest docs",
        "ragkit ingest docs ~/reports/2024.pdf --dry-run",
        "ragkit ingest docs --kb ~/bases/work --json",
        "ragkit ingest docs --watch",
    ),
)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path())
@click.option("--dry-run", is_flag=True, help="Say what would be done and change nothing.")
@click.option(
    "--watch",
    "watched",
    is_flag=True,
    help="Go on and follow the folders, until Ctrl-C. With --json, one line for each change.",
)
@click.option(
    "--retry-failed",
    is_flag=True,
    help="Also read files again that failed before and have not changed since.",
)
@click.option(
    "--allow-empty",
    is_flag=True,
    help="Also mirror a folder that is empty now and held more than 20 documents, removing them all."
    " Without it that is refused: a disk may just not be mounted.",
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
    watched: bool,
    password: str | None,
    timeout: float | None,
    memory: int | None,
    max_file_size: int | None,
    opening: dict[str, Any],
    **reading: Any,
) -> int:
    """Read folders and files into the knowledge base.

    A folder is mirrored: new and changed files are read, those that are gone are removed, and
    unchanged ones cost nothing. A file is added or updated. Documents are searchable by their
    words within seconds; vectors follow, and a run that was stopped goes on where it was.

    Files are read in separate processes: one that crashes, hangs or eats up its memory costs the
    file it was reading, which is reported as failed, and all others go on.

    Exits with 1 when a file could not be read; all others are ingested all the same.
    """
    if watched and dry_run:
        raise UsageError("--watch and --dry-run do not go together")
    names = _expand(paths)
    with (
        ProgressDisplay() as display,
        prompt_stop(lambda: _what_is_kept(common, display), clear=display.close),
    ):
        options: dict[str, Any] = {
            **reading,
            "password": password or (_ask_password(display) if can_prompt() else None),
            "limits": _limits(timeout, memory, max_file_size),
            "listener": display,
        }
        try:
            with open_kb(common, create=True, listener=display, **opening) as kb:
                if not watched:
                    report = kb.ingest(names, dry_run=dry_run, **options)
                else:
                    for report in kb.watch(names, **options):
                        with display.paused():
                            _tell_change(report, common)
                    return 0
        except KeyboardInterrupt:
            if watched and display.is_idle():
                note("Stopped watching.")
                return 0
            raise Interrupted(_what_is_kept(common, display)) from None
    if common.as_json:
        print_json(_document(report))
    else:
        from ragkit.cli.ingest_report import print_plan, print_report

        if dry_run:
            print_plan(report)
        else:
            print_report(report, common)
    return EXIT_FAILURES if report.failed else 0


def _document(report: IngestReport) -> dict[str, Any]:
    """Return the JSON form of a report."""
    document = asdict(report)
    if report.expected_seconds is None:
        del document["expected_seconds"]
    return document


def _tell_change(report: IngestReport, common: Common) -> None:
    if common.as_json:
        click.echo(as_json(_document(report)))
        return
    from ragkit.cli.ingest_report import print_report

    print_report(report, common)
    note("Watching for changes; Ctrl-C ends it.")


def _limits(timeout: float | None, memory: int | None, max_file_size: int | None) -> LoadLimits:
    from ingest.isolate import LoadLimits

    limits = LoadLimits(seconds=timeout, memory_bytes=memory and memory * _MEGABYTE)
    return replace(limits, file_bytes=max_file_size * _MEGABYTE) if max_file_size else limits


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


def _what_is_kept(common: Common, display: ProgressDisplay) -> str:
    message = "Stopped. Everything read so far is kept; run the same command again to go on."
    try:
        with open_kb(common) as kb:
            status = kb.status()
    except Exception:  # nothing may hide that it was stopped; there may be no base yet
        return message
    left = _what_is_left(display, status.chunks - status.vectors)
    if not status.documents:
        return f"Stopped. No file was read yet{left}."
    return (
        f"Stopped. {plural(status.documents, 'document')} with"
        f" {plural(status.chunks, 'passage')} ({status.vectors:,} with vectors) are kept{left};"
        " run the same command again to go on."
    )


def _what_is_left(display: ProgressDisplay, without_vectors: int) -> str:
    left = []
    loading = display.latest.get("load")
    if loading is not None and loading.total is not None and loading.done < loading.total:
        left.append(f"{plural(loading.total - loading.done, 'file')} to read")
    if without_vectors:
        left.append(f"{plural(without_vectors, 'passage')} to embed")
    return f", {' and '.join(left)} are left" if left else ""
