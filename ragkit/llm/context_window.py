"""Fitting a conversation into a model's window before it is sent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from ragkit.errors import PromptTooLongError
from ragkit.llm.chat_model import ChatModel, Message, ToolSchema
from ragkit.llm.token_counts import count_tokens

# Models count tokens differently from the table used here.
MARGIN = 0.85
TOKENS_PER_MESSAGE = 8
_TOKENS_PER_RESULT = 40  # the fence around a tool's result
_STUB_CHARACTERS = 400
_SHORTENED = "\n[shortened to fit the model's window]"


@dataclass(frozen=True, slots=True)
class Fitted:
    """A conversation that fits, and one sentence for each thing that was left out of it."""

    messages: tuple[Message, ...]
    notes: tuple[str, ...] = ()


def reply_room(model: ChatModel, wanted: int) -> int:
    """Return how many tokens a reply may have, so that a quarter of the window at most is kept."""
    return max(1, min(wanted, model.context_window // 4))


def prompt_room(model: ChatModel, reply_tokens: int, tools: Sequence[ToolSchema] = ()) -> int:
    """Return how many tokens the messages of a prompt may have, beside tools and reply.

    Raises:
        PromptTooLongError: the descriptions of the tools alone fill the window.
    """
    described = sum(_count(json.dumps(tool.parameters) + tool.description) + 20 for tool in tools)
    room = int(MARGIN * (model.context_window - reply_tokens)) - described
    if room <= 0:
        raise PromptTooLongError(
            f"the {len(tools)} tools take {described:,} tokens to describe, more than the window of "
            f"{model.name} ({model.context_window:,} tokens) has room for; give it fewer"
        )
    return room


def fit(messages: Sequence[Message], room: int, *, question: int, model: str) -> Fitted:
    """Shorten a conversation to ``room`` tokens, the least needed first.

    In this order: older results of tools are cut to their beginning, turns before the question
    are dropped, the latest results are cut, older calls are dropped with their results. The
    system message and the question stay whole.

    Args:
        messages: The conversation, oldest first.
        room: Tokens at most; see :func:`prompt_room`.
        question: Index of the message that must stay.
        model: The model's name, for the message of the error.

    Raises:
        PromptTooLongError: instructions and question alone are longer than that.
    """
    # A token is at least one byte, so that most conversations need no counting.
    if sum(len(m.content.encode()) + _overhead(m) for m in messages) <= room:
        return Fitted(tuple(messages))
    parts = list(enumerate(messages))
    notes: list[str] = []
    last_call = max((i for i, m in parts if m.role == "assistant"), default=-1)
    for attempt in (_shorten_old_results, _drop_earlier_turns, _cut_latest_results, _drop_calls):
        over = sum(_cost(message) for _, message in parts) - room
        if over <= 0:
            break
        parts, note = attempt(parts, over, question, last_call)
        notes += [note] if note else []
    if sum(_cost(message) for _, message in parts) > room:
        kept = sum(_cost(message) for _, message in parts)
        raise PromptTooLongError(
            f"instructions and question have about {kept:,} tokens; {model} has room for {room:,}"
        )
    return Fitted(tuple(message for _, message in parts), tuple(notes))


_Parts = list[tuple[int, Message]]


def _shorten_old_results(
    parts: _Parts, over: int, question: int, last_call: int
) -> tuple[_Parts, str]:
    count = 0
    shortened: _Parts = []
    for index, message in parts:
        if over > 0 and message.role == "tool" and question < index < last_call:
            stub = _cut(message, _STUB_CHARACTERS)
            over -= _cost(message) - _cost(stub)
            count += stub is not message
            message = stub
        shortened.append((index, message))
    return shortened, f"{count} older results of tools were shortened" if count else ""


def _drop_earlier_turns(
    parts: _Parts, over: int, question: int, _last_call: int
) -> tuple[_Parts, str]:
    kept: _Parts = []
    dropped = 0
    for index, message in parts:
        earlier = index < question and message.role != "system"
        # A tool's result goes with the call that it answers.
        if earlier and (over > 0 or (message.role == "tool" and dropped and not _calls(kept))):
            over -= _cost(message)
            dropped += 1
        else:
            kept.append((index, message))
    return kept, f"{dropped} earlier messages were left out" if dropped else ""


def _calls(parts: _Parts) -> bool:
    return bool(parts) and bool(parts[-1][1].tool_calls or parts[-1][1].role == "tool")


def _cut_latest_results(
    parts: _Parts, over: int, question: int, last_call: int
) -> tuple[_Parts, str]:
    latest = {i: m for i, m in parts if m.role == "tool" and i > max(last_call, question)}
    held = sum(_cost(message) for message in latest.values())
    if not held:
        return parts, ""
    share = max(0.0, 1 - (1.05 * over + 60 * len(latest)) / held)
    cut = {
        index: _cut(message, max(_STUB_CHARACTERS, int(share * len(message.content))))
        for index, message in latest.items()
    }
    return [(i, cut.get(i, m)) for i, m in parts], "the latest results of tools were shortened"


def _drop_calls(parts: _Parts, over: int, question: int, last_call: int) -> tuple[_Parts, str]:
    kept: _Parts = []
    dropped = 0
    dropping = False
    for index, message in parts:
        if question < index < last_call:
            if message.role != "tool":
                dropping = over > 0 and message.role == "assistant"
            if dropping:
                over -= _cost(message)
                dropped += 1
                continue
        kept.append((index, message))
    return kept, f"{dropped} messages of earlier steps were left out" if dropped else ""


def _cut(message: Message, characters: int) -> Message:
    if len(message.content) <= characters + len(_SHORTENED):
        return message
    return replace(message, content=message.content[:characters] + _SHORTENED)


def _overhead(message: Message) -> int:
    calls = sum(len(call.arguments.encode()) + 20 for call in message.tool_calls)
    return TOKENS_PER_MESSAGE + calls + (_TOKENS_PER_RESULT if message.role == "tool" else 0)


def _cost(message: Message) -> int:
    return _count(message.content) + _overhead(message)


@lru_cache(maxsize=1024)
def _count(text: str) -> int:
    return count_tokens(text)
