"""``ragkit import``: make a knowledge base from an exported file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from ragkit.cli.common import Command, Common, common_options
from ragkit.cli.output import plural
from ragkit.errors import UsageError


@click.command(
    "import",
    cls=Command,
    examples=(
        "ragkit import handbook.ragkit",
        "ragkit import handbook.ragkit --folder /home/ada/docs=/Users/ada/docs",
    ),
)
@click.argument(
    "file", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@click.option(
    "--folder",
    "folders",
    metavar="OLD=NEW",
    multiple=True,
    help="An ingested folder that is somewhere else on this machine, so that the next ingest of it"
    " knows its files. May be given again.",
)
@common_options
def command(common: Common, file: Path, folders: tuple[str, ...]) -> None:
    """Make a knowledge base from a file that `ragkit export` wrote.

    There must be none yet where --kb says. Nothing is believed that the file says: it is checked as
    a whole before anything is kept.
    """
    from ragkit.run.importing import import_base

    directory = common.directory.absolute()
    imported = import_base(
        file,
        directory,
        folders=dict(map(_read_folder, folders)),
        vector_index=common.vector_index,
    )
    common.tell(
        {"directory": str(directory), **asdict(imported)},
        f"Imported {plural(imported.documents, 'document')} with"
        f" {plural(imported.chunks, 'passage')}. See them with: {common.hint('ls')}",
    )


def _read_folder(option: str) -> tuple[str, Path]:
    old, equals, new = option.partition("=")
    if not equals or not old or not new:
        raise UsageError(f"--folder takes OLD=NEW, not {option!r}")
    return old, Path(new)
