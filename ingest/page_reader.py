"""Pictures of PDF pages, and where text stands on them, made in a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self, cast

from ingest.errors import LoadError, WrongFormatError
from ingest.loaders.pdf.boxes import PageBoxes, TextBox
from ingest.loaders.registry import DEFAULT_MAX_BYTES

if TYPE_CHECKING:
    from ingest.document import Document

_SECONDS = 20.0
_MEMORY = 1_500_000_000


class PageReader:
    """Draws pages of PDF files; use as a context manager. Safe across threads, one page at a time.

    The files are not trusted: the process that reads them is bounded in time and memory, and a new
    one takes its place when it dies.
    """

    def __init__(self, *, seconds: float = _SECONDS, memory_bytes: int = _MEMORY) -> None:
        """Set up the reader; nothing is started yet.

        Args:
            seconds: How long a page may take.
            memory_bytes: What the process may use.
        """
        self._seconds = seconds
        self._memory = memory_bytes
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def picture(
        self, file: Path, page: int, *, scale: float = 1.0, password: str | None = None
    ) -> bytes:
        """Return a page as PNG, ``scale`` pixels to the point, with forms as they are filled in.

        Raises:
            LoadError: The file or the page cannot be read.
        """
        return self._ask(file, page, password, {"job": "picture", "scale": scale})[1]

    def boxes(
        self,
        file: Path,
        document: Document,
        page: int,
        *,
        start: int | None = None,
        end: int | None = None,
        password: str | None = None,
    ) -> PageBoxes:
        """Return where text stands on a page: from ``start`` to ``end``, by default all of it.

        Args:
            file: The file that ``document`` was loaded from.
            document: The document, as it was loaded.
            page: Number of the page, from 1.
            start: Code point in the document's text.
            end: Just past the last one.
            password: Opens the file if it is encrypted.

        Raises:
            LoadError: The file or the page cannot be read.
        """
        if not 1 <= page <= len(document.pages):
            raise LoadError(f"there is no page {page:,}; there are {len(document.pages):,}")
        own = document.pages[page - 1]
        blocks = [block for block in document.blocks if own.start <= block.start < own.end]
        head, data = self._ask(
            file,
            page,
            password,
            {
                "job": "boxes",
                "text": document.text[own.start : own.end],
                "blocks": [[one.kind, one.start, one.end, one.header_end] for one in blocks],
                "start": own.start if start is None else start,
                "end": own.end if end is None else end,
            },
        )
        boxes = tuple(TextBox(*box) for box in json.loads(data))
        return PageBoxes(head["width"], head["height"], boxes, head["found"])

    def _ask(
        self, file: Path, page: int, password: str | None, job: dict[str, Any]
    ) -> tuple[dict[str, Any], bytes]:
        request = {"path": str(file.absolute()), "page": page, "password": password, **job}
        with self._lock:
            process = self._started()
            expired = threading.Event()

            def expire() -> None:
                expired.set()
                process.kill()

            timer = threading.Timer(self._seconds, expire)
            timer.daemon = True
            timer.start()
            try:
                _write(process, request)
                reply = _read(cast("IO[bytes]", process.stdout))
            finally:
                timer.cancel()
            if reply is None:
                self._end()
                took = f"took more than {self._seconds:g} seconds"
                raise WrongFormatError(f"page {page:,} {took if expired.is_set() else 'crashed'}")
        if "error" in reply[0]:
            raise LoadError(reply[0]["error"])
        return reply

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            environment = {
                **os.environ,
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            }
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ingest.page_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
            )
            limits = {"memory_bytes": self._memory, "file_bytes": DEFAULT_MAX_BYTES}
            _write(self._process, limits)
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _write(process: subprocess.Popen[bytes], message: dict[str, Any]) -> None:
    requests = cast("IO[bytes]", process.stdin)
    try:
        requests.write(json.dumps(message).encode("ascii") + b"\n")
        requests.flush()
    except OSError:
        pass  # the process is gone; reading its reply finds that out


def _read(stream: IO[bytes]) -> tuple[dict[str, Any], bytes] | None:
    line = stream.readline()
    if not line.endswith(b"\n"):
        return None
    head: dict[str, Any] = json.loads(line)
    data = stream.read(head["bytes"])
    return (head, data) if len(data) == head["bytes"] else None
