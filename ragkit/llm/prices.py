"""What tokens cost: a table of prices, and never a guess where there is none."""

from __future__ import annotations

import functools
import json
import math
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from ragkit.errors import UsageError
from ragkit.results import Usage

# A model's name may end in the day it was made, such as gpt-4o-2024-08-06; the price is the same.
_DATED = re.compile(r"-\d{4}-\d{2}-\d{2}\Z")
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """Price of a million tokens read and of a million written, in US dollars or what you count in."""

    input: float
    output: float

    def __post_init__(self) -> None:
        """Check that both are prices."""
        for value in (self.input, self.output):
            if not (math.isfinite(value) and value >= 0):
                raise UsageError(f"a price must be a number from 0 up, not {value!r}")

    def of(self, usage: Usage) -> float:
        """Return what ``usage`` costs."""
        return (usage.input_tokens * self.input + usage.output_tokens * self.output) / _MILLION


FREE = Price(0.0, 0.0)
_LOCAL = ("gguf:", "ollama:", "scripted")


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices by model, under the names that models are chosen by (``"openai:gpt-5-mini"``).

    Attributes:
        by_model: Prices that the user set; they come first.
        known: Whether OpenAI's list prices, as far as ragkit knows them, count as well. They hold
            for OpenAI's own server only.
    """

    by_model: Mapping[str, Price] = field(default_factory=dict)
    known: bool = True

    def of(self, model: str, *, base_url: str | None = None) -> Price | None:
        """Return the price of a model, or ``None`` where it is not known.

        Args:
            model: The string it was chosen by. What runs on this computer costs nothing.
            base_url: The server it is asked at, where that is not the provider's own.
        """
        for name in (model, _DATED.sub("", model)):
            if name in self.by_model:
                return self.by_model[name]
        here = base_url is None or not model.startswith("ollama:")
        if model == "extractive" or (model.startswith(_LOCAL) and here):
            return FREE
        at_openai = base_url is None and not os.environ.get("OPENAI_BASE_URL")
        if self.known and at_openai:
            return _list_prices().get(_DATED.sub("", model))
        return None


def price_of(model: str) -> Price | None:
    """Return the list price of a model, as :meth:`Prices.of`, where the user set no other."""
    return Prices().of(model)


def priced(usage: Usage, price: Price | None) -> Usage:
    """Return ``usage`` with its cost; an unknown price leaves it unknown."""
    return replace(usage, cost=None if price is None else price.of(usage))


def add_usage(one: Usage, other: Usage) -> Usage:
    """Add two usages; the cost is known where both are."""
    known = one.cost is not None and other.cost is not None
    return Usage(
        one.input_tokens + other.input_tokens,
        one.output_tokens + other.output_tokens,
        (one.cost or 0.0) + (other.cost or 0.0) if known else None,
    )


def read_prices(path: str | os.PathLike[str]) -> Prices:
    """Read prices from a TOML file: for each model, the price of a million tokens.

    ::

        ["openai:my-model"]
        input = 0.5
        output = 1.5

    Raises:
        UsageError: the file cannot be read, or is not of this form.
    """
    try:
        document = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read the prices in {str(path)!r}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{str(path)!r} is not a TOML file: {error}") from error
    return Prices({model: _read_price(entry, model, path) for model, entry in document.items()})


def _read_price(entry: Any, model: str, path: str | os.PathLike[str]) -> Price:
    try:
        return Price(float(entry["input"]), float(entry["output"]))
    except (TypeError, KeyError, ValueError) as error:
        raise UsageError(
            f"the price of {model!r} in {str(path)!r} needs two numbers from 0 up, input and "
            "output, for a million tokens"
        ) from error


@functools.cache
def _list_prices() -> dict[str, Price]:
    text = files("ragkit.llm").joinpath("prices.json").read_text(encoding="utf-8")
    entries = json.loads(text)["per_million_tokens"]
    return {model: Price(*numbers) for model, numbers in entries.items()}
