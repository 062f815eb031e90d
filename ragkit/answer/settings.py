"""How answers are made: mode, checks, caches, routes, limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict, get_args

from ragkit.errors import UsageError

if TYPE_CHECKING:
    from ragkit.llm.meter import Budget
    from ragkit.llm.prices import Prices

AnswerMode = Literal["single", "agent", "map-reduce", "compare"]
Verify = Literal["words", "model"]


@dataclass(frozen=True, slots=True)
class AnswerSettings:
    """How a knowledge base answers.

    Attributes:
        mode: ``"single"`` reads the best passages once; ``"agent"`` lets the language model search
            as often as it needs; ``"map-reduce"`` reads many documents one by one and puts together
            what they say; ``"compare"`` finds passages for each thing that is compared.
        verify: Whether sentences are held against the passages they cite by rules (``"words"``),
            or by the language model as well (``"model"``), which is asked once more for it.
        context_tokens: How many tokens of the documents a language model is shown at most in a
            single pass (a third of its window, if that is less): the best passages, widened by
            what stands around them to whole tables and sections. 0: the passages as they are.
        cache: Whether answers are kept, and given again to the same question of the same documents.
            Answers by model objects are not: nothing tells one from another. Nor is anything kept
            where content is not to be recorded.
        similar: Cosine similarity, 0 to 1, from which a question counts as the same as an earlier
            one; ``None`` (the default) is never. See docs/answers.md for what it gets wrong.
        route: Whether arithmetic and "what documents do you have?" are answered by rules, without
            searching.
        prices: What tokens cost; ``None`` for the list prices that ragkit knows.
        budget: Limit for each answer; ``None`` is none.
        session_budget: Limit for each conversation.
        base_budget: Limit for all that is ever asked of the base.
    """

    mode: AnswerMode = "single"
    verify: Verify = "words"
    context_tokens: int = 2_000
    cache: bool = True
    similar: float | None = None
    route: bool = True
    prices: Prices | None = None
    budget: Budget | None = None
    session_budget: Budget | None = None
    base_budget: Budget | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        for name, value, known in (
            ("mode", self.mode, get_args(AnswerMode)),
            ("verify", self.verify, get_args(Verify)),
        ):
            if value not in known:
                raise UsageError(f"{name} must be one of {', '.join(known)}, not {value!r}")
        if self.context_tokens < 0:
            raise UsageError(f"context_tokens must be at least 0, not {self.context_tokens!r}")
        if self.similar is not None and not 0 < self.similar <= 1:
            raise UsageError(f"similar must be above 0 and at most 1, not {self.similar!r}")


class AnswerOptions(TypedDict, total=False):
    """The fields of :class:`AnswerSettings`, for those that are to differ in one answer."""

    mode: AnswerMode
    verify: Verify
    context_tokens: int
    cache: bool
    similar: float | None
    route: bool
    prices: Prices | None
    budget: Budget | None
    session_budget: Budget | None
    base_budget: Budget | None
