"""What ragkit asks of a language model: one streaming call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from ragkit.results import Usage

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "content_filter", "other"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation with a model."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of a model's reply; the last one has a finish reason and the usage."""

    text: str = ""
    finish_reason: FinishReason | None = None
    usage: Usage | None = None


@runtime_checkable
class ChatModel(Protocol):
    """A language model that replies to a conversation.

    ``name`` is the string the user chose it by (``"openai:NAME"``); ``context_window`` is how
    many tokens prompt and reply may hold together.
    """

    @property
    def name(self) -> str: ...

    @property
    def context_window(self) -> int: ...

    def stream(
        self, messages: Sequence[Message], *, max_tokens: int, temperature: float = 0.0
    ) -> Iterator[Delta]:
        """Reply piece by piece; closing the iterator cancels the call.

        Raises:
            ragkit.errors.ModelError: the model cannot be reached, refused, or broke off.
        """
        ...
