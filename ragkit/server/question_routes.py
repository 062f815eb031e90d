"""Searching and asking: ``/api/search`` and ``/api/ask``, with the fields of the Python API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict
from typing import Annotated, Any, Literal

import anyio
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from ragkit.answer.settings import AnswerMode
from ragkit.errors import ModelError, RagkitError
from ragkit.results import Answer, SearchResult, Sources, StreamEvent, TextDelta
from ragkit.retrieve.filters import parse_where
from ragkit.server.faults import fault_of
from ragkit.server.sharing import BaseName, Server
from ragkit.server.streaming import EventStream, Named

Where = dict[str, str | list[str]]
_EVENTS: dict[type[StreamEvent], str] = {Sources: "sources", TextDelta: "text", Answer: "answer"}


class Earlier(BaseModel):
    """A turn of a conversation."""

    role: Literal["user", "assistant"]
    content: str


class SearchRequest(BaseModel):
    """What to search for."""

    model_config = ConfigDict(extra="forbid")
    question: str
    k: int = Field(10, ge=1, le=200, description="How many passages at most")
    where: Where | None = Field(None, description='Exact filter, such as {"path": "*.pdf"}')
    mode: Literal["hybrid", "dense", "lexical"] = "hybrid"
    history: list[Earlier] = Field(default_factory=list, max_length=200)
    rerank: Literal["sentences"] | None = None
    diversity: float = Field(0.0, ge=0.0, le=1.0)
    by: Literal["page", "document"] | None = None
    explain: bool = Field(False, description="Say what was considered, kept and dropped, and why")


class AskRequest(BaseModel):
    """What to ask."""

    model_config = ConfigDict(extra="forbid")
    question: str
    where: Where | None = None
    history: list[Earlier] = Field(
        default_factory=list, max_length=200, description="Earlier turns, oldest first"
    )
    session: Annotated[
        str | None,
        Field(min_length=1, max_length=200, description="A conversation kept in the base"),
    ] = None
    model: Annotated[str | None, Field(description="A model that the operator allowed")] = None
    mode: AnswerMode | None = None
    cache: bool = True


def routes(server: Server) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/api", tags=["questions"])

    @router.post("/search", response_model=SearchResult)
    async def search(asked: SearchRequest, base: BaseName = None) -> Any:
        """Find the passages that fit best, best first."""
        kb = server.base(base)
        server.checked(asked.question)
        options = asked.model_dump(exclude={"question", "where"}, exclude_defaults=True)
        return await server.workers.run(
            lambda: kb.retrieve(asked.question, where=asked.where, **options)
        )

    @router.post("/ask", response_model=Answer)
    async def ask(asked: AskRequest, base: BaseName = None, stream: bool = False) -> Any:
        """Answer from the documents; streamed with ``?stream=true``: sources, text, the answer."""
        events = answering(server, asked, base)
        if not stream:
            return await whole(server, events)
        return EventStream(
            _server_sent(events),
            seconds=server.served.settings.seconds,
            late=("error", fault_of(too_late(server))[0]),
        )

    return router


def answering(server: Server, asked: AskRequest, base: str | None) -> AsyncIterator[StreamEvent]:
    """Answer a question piece by piece.

    Raises:
        RagkitError: at once, where it cannot be asked.
    """
    kb = server.base(base)
    server.checked(asked.question)
    for turn in asked.history:
        server.checked(turn.content or " .", "an earlier turn")
    parse_where(asked.where)  # before anything is sent
    options: dict[str, Any] = {"where": asked.where, "cache": asked.cache}
    if asked.mode is not None:
        options["mode"] = asked.mode
    model = server.model(asked.model)
    if asked.session is None:
        options |= {"history": [turn.model_dump() for turn in asked.history], "model": model}
        return server.workers.steps(lambda: kb.stream(asked.question, **options))
    server.require_writable()
    session = asked.session

    def conversation() -> Iterator[StreamEvent]:
        return kb.chat(session, model=model).stream(asked.question, **options)

    return server.workers.steps(conversation)


async def whole(server: Server, events: AsyncIterator[StreamEvent]) -> Answer:
    """Return the answer that events end with.

    Raises:
        ModelError: it took longer than the operator allows.
    """
    with anyio.move_on_after(server.served.settings.seconds):
        async for event in events:
            if isinstance(event, Answer):
                return event
    raise too_late(server)


def too_late(server: Server) -> ModelError:
    """Return what is said where an answer takes too long."""
    seconds = server.served.settings.seconds
    return ModelError(f"no answer came within the {seconds:g} seconds that this server allows")


async def _server_sent(events: AsyncIterator[StreamEvent]) -> AsyncIterator[Named]:
    try:
        async for event in events:
            yield _EVENTS[type(event)], asdict(event)
    except RagkitError as error:  # the status line is long gone
        yield "error", fault_of(error)[0]
