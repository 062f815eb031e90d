"""The options that say how questions are answered."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

if TYPE_CHECKING:
    from ragkit.answer.settings import AnswerSettings

_Function = TypeVar("_Function", bound=Callable[..., Any])

MODES = ("single", "agent", "map-reduce", "compare")


def answer_options(function: _Function) -> _Function:
    """Add the options, handed to the command as ``answering``, a mapping for :func:`settings_of`."""

    @click.option(
        "--mode",
        type=click.Choice(MODES),
        default="single",
        show_default=True,
        help="single: read the best passages once. agent: let the model search as often as it"
        " needs. map-reduce: read many documents one by one and put together what they say."
        " compare: look for each thing that is compared.",
    )
    @click.option("--agent", is_flag=True, help="The same as --mode agent.")
    @click.option(
        "--verify",
        type=click.Choice(("words", "model")),
        default="words",
        show_default=True,
        help="How sentences are held against their sources: by rules, or by the model as well.",
    )
    @click.option(
        "--context-tokens",
        metavar="N",
        type=click.IntRange(0),
        default=2000,
        show_default=True,
        help="How much of the documents a language model is shown at most: the best passages,"
        " widened to whole tables and sections. 0: the passages as they are.",
    )
    @click.option(
        "--escalate",
        metavar="NAME",
        multiple=True,
        help="A stronger model, asked where --model is not sure. Give it again for a third.",
    )
    @click.option(
        "--cache/--no-cache",
        default=True,
        show_default=True,
        help="Give the same answer again to the same question of the same documents.",
    )
    @click.option(
        "--max-cost",
        type=click.FloatRange(0),
        help="What language models may cost; before that is passed, no more are asked.",
    )
    @click.option(
        "--max-tokens",
        type=click.IntRange(0),
        help="How many tokens they may read and write.",
    )
    @click.option(
        "--prices",
        metavar="FILE",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="RAGKIT_PRICES",
        show_envvar=True,
        help="TOML file with the prices of models: for each, input and output for a million tokens.",
    )
    @functools.wraps(function)
    def wrapper(
        *args: Any,
        mode: str,
        agent: bool,
        verify: str,
        context_tokens: int,
        escalate: tuple[str, ...],
        cache: bool,
        max_cost: float | None,
        max_tokens: int | None,
        prices: Path | None,
        **options: Any,
    ) -> Any:
        answering = {
            "mode": "agent" if agent else mode,
            "verify": verify,
            "context_tokens": context_tokens,
            "escalate": escalate,
            "cache": cache,
            "max_cost": max_cost,
            "max_tokens": max_tokens,
            "prices": prices,
        }
        return function(*args, answering=answering, **options)

    return wrapper  # type: ignore[return-value]  # click calls it with the options' names


def settings_of(
    answering: dict[str, Any], *, budget_of: Literal["answer", "session"]
) -> AnswerSettings:
    """Make settings of the options.

    Args:
        answering: What :func:`answer_options` handed over.
        budget_of: What the limits are for.

    Raises:
        UsageError: the file of prices cannot be read.
    """
    from ragkit.answer.settings import AnswerSettings
    from ragkit.llm.meter import Budget
    from ragkit.llm.prices import read_prices

    limited = answering["max_cost"] is not None or answering["max_tokens"] is not None
    budget = Budget(answering["max_tokens"], answering["max_cost"]) if limited else None
    return AnswerSettings(
        mode=answering["mode"],
        verify=answering["verify"],
        context_tokens=answering["context_tokens"],
        cache=answering["cache"],
        prices=read_prices(answering["prices"]) if answering["prices"] is not None else None,
        budget=budget if budget_of == "answer" else None,
        session_budget=budget if budget_of == "session" else None,
    )


def models_from(model: str, answering: dict[str, Any]) -> str | list[str]:
    """Return the models to open a base with: one, or several, the cheapest first."""
    return [model, *answering["escalate"]] if answering["escalate"] else model
