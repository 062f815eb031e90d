"""The documents: listed, read, put in and taken out; ``/api/documents``."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import FileResponse

from ragkit.errors import NotFoundError, UsageError
from ragkit.server.sharing import BaseName, Server, uploads_of

if TYPE_CHECKING:
    from ragkit.kb import KnowledgeBase
    from ragkit.store.records import StoredDocument

# What a browser shows and cannot run; all else is text, or only kept.
_SHOWN = {".pdf": "application/pdf", ".png": "image/png", ".jpg": "image/jpeg"}
_INERT = {
    "content-security-policy": "default-src 'none'; sandbox",
    "content-disposition": "attachment",
}


def routes(server: Server) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/api/documents", tags=["documents"])

    @router.get("")
    async def listed(
        base: BaseName = None, path: Annotated[list[str] | None, Query()] = None
    ) -> dict[str, Any]:
        """List the documents, by path, and the files that could not be read; filter by globs."""
        kb = server.base(base)
        where = {"path": path} if path else None
        documents = await server.workers.run(lambda: kb.documents(where))
        failures = await server.workers.run(kb.failures)
        return {
            "documents": [document_row(document) for document in documents],
            "failures": [asdict(failure) for failure in failures],
        }

    @router.get("/{path:path}/text")
    async def text(path: str, base: BaseName = None) -> dict[str, Any]:
        """Return a document as it was read: its text, which all offsets refer to, and its parts."""
        kb = server.base(base)
        return await server.workers.run(lambda: _read(kb, path))

    @router.get("/{path:path}/file", response_class=FileResponse)
    async def file(path: str, base: BaseName = None) -> Response:
        """Return the file that a document was read from, as long as it is the same."""
        kb = server.base(base)
        place = await server.workers.run(lambda: unchanged_file(kb, path))
        kind = _SHOWN.get(place.suffix.lower(), "application/octet-stream")
        return FileResponse(place, media_type=kind, filename=place.name, headers=_INERT)

    @router.delete("/{path:path}")
    async def delete(path: str, base: BaseName = None) -> dict[str, Any]:
        """Take a document out; of one that was uploaded, its file as well."""
        server.require_writable()
        kb = server.base(base)
        return {"removed": await server.workers.run(lambda: _delete(kb, path))}

    return router


def document_row(document: StoredDocument) -> dict[str, Any]:
    """Return the JSON form of a document."""
    return {
        "path": document.path,
        "type": document.format,
        "title": document.title,
        "pages": document.pages or None,
        "chunks": document.chunks,
        "vectors": document.vectors,
        "characters": document.characters,
        "size": document.size,
        "modified": datetime.fromtimestamp(document.mtime_ns / 1e9, UTC).isoformat(),
        "metadata": document.metadata,
        "warnings": document.warnings,
    }


def unchanged_file(kb: KnowledgeBase, path: str) -> Path:
    """Return the file of a document, if it still is what was read.

    A base that came from somebody else may name any file of this computer: one that has not the
    content that the base was made of is none of its documents.

    Raises:
        NotFoundError: there is no such document or file, or it has changed.
    """
    place = kb.locate(path)
    if place is None:
        raise NotFoundError(f"{path!r} was put in without a file")
    stored = next(document for document in kb.documents({"path": _literal(path)}))
    try:
        state = place.stat()
        same = _digest(place, state.st_size, state.st_mtime_ns) == stored.sha256
    except OSError as error:
        raise NotFoundError(f"the file of {path!r} is gone ({error.strerror})") from error
    if not same:
        raise NotFoundError(f"the file of {path!r} has changed since it was read; ingest it again")
    return place


@functools.lru_cache(maxsize=256)
def _digest(place: Path, _size: int, _mtime_ns: int) -> str:
    with place.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _literal(path: str) -> str:
    """A glob that matches this path alone."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)


def _read(kb: KnowledgeBase, path: str) -> dict[str, Any]:
    document = kb.document(path)
    return {
        "path": path,
        "title": document.title,
        "type": document.format,
        "text": document.text,
        "pages": [asdict(page) for page in document.pages],
        "sections": [asdict(section) for section in document.sections],
        "blocks": [asdict(block) for block in document.blocks],
        "metadata": dict(document.metadata),
        "warnings": list(document.warnings),
    }


def _delete(kb: KnowledgeBase, path: str) -> Sequence[str]:
    place = kb.locate(path)
    removed = kb.delete(_literal(path))
    if place is not None and place.is_relative_to(uploads_of(kb)):
        place.unlink(missing_ok=True)
    if not removed:
        raise UsageError(f"nothing was removed for {path!r}")
    return removed
