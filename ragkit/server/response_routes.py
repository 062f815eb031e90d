"""OpenAI's Responses: ``/v1/responses``; a search of files, then the message that cites them."""

from __future__ import annotations

import time
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
from fastapi import APIRouter
from pydantic import BaseModel, Field

from ragkit.errors import NotFoundError, RagkitError
from ragkit.results import Answer, Hit, Sources, StreamEvent, TextDelta
from ragkit.server.openai_forms import (
    Own,
    check_tools,
    markers,
    own_form,
    question_of,
    tokens,
)
from ragkit.server.question_routes import answering, too_late
from ragkit.server.sharing import OWN_MODEL, Server
from ragkit.server.streaming import EventStream, Named

KEPT = 2_000  # responses, for those that go on from one; in memory, the oldest are forgotten
_TOOLS = frozenset(("file_search",))


class ResponseRequest(BaseModel):
    """What OpenAI's clients send. Fields that are not named here have no meaning and are ignored."""

    input: str | list[dict[str, Any]]
    model: str = OWN_MODEL
    stream: bool = False
    store: bool = True
    previous_response_id: str | None = None
    tools: list[dict[str, Any]] = Field(default_factory=list)
    tool_choice: Any = None
    metadata: dict[str, str] | None = None
    ragkit: Own = Field(default_factory=Own)


@dataclass(slots=True)
class _Kept:
    """Responses, and what was said up to each."""

    responses: OrderedDict[str, tuple[dict[str, Any], list[tuple[str, Any]]]] = field(
        default_factory=OrderedDict
    )

    def put(self, response: dict[str, Any], turns: list[tuple[str, Any]]) -> None:
        self.responses[response["id"]] = response, turns
        while len(self.responses) > KEPT:
            self.responses.popitem(last=False)

    def get(self, number: str) -> tuple[dict[str, Any], list[tuple[str, Any]]]:
        if number not in self.responses:
            raise NotFoundError(
                f"there is no response {number!r}: the last {KEPT:,} are kept while the server runs"
            )
        return self.responses[number]


def routes(server: Server) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1/responses", tags=["OpenAI"])
    kept = _Kept()

    @router.post("")
    async def respond(asked: ResponseRequest) -> Any:
        """Answer from the documents: a ``file_search_call`` item, then the message.

        Citations stand in ``annotations``, and with their places in ``ragkit``.
        """
        check_tools(asked.tools, _TOOLS, asked.tool_choice)
        own = _with_store(asked)
        said = [] if asked.previous_response_id is None else kept.get(asked.previous_response_id)[1]
        turns = [*said, *_turns(asked.input)]
        question = question_of(turns, asked.model, own)
        making = _Making(asked, question.question)
        answered = answering(server, question, own.base)

        def keep(response: dict[str, Any]) -> None:
            if asked.store:
                kept.put(response, [*turns, ("assistant", making.text)])

        if asked.stream:
            return EventStream(
                _streamed(making, answered, keep),
                seconds=server.served.settings.seconds,
                late=making.failed(too_late(server)),
            )
        with anyio.move_on_after(server.served.settings.seconds):
            async for name, event in making.events(answered):
                if name == "response.completed":
                    keep(event["response"])
                    return event["response"]
        raise too_late(server)

    @router.get("/{number}")
    async def kept_response(number: str) -> dict[str, Any]:
        """Return a response of before."""
        return kept.get(number)[0]

    @router.delete("/{number}")
    async def forget(number: str) -> dict[str, Any]:
        """Forget a response."""
        kept.get(number)
        del kept.responses[number]
        return {"id": number, "object": "response", "deleted": True}

    return router


def _with_store(asked: ResponseRequest) -> Own:
    """The base may be named as the vector store of the file search."""
    stores = [store for tool in asked.tools for store in tool.get("vector_store_ids", ())]
    if stores and asked.ragkit.base is None:
        return asked.ragkit.model_copy(update={"base": stores[0]})
    return asked.ragkit


def _turns(given: str | list[dict[str, Any]]) -> list[tuple[str, Any]]:
    if isinstance(given, str):
        return [("user", given)]
    return [
        (str(item.get("role")), item.get("content"))
        for item in given
        if item.get("type", "message") == "message"
    ]


async def _streamed(
    making: _Making,
    answered: AsyncIterator[StreamEvent],
    keep: Callable[[dict[str, Any]], None],
) -> AsyncIterator[Named]:
    try:
        async for name, event in making.events(answered):
            if name == "response.completed":
                keep(event["response"])
            yield name, event
    except RagkitError as error:
        yield making.failed(error)


class _Making:
    """Writes what belongs to one response, event after event."""

    def __init__(self, asked: ResponseRequest, question: str) -> None:
        self._asked = asked
        self._question = question
        self._number = 0
        self._searching, self._message = f"fs_{uuid.uuid4().hex}", f"msg_{uuid.uuid4().hex}"
        self.text = ""
        self._response: dict[str, Any] = {
            "id": f"resp_{uuid.uuid4().hex}",
            "object": "response",
            "created_at": int(time.time()),
            "status": "in_progress",
            "model": asked.model,
            "output": [],
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": asked.metadata or {},
            "parallel_tool_calls": False,
            "previous_response_id": asked.previous_response_id,
            "temperature": None,
            "tool_choice": "auto",
            "tools": asked.tools,
            "top_p": None,
            "usage": None,
        }

    async def events(self, answered: AsyncIterator[StreamEvent]) -> AsyncIterator[tuple[str, Any]]:
        yield self._event("created", response=dict(self._response))
        yield self._event("in_progress", response=dict(self._response))
        async for event in answered:
            for made in self._made(event):
                yield made

    def failed(self, error: RagkitError) -> tuple[str, Any]:
        """The event that says what went wrong."""
        reason = {"code": "server_error", "message": str(error)}
        return self._event(
            "failed", response={**self._response, "status": "failed", "error": reason}
        )

    def _made(self, event: StreamEvent) -> list[tuple[str, Any]]:
        if isinstance(event, Sources):
            return self._searched(event.hits)
        if isinstance(event, TextDelta):
            begun = [] if self.text else self._begun()
            self.text += event.text
            return [*begun, self._part("output_text.delta", delta=event.text, logprobs=[])]
        begun = [] if self.text else self._begun()
        return [*begun, *self._finished(event)]

    def _searched(self, hits: Sequence[Hit]) -> list[tuple[str, Any]]:
        call: dict[str, Any] = {
            "id": self._searching,
            "type": "file_search_call",
            "status": "in_progress",
            "queries": [self._question],
            "results": None,
        }
        place = {"output_index": 0, "item_id": self._searching}
        added = self._event("output_item.added", output_index=0, item=dict(call))
        steps = [
            self._event(f"file_search_call.{step}", **place)
            for step in ("in_progress", "searching", "completed")
        ]
        call["status"], call["results"] = "completed", [_result(hit) for hit in hits]
        self._response["output"].append(call)
        return [added, *steps, self._event("output_item.done", output_index=0, item=call)]

    def _begun(self) -> list[tuple[str, Any]]:
        empty = self._item("in_progress", [])
        part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        return [
            self._event("output_item.added", output_index=self._index, item=empty),
            self._part("content_part.added", part=part),
        ]

    def _finished(self, answer: Answer) -> list[tuple[str, Any]]:
        self.text = answer.text
        annotations = [
            {"type": "file_citation", "index": end} | _file(citation.path)
            for _start, end, citation in markers(answer)
        ]
        part = {
            "type": "output_text",
            "text": answer.text,
            "annotations": annotations,
            "logprobs": [],
        }
        item = self._item("completed", [part])
        noted = [
            self._part("output_text.annotation.added", annotation_index=number, annotation=one)
            for number, one in enumerate(annotations)
        ]
        ends = [
            *noted,
            self._part("output_text.done", text=answer.text, logprobs=[]),
            self._part("content_part.done", part=part),
            self._event("output_item.done", output_index=self._index, item=item),
        ]
        read, written, total = tokens(answer.usage)
        response = {
            **self._response,
            "status": "completed",
            "completed_at": int(time.time()),
            "output": [*self._response["output"], item],
            "usage": {
                "input_tokens": read,
                "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                "output_tokens": written,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": total,
            },
            "ragkit": own_form(answer),
        }
        return [*ends, self._event("completed", response=response)]

    @property
    def _index(self) -> int:
        return len(self._response["output"])

    def _item(self, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self._message,
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": content,
        }

    def _part(self, kind: str, **facts: Any) -> tuple[str, Any]:
        place = {"item_id": self._message, "output_index": self._index, "content_index": 0}
        return self._event(kind, **place, **facts)

    def _event(self, kind: str, **facts: Any) -> tuple[str, Any]:
        self._number += 1
        name = f"response.{kind}"
        return name, {"type": name, "sequence_number": self._number - 1, **facts}


def _file(path: str) -> dict[str, str]:
    return {"file_id": path, "filename": path.rpartition("/")[2]}


def _result(hit: Hit) -> dict[str, Any]:
    facts = {"heading": hit.heading, "start": hit.start, "end": hit.end}
    if hit.page is not None:
        facts["page"] = hit.page
    return {**_file(hit.path), "score": hit.score, "text": hit.text, "attributes": facts}
