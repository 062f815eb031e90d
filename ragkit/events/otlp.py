"""Traces as JSON in the form of OTLP, which tools of the OpenTelemetry family read from a file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ragkit.events.span_documents import plain
from ragkit.results import __version__

if TYPE_CHECKING:
    from ragkit.events.spans import Span

_STATUS = {"ok": 1, "error": 2}
_INTERNAL = 1  # the kind of a span that crosses no process


def otlp_document(spans: Sequence[Span]) -> dict[str, Any]:
    """Return spans as an ``ExportTraceServiceRequest`` in JSON, with what went in and out."""
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes({"service.name": "ragkit"})},
                "scopeSpans": [
                    {
                        "scope": {"name": "ragkit", "version": __version__},
                        "spans": [_span(one) for one in spans],
                    }
                ],
            }
        ]
    }


def _span(span: Span) -> dict[str, Any]:
    begin = round(span.started_at * 1e9)
    content = {"ragkit.inputs": span.inputs, "ragkit.outputs": span.outputs}
    facts = {"ragkit.kind": span.kind, **{f"ragkit.{k}": v for k, v in span.attributes.items()}}
    status: dict[str, Any] = {"code": _STATUS.get(span.status, 0)}
    if span.error:
        status["message"] = span.error
    return {
        "traceId": span.trace,
        "spanId": span.id,
        **({"parentSpanId": span.parent} if span.parent else {}),
        "name": span.name,
        "kind": _INTERNAL,
        "startTimeUnixNano": str(begin),
        "endTimeUnixNano": str(begin + round(span.seconds * 1e9)),
        "attributes": _attributes(facts | {k: v for k, v in content.items() if v is not None}),
        "status": status,
    }


def _attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(plain(value))} for key, value in values.items()]


def _value(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}  # 64 bits, which JSON's numbers are not
        case float():
            return {"doubleValue": value}
        case str():
            return {"stringValue": value}
    return {"stringValue": json.dumps(value, ensure_ascii=False)}
