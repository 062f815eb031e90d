"""``ragkit status``: what the knowledge base holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ragkit.cli.common import Command, Common, common_options, open_kb
from ragkit.cli.output import console, human_size, plural, print_json, printable

if TYPE_CHECKING:
    from ragkit.run.overview import Status


@click.command(
    "status",
    cls=Command,
    examples=(
        "ragkit status",
        "ragkit status --kb ~/bases/work --json",
    ),
)
@common_options
def command(common: Common) -> None:
    """Show what the knowledge base holds, and which models it was made with."""
    with open_kb(common) as kb:
        status = kb.status()
    if common.as_json:
        print_json(status)
    else:
        _print_status(status, common)


def _print_status(status: Status, common: Common) -> None:
    from rich.text import Text

    missing = status.chunks - status.vectors
    if not status.chunks:
        vectors = "none"
    elif missing <= 0:
        vectors = "complete"
    else:
        vectors = f"{missing:,} missing; the next ingest makes them"
    rows = [
        ("Folder", str(status.directory)),
        ("Documents", f"{status.documents:,}"),
        ("Failed files", f"{status.failures:,}"),
        ("Passages", f"{status.chunks:,}"),
        ("Vectors", f"{status.vectors:,} ({vectors})"),
        ("Text", plural(status.characters, "character")),
        ("Size on disk", human_size(status.size_bytes)),
        ("Embedding model", status.embedder),
        ("Answers by", status.model),
        ("Last ingest", status.last_ingest or "never"),
        ("Version", status.version),
    ]
    if common.verbose:
        rows += [(f"  {key}", str(value)) for key, value in status.fingerprint.items()]
    out = console()
    for name, value in rows:
        out.print(Text(f"{name:16}", style="faint") + Text(printable(value)))
    if not status.documents:
        out.print(
            f"Empty. Begin with: {common.hint('ingest FOLDER')}", style="faint", soft_wrap=True
        )
    elif status.failures:
        out.print(f"Failed files: {common.hint('ls --failed')}", style="faint", soft_wrap=True)
