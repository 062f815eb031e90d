"""What tokens cost, for models whose price is known or named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragkit.results import Usage


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens read and for a million written."""

    input: float
    output: float

    def of(self, usage: Usage) -> float:
        """Return what ``usage`` costs, in US dollars."""
        return (self.input * usage.input_tokens + self.output * usage.output_tokens) / 1_000_000


FREE = Price(0.0, 0.0)

# OpenAI's list prices without discounts for cached input, by the beginning of the name, the
# longer beginnings first. They change: name a price where it matters.
_OPENAI = {
    "gpt-5-nano": Price(0.05, 0.40),
    "gpt-5-mini": Price(0.25, 2.00),
    "gpt-5": Price(1.25, 10.00),
    "gpt-4.1-nano": Price(0.10, 0.40),
    "gpt-4.1-mini": Price(0.40, 1.60),
    "gpt-4.1": Price(2.00, 8.00),
    "gpt-4o-mini": Price(0.15, 0.60),
    "gpt-4o": Price(2.50, 10.00),
    "o4-mini": Price(1.10, 4.40),
    "o3": Price(2.00, 8.00),
}
_LOCAL = ("ollama:", "gguf:", "extractive", "scripted")


def price_of(model: str) -> Price | None:
    """Return the price of the model of this name, such as ``"openai:gpt-5-mini"``.

    Models that run on this computer are free. ``None`` means unknown; a server named by a base
    URL may ask another price for a name that is known here.
    """
    if model.startswith(_LOCAL):
        return FREE
    provider, _, name = model.partition(":")
    if provider not in ("openai", "azure"):
        return None
    return next((price for start, price in _OPENAI.items() if name.startswith(start)), None)
