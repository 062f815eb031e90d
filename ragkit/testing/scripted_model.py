"""A chat model that follows a script."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ragkit.llm.chat_model import Delta, Message, ToolCall, ToolSchema
from ragkit.results import Usage

if TYPE_CHECKING:
    from ragkit.llm.chat_model import FinishReason

Step = str | ToolCall | BaseException | Delta


class ScriptedModel:
    """A chat model that replies what it was told to, one reply for each call.

    A reply is a text (sent word by word), a :class:`ragkit.llm.ToolCall`, an exception (raised
    instead of replying), or a sequence of pieces sent one by one: texts, tool calls, exceptions, or
    :class:`ragkit.llm.Delta` to set a finish reason. Use it as a context manager, so that replies nobody asked for fail the test::

        with ScriptedModel("The warranty is two years [1].") as model:
            answer = kb.ask("How long is the warranty?", model=model)
    """

    def __init__(
        self,
        *replies: Step | Sequence[Step],
        name: str = "scripted",
        context_window: int = 8_192,
        native_tools: bool = True,
    ) -> None:
        """Set the replies, in order."""
        self._replies = list(replies)
        self._name = name
        self._context_window = context_window
        self._native_tools = native_tools
        self.calls: list[tuple[Message, ...]] = []
        self.tools: list[tuple[ToolSchema, ...]] = []
        self.schemas: list[Mapping[str, Any] | None] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.assert_done()

    @property
    def name(self) -> str:
        """The name that answers will carry."""
        return self._name

    @property
    def context_window(self) -> int:
        """How many tokens prompt and reply may hold together."""
        return self._context_window

    @property
    def native_tools(self) -> bool:
        """Whether it is taken for a model that calls tools by itself."""
        return self._native_tools

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        tools: Sequence[ToolSchema] = (),
        schema: Mapping[str, Any] | None = None,
        stop: Sequence[str] = (),
    ) -> Iterator[Delta]:
        """Send the next reply; ``calls`` keeps the messages, ``tools`` and ``schemas`` the rest.

        Raises:
            AssertionError: the script has no further reply.
        """
        del max_tokens, temperature, stop  # a script has its own length and no chance in it
        self.calls.append(tuple(messages))
        self.tools.append(tuple(tools))
        self.schemas.append(schema)
        if len(self.calls) > len(self._replies):
            raise AssertionError(
                f"the model was asked {len(self.calls)} times, but the script has "
                f"{len(self._replies)} replies"
            )
        return _play(_pieces(self._replies[len(self.calls) - 1]), messages)

    def assert_done(self) -> None:
        """Fail unless every reply was asked for."""
        left = len(self._replies) - len(self.calls)
        if left > 0:
            raise AssertionError(f"{left} of {len(self._replies)} replies were never asked for")


def _pieces(reply: Step | Sequence[Step]) -> Iterable[Step]:
    if isinstance(reply, str):
        return (word for word in reply.replace(" ", "\0 ").split("\0"))
    if isinstance(reply, BaseException | Delta | ToolCall):
        return (reply,)
    return reply


def _play(pieces: Iterable[Step], messages: Sequence[Message]) -> Iterator[Delta]:
    finish: FinishReason | None = None
    said = 0
    called = False
    for piece in pieces:
        if isinstance(piece, BaseException):
            raise piece
        if isinstance(piece, ToolCall):
            called = True
            yield Delta(tool_calls=(piece,))
            continue
        delta = Delta(text=piece) if isinstance(piece, str) else piece
        finish = delta.finish_reason or finish
        said += len(delta.text.split())
        yield delta
    if finish is None:
        read = sum(len(message.content.split()) for message in messages)
        yield Delta(
            finish_reason="tool_calls" if called else "stop",
            usage=Usage(input_tokens=read, output_tokens=said),
        )
