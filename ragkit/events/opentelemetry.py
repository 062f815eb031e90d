"""A sink that hands spans to OpenTelemetry, in the terms of its GenAI semantic conventions.

    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from ragkit.events.opentelemetry import OpenTelemetrySink

    kb = KnowledgeBase("kb", sinks=[OpenTelemetrySink(BatchSpanProcessor(OTLPSpanExporter()))])

It needs ``pip install 'ragkit[otel]'`` and an exporter of your choice; nothing is sent unless you
name one. Attributes follow version 1.41 of the conventions
(https://github.com/open-telemetry/semantic-conventions, docs/gen-ai), which are still in
development; what they have no word for is under ``ragkit.``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ragkit.errors import UsageError
from ragkit.events.span_documents import plain
from ragkit.results import __version__

try:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import (
        SpanContext,
        SpanKind,
        Status,
        StatusCode,
        TraceFlags,
        get_current_span,
    )
except ImportError as error:
    raise UsageError("OpenTelemetry is not installed: pip install 'ragkit[otel]'") from error

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

    from ragkit.events.spans import Span

_OPERATIONS = {
    "model": "chat",
    "embedding": "embeddings",
    "tool": "execute_tool",
    "agent": "invoke_agent",
    "retrieval": "retrieval",
}
_NAMES = {
    "model": "gen_ai.request.model",
    "max_tokens": "gen_ai.request.max_tokens",
    "temperature": "gen_ai.request.temperature",
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "session": "gen_ai.conversation.id",
}


class OpenTelemetrySink:
    """Hands each finished span to an OpenTelemetry span processor, with its own ids and times.

    Where the application has an OpenTelemetry span open, the whole trace goes below it.
    """

    def __init__(self, processor: SpanProcessor, *, resource: Resource | None = None) -> None:
        """Take the processor that exports, and who the spans come from (default: ``ragkit``)."""
        self._processor = processor
        self._resource = resource or Resource.create({"service.name": "ragkit"})

    def __call__(self, span: Span) -> None:
        """Hand on a span."""
        self._processor.on_end(_readable(span, self._resource))

    def close(self) -> None:
        """Export what is still waiting, and end the processor."""
        self._processor.shutdown()


def _readable(span: Span, resource: Resource) -> ReadableSpan:
    outside = get_current_span().get_span_context()
    trace = outside.trace_id if outside.is_valid else int(span.trace, 16)
    parent = _context(trace, span.parent) if span.parent else None
    if parent is None and outside.is_valid:
        parent = outside
    failed = span.status == "error"
    begin = int(span.started_at * 1e9)
    return ReadableSpan(
        name=_title(span),
        context=_context(trace, span.id),
        parent=parent,
        resource=resource,
        attributes=dict(_attributes(span)),
        kind=SpanKind.CLIENT if span.kind in ("model", "embedding") else SpanKind.INTERNAL,
        status=Status(StatusCode.ERROR, span.error) if failed else Status(StatusCode.UNSET),
        start_time=begin,
        end_time=begin + int(span.seconds * 1e9),
        instrumentation_scope=InstrumentationScope("ragkit", __version__),
    )


def _context(trace: int, span_id: str) -> SpanContext:
    return SpanContext(trace, int(span_id, 16), False, TraceFlags(TraceFlags.SAMPLED))


def _title(span: Span) -> str:
    operation = _OPERATIONS.get(span.kind)
    if operation is None:
        return span.name
    target = span.name.rpartition(":")[2] if span.kind == "model" else span.name
    return f"{operation} {target}"


def _attributes(span: Span) -> Iterator[tuple[str, Any]]:
    operation = _OPERATIONS.get(span.kind)
    if operation is not None:
        yield "gen_ai.operation.name", operation
    if span.kind in ("tool", "agent"):
        yield f"gen_ai.{span.kind}.name", span.name
    yield "ragkit.kind", span.kind
    for key, value in span.attributes.items():
        if key == "model" and isinstance(value, str) and ":" in value:
            provider, _, model = value.partition(":")
            yield "gen_ai.provider.name", provider
            yield "gen_ai.request.model", model
        elif key == "finish_reason":
            yield "gen_ai.response.finish_reasons", (str(value),)
        elif (known := _simple(value)) is not None:
            yield _NAMES.get(key, f"ragkit.{key}"), known
    if span.status == "error":
        yield "error.type", (span.error or "").partition(":")[0] or "_OTHER"
    elif span.status == "cancelled":
        yield "ragkit.cancelled", True
    yield from _content(span)


def _content(span: Span) -> Iterator[tuple[str, str]]:
    if span.kind == "model" and isinstance(span.inputs, Mapping):
        yield "gen_ai.input.messages", _messages(span.inputs.get("messages") or ())
        if isinstance(span.outputs, Mapping):
            yield "gen_ai.output.messages", _messages([span.outputs.get("message") or {}])
        return
    names = {
        "tool": ("gen_ai.tool.call.arguments", "gen_ai.tool.call.result"),
    }.get(span.kind, ("ragkit.inputs", "ragkit.outputs"))
    for name, content in zip(names, (span.inputs, span.outputs), strict=True):
        if content is not None:
            yield name, json.dumps(plain(content), ensure_ascii=False)


def _messages(messages: Any) -> str:
    """Write messages in the form of the conventions: a role, and parts."""
    told = []
    for message in messages:
        parts: list[dict[str, Any]] = []
        if message.get("content"):
            parts.append({"type": "text", "content": plain(message["content"])})
        for call in message.get("tool_calls") or ():
            function = call.get("function") or {}
            parts.append(
                {
                    "type": "tool_call",
                    "id": call.get("id"),
                    "name": function.get("name"),
                    "arguments": function.get("arguments"),
                }
            )
        told.append({"role": message.get("role", "assistant"), "parts": parts})
    return json.dumps(told, ensure_ascii=False)


def _simple(value: Any) -> Any:
    """Return what OpenTelemetry takes as an attribute, or ``None`` to leave it out."""
    if isinstance(value, bool | int | float | str):
        return value
    if value in (None, [], (), {}):
        return None
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return tuple(value)
    return json.dumps(plain(value), ensure_ascii=False)
