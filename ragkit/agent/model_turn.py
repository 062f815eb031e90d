"""Asking an agent's model for its next turn, in the form that it can be asked in."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from threading import Event
from typing import TYPE_CHECKING, Any, Literal

from ragkit.agent import react
from ragkit.agent.react import Turn
from ragkit.agent.stream import AnswerFilter
from ragkit.errors import ModelError, PromptTooLongError, ToolsUnsupportedError
from ragkit.events import Notice
from ragkit.llm.chat_model import ChatModel, Message, Reply, ToolSchema, stream_reply
from ragkit.llm.context_window import fit, prompt_room, reply_room
from ragkit.llm.deadline import no_longer_than
from ragkit.llm.fence import data_rule, fenced, new_nonce
from ragkit.results import TextDelta

if TYPE_CHECKING:
    from ragkit.agent.calls import Approve
    from ragkit.agent.limits import Limits
    from ragkit.agent.tool import Tool
    from ragkit.llm.prices import Price
    from ragkit.llm.typed_output import OutputType

Calling = Literal["native", "react", "json"]
Tell = Callable[[str], Iterator[Notice]]

_EMPTY = "Your reply was empty. Answer the question, or use a tool."


class CancelledError(Exception):
    """The run was cancelled by whoever awaits it."""


class TimeUpError(ModelError):
    """The run's time was over before the model had replied."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What does not change during a run.

    ``without_native_tools`` is called when the model turns out to have none; ``cancelled`` is set
    by whoever does not want the answer any more.
    """

    name: str
    model: ChatModel
    tools: Mapping[str, Tool]
    instructions: str
    limits: Limits
    price: Price | None
    approve: Approve | None
    output: OutputType | None
    calling: Calling
    max_reply_tokens: int
    temperature: float
    without_native_tools: Callable[[], None]
    cancelled: Event = field(default_factory=Event)


class Asking:
    """Asks one model, and learns how it can be asked."""

    def __init__(self, setup: Setup, tell: Tell) -> None:
        """Remember whom to ask; ``tell`` notes what goes less than well."""
        self._setup = setup
        self._tell = tell
        self._shrink = 1.0
        self._schemas = [tool.schema for tool in setup.tools.values()]
        self.calling: Calling = setup.calling if setup.tools else "native"

    def ask(
        self,
        messages: Sequence[Message],
        *,
        asked: int,
        call_id: str = "call",
        with_tools: bool = True,
        without: Set[str] = frozenset(),
        only_output: bool = False,
        seconds: float | None = None,
    ) -> Generator[Notice | TextDelta, None, tuple[Turn, Reply]]:
        """Ask for a turn; as text where the model calls no tools, shorter where it must be.

        Args:
            messages: The conversation, without instructions.
            asked: Index of the question in it.
            call_id: For a call that is made in text.
            with_tools: Whether tools may be called.
            without: Tools that are not offered to a model whose replies are held to a schema,
                since small ones repeat themselves where they can.
            only_output: Whether only the typed output is wanted.
            seconds: How long the reply may take.

        Raises:
            TimeUpError: it took longer.
            CancelledError: nobody wants it any more.
            ModelError: the model cannot be reached, failed, or has no room for the prompt.
        """
        too_long: PromptTooLongError | None = None
        while True:
            schemas = self._schemas if with_tools else []
            constrained = self.calling == "json" and not only_output
            if constrained:
                schemas = [schema for schema in schemas if schema.name not in without]
            try:
                prompt, max_tokens = yield from self._prompt(messages, asked, schemas, constrained)
                reply, shown = yield from self._reply(
                    prompt, max_tokens, schemas, constrained, only_output, seconds
                )
            except ToolsUnsupportedError as error:
                if self.calling != "native":
                    raise
                self.calling = "react"
                self._setup.without_native_tools()
                yield from self._tell(f"{error}; its tools are described in plain text instead")
                continue
            except PromptTooLongError as error:
                # The count is an estimate, and a model may have less room than it says.
                too_long = too_long or error
                self._shrink *= 0.6
                if self._shrink < 0.2:
                    raise too_long from None
                continue
            turn = self._turn(shown.without_thoughts(reply.text), reply, schemas, call_id)
            if not turn.calls and turn.fault is None and (rest := shown.rest(turn.text)):
                yield TextDelta(rest)
            return turn, reply

    def _prompt(
        self,
        messages: Sequence[Message],
        asked: int,
        schemas: Sequence[ToolSchema],
        constrained: bool,
    ) -> Generator[Notice, None, tuple[tuple[Message, ...], int]]:
        """Write the prompt, fitted into the window; return it and the room for the reply."""
        setup = self._setup
        native = self.calling == "native"
        max_tokens = reply_room(setup.model, setup.max_reply_tokens)
        room = int(self._shrink * prompt_room(setup.model, max_tokens, schemas if native else ()))
        nonce = new_nonce()
        system = self._system(() if native else schemas, constrained, nonce)
        opening = [Message("system", system)] if system else []
        fitted = fit(
            [*opening, *messages], room, question=asked + len(opening), model=setup.model.name
        )
        for note in fitted.notes:
            yield from self._tell(f"{note} to fit the window of {setup.model.name}")
        if not native:
            written = react.render(fitted.messages, nonce, constrained=constrained)
            return written, max_tokens
        quoted = tuple(
            replace(message, content=fenced(message.content, nonce))
            if message.role == "tool"
            else message
            for message in fitted.messages
        )
        return quoted, max_tokens

    def _system(self, described: Sequence[ToolSchema], constrained: bool, nonce: str) -> str:
        setup = self._setup
        parts = [setup.instructions]
        if described:
            parts.append(react.instructions(described, constrained=constrained))
        if setup.tools:
            parts.append(data_rule("What tools return", nonce))
        if setup.output is not None:
            parts.append(setup.output.instructions)
        return "\n\n".join(part for part in parts if part)

    def _schema(
        self, schemas: Sequence[ToolSchema], constrained: bool, only_output: bool
    ) -> Mapping[str, Any] | None:
        output = self._setup.output.schema if self._setup.output is not None else None
        if constrained:
            return react.step_schema(schemas, answer=output)
        return output if only_output or not schemas else None

    def _reply(
        self,
        prompt: tuple[Message, ...],
        max_tokens: int,
        schemas: Sequence[ToolSchema],
        constrained: bool,
        only_output: bool,
        seconds: float | None,
    ) -> Generator[TextDelta, None, tuple[Reply, AnswerFilter]]:
        """Send the prompt; tell the answer as it comes."""
        setup = self._setup
        as_text = self.calling == "react" and bool(schemas)
        shown = AnswerFilter(after_label=as_text, silent=constrained)
        pieces = stream_reply(
            setup.model,
            prompt,
            max_tokens=max_tokens,
            temperature=setup.temperature,
            tools=schemas if self.calling == "native" else (),
            schema=self._schema(schemas, constrained, only_output),
            stop=react.STOP if as_text else (),
        )
        ends = None if seconds is None else time.monotonic() + seconds
        try:
            with no_longer_than(seconds):
                while True:
                    if setup.cancelled.is_set():
                        raise CancelledError
                    if ends is not None and time.monotonic() >= ends:
                        raise TimeUpError(f"{setup.model.name} took longer than there was time")
                    if text := shown.feed(next(pieces)):
                        yield TextDelta(text)
        except StopIteration as finished:
            reply: Reply = finished.value
        except ModelError as error:
            if ends is not None and time.monotonic() >= ends:
                raise TimeUpError(str(error)) from error
            raise
        finally:
            pieces.close()
        return reply, shown

    def _turn(self, text: str, reply: Reply, schemas: Sequence[ToolSchema], call_id: str) -> Turn:
        if self.calling == "native":
            turn = Turn(text.strip(), reply.tool_calls)
            if not reply.tool_calls and schemas:
                turn = react.written_turn(text, schemas, call_id) or turn
        elif self.calling == "json":
            turn = react.parse_step(text, schemas, call_id)
        else:
            turn = react.parse(text, schemas, call_id)
        if turn.calls and not schemas:
            turn = Turn("")  # it was told that there are no tools any more
        if turn.fault is None and not turn.calls and not turn.text.strip():
            return Turn("", fault=_EMPTY)
        return turn
