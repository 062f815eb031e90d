"""``ragkit ls``: the documents, or the files that could not be read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

import click

from ragkit.cli.common import Command, Common, common_options, open_kb, where_option
from ragkit.cli.output import (
    console,
    human_size,
    is_terminal,
    note,
    plural,
    print_json,
    printable,
    printable_path,
)
from ragkit.errors import UsageError

if TYPE_CHECKING:
    from ragkit.store.records import StoredDocument, StoredFailure

_NARROW = 72  # columns below which a table leaves no room for the paths


@click.command(
    "ls",
    cls=Command,
    examples=(
        "ragkit ls",
        "ragkit ls --where type=pdf --where 'date>=2024-01-01'",
        "ragkit ls --failed",
    ),
)
@where_option
@click.option("--failed", is_flag=True, help="List the files that could not be read, and why.")
@common_options
def command(common: Common, where: dict[str, list[str]] | None, failed: bool) -> None:
    """List the documents in the knowledge base.

    On a terminal this is a table; elsewhere one line a document, with tabs between the columns.
    """
    if failed and where is not None:
        raise UsageError("--failed and --where do not go together")
    with open_kb(common) as kb:
        if failed:
            _list_failures(kb.failures(), common)
            return
        documents = kb.documents(where)
    if common.as_json:
        print_json({"documents": [document_row(document) for document in documents]})
    elif documents:
        print_documents(documents)
    elif where is not None:
        note("No document matches.")
    else:
        note(f"The knowledge base is empty. Begin with: {common.hint('ingest FOLDER')}")


def document_row(document: StoredDocument) -> dict[str, Any]:
    """Return the JSON form of a document."""
    return {
        "path": document.path,
        "type": document.format,
        "title": document.title,
        "pages": document.pages or None,
        "chunks": document.chunks,
        "vectors": document.vectors,
        "characters": document.characters,
        "size": document.size,
        "modified": _modified(document).isoformat(timespec="seconds"),
        "metadata": document.metadata,
        "warnings": document.warnings,
    }


def print_documents(documents: Sequence[StoredDocument], stream: IO[str] | None = None) -> None:
    """Print a table of documents on a terminal, tab-separated lines elsewhere."""
    rows = [
        (
            printable_path(document.path),
            document.format,
            f"{document.pages:,}" if document.pages else "",
            f"{document.chunks:,}",
            human_size(document.size),
            _modified(document).strftime("%Y-%m-%d"),
        )
        for document in documents
    ]
    if not is_terminal(stream):
        for row in rows:
            click.echo("\t".join(row), file=stream)
        return
    from rich.table import Table
    from rich.text import Text

    out = console(stream)
    if out.width < _NARROW:
        for path, kind, pages, passages, size, date in rows:
            # Whole, so that it can be copied; the terminal breaks it if it must.
            out.print(Text(path, style="path"), soft_wrap=True)
            facts = (kind, pages and f"{pages} pp.", f"{passages} passages", size, date)
            out.print(Text(f"  {', '.join(filter(None, facts))}", style="faint"))
    else:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("Path", style="path", overflow="fold")
        table.add_column("Type")
        for name in ("Pages", "Passages", "Size"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("Date", no_wrap=True)
        for row in rows:
            table.add_row(*row)
        out.print(table)
    out.print(plural(len(rows), "document"), style="faint")


def _list_failures(failures: Sequence[StoredFailure], common: Common) -> None:
    if common.as_json:
        print_json({"failed": [{"path": item.path, "reason": item.reason} for item in failures]})
    elif failures:
        for item in failures:
            click.echo(f"{printable_path(item.path)}\t{printable(item.reason)}")
    else:
        note("No file failed.")


def _modified(document: StoredDocument) -> datetime:
    return datetime.fromtimestamp(document.mtime_ns / 1e9).astimezone()
