"""What is kept of use: conversations at ``/api/sessions``, traces at ``/api/traces``."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from ragkit.errors import UsageError
from ragkit.events.otlp import otlp_document
from ragkit.events.span_documents import plain, span_document
from ragkit.events.trace_page import trace_page
from ragkit.events.traces import total_usage
from ragkit.server.sharing import BaseName, Server

if TYPE_CHECKING:
    from ragkit.events.traces import Trace

_SHORT = 300  # characters of a question in a list


class Renaming(BaseModel):
    """The name that a conversation is to have."""

    session: str = Field(min_length=1, max_length=200)


def routes(server: Server) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/api", tags=["records"])

    @router.get("/sessions")
    async def sessions(base: BaseName = None) -> dict[str, Any]:
        """List the conversations, the one last used first."""
        kb = server.base(base)
        return {"sessions": [asdict(one) for one in await server.workers.run(kb.sessions)]}

    @router.get("/sessions/{name:path}")
    async def turns(name: str, base: BaseName = None) -> dict[str, Any]:
        """Return the turns of a conversation, oldest first."""
        kb = server.base(base)
        found = await server.workers.run(kb.turns, name)
        return {
            "session": name,
            "turns": [
                {
                    "role": turn.role,
                    "content": turn.content,
                    "trace": turn.trace,
                    "citations": json.loads(turn.citations_json),
                    "created_at": turn.created_at,
                }
                for turn in found
            ],
        }

    @router.patch("/sessions/{name:path}")
    async def rename(name: str, asked: Renaming, base: BaseName = None) -> dict[str, Any]:
        """Give a conversation another name."""
        server.require_writable()
        kb = server.base(base)
        await server.workers.run(kb.turns, name)  # which says that there is none
        if not await server.workers.run(kb._base.store().rename_session, name, asked.session):
            raise UsageError(f"there is a conversation {asked.session!r} already")
        return {"session": asked.session}

    @router.delete("/sessions/{name:path}", status_code=204, response_class=Response)
    async def forget(name: str, base: BaseName = None) -> None:
        """Delete a conversation, with all that was remembered of it."""
        server.require_writable()
        kb = server.base(base)
        await server.workers.run(kb.delete_session, name)

    @router.get("/traces")
    async def traces(
        base: BaseName = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        kind: str | None = None,
        text: str | None = None,
        failed: bool = False,
    ) -> dict[str, Any]:
        """List the newest traces, newest first; ``text`` is looked for in their questions."""
        kb = server.base(base)
        found = await server.workers.run(kb.traces, limit)
        return {
            "traces": [
                row
                for row in map(_row, found)
                if (kind is None or row["kind"] == kind)
                and (text is None or text.casefold() in row["question"].casefold())
                and (not failed or row["failed"])
            ]
        }

    @router.get("/traces/{trace}")
    async def trace(trace: str, base: BaseName = None) -> dict[str, Any]:
        """Return a trace with all of its spans."""
        kb = server.base(base)
        found = await server.workers.run(kb.trace, trace)
        return {**_row(found), "spans": [span_document(one) for one in found.spans]}

    @router.get("/traces/{trace}/export", response_class=Response)
    async def export(
        trace: str,
        base: BaseName = None,
        form: Annotated[Literal["jsonl", "html", "otlp"], Query(alias="format")] = "jsonl",
    ) -> Response:
        """Return a trace as a file: its spans as JSON lines, a page without scripts, or OTLP's JSON."""
        kb = server.base(base)
        found = await server.workers.run(kb.trace, trace)
        if form == "html":
            text, ending, kind = trace_page([found]), "html", "text/html"
        elif form == "otlp":
            text = json.dumps(otlp_document(found.spans), ensure_ascii=False)
            ending, kind = "json", "application/json"
        else:
            spans = (json.dumps(span_document(one), ensure_ascii=False) for one in found.spans)
            text, ending, kind = (
                "".join(f"{one}\n" for one in spans),
                "jsonl",
                "application/x-ndjson",
            )
        headers = {"content-disposition": f'attachment; filename="{found.id}.{ending}"'}
        return Response(text, media_type=kind, headers=headers)

    return router


def _row(trace: Trace) -> dict[str, Any]:
    root = next((one for one in trace.spans if one.parent is None), None)
    facts = {} if root is None else root.attributes
    return {
        "id": trace.id,
        "kind": trace.kind,
        "started_at": trace.started_at,
        "seconds": trace.seconds,
        "question": plain(trace.question, longest=_SHORT),
        "spans_kept": len(trace.spans),
        "spans_dropped": trace.dropped,
        "failed": sum(1 for one in trace.spans if one.error),
        "model": facts.get("model"),
        "session": facts.get("session"),
        "refused": facts.get("refused"),
        "sure": facts.get("sure"),
        "degraded": plain(facts.get("degraded") or []),
        "usage": total_usage(trace.spans),
    }
