"""``ragkit search``: the passages that fit a question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import click

from ragkit.cli.common import (
    Command,
    Common,
    common_options,
    embedder_options,
    limit_option,
    open_kb,
    read_question,
    search_mode_option,
    where_option,
)
from ragkit.cli.output import console, print_json

if TYPE_CHECKING:
    from ragkit.retrieve.arrange import Unit


@click.command(
    "search",
    cls=Command,
    examples=(
        'ragkit search "how long is the warranty"',
        "ragkit search warranty -k 3 --where 'path=manuals/*' --where type=pdf",
        "ragkit search --mode lexical E-1042 --json",
        'ragkit search "which seal fits the pump" --explain',
        "ragkit search warranty --where 'heading=Terms*' --where author=Smith",
        'ragkit search "which reports mention fraud" --by document -k 20',
    ),
)
@click.argument("question", metavar="QUESTION", nargs=-1, required=True)
@limit_option(type=click.IntRange(1, 1000), default=10, help="How many passages.")
@where_option
@search_mode_option("")
@click.option(
    "--explain",
    is_flag=True,
    help="Show what each stage gave every passage it considered, and why it was kept or dropped.",
)
@click.option(
    "--rerank",
    metavar="NAME",
    help="Look at the best passages again: 'sentences' (by their best sentence, no other model), or"
    " the name or folder of a cross-encoder; ':int8' after it compiles it.",
)
@click.option(
    "--expand",
    metavar="NAME",
    multiple=True,
    help="Search also for what 'acronyms' stand for in the documents, for other names that they give"
    " ('aliases': X, also known as Y), for each of two things that are compared ('comparison'), or"
    " for what an installed package's expander tells.",
)
@click.option(
    "--by",
    type=click.Choice(["passage", "page", "document"]),
    default="passage",
    show_default=True,
    help="Rank pages or whole documents, each by its best passage, which is shown.",
)
@click.option(
    "--diversity",
    metavar="0..1",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="How much each passage should differ in meaning from those before it.",
)
@click.option(
    "--context-tokens",
    metavar="N",
    type=click.IntRange(1),
    help="Widen passages by what stands around them, up to N tokens in all.",
)
@embedder_options
@common_options
def command(
    common: Common,
    question: tuple[str, ...],
    limit: int,
    where: dict[str, list[str]] | None,
    explain: bool,
    by: str,
    opening: dict[str, Any],
    **stages: Any,
) -> None:
    """Find the passages that fit a question, best first.

    QUESTION may be several words, or - to read it from stdin. Scores are between 0 and 1, higher is
    better: a weighted mean of likeness of meaning (cosine) and of the share of the question's words
    that were found, by their rarity.
    """
    text = read_question(question)
    with open_kb(common, **opening) as kb:
        result = kb.retrieve(
            text,
            k=limit,
            where=where,
            explain=explain,
            by=None if by == "passage" else cast("Unit", by),
            **stages,
        )
        if common.as_json:
            document = {"hits": result.hits, "degraded": result.degraded, "notes": result.notes}
            if explain:
                document["considered"] = result.considered
            print_json(document)
            return
        from ragkit.cli.render import print_degraded, print_hits, print_stages
        from ragkit.retrieve.search import NOTHING_ALLOWED

        out = console()
        print_hits(out, kb, result.hits, text, filtered=where is not None, verbose=common.verbose)
        nothing = [note for note in result.notes if note == NOTHING_ALLOWED]
        print_degraded([*result.degraded, *nothing])
        if explain:
            from ragkit.cli.explained import print_considered

            print_considered(out, result)
        if common.verbose:
            print_stages(result.milliseconds)
