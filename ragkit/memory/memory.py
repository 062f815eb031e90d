"""What every kind of memory can do: remember a turn, and recall what bears on a question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from ragkit.llm.chat_model import Message


@dataclass(frozen=True, slots=True)
class Note:
    """Something recalled that is no turn of its own.

    Attributes:
        text: What a model is told, in the words of the conversation or a digest of them.
        kind: The memory it came from: ``"summary"``, ``"entity"``, ``"graph"`` or ``"turn"``.
        why: In a few words, why it was recalled, for the user.
        score: How well it fits the question, 0 to 1, higher is better; ``None`` where the memory
            does not rank.
        turns: Numbers of the turns of the session that it rests on, from 1.
    """

    text: str
    kind: str
    why: str
    score: float | None = None
    turns: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Recall:
    """What was recalled: turns to go before the question, oldest first, and notes beside them.

    Attributes:
        turns: Whole turns, as messages.
        notes: Everything else, the best first.
        numbers: Numbers of ``turns`` in the session, from 1.
        degraded: One sentence for each part that did less than it should, and why.
    """

    turns: tuple[Message, ...] = ()
    notes: tuple[Note, ...] = ()
    numbers: tuple[int, ...] = ()
    degraded: tuple[str, ...] = ()


@runtime_checkable
class Memory(Protocol):
    """A memory of one session. What it returns is data: it is never given to a model as orders."""

    def recall(self, question: str, *, max_tokens: int = 1_000) -> Recall:
        """Return what bears on ``question``, in at most ``max_tokens`` tokens."""
        ...

    def remember(self, question: str, answer: str, *, trace: str | None = None) -> None:
        """Keep a turn: what the user said and what was answered."""
        ...
