"""Pages of PDF documents as they look, and where their text stands; ``/api/documents/…/pages``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from ingest import LoadError
from ragkit.errors import NotFoundError
from ragkit.server.document_routes import unchanged_file
from ragkit.server.sharing import BaseName, Server

if TYPE_CHECKING:
    from pathlib import Path as FilePath

    from ingest.document import Document
    from ragkit.kb import KnowledgeBase

_Page = Annotated[int, Path(ge=1, description="Number of the page, from 1")]


def routes(server: Server) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/api/documents", tags=["documents"])

    @router.get(
        "/{path:path}/pages/{page}",
        response_class=Response,
        responses={200: {"content": {"image/png": {}}}},
    )
    async def picture(
        path: str,
        page: _Page,
        base: BaseName = None,
        scale: Annotated[float, Query(ge=0.1, le=6.0, description="Pixels to the point")] = 1.5,
    ) -> Response:
        """Return a page of a PDF document as a picture, with its forms as they are filled in."""
        kb = server.base(base)

        def draw() -> bytes:
            file, _ = _pdf(kb, path)
            try:
                return server.pages.picture(file, page, scale=scale)
            except LoadError as error:
                raise NotFoundError(f"{path!r}: {error}") from error

        return Response(await server.workers.run(draw), media_type="image/png")

    @router.get("/{path:path}/pages/{page}/boxes")
    async def boxes(
        path: str,
        page: _Page,
        base: BaseName = None,
        start: Annotated[int | None, Query(ge=0)] = None,
        end: Annotated[int | None, Query(ge=0)] = None,
    ) -> dict[str, Any]:
        """Say where text stands on a page, line by line, in points from its upper left corner.

        ``start`` and ``end`` are code points of the document's text; without them, all of the page.
        ``found`` is the share of the letters that have a place.
        """
        kb = server.base(base)

        def find() -> dict[str, Any]:
            file, document = _pdf(kb, path)
            try:
                found = server.pages.boxes(file, document, page, start=start, end=end)
            except LoadError as error:
                raise NotFoundError(f"{path!r}: {error}") from error
            return {**found._asdict(), "boxes": [box._asdict() for box in found.boxes]}

        return await server.workers.run(find)

    return router


def _pdf(kb: KnowledgeBase, path: str) -> tuple[FilePath, Document]:
    """Return a PDF document and its file, which has to be what was read.

    Raises:
        NotFoundError: there is no such document, it is no PDF, or its file is gone or has changed.
    """
    document = kb.document(path)
    if document.format != "pdf":
        raise NotFoundError(f"{path!r} has no pages to be shown; its text is at /text")
    return unchanged_file(kb, path), document
