"""How the server and its bases are: ``/api/status``, ``/healthz``."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Response

from ragkit.results import __version__
from ragkit.server.metrics import TYPE

if TYPE_CHECKING:
    from ragkit.kb import KnowledgeBase
    from ragkit.server.sharing import Server


def routes(server: Server) -> APIRouter:
    """Make the routes."""
    router = APIRouter(tags=["status"])

    @router.get("/healthz")
    async def health() -> dict[str, str]:
        """Say that the server answers, and no more: anybody may ask."""
        return {"status": "ok"}

    @router.get("/api/status")
    async def status() -> dict[str, Any]:
        """Say what is served, and how large it is."""
        settings = server.served.settings
        bases = []
        for name, kb in server.served.bases.items():
            found = await server.workers.run(kb.status)
            bases.append({"name": name, **asdict(found)})
        return {
            "version": __version__,
            "read_only": settings.read_only,
            "models": ["ragkit", "extractive", *settings.models],
            "bases": bases,
        }

    @router.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Return what is counted, for Prometheus."""

        def held(kb: KnowledgeBase) -> dict[str, int]:
            counts = kb._base.store().counts()
            return {
                "documents": counts.documents,
                "failures": counts.failures,
                "passages": counts.chunks,
                "vectors": counts.vectors,
            }

        bases = {name: partial(held, kb) for name, kb in server.served.bases.items()}
        text = await server.workers.run(server.metrics.written, bases)
        return Response(text, media_type=TYPE)

    return router
