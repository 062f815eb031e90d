"""Putting files in, and bringing folders up to date: ``/api/documents``, ``/api/ingest``."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict
from starlette.datastructures import UploadFile

from ragkit.errors import NotFoundError, UsageError
from ragkit.server.served import UPLOADS
from ragkit.server.sharing import BaseName, Server, uploads_of
from ragkit.server.streaming import EventStream

if TYPE_CHECKING:
    from ragkit.kb import KnowledgeBase
    from ragkit.server.ingests import Ingest

_LONGEST_NAME = 200  # bytes of each part of a path
_LONGEST_PATH = 1000
_FILES = 1000  # in one form
_ENDLESS = 7 * 24 * 3600.0  # seconds that an ingest may be watched


class IngestRequest(BaseModel):
    """What an ingest is to do beside looking for what has changed."""

    model_config = ConfigDict(extra="forbid")
    retry_failed: bool = False
    ocr: bool = False


def routes(server: Server) -> APIRouter:
    """Make the routes."""
    router = APIRouter(tags=["documents"])
    most = server.served.settings.max_upload

    @router.post(UPLOADS, max_body_size=most, status_code=202)
    async def upload(
        request: Request, path: str | None = None, base: BaseName = None, ingest: bool = True
    ) -> dict[str, Any]:
        """Put files in: a form with any number of files, or one as the body, named by ``path``.

        They land in a folder of the base's own; the same path again replaces a file. They are read
        by the ingest that this starts, whose progress ``/api/ingest`` shows, unless ``ingest`` is
        false.
        """
        server.require_writable()
        kb = server.base(base)
        stored: list[str] = []
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            async with request.form(max_files=_FILES, max_part_size=most) as form:
                files = [one for _, one in form.multi_items() if isinstance(one, UploadFile)]
                if not files:
                    raise UsageError("the form holds no file")
                places = [safe_place(one.filename or "") for one in files]
                for place, one in zip(places, files, strict=True):
                    await _write(kb, place, _pieces(one))
                    stored.append(place.as_posix())
        else:
            place = safe_place(path or "")
            await _write(kb, place, request.stream())
            stored.append(place.as_posix())
        if ingest:
            begin(server, base, IngestRequest())
        return {"stored": stored, "ingest": "running" if ingest else None}

    @router.post("/api/ingest", status_code=202)
    async def start(
        asked: IngestRequest | None = None, base: BaseName = None, stream: bool = False
    ) -> Any:
        """Bring the uploads, and the folders that the operator named, up to date.

        With ``?stream=true`` its progress is sent: ``progress``, and at last ``report``, ``stopped``
        or ``error``. It goes on if nobody listens.
        """
        server.require_writable()
        running = begin(server, base, asked or IngestRequest())
        return _followed(running) if stream else running.document()

    @router.get("/api/ingest")
    async def follow(base: BaseName = None, stream: bool = False) -> Any:
        """Say how the newest ingest stands, or follow it."""
        newest = _newest(server, base)
        return _followed(newest) if stream else newest.document()

    @router.delete("/api/ingest", status_code=202)
    async def stop(base: BaseName = None) -> dict[str, Any]:
        """Stop the ingest that runs; what it has done by then is kept."""
        server.require_writable()
        newest = _newest(server, base)
        newest.stop()
        return newest.document()

    return router


def begin(server: Server, base: str | None, asked: IngestRequest) -> Ingest:
    """Start an ingest of what this server may read."""
    kb, name = server.base(base), base or server.served.first
    folders = [uploads_of(kb)] if uploads_of(kb).is_dir() else []
    if name == server.served.first:
        folders += map(Path, server.served.settings.folders)
    if not folders:
        raise UsageError(
            "there is nothing to ingest: no file was uploaded, and no --folder is named"
        )
    return server.ingests.begin(name, kb, folders, asked.model_dump())


def safe_place(given: str) -> PurePosixPath:
    """Return the place of an upload within its folder.

    Raises:
        UsageError: it has no name, is too long, or leads elsewhere, on any system.
    """
    parts = given.split("/")
    bad = (
        not given
        or len(given) > _LONGEST_PATH
        or any(part in ("", ".", "..") or part[-1] in ". " for part in parts)
        or any(len(part.encode("utf-8", "replace")) > _LONGEST_NAME for part in parts)
        or any(
            letter in '\\:*?"<>|' or not letter.isprintable() for letter in given.replace("/", "")
        )
        or parts[0].startswith(".")
    )
    if bad:
        raise UsageError(f"a file cannot be kept as {given!r}; name it like 'notes/offer.pdf'")
    return PurePosixPath(given)


async def _write(kb: KnowledgeBase, place: PurePosixPath, pieces: AsyncIterator[bytes]) -> None:
    """Write a file beside its place first, so that none is ever read half."""
    folder = uploads_of(kb)
    target = folder / place
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        waiting = folder / f".{uuid.uuid4().hex}.part"
        try:
            with waiting.open("xb") as file:
                async for piece in pieces:
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            waiting.replace(target)
        finally:
            waiting.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(
            f"{place.as_posix()!r} cannot be kept: {error.strerror or error}"
        ) from error


async def _pieces(file: UploadFile) -> AsyncIterator[bytes]:
    while piece := await file.read(1 << 20):
        yield piece


def _newest(server: Server, base: str | None) -> Ingest:
    server.base(base)
    newest = server.ingests.newest.get(base or server.served.first)
    if newest is None:
        raise NotFoundError("nothing was ingested since this server was started")
    return newest


def _followed(running: Ingest) -> EventStream:
    return EventStream(running.events(), seconds=_ENDLESS, late=("error", "it takes too long"))
