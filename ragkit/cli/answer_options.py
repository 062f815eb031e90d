"""The options that say how questions are answered, and a base opened by them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from ragkit.cli.common import Common, gathered, open_kb
from ragkit.cli.step_lines import step_sinks

if TYPE_CHECKING:
    from ragkit.kb import KnowledgeBase

MODES = ("single", "agent", "map-reduce", "compare")

answer_options = gathered(
    "answering",
    click.option(
        "--mode",
        type=click.Choice(MODES),
        default="single",
        show_default=True,
        help="single: read the best passages once. agent: let the model search as often as it"
        " needs. map-reduce: read many documents one by one and put together what they say."
        " compare: look for each thing that is compared.",
    ),
    click.option("--agent", is_flag=True, help="The same as --mode agent."),
    click.option(
        "--verify",
        type=click.Choice(("words", "model")),
        default="words",
        show_default=True,
        help="How sentences are held against their sources: by rules, or by the model as well.",
    ),
    click.option(
        "--context-tokens",
        metavar="N",
        type=click.IntRange(0),
        default=2000,
        show_default=True,
        help="How much of the documents a language model is shown at most: the best passages,"
        " widened to whole tables and sections. 0: the passages as they are.",
    ),
    click.option(
        "--escalate",
        metavar="NAME",
        multiple=True,
        help="A stronger model, asked where --model is not sure. Give it again for a third.",
    ),
    click.option(
        "--cache/--no-cache",
        default=True,
        show_default=True,
        help="Give the same answer again to the same question of the same documents.",
    ),
    click.option(
        "--max-cost",
        type=click.FloatRange(0),
        help="What language models may cost; before that is passed, no more are asked.",
    ),
    click.option(
        "--max-tokens",
        type=click.IntRange(0),
        help="How many tokens they may read and write.",
    ),
    click.option(
        "--prices",
        metavar="FILE",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="RAGKIT_PRICES",
        show_envvar=True,
        help="TOML file with the prices of models: for each, input and output for a million tokens.",
    ),
)


def open_answering(
    common: Common,
    opening: dict[str, Any],
    answering: dict[str, Any],
    *,
    budget_of: Literal["answer", "session"],
) -> KnowledgeBase:
    """Open the base to ask it as the options say.

    Args:
        common: Which base.
        opening: What the options of models and embedders handed over.
        answering: What :func:`answer_options` handed over.
        budget_of: What the limits are for.

    Raises:
        UsageError: the file of prices cannot be read.
        KnowledgeBaseError: as :func:`ragkit.cli.common.open_kb`.
    """
    from ragkit.answer.settings import AnswerSettings
    from ragkit.llm.meter import Budget
    from ragkit.llm.prices import read_prices

    options = dict(answering)
    if options.pop("agent"):
        options["mode"] = "agent"
    prices = options.pop("prices")
    escalate = options.pop("escalate")
    limits = options.pop("max_tokens"), options.pop("max_cost")
    budget = None if limits == (None, None) else Budget(*limits)
    settings = AnswerSettings(
        **options,
        prices=None if prices is None else read_prices(prices),
        budget=budget if budget_of == "answer" else None,
        session_budget=budget if budget_of == "session" else None,
    )
    models = [opening["model"], *escalate] if escalate else opening["model"]
    return open_kb(
        common, sinks=step_sinks(common), answers=settings, **{**opening, "model": models}
    )
