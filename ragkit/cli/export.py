"""``ragkit export``: the whole knowledge base as one file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from ragkit.cli.common import Command, Common, common_options, open_kb
from ragkit.cli.output import human_size, plural, printable_path


@click.command(
    "export",
    cls=Command,
    examples=(
        "ragkit export handbook.ragkit",
        "ragkit export --no-sessions for-the-customer.ragkit",
        "ragkit export --force ~/backups/work.ragkit --kb ~/bases/work",
    ),
)
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@click.option(
    "--no-sessions",
    is_flag=True,
    help="Leave out what people asked and were told: conversations, memories, traces, cached"
    " answers, vectors of questions, spending.",
)
@common_options
def command(common: Common, file: Path, force: bool, no_sessions: bool) -> None:
    """Write the knowledge base to one file, to move it to another machine or keep it safe.

    All is in it: documents, passages, vectors, conversations, traces and settings; not the source
    files. For somebody else's eyes, --no-sessions leaves out what was asked. Nobody has to stop using the knowledge base meanwhile. `ragkit import` reads it.
    """
    with open_kb(common) as kb:
        exported = kb.export(file, overwrite=force, sessions=not no_sessions)
    common.tell(
        {"file": str(file), **asdict(exported)},
        f"Exported {plural(exported.documents, 'document')} with"
        f" {plural(exported.chunks, 'passage')} to {printable_path(str(file))}"
        f"{', without conversations' if no_sessions else ''}"
        f" ({human_size(exported.size_bytes)}).",
    )
