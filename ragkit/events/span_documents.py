"""Spans as JSON, and back; a sink that writes them to a file, one a line."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Self

from ragkit.events.spans import Span

MAX_CHARACTERS = 20_000


def span_document(span: Span) -> dict[str, Any]:
    """Return a span as a JSON object; values that JSON does not know become their ``repr``."""
    document = {field.name: getattr(span, field.name) for field in fields(span)}
    content = {name: plain(document[name]) for name in ("attributes", "inputs", "outputs")}
    return {**document, "seconds": round(span.seconds, 6), **content}


def span_from_document(document: Mapping[str, Any]) -> Span:
    """Return the span that :func:`span_document` made ``document`` of."""
    return Span(**document)


def plain(value: Any, *, longest: int = MAX_CHARACTERS) -> Any:
    """Return ``value`` as JSON data, texts longer than ``longest`` cut with a word about it."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        if len(value) <= longest:
            return value
        return f"{value[:longest]}… (cut; {len(value):,} characters in all)"
    if isinstance(value, Mapping):
        return {str(key): plain(item, longest=longest) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [plain(item, longest=longest) for item in value]
    return plain(repr(value), longest=longest)


class JsonLines:
    """A sink that appends each span to a file as one line of JSON. Safe across threads.

    Use as a context manager, or call :meth:`close`. Lines are written whole, so that several
    processes may append to one file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open ``path`` for appending, in UTF-8.

        Raises:
            OSError: it cannot be opened.
        """
        self._file = Path(path).open("ab", buffering=0)  # noqa: SIM115 - closed by close()
        self._lock = threading.Lock()

    def __call__(self, span: Span) -> None:
        """Append a span."""
        line = json.dumps(span_document(span), ensure_ascii=True) + "\n"
        with self._lock:
            self._file.write(line.encode("ascii"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
