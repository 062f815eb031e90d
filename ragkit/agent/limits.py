"""How far an agent may go."""

from __future__ import annotations

from dataclasses import dataclass

from ragkit.errors import UsageError
from ragkit.llm.prices import Price, price_of


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a run ends even without an answer; ``None`` means no limit.

    When a limit is reached, the model is asked once more, without tools, to answer from what it
    has; that last reply may go beyond the limit.

    Attributes:
        steps: Replies of the model.
        tokens: Tokens read and written, those of agents used as tools included.
        seconds: Wall time, tools included.
        cost: US dollars.
        price: What the model's tokens cost, where that is not known or not right.
    """

    steps: int = 20
    tokens: int | None = None
    seconds: float | None = 600.0
    cost: float | None = None
    price: Price | None = None

    def __post_init__(self) -> None:
        """Check that there is something to be spent."""
        for name in ("steps", "tokens", "seconds", "cost"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UsageError(f"the limit on {name} must be positive, not {value!r}")

    def price_for(self, model: str) -> Price | None:
        """Return the price to count with.

        Raises:
            UsageError: there is a limit on the cost of a model whose price is unknown.
        """
        price = self.price or price_of(model)
        if price is None and self.cost is not None:
            raise UsageError(
                f"what {model} costs is not known, so that cost={self.cost!r} cannot be held: give "
                "Limits(price=Price(input=…, output=…)) in dollars per million tokens"
            )
        return price
