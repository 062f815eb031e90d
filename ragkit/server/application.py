"""The application: all routes behind the guard."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.routing import Route

from ragkit.results import __version__
from ragkit.server import (
    chat_routes,
    document_routes,
    feedback_routes,
    ingest_routes,
    kept_routes,
    model_routes,
    page_routes,
    question_routes,
    response_routes,
    sight_routes,
    status_routes,
)
from ragkit.server.faults import add_fault_handlers
from ragkit.server.guard import Guard
from ragkit.server.served import Served
from ragkit.server.sharing import Server

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from ragkit.server.mcp_routes import McpEndpoint

STATIC = Path(__file__).parent / "static"
_ROUTES: tuple[Callable[[Server], APIRouter], ...] = (
    question_routes.routes,
    sight_routes.routes,
    ingest_routes.routes,
    document_routes.routes,
    feedback_routes.routes,
    kept_routes.routes,
    status_routes.routes,
    chat_routes.routes,
    response_routes.routes,
    model_routes.routes,
    page_routes.routes,
)


def create_app(served: Served) -> ASGIApp:
    """Make the application; the bases are closed when it ends."""
    server = Server(served)
    mcp = _mcp(server)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if mcp is not None:
                await stack.enter_async_context(mcp.running())
            yield
        server.ingests.end()
        server.pages.close()
        for kb in served.bases.values():
            kb.close()

    app = FastAPI(
        title="ragkit",
        version=__version__,
        summary="Answers from your own documents, each with its exact places.",
        lifespan=lifespan,
        max_body_size=served.settings.max_body,
        docs_url=None,  # FastAPI's own pages are loaded from elsewhere
        redoc_url=None,
    )
    add_fault_handlers(app)
    for routes in _ROUTES:
        app.include_router(routes(server))
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    if mcp is not None:
        app.router.routes.append(Route("/mcp", mcp))
    return Guard(app, served.settings, server.metrics)


def _mcp(server: Server) -> McpEndpoint | None:
    """The endpoint for MCP, where its package is installed."""
    if find_spec("mcp") is None:
        return None
    from ragkit.server.mcp_routes import McpEndpoint

    return McpEndpoint(server)
