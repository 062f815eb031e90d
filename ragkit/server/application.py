"""The application: all routes behind the guard."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI
from fastapi.staticfiles import StaticFiles

from ragkit.results import __version__
from ragkit.server import (
    chat_routes,
    document_routes,
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

STATIC = Path(__file__).parent / "static"
_ROUTES: tuple[Callable[[Server], APIRouter], ...] = (
    question_routes.routes,
    sight_routes.routes,
    document_routes.routes,
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

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
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
    return Guard(app, served.settings)
