"""Stand-ins for tests of ragkit, and of applications built on it: no network, no weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ragkit.llm.protocol import Delta, Message
from ragkit.results import Usage

if TYPE_CHECKING:
    from ragkit.llm.protocol import FinishReason

Step = str | BaseException | Delta


class ScriptedModel:
    """A chat model that replies what it was told to, one reply for each call.

    A reply is a text (sent word by word), an exception (raised instead of replying), or a sequence
    of pieces sent one by one: texts, exceptions, or :class:`ragkit.llm.Delta` to set a finish
    reason. Use it as a context manager, so that replies nobody asked for fail the test::

        with ScriptedModel("The warranty is two years [1].") as model:
            answer = kb.ask("How long is the warranty?", model=model)
    """

    def __init__(
        self,
        *replies: Step | Sequence[Step],
        name: str = "scripted",
        context_window: int = 8_192,
    ) -> None:
        """Set the replies, in order."""
        self._replies = list(replies)
        self._name = name
        self._context_window = context_window
        self.calls: list[tuple[Message, ...]] = []

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

    def stream(
        self, messages: Sequence[Message], *, max_tokens: int, temperature: float = 0.0
    ) -> Iterator[Delta]:
        """Send the next reply; ``calls`` keeps the messages.

        Raises:
            AssertionError: the script has no further reply.
        """
        del max_tokens, temperature  # a script has its own length and no chance in it
        self.calls.append(tuple(messages))
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
    if isinstance(reply, BaseException | Delta):
        return (reply,)
    return reply


def _play(pieces: Iterable[Step], messages: Sequence[Message]) -> Iterator[Delta]:
    finish: FinishReason | None = None
    said = 0
    for piece in pieces:
        if isinstance(piece, BaseException):
            raise piece
        delta = Delta(text=piece) if isinstance(piece, str) else piece
        finish = delta.finish_reason or finish
        said += len(delta.text.split())
        yield delta
    if finish is None:
        read = sum(len(message.content.split()) for message in messages)
        yield Delta(finish_reason="stop", usage=Usage(input_tokens=read, output_tokens=said))
