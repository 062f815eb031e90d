"""How the server and its bases are: ``/api/status``, ``/healthz``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter

from ragkit.results import __version__

if TYPE_CHECKING:
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

    return router
