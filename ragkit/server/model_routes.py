"""The rest of OpenAI's API that a base can answer: models, embeddings, vector stores."""

from __future__ import annotations

import base64
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from fastapi import APIRouter
from pydantic import BaseModel, Field

from ragkit.errors import NotFoundError, UsageError
from ragkit.server.question_routes import Where
from ragkit.server.sharing import OWN_MODEL, Server

if TYPE_CHECKING:
    from ragkit.kb import KnowledgeBase
    from ragkit.results import Hit

_MOST_TEXTS = 256
_OPERATORS = {"eq": "", "in": "", "ne": "!", "nin": "!"}
_BOUNDS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


class EmbeddingRequest(BaseModel):
    """Texts, whose vectors are wanted."""

    input: str | list[str]
    model: str = OWN_MODEL
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None
    input_type: Literal["passage", "query"] = Field(
        "passage", description="ragkit's own: models with prefixes tell them apart"
    )


class StoreSearch(BaseModel):
    """What to search a vector store for."""

    query: str | list[str]
    max_num_results: int = Field(10, ge=1, le=50)
    filters: dict[str, Any] | None = None
    ranking_options: dict[str, Any] | None = None
    rewrite_query: bool = False


def routes(server: Server) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1", tags=["OpenAI"])
    started = int(time.time())
    names = (OWN_MODEL, "extractive", *server.served.settings.models)

    def model_form(name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": started, "owned_by": "ragkit"}

    @router.get("/models")
    async def models() -> dict[str, Any]:
        """List what can be named as ``model``."""
        return {"object": "list", "data": [model_form(name) for name in names]}

    @router.get("/models/{name:path}")
    async def one_model(name: str) -> dict[str, Any]:
        """Describe a model."""
        if name not in names:
            raise NotFoundError(f"there is no model {name!r} here")
        return model_form(name)

    @router.post("/embeddings")
    async def embeddings(asked: EmbeddingRequest) -> dict[str, Any]:
        """Return the vectors of texts, by the model that the base was built with."""
        texts = [asked.input] if isinstance(asked.input, str) else asked.input
        if not 0 < len(texts) <= _MOST_TEXTS:
            raise UsageError(f"from 1 to {_MOST_TEXTS} texts at a time, not {len(texts)}")
        for text in texts:
            server.checked(text, "a text")
        embedder = await server.workers.run(server.embedder)
        rows = await server.workers.run(lambda: embedder.embed(texts, kind=asked.input_type))
        read = sum(len(embedder.tokenizer.token_starts(text)) for text in texts)
        if asked.dimensions not in (None, rows.shape[1]):
            raise UsageError(f"the vectors here have {rows.shape[1]} dimensions")
        return {
            "object": "list",
            "model": asked.model,
            "data": [
                {"object": "embedding", "index": number, "embedding": _written(row, asked)}
                for number, row in enumerate(rows)
            ],
            "usage": {"prompt_tokens": read, "total_tokens": read},
        }

    @router.get("/vector_stores")
    async def stores() -> dict[str, Any]:
        """List the bases."""
        data = [await server.workers.run(_store, *item) for item in server.served.bases.items()]
        ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"], "has_more": False}
        return {"object": "list", "data": data, **ends}

    @router.get("/vector_stores/{name}")
    async def store(name: str) -> dict[str, Any]:
        """Describe a base."""
        return await server.workers.run(_store, name, server.base(name))

    @router.post("/vector_stores/{name}/search")
    async def search(name: str, asked: StoreSearch) -> dict[str, Any]:
        """Find the passages that fit best, best first."""
        queries = [asked.query] if isinstance(asked.query, str) else asked.query
        question = server.checked(" ".join(queries))
        kb, where = server.base(name), where_of(asked.filters)
        least = float((asked.ranking_options or {}).get("score_threshold") or 0.0)
        hits = await server.workers.run(
            lambda: kb.search(question, k=asked.max_num_results, where=where)
        )
        return {
            "object": "vector_store.search_results.page",
            "search_query": queries,
            "data": [_result(hit) for hit in hits if hit.score >= least],
            "has_more": False,
            "next_page": None,
        }

    return router


def where_of(filters: dict[str, Any] | None) -> Where | None:
    """Write a filter of OpenAI's as one of ragkit's.

    Raises:
        UsageError: it says what ragkit's filters cannot; it is never left out.
    """
    if not filters:
        return None
    parts: Sequence[dict[str, Any]] = [filters]
    if filters.get("type") == "and":
        parts = filters.get("filters") or ()
    where: dict[str, str | list[str]] = {}
    for part in parts:
        kind, key, value = part.get("type"), part.get("key"), part.get("value")
        if not isinstance(key, str) or kind not in (*_OPERATORS, *_BOUNDS):
            raise UsageError(
                f"a filter of type {kind!r} cannot be used here; there are"
                f" {', '.join((*_OPERATORS, *_BOUNDS))}, and 'and' of these"
            )
        values = [str(one) for one in (value if isinstance(value, list) else [value])]
        if kind in _BOUNDS:
            if key != "date":
                raise UsageError(f"only dates are compared with {kind!r}, not {key!r}")
            values = [_BOUNDS[kind] + one for one in values]
        else:
            key += _OPERATORS[kind]
        if key in where and key != "date":
            raise UsageError(f"the filter names {key!r} twice; put the values into one 'in'")
        where[key] = [*where.get(key, ()), *values]
    return where


def _written(row: Any, asked: EmbeddingRequest) -> Any:
    numbers = np.asarray(row, dtype="<f4")
    if asked.encoding_format == "base64":
        return base64.b64encode(numbers.tobytes()).decode()
    return numbers.tolist()


def _store(name: str, kb: KnowledgeBase) -> dict[str, Any]:
    status = kb.status()
    files = {"cancelled": 0, "in_progress": 0, "completed": status.documents}
    files |= {"failed": status.failures, "total": status.documents + status.failures}
    return {
        "id": name,
        "object": "vector_store",
        "name": name,
        "created_at": 0,
        "status": "completed" if status.vectors >= status.chunks else "in_progress",
        "usage_bytes": status.size_bytes,
        "file_counts": files,
        "last_active_at": None,
        "metadata": {},
    }


def _result(hit: Hit) -> dict[str, Any]:
    facts: dict[str, Any] = {"heading": hit.heading, "start": hit.start, "end": hit.end}
    if hit.page is not None:
        facts["page"] = hit.page
    return {
        "file_id": hit.path,
        "filename": hit.path.rpartition("/")[2],
        "score": hit.score,
        "attributes": facts,
        "content": [{"type": "text", "text": hit.text}],
    }
