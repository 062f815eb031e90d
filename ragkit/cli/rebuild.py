"""``ragkit rebuild``: make passages and vectors anew."""

from __future__ import annotations

import time
from typing import Any

import click

from ragkit.cli.app import Interrupted
from ragkit.cli.bars import ProgressDisplay
from ragkit.cli.common import Command, Common, common_options, embedder_options, open_kb
from ragkit.cli.output import human_seconds, plural
from ragkit.cli.stopping import prompt_stop
from ragkit.store.staging import FILE_NAME


@click.command(
    "rebuild",
    cls=Command,
    examples=(
        "ragkit rebuild",
        "ragkit rebuild --embedder BAAI/bge-small-en-v1.5",
    ),
)
@embedder_options
@common_options
def command(common: Common, opening: dict[str, Any]) -> None:
    """Make all passages and vectors anew, from the text in the knowledge base.

    Needed after a change of the embedding model or of how text is cut into passages. The source
    files are not read again. The knowledge base is searched as it was until all is done, and then
    changes at once; a rebuild that was stopped leaves it as it was, and goes on when run again.
    """
    started = time.perf_counter()
    with (
        ProgressDisplay() as display,
        prompt_stop(lambda: _what_is_there(common), clear=display.close),
    ):
        try:
            embedder = opening.pop("embedder")
            with open_kb(common, listener=display, **opening) as kb:
                kb.rebuild(embedder=embedder, listener=display)
                status = kb.status()
        except KeyboardInterrupt:
            raise Interrupted(_what_is_there(common)) from None
    seconds = time.perf_counter() - started
    counts = {key: getattr(status, key) for key in ("documents", "chunks", "vectors")}
    common.tell(
        {**counts, "seconds": round(seconds, 3)},
        f"Rebuilt {plural(status.documents, 'document')}: {plural(status.chunks, 'passage')},"
        f" {plural(status.vectors, 'vector')}, in {human_seconds(seconds)}.",
        err=False,
    )


def _what_is_there(common: Common) -> str:
    if (common.directory / FILE_NAME).exists():
        return "Stopped. The knowledge base is as it was; run the same command again to go on."
    return (
        "Stopped. Nothing is left to do, but to bring the search indexes up to date by searching."
    )
