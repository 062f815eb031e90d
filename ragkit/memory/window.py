"""The last turns of a session, as they were said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from ragkit.events import span
from ragkit.llm.chat_model import Message
from ragkit.llm.token_counts import count_tokens, cut_to_tokens
from ragkit.memory.log import SessionLog, SessionView
from ragkit.memory.memory import Recall

if TYPE_CHECKING:
    from ragkit.llm.chat_model import Role
    from ragkit.store.records import NumberedTurn

DEFAULT_TURNS = 12
_OVERHEAD = 4  # tokens that a message costs beside its text


class WindowMemory(SessionView):
    """The newest turns: at most so many, and as many as fit the token budget.

    The last turn is always there; one that alone is over the budget is cut at its end.
    """

    def __init__(self, log: SessionLog, *, turns: int | None = DEFAULT_TURNS) -> None:
        """Recall at most ``turns`` turns; ``None`` for as many as fit (a buffer)."""
        super().__init__(log)
        self._most = turns

    def recall(self, question: str, *, max_tokens: int = 1_000) -> Recall:
        """Return the newest turns that fit ``max_tokens``, oldest first."""
        del question  # the newest turns bear on any question
        with span("window", "memory", session=self.log.session) as step:
            chosen = _fitting(self.log.turns(), self._most, max_tokens)
            step.set(turns=len(chosen))
            return Recall(
                turns=tuple(message for _, message in chosen),
                numbers=tuple(number for number, _ in chosen),
            )


def _fitting(
    turns: Sequence[NumberedTurn], most: int | None, budget: int
) -> list[tuple[int, Message]]:
    chosen: list[tuple[int, Message]] = []
    first = 0 if most is None else max(0, len(turns) - most)
    for turn in reversed(turns[first:]):
        cost = count_tokens(turn.content) + _OVERHEAD
        content = turn.content
        if cost > budget:
            if chosen or budget <= _OVERHEAD:
                break
            content = cut_to_tokens(content, budget - _OVERHEAD)
            cost = budget
        budget -= cost
        role = cast("Role", turn.role if turn.role in ("user", "assistant") else "user")
        said = content if role == turn.role else f"{turn.role}: {content}"
        chosen.append((turn.number, Message(role, said)))
    return chosen[::-1]
