"""What happens while ragkit works: progress for whoever waits, spans for whoever looks closely."""

from ragkit.events.console import ConsoleLines
from ragkit.events.progress import Event, Listener, Notice, Progress, Stage, ignore
from ragkit.events.span_documents import JsonLines
from ragkit.events.spans import (
    OpenSpan,
    Sink,
    Span,
    SpanKind,
    carried,
    current_trace,
    isolated,
    new_trace_id,
    recording,
    span,
    stages_done,
    tree,
)

__all__ = [
    "ConsoleLines",
    "Event",
    "JsonLines",
    "Listener",
    "Notice",
    "OpenSpan",
    "Progress",
    "Sink",
    "Span",
    "SpanKind",
    "Stage",
    "carried",
    "current_trace",
    "ignore",
    "isolated",
    "new_trace_id",
    "recording",
    "span",
    "stages_done",
    "tree",
]
