"""The page in the browser: one file for all of its addresses; the script reads which it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.responses import FileResponse

if TYPE_CHECKING:
    from ragkit.server.sharing import Server

_STATIC = Path(__file__).parent / "static"
ADDRESSES = ("/", "/documents/{path:path}", "/traces", "/traces/{trace}", "/library", "/search")


def routes(_server: Server) -> APIRouter:
    """Make the routes."""
    router = APIRouter(include_in_schema=False)

    async def page() -> FileResponse:
        return FileResponse(_STATIC / "index.html", media_type="text/html; charset=utf-8")

    @router.get("/docs")
    async def docs() -> FileResponse:
        return FileResponse(_STATIC / "docs.html", media_type="text/html; charset=utf-8")

    for address in ADDRESSES:
        router.add_api_route(address, page, methods=["GET"])
    return router
