"""Spans as lines for people: a sink that says on a terminal what is done, as it is done."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ragkit.events.spans import Span

# Said in words of their own, or content.
_ORDINARY = {"model", "input_tokens", "output_tokens", "cost", "degraded", "hits"}
# Written raw, these could drive the terminal, or make two lines of one.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_LONGEST = 300


class ConsoleLines:
    """A sink that writes a line about each step when it ends: times, tokens, facts; no content.

    Each line begins with the time since the last trace began, and a step's name comes after the
    steps that were part of it. Safe across threads.
    """

    def __init__(self, stream: IO[str] | None = None) -> None:
        """Write to ``stream``; default: what ``sys.stderr`` is at the time."""
        self._stream = stream
        self._lock = threading.Lock()
        self._trace = ""
        self._began = 0.0

    def __call__(self, span: Span) -> None:
        """Write about a step."""
        with self._lock:
            if span.trace != self._trace:
                self._trace, self._began = span.trace, span.started_at
            self._began = min(self._began, span.started_at)
            since = max(0.0, time.time() - self._began)
            stream = self._stream or sys.stderr
            stream.write(f"{since:8.2f} s  {span_line(span)}\n")
            stream.flush()


def span_line(span: Span) -> str:
    """Return a step on one line: its name, how long it took, tokens, facts, what went wrong."""
    parts = [
        span.name,
        duration(span.seconds),
        usage_words(span.attributes) if span.kind in ("model", "agent") else "",
        facts_line(span),
        "" if span.status == "ok" else f"{span.status}: {span.error}".removesuffix(": None"),
    ]
    line = _UNSAFE.sub("\ufffd", "  ".join(part for part in parts if part))
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def facts_line(span: Span) -> str:
    """Return what is known of a step beside its content: ``"k 10, mode hybrid"``."""
    return ", ".join(
        f"{key.replace('_', ' ')} {_fact(value)}"
        for key, value in span.attributes.items()
        if key not in _ORDINARY and value not in (None, [], {}, "")
    )


def usage_words(usage: Mapping[str, Any]) -> str:
    """Return tokens and cost in words, from a mapping that has some of them; empty for none."""
    read, written = usage.get("input_tokens") or 0, usage.get("output_tokens") or 0
    if not read and not written:
        return ""
    said = f"{read:,} tokens read, {written:,} written"
    cost = usage.get("cost")
    return said if cost is None else f"{said}, cost {cost:.4f}"


def duration(seconds: float) -> str:
    """Return a duration as ``"3.1 ms"``, ``"250 ms"`` or ``"1.2 s"``."""
    if seconds < 0.01:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds * 1000:.0f} ms" if seconds < 0.9995 else f"{seconds:,.1f} s"


def _fact(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
