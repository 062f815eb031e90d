"""The process in which pages of untrusted PDF files are drawn; started by :mod:`ingest.page_reader`.

As :mod:`ingest.worker`: requests come in as JSON, one a line, and a reply is a line of JSON, followed
by as many bytes as it says. The file that was asked for last stays open.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
import threading
import zlib
from pathlib import Path
from typing import Any

from ingest import errors
from ingest.document import Block
from ingest.loader_spec import Source
from ingest.loaders.pdf.boxes import page_boxes
from ingest.loaders.pdf.pdfium_reader import open_document, shown_page
from ingest.loaders.registry import read_file
from ingest.worker import die_with, limit_memory

_MOST_PIXELS = 24_000_000


def main() -> None:
    """Serve requests until standard input ends or the parent process is gone."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    settings = json.loads(sys.stdin.buffer.readline())
    limit_memory(settings["memory_bytes"])
    threading.Thread(target=die_with, args=(os.getppid(),), daemon=True).start()
    held = _Held(settings["file_bytes"])
    for line in sys.stdin.buffer:
        head, data = _reply(held, json.loads(line))
        replies.write(json.dumps({**head, "bytes": len(data)}).encode("ascii") + b"\n" + data)
        replies.flush()


class _Held:
    """The document that is open, and the state of its file."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._key: tuple[Any, ...] | None = None
        self._document: Any = None

    def document(self, path: str, password: str | None) -> Any:
        place = Path(path)
        state = place.stat()
        key = (path, password, state.st_size, state.st_mtime_ns)
        if key != self._key:
            if self._document is not None:
                self._document.close()
            self._key = self._document = None
            data = read_file(place, max_bytes=self._most)
            self._document = open_document(Source(place, data, password))
            self._key = key
        return self._document


def _reply(held: _Held, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    try:
        document = held.document(request["path"], request["password"])
        page = request["page"]
        if not 1 <= page <= len(document):
            raise errors.LoadError(f"the file has no page {page:,}; it has {len(document):,}")
        if request["job"] == "picture":
            return {}, _picture(document, page - 1, request["scale"])
        blocks = [Block(*block) for block in request["blocks"]]
        span = (request["start"], request["end"])
        found = page_boxes(document, page, request["text"], blocks, *span)
        boxes = [list(box) for box in found.boxes]
        return {"width": found.width, "height": found.height, "found": found.found}, json.dumps(
            boxes
        ).encode()
    except errors.LoadError as error:
        return {"error": str(error)}, b""
    except MemoryError:
        return {"error": "the page needs more memory than it may use"}, b""
    except Exception as error:  # pdfium may raise anything on hostile input
        return {"error": f"the page cannot be drawn: {type(error).__name__}: {error}"[:500]}, b""


def _picture(document: Any, index: int, scale: float) -> bytes:
    from pypdfium2 import raw

    page = shown_page(document, index, has_form=document.get_formtype() != raw.FORMTYPE_NONE)
    try:
        width, height = page.get_size()
        fitting = (_MOST_PIXELS / max(1.0, width * height)) ** 0.5
        bitmap = page.render(scale=min(scale, fitting), rev_byteorder=True, prefer_bgrx=False)
        try:
            return _png(bitmap.to_numpy())
        finally:
            bitmap.close()
    finally:
        page.close()


def _png(pixels: Any) -> bytes:
    """Write an array of height, width and channels (grey, RGB or RGBA) as a PNG file."""
    height, width, channels = pixels.shape
    kind = {1: 0, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)

    def part(name: bytes, data: bytes) -> bytes:
        check = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    body = part(b"IHDR", head) + part(b"IDAT", zlib.compress(rows, 1)) + part(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


if __name__ == "__main__":
    main()
