"""``ragkit search``: the passages that fit a question."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ragkit.cli.common import (
    Command,
    Common,
    common_options,
    embedder_options,
    open_kb,
    parse_where,
    read_question,
    where_option,
)
from ragkit.cli.output import print_json

if TYPE_CHECKING:
    from ragkit.retrieve.search import Mode


@click.command(
    "search",
    cls=Command,
    examples=(
        'ragkit search "how long is the warranty"',
        "ragkit search warranty -k 3 --where 'path=manuals/*' --where type=pdf",
        "ragkit search --mode lexical E-1042 --json",
    ),
)
@click.argument("question", metavar="QUESTION", nargs=-1, required=True)
@click.option(
    "-k",
    "limit",
    metavar="N",
    type=click.IntRange(1, 1000),
    default=10,
    show_default=True,
    help="How many passages.",
)
@where_option
@click.option(
    "--mode",
    type=click.Choice(["hybrid", "dense", "lexical"]),
    default="hybrid",
    show_default=True,
    help="Search by meaning (dense), by words (lexical), or by both.",
)
@embedder_options
@common_options
def command(
    common: Common,
    question: tuple[str, ...],
    limit: int,
    conditions: tuple[str, ...],
    mode: Mode,
    embedder: str | None,
    embedder_base_url: str | None,
) -> None:
    """Find the passages that fit a question, best first.

    QUESTION may be several words, or - to read it from stdin. Scores are between 0 and 1.
    """
    text = read_question(question)
    where = parse_where(conditions)
    with open_kb(common, embedder=embedder, embedder_base_url=embedder_base_url) as kb:
        result = kb.retrieve(text, k=limit, where=where, mode=mode)
        if common.as_json:
            print_json({"hits": result.hits, "degraded": result.degraded})
            return
        from ragkit.cli.render import print_degraded, print_hits, print_stages
        from ragkit.cli.terminal import console

        out = console()
        print_hits(out, kb, result.hits, text, filtered=where is not None, verbose=common.verbose)
        print_degraded(result.degraded)
        if common.verbose:
            print_stages(result.milliseconds)
