"""OpenAI's Chat Completions: ``/v1/chat/completions``."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from ragkit.errors import RagkitError, UsageError
from ragkit.results import Answer, StreamEvent, TextDelta
from ragkit.server.faults import fault_of
from ragkit.server.openai_forms import (
    Own,
    check_tools,
    markers,
    own_form,
    place,
    question_of,
    title_of,
    tokens,
)
from ragkit.server.question_routes import answering, too_late, whole
from ragkit.server.sharing import OWN_MODEL, Server
from ragkit.server.streaming import EventStream, Named


class Message(BaseModel):
    """A message of the conversation; only text is read."""

    role: str
    content: Any = None


class StreamOptions(BaseModel):
    """What a stream ends with."""

    include_usage: bool = False


class ChatRequest(BaseModel):
    """What OpenAI's clients send. Fields that are not named here have no meaning and are ignored."""

    messages: list[Message] = Field(min_length=1, max_length=1000)
    model: str = OWN_MODEL
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: int | None = None
    tools: list[dict[str, Any]] = Field(default_factory=list)
    tool_choice: Any = None
    ragkit: Own = Field(default_factory=Own)


def routes(server: Server) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1", tags=["OpenAI"])

    @router.post("/chat/completions")
    async def complete(asked: ChatRequest, request: Request) -> Any:
        """Answer the last message from the documents, in the light of those before it.

        Citations stand in ``annotations``, and with their places in ``choices[0].ragkit``.
        """
        if asked.n not in (None, 1):
            raise UsageError(f"n must be 1, not {asked.n!r}")
        check_tools(asked.tools, frozenset(), asked.tool_choice)
        turns = [(message.role, message.content) for message in asked.messages]
        question = question_of(turns, asked.model, asked.ragkit)
        events = answering(server, question, asked.ragkit.base)
        form = _Form(request, asked.model, asked.ragkit.base)
        if not asked.stream:
            return form.completion(await whole(server, events))
        wants_usage = asked.stream_options is not None and asked.stream_options.include_usage
        return EventStream(
            _chunks(events, form, wants_usage),
            seconds=server.served.settings.seconds,
            late=(None, fault_of(too_late(server))[0]),
        )

    return router


class _Form:
    """Writes what belongs to one completion."""

    def __init__(self, request: Request, model: str, base: str | None) -> None:
        self._request, self._base = request, base
        self._head = {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": model,
        }

    def completion(self, answer: Answer) -> dict[str, Any]:
        message = {
            "role": "assistant",
            "content": answer.text,
            "refusal": None,
            "annotations": self.annotations(answer),
        }
        return {
            **self._head,
            "object": "chat.completion",
            "choices": [
                {
                    "index": 0,
                    "message": message,
                    "finish_reason": "stop",
                    "logprobs": None,
                    "ragkit": own_form(answer),
                }
            ],
            "usage": _usage(answer),
        }

    def chunk(self, delta: dict[str, Any], **choice: Any) -> dict[str, Any]:
        first = {"index": 0, "delta": delta, "finish_reason": None, "logprobs": None, **choice}
        return {**self._head, "object": "chat.completion.chunk", "choices": [first]}

    def last(self, answer: Answer) -> dict[str, Any]:
        return {
            **self._head,
            "object": "chat.completion.chunk",
            "choices": [],
            "usage": _usage(answer),
        }

    def annotations(self, answer: Answer) -> list[dict[str, Any]]:
        return [
            {
                "type": "url_citation",
                "url_citation": {
                    "start_index": start,
                    "end_index": end,
                    "url": place(self._request, self._base, citation),
                    "title": title_of(citation),
                },
            }
            for start, end, citation in markers(answer)
        ]


async def _chunks(
    events: AsyncIterator[StreamEvent], form: _Form, wants_usage: bool
) -> AsyncIterator[Named]:
    yield None, form.chunk({"role": "assistant", "content": ""})
    try:
        async for event in events:
            if isinstance(event, TextDelta):
                yield None, form.chunk({"content": event.text})
            elif isinstance(event, Answer):
                end = {"annotations": form.annotations(event)}
                yield None, form.chunk(end, finish_reason="stop", ragkit=own_form(event))
                if wants_usage:
                    yield None, form.last(event)
    except RagkitError as error:
        yield None, fault_of(error)[0]
    yield None, "[DONE]"


def _usage(answer: Answer) -> dict[str, int]:
    read, written, total = tokens(answer.usage)
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": total}
