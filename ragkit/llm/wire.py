"""What a server sent, read as the OpenAI chat protocol, whatever it is.

Servers leave out, repeat and misname fields. Everything is looked at before it is used, so that
nothing that is sent can do more than be passed over, or be told to be of another protocol.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ragkit.embed.servers import said_in
from ragkit.llm.fragments import CallFragment
from ragkit.results import Usage

if TYPE_CHECKING:
    from ragkit.llm.chat_model import FinishReason

_LONGEST_LINE = 8 * 2**20
_MOST_TOKENS = 10**9

_FINISHED: dict[str, FinishReason] = {
    "stop": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "tool_use": "tool_calls",
    "content_filter": "content_filter",
    "safety": "content_filter",
}
# Fields that a server wants to be sent back with the calls that came with them.
_RETURNED = ("reasoning_content", "reasoning_details")
_RETURNED_WITH_CALL = ("extra_content",)


class ProtocolError(Exception):
    """What was sent is not of the protocol."""


class ServerSaidError(Exception):
    """The server told of an error instead of a reply; the message is its own."""


@dataclass(slots=True)
class Piece:
    """What one event, or a whole reply, holds."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: list[CallFragment] = field(default_factory=list)
    finish: FinishReason | None = None
    usage: Usage | None = None
    returned: dict[str, Any] = field(default_factory=dict)


def events(chunks: Iterable[bytes]) -> Iterator[Any]:
    """Yield the JSON values of a stream of events, or of a reply that is one JSON value.

    Yields ``None`` once where the stream says that it is at its end.

    Raises:
        ProtocolError: it is neither, or a line has no end.
    """
    data: list[bytes] = []
    whole: list[bytes] = []
    for line in _lines(chunks):
        if whole or (line.lstrip()[:1] in (b"{", b"[") and not data):
            whole.append(line)  # a server that does not stream
        elif line.startswith(b"data:"):
            data.append(line[5:].strip())
        elif not line and data:
            yield from _event(b"\n".join(data))
            data.clear()
    if data:
        yield from _event(b"\n".join(data))
    if whole:
        yield _json(b"\n".join(whole))
        yield None


def _event(data: bytes) -> Iterator[Any]:
    if data == b"[DONE]":
        yield None
    elif data:
        yield _json(data)


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    begun: list[bytes] = []
    size = 0
    for chunk in chunks:
        *ended, rest = chunk.split(b"\n")
        for line in ended:
            yield b"".join([*begun, line]).rstrip(b"\r")
            begun, size = [], 0
        begun.append(rest)
        size += len(rest)
        if size > _LONGEST_LINE:
            raise ProtocolError
    if size:
        yield b"".join(begun).rstrip(b"\r")


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ProtocolError from error


def read_piece(value: Any) -> Piece:
    """Read an event of a stream, or a whole reply.

    Raises:
        ProtocolError: it is not of the protocol.
        ServerSaidError: it is an error.
    """
    if not isinstance(value, Mapping):
        raise ProtocolError
    if value.get("error"):
        raise ServerSaidError(said_in(value) or "it does not say why")
    choices = value.get("choices")
    piece = Piece(usage=_usage(value.get("usage")))
    if choices is None:
        if piece.usage is None and "choices" not in value and "id" not in value:
            raise ProtocolError
        return piece
    if not isinstance(choices, list):
        raise ProtocolError
    for choice in choices:
        if not isinstance(choice, Mapping):
            raise ProtocolError
        if isinstance(choice.get("index"), int) and choice["index"] > 0:
            continue  # one reply was asked for
        finish = choice.get("finish_reason")
        if isinstance(finish, str) and finish:
            piece.finish = _FINISHED.get(finish.lower(), "other")
        message = choice.get("delta") or choice.get("message")
        if isinstance(message, Mapping):
            _read_message(message, piece)
        elif message is not None and message != "":
            raise ProtocolError
        elif isinstance(choice.get("text"), str):  # of the protocol before chats
            piece.text += choice["text"]
    return piece


def _read_message(message: Mapping[str, Any], piece: Piece) -> None:
    _read_content(message.get("content"), piece)
    for name in ("reasoning_content", "reasoning", "thinking"):
        said = message.get(name)
        if isinstance(said, str) and said:
            piece.reasoning += said
            break
    if isinstance(message.get("refusal"), str):
        piece.refusal += message["refusal"]
    piece.returned = {name: message[name] for name in _RETURNED if message.get(name)}
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else [calls]:
        if isinstance(call, Mapping):
            piece.calls.append(_fragment(call))
    old = message.get("function_call")
    if isinstance(old, Mapping):
        piece.calls.append(_fragment({"function": old}))


def _read_content(content: Any, piece: Piece) -> None:
    """Take text, or a list of parts, each a text or an object that has one."""
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str):
            piece.text += part
        elif isinstance(part, Mapping):
            kind = part.get("type")
            if kind in ("thinking", "reasoning"):
                inner = Piece()
                _read_content(part.get(str(kind), part.get("text")), inner)
                piece.reasoning += inner.text + inner.reasoning
            elif isinstance(part.get("refusal"), str):
                piece.refusal += part["refusal"]
            elif isinstance(part.get("text"), str):
                piece.text += part["text"]


def _fragment(call: Mapping[str, Any]) -> CallFragment:
    function = call.get("function")
    if not isinstance(function, Mapping):
        function = call
    index = call.get("index")
    arguments = function.get("arguments")
    if isinstance(arguments, Mapping | list):
        arguments = json.dumps(arguments, ensure_ascii=False)
    return CallFragment(
        index if isinstance(index, int) else None,
        _text(call.get("id")),
        _text(function.get("name")),
        _text(arguments),
        {name: call[name] for name in _RETURNED_WITH_CALL if call.get(name)},
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _usage(value: Any) -> Usage | None:
    """Return the usage, if all that is said of it can be so."""
    if not isinstance(value, Mapping):
        return None
    read = _count(value.get("prompt_tokens"))
    written = _count(value.get("completion_tokens", 0))
    return None if read is None or written is None else Usage(read, written)


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else None
