"""Counting what models read, write and cost, and stopping before a limit is passed."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Unpack

from ragkit.errors import BudgetError, UsageError
from ragkit.llm.chat_model import Delta, deltas_of_model, estimated
from ragkit.llm.prices import FREE, Price, Prices, add_usage, priced
from ragkit.llm.token_counts import count_tokens
from ragkit.results import Usage

if TYPE_CHECKING:
    from ragkit.llm.chat_model import ChatModel, Message, ReplyOptions, ToolCall

_NOTHING = Usage(cost=0.0)
_TOKENS_PER_MESSAGE = 8
# Fewer tokens than this are not worth asking for.
_LEAST_REPLY = 16


@dataclass(frozen=True, slots=True)
class Budget:
    """How much language models may use.

    Attributes:
        tokens: Read and written together; ``None`` is no limit.
        cost: In the currency of the prices; a model without a known price is not asked then.
    """

    tokens: int | None = None
    cost: float | None = None

    def __post_init__(self) -> None:
        """Check that both are amounts."""
        for name, value in (("tokens", self.tokens), ("cost", self.cost)):
            if value is not None and not value >= 0:
                raise UsageError(f"a budget's {name} must be 0 or more, not {value!r}")


@dataclass(frozen=True, slots=True)
class Limit:
    """A budget, whose it is, and what was used of it before."""

    budget: Budget
    of: str = "this answer"
    used: Usage = _NOTHING


class Meter:
    """Adds up the usage of models and keeps it within limits. Safe across threads."""

    def __init__(self, prices: Prices | None = None, limits: Sequence[Limit] = ()) -> None:
        """Start from nothing."""
        self._prices = prices or Prices()
        self._limits = tuple(limits)
        self._lock = threading.Lock()
        self._by_model: dict[str, tuple[int, Usage]] = {}
        self._told = self._counted = _NOTHING

    @property
    def usage(self) -> Usage:
        """All so far, estimated where a server does not tell.

        The cost is ``None`` where a price is not known.
        """
        with self._lock:
            return self._told

    @property
    def by_model(self) -> dict[str, tuple[int, Usage]]:
        """Number of calls of each model so far, and what of them counts against the limits.

        That is estimated for servers that do not tell what they used.
        """
        with self._lock:
            return dict(self._by_model)

    def metered(self, model: ChatModel, *, base_url: str | None = None) -> MeteredModel:
        """Return ``model`` with its calls counted here, and within the limits."""
        return MeteredModel(model, self, self._prices.of(model.name, base_url=base_url))

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return bool(self._limits)

    def allow(self, name: str, price: Price | None, tokens: int, max_tokens: int) -> int:
        """Return how long a reply may be, at most ``max_tokens``, for a prompt of ``tokens``.

        Raises:
            BudgetError: there is not enough left.
        """
        with self._lock:
            counted = self._counted
        for limit in self._limits:
            used = add_usage(limit.used, counted)
            if limit.budget.tokens is not None:
                left = limit.budget.tokens - used.input_tokens - used.output_tokens
                max_tokens = min(max_tokens, left - tokens)
                if max_tokens < _LEAST_REPLY:
                    raise BudgetError(
                        f"{name} was not asked: {limit.of} may use {limit.budget.tokens:,} tokens, "
                        f"{max(0, left):,} are left, and the prompt alone has about {tokens:,}"
                    )
            if limit.budget.cost is not None:
                if price is None or used.cost is None:
                    raise BudgetError(
                        f"{name} was not asked: {limit.of} may cost {limit.budget.cost:g}, but "
                        "the price is not known; set it with --prices (in Python: prices=)"
                    )
                left_cost = limit.budget.cost - used.cost
                room = left_cost - price.of(Usage(tokens, 0))
                if price.output > 0:
                    max_tokens = min(max_tokens, int(max(0.0, room) * 1_000_000 / price.output))
                if room < 0 or max_tokens < _LEAST_REPLY:
                    raise BudgetError(
                        f"{name} was not asked: {limit.of} may cost {limit.budget.cost:g}, and "
                        f"{max(0.0, left_cost):.4g} is left, which is not enough for another reply"
                    )
        return max_tokens

    def add(self, name: str, usage: Usage, counted: Usage) -> None:
        """Add a call: what the server told, and what counts against the limits."""
        with self._lock:
            calls, before = self._by_model.get(name, (0, _NOTHING))
            self._by_model[name] = (calls + 1, add_usage(before, counted))
            self._told = add_usage(self._told, usage)
            self._counted = add_usage(self._counted, counted)


class MeteredModel:
    """A chat model whose calls a :class:`Meter` counts; replies carry their cost."""

    awaits = True

    def __init__(self, model: ChatModel, meter: Meter, price: Price | None) -> None:
        """Wrap ``model``, of which a million tokens cost ``price``."""
        self.name = model.name
        # Whether its server holds every reply to a JSON schema that it is given.
        self.follows_schemas = bool(getattr(model, "follows_schemas", False))
        self._model = model
        self._meter = meter
        self._price = price

    @property
    def native_tools(self) -> bool:
        """Whether the model can be expected to call tools by itself."""
        return self._model.native_tools

    @property
    def context_window(self) -> int:
        """How many tokens prompt and reply may hold together."""
        return self._model.context_window

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        **options: Unpack[ReplyOptions],
    ) -> Iterator[Delta]:
        """Reply piece by piece, not longer than the limits allow.

        Raises:
            BudgetError: they do not allow any reply; nothing was sent.
            ModelError: as the model itself.
        """
        prompt, allowed = 0, max_tokens
        if self._meter.limited:
            prompt = sum(count_tokens(m.content) + _TOKENS_PER_MESSAGE for m in messages)
            allowed = self._meter.allow(self.name, self._price, prompt, max_tokens)
        told: Usage | None = None
        written: list[str] = []
        calls: list[ToolCall] = []
        deltas = deltas_of_model(self._model, messages, max_tokens=allowed, **options)
        try:
            for delta in deltas:
                written += (delta.text, delta.reasoning)
                calls += delta.tool_calls
                if delta.usage is not None:
                    told = priced(delta.usage, self._price)
                    yield replace(delta, usage=told)
                else:
                    yield delta
            if told is None:
                told = priced(estimated(messages, "".join(written), calls), self._price)
                yield Delta(usage=told)
        finally:
            close = getattr(deltas, "close", None)
            if close is not None:
                close()
            if told is None:  # it broke off, or never began
                told = Usage(cost=0.0 if self._price == FREE else None)
                if any(written) or calls:
                    told = priced(estimated(messages, "".join(written), calls), self._price)
            self._meter.add(self.name, told, told)
