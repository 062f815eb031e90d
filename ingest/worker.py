"""The process in which untrusted files are parsed; started by :mod:`ingest.isolate`.

Requests come in on standard input and replies go out on standard output, one JSON document a
line; a document's text follows its line as so many bytes of UTF-8, for as JSON a large text would
take several times its memory on both sides. Nothing a parser prints can get between them: the
process's own standard output is moved aside first.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO

from ingest import errors
from ingest.loader_spec import LoaderSpec
from ingest.loaders.registry import load_bytes, read_file, register
from ingest.serial import document_to_dict

_LONGEST_REASON = 500
_TOO_LARGE = {
    "error": "TooLargeError",
    "reason": "needs more memory than one file may use (--memory)",
}


def main() -> None:
    """Serve requests until standard input ends or the parent process is gone."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    settings = json.loads(sys.stdin.buffer.readline())
    limit_memory(settings["memory_bytes"])
    for name, suffixes, address in settings["loaders"]:
        register(LoaderSpec(name, tuple(suffixes), address))
    threading.Thread(target=die_with, args=(os.getppid(),), daemon=True).start()
    _serve(sys.stdin.buffer, replies, ocr=settings["ocr"])


def _serve(requests: BinaryIO, replies: BinaryIO, *, ocr: bool) -> None:
    for line in requests:
        try:
            reply = _reply(json.loads(line), ocr=ocr)
            text = reply.pop("text", b"")
            head = json.dumps(reply, ensure_ascii=True).encode("ascii")
        except MemoryError:  # loaded, but too large to be handed over
            text, head = b"", json.dumps(_TOO_LARGE).encode("ascii")
        replies.write(head + b"\n")
        replies.write(text)
        replies.flush()
        del reply, text, head


def _reply(request: dict[str, Any], *, ocr: bool) -> dict[str, Any]:
    try:
        return _load(Path(request["path"]), request["password"], request["max_bytes"], ocr=ocr)
    except errors.LoadError as error:
        return {"error": type(error).__name__, "reason": str(error)[:_LONGEST_REASON]}
    except MemoryError:
        return dict(_TOO_LARGE)
    except Exception as error:  # a parser may raise anything on hostile input
        reason = f"could not be parsed: {type(error).__name__}: {error}"
        return {"error": "WrongFormatError", "reason": reason[:_LONGEST_REASON]}


def _load(path: Path, password: str | None, max_bytes: int, *, ocr: bool) -> dict[str, Any]:
    for _attempt in range(2):
        before = _stat(path)
        data = read_file(path, max_bytes=max_bytes)
        after = _stat(path)
        if before == after and len(data) == after[0]:
            break
    else:
        raise errors.UnreadableError("it changed while it was being read; run ingest again")
    sha256 = hashlib.sha256(data).hexdigest()
    document = load_bytes(path, data, password=password, ocr=ocr)
    described = document_to_dict(document)
    text = described.pop("text").encode("utf-8", "surrogatepass")
    return {
        "document": described,
        "text": text,
        "text_bytes": len(text),
        "size": after[0],
        "mtime_ns": after[1],
        "sha256": sha256,
    }


def _stat(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise errors.UnreadableError(f"cannot be read: {reason}") from error
    return found.st_size, found.st_mtime_ns


def limit_memory(limit: int) -> None:
    """Bound the address space of this process, in bytes, where the system can."""
    with contextlib.suppress(ImportError):  # Windows has no resource limits
        import resource

        # macOS refuses limits below what is already mapped; the time limit still holds there.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def die_with(parent: int) -> None:
    """End this process as soon as its parent is gone; does not return."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


if __name__ == "__main__":
    main()
