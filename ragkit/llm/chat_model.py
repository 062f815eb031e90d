"""What ragkit asks of a language model: one streaming call, with tools and schemas if it can."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypedDict, Unpack, runtime_checkable

from ragkit.events import span
from ragkit.events.awaiting import each, is_awaiting, stepped
from ragkit.llm.prices import price_of
from ragkit.llm.thoughts import ThoughtSplitter
from ragkit.llm.token_counts import count_tokens
from ragkit.results import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

_TOKENS_PER_MESSAGE = 8

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "other"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's wish to have a tool called. ``arguments`` is JSON as the model wrote it.

    ``returned`` is what its server wants to be sent back with it, such as a signature.
    """

    id: str
    name: str
    arguments: str
    returned: Mapping[str, Any] = field(default_factory=dict, hash=False, compare=False)


@dataclass(frozen=True, slots=True)
class ToolSchema:
    """What a model is told of a tool; ``parameters`` is a JSON schema of type ``object``."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation with a model.

    An assistant's message may carry the ``tool_calls`` it made; a tool's message answers the call
    whose id is ``tool_call_id``. ``returned`` is what the server wants to be sent back with the
    message, such as the thoughts that led to its calls.
    """

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    returned: Mapping[str, Any] = field(default_factory=dict, hash=False, compare=False)


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of a model's reply; the last one has a finish reason and, if it is known, the usage.

    Tool calls come whole, however the server cut them up. ``reasoning`` is what the model thinks,
    where its server tells that apart; ``refusal`` is said in place of a reply; ``returned`` is what
    the server wants to be sent back with the reply.
    """

    text: str = ""
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    refusal: str = ""
    returned: Mapping[str, Any] = field(default_factory=dict, hash=False, compare=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply.

    Attributes:
        text: What was said, without thoughts; the refusal where there is nothing else.
        finish_reason: Why it ended.
        usage: What it took; an estimate where the server does not tell.
        tool_calls: What the model wants called.
        reasoning: What the model thought before.
        refusal: What it said in place of what it was asked for; it need not be asked again.
        returned: What the server wants to be sent back with it.
    """

    text: str
    finish_reason: FinishReason
    usage: Usage
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    refusal: str = ""
    returned: Mapping[str, Any] = field(default_factory=dict, hash=False, compare=False)

    def message(self) -> Message:
        """Return the reply as a turn of the conversation."""
        return Message("assistant", self.text, tool_calls=self.tool_calls, returned=self.returned)


@runtime_checkable
class ChatModel(Protocol):
    """A language model that replies to a conversation.

    ``name`` is the string the user chose it by (``"openai:NAME"``); ``context_window`` is how
    many tokens prompt and reply may hold together; ``native_tools`` says whether the model can be
    expected to call tools by itself (others are asked in the ReAct form).
    """

    @property
    def name(self) -> str: ...

    @property
    def context_window(self) -> int: ...

    @property
    def native_tools(self) -> bool: ...

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
        """Reply piece by piece; closing the iterator cancels the call.

        Args:
            messages: The conversation, oldest first.
            max_tokens: Length of the reply at most.
            temperature: 0 for the likeliest reply; higher for more variety.
            tools: What the model may call instead of, or besides, replying.
            schema: JSON schema that the whole reply's text must follow.
            stop: Texts at whose first appearance the reply ends, without them.

        Raises:
            ragkit.errors.ModelError: the model cannot be reached, refused, or broke off.
        """
        ...


class ReplyOptions(TypedDict, total=False):
    """What a reply may be asked for with, as :meth:`ChatModel.stream` describes it."""

    temperature: float
    tools: Sequence[ToolSchema]
    schema: Mapping[str, Any] | None
    stop: Sequence[str]


def stream_reply(
    model: ChatModel,
    messages: Sequence[Message],
    *,
    max_tokens: int = 1024,
    **options: Unpack[ReplyOptions],
) -> Generator[str, None, Reply]:
    """Ask ``model``; yield its text as it comes and return the whole reply.

    Recorded as one span of kind ``model``, with tokens and, where the price is known, cost.
    Closing the generator cancels the call. Options that are not used are not passed on: a model
    may be simpler than the protocol.

    Raises:
        ragkit.errors.ModelError: the model cannot be reached, refused, or broke off.
    """
    used: ReplyOptions = {"temperature": options.get("temperature", 0.0)}
    if options.get("tools"):
        used["tools"] = options["tools"]
    if options.get("schema") is not None:
        used["schema"] = options["schema"]
    if options.get("stop"):
        used["stop"] = options["stop"]
    with span(
        model.name,
        "model",
        inputs={"messages": [message_document(message) for message in messages]},
        model=model.name,
        max_tokens=max_tokens,
        temperature=used["temperature"],
        tools=[tool.name for tool in used.get("tools", ())],
    ) as step:
        splitter = ThoughtSplitter()
        reasoning: list[str] = []
        refusal: list[str] = []
        calls: list[ToolCall] = []
        returned: dict[str, Any] = {}
        finish: FinishReason = "other"
        usage: Usage | None = None
        deltas = deltas_of_model(model, messages, max_tokens=max_tokens, **used)
        try:
            for delta in deltas:
                calls += delta.tool_calls
                finish = delta.finish_reason or finish
                usage = delta.usage or usage
                returned |= delta.returned
                if delta.reasoning:
                    reasoning.append(delta.reasoning)
                if delta.refusal:
                    refusal.append(delta.refusal)
                if delta.text and (said := splitter.feed(delta.text)):
                    yield said
        finally:
            close = getattr(deltas, "close", None)
            if close is not None:
                close()
        if rest := splitter.finish():
            yield rest
        text, refused = splitter.text, "".join(refusal)
        if refused and not text.strip() and not calls:
            text = refused
            yield refused
        thought = "\n".join(filter(None, ("".join(reasoning), splitter.thought)))
        if usage is None:
            usage = estimated(messages, "\n".join((thought, text)), calls)
        reply = Reply(text, finish, usage, tuple(calls), thought, refused, returned)
        cost = usage.cost
        if cost is None and (price := price_of(model.name)) is not None:
            cost = price.of(usage)
        step.set(
            outputs={"message": message_document(reply.message())},
            finish_reason=finish,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            **({"reasoning": thought} if thought else {}),
            **({} if cost is None else {"cost": cost}),
        )
        return reply


def deltas_of_model(
    model: ChatModel,
    messages: Sequence[Message],
    *,
    max_tokens: int,
    **options: Unpack[ReplyOptions],
) -> Iterator[Delta]:
    """Ask a model in the way that fits where this runs: a thread, or an event loop.

    In a loop its ``astream`` is awaited, if it has one: like ``stream``, as an async generator. One
    whose ``awaits`` is true gives way by itself; any other is stepped through in a thread.
    """
    if not is_awaiting():
        return model.stream(messages, max_tokens=max_tokens, **options)
    native = getattr(model, "astream", None)
    if native is not None:
        return each(native(messages, max_tokens=max_tokens, **options))
    pieces = model.stream(messages, max_tokens=max_tokens, **options)
    return pieces if getattr(model, "awaits", False) else stepped(pieces)


def estimated(messages: Iterable[Message], written: str, calls: Iterable[ToolCall] = ()) -> Usage:
    """Return about what a reply took, for servers that do not tell."""
    read = [
        part for message in messages for part in (message.content, *_written(message.tool_calls))
    ]
    return Usage(
        sum(count_tokens(text) for text in read) + _TOKENS_PER_MESSAGE,
        sum(count_tokens(text) for text in (written.strip(), *_written(calls))),
    )


def _written(calls: Iterable[ToolCall]) -> list[str]:
    return [f"{call.name} {call.arguments}" for call in calls]


def complete(
    model: ChatModel,
    messages: Sequence[Message],
    *,
    max_tokens: int = 1024,
    **options: Unpack[ReplyOptions],
) -> Reply:
    """Ask ``model`` and wait for the whole reply; recorded as one span of kind ``model``.

    Raises:
        ragkit.errors.ModelError: the model cannot be reached, refused, or broke off.
    """
    pieces = stream_reply(model, messages, max_tokens=max_tokens, **options)
    while True:
        try:
            next(pieces)
        except StopIteration as finished:
            reply: Reply = finished.value
            return reply


def asking(model: ChatModel | None, *, max_tokens: int = 512) -> Callable[[str], str] | None:
    """Return a function that puts one prompt to ``model`` and returns its reply's text."""
    if model is None:
        return None

    def ask(prompt: str) -> str:
        return complete(model, [Message("user", prompt)], max_tokens=max_tokens).text

    return ask


def message_document(message: Message) -> dict[str, Any]:
    """Return a message as JSON-ready data, in the form of the OpenAI chat protocol."""
    document: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        document |= message.returned
        document["tool_calls"] = [
            {
                **call.returned,
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        document["tool_call_id"] = message.tool_call_id
    return document


def message_from_document(document: Mapping[str, Any]) -> Message:
    """Return the message that :func:`message_document` made ``document`` of.

    Raises:
        KeyError, TypeError: it did not.
    """
    return Message(
        role=document["role"],
        content=document["content"],
        tool_calls=tuple(
            ToolCall(
                call["id"],
                call["function"]["name"],
                call["function"]["arguments"],
                {key: call[key] for key in call.keys() - {"id", "type", "function"}},
            )
            for call in document.get("tool_calls", ())
        ),
        tool_call_id=document.get("tool_call_id"),
        returned={key: document[key] for key in document.keys() - _OWN_KEYS},
    )


_OWN_KEYS = {"role", "content", "tool_calls", "tool_call_id"}
