"""A web service around a knowledge base: questions, streamed answers, conversations.

    pip install ragkit fastapi uvicorn
    ragkit ingest ~/Documents/manuals --kb manuals
    RAGKIT_KB=manuals python examples/service/app.py

It listens on this computer only. Whoever can reach it can read the documents and conversations in
the knowledge base: put your own authentication in front before you let others in.
"""

from __future__ import annotations

import json
import os
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, Field

from ragkit import (
    Answer,
    KnowledgeBase,
    NotFoundError,
    RagkitError,
    Sources,
    TextDelta,
    UsageError,
)


class Question(BaseModel):
    """What to ask, of which documents, and in which conversation."""

    question: str = Field(min_length=1, max_length=10_000)
    session: str | None = Field(default=None, min_length=1, max_length=200)
    where: dict[str, str | list[str]] | None = None


class Service:
    """A knowledge base and one lock for each conversation, whose turns come one after another."""

    def __init__(self, kb: KnowledgeBase) -> None:
        """Serve ``kb``."""
        self.kb = kb
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()

    def events(self, asked: Question) -> Iterator[Sources | TextDelta | Answer]:
        """Answer piece by piece; in a conversation, after the question before is answered."""
        if asked.session is None:
            yield from self.kb.stream(asked.question, where=asked.where)
            return
        with self._guard:
            lock = self._locks[asked.session]
        with lock:
            chat = self.kb.chat(asked.session, memory=("window", "turns"))
            yield from chat.stream(asked.question, where=asked.where)


def create_app(kb: KnowledgeBase) -> FastAPI:
    """Make the application; it closes ``kb`` when it ends."""
    service = Service(kb)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        kb.close()

    app = FastAPI(title="Ask the documents", lifespan=lifespan)

    @app.exception_handler(RagkitError)
    def explain(_request: Request, error: RagkitError) -> JSONResponse:
        status = 503
        if isinstance(error, UsageError):
            status = 404 if isinstance(error, NotFoundError) else 400
        return JSONResponse({"error": type(error).__name__, "detail": str(error)}, status)

    # Plain functions: FastAPI runs each in a thread, and a knowledge base may be used from many.
    @app.get("/health")
    def health() -> dict[str, Any]:
        status = kb.status()
        return {"documents": status.documents, "passages": status.chunks}

    @app.get("/search")
    def search(q: str, k: int = 10, path: str | None = None) -> dict[str, Any]:
        hits = kb.search(q, k=min(k, 50), where={"path": path} if path else None)
        return {"hits": [asdict(hit) for hit in hits]}

    @app.post("/ask")
    def ask(asked: Question) -> dict[str, Any]:
        *_, answer = service.events(asked)
        return asdict(answer)

    @app.post("/ask/stream")
    def stream(asked: Question) -> StreamingResponse:
        return StreamingResponse(
            _server_sent(service.events(asked)), media_type="text/event-stream"
        )

    @app.get("/sessions")
    def sessions() -> dict[str, Any]:
        return {"sessions": [asdict(info) for info in kb.sessions()]}

    @app.get("/sessions/{name:path}")
    def turns(name: str) -> dict[str, Any]:
        found = [{"role": turn.role, "content": turn.content} for turn in kb.turns(name)]
        return {"session": name, "turns": found}

    @app.delete("/sessions/{name:path}", status_code=204)
    def forget(name: str) -> None:
        kb.delete_session(name)

    return app


def _server_sent(events: Iterator[Sources | TextDelta | Answer]) -> Iterator[str]:
    """Write events in the form of the EventSource interface (WHATWG HTML, 9.2)."""
    names = {Sources: "sources", TextDelta: "text", Answer: "answer"}
    try:
        for event in events:
            data = json.dumps(asdict(event), ensure_ascii=False)
            yield f"event: {names[type(event)]}\ndata: {data}\n\n"
    except RagkitError as error:  # the status line is long gone: say it in the stream
        data = json.dumps({"error": type(error).__name__, "detail": str(error)})
        yield f"event: error\ndata: {data}\n\n"


def main() -> None:
    """Serve the knowledge base that ``RAGKIT_KB`` names on port 8000 of this computer."""
    import uvicorn

    kb = KnowledgeBase(
        os.environ.get("RAGKIT_KB", ".ragkit"),
        model=os.environ.get("RAGKIT_MODEL", "extractive"),
        base_url=os.environ.get("RAGKIT_BASE_URL"),
        create=False,
    )
    uvicorn.run(create_app(kb), host="127.0.0.1", port=8000)


if __name__ == "__main__":
    main()
