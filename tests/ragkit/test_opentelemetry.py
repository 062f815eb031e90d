"""Spans as OpenTelemetry sees them, through its own SDK."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from ragkit import KnowledgeBase
from ragkit.events import recording, span
from ragkit.events.opentelemetry import OpenTelemetrySink
from ragkit.llm import Message, ToolCall, complete
from ragkit.testing import HashEmbedder, ScriptedModel


class Telemetry:
    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.processor = SimpleSpanProcessor(self._exporter)
        self.sink = OpenTelemetrySink(self.processor)

    def spans(self) -> dict[str, ReadableSpan]:
        return {item.name: item for item in self._exporter.get_finished_spans()}


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    telemetry = Telemetry()
    yield telemetry
    telemetry.sink.close()


def test_a_model_call_speaks_the_genai_conventions(telemetry: Telemetry) -> None:
    call = ToolCall("c1", "clock", '{"zone": "UTC"}')
    with (
        ScriptedModel(["Let me look.", call], name="openai:gpt-5") as model,
        recording(telemetry.sink),
        span("assistant", "agent"),
    ):
        complete(model, [Message("user", "What time is it?")], max_tokens=50)
    spans = telemetry.spans()
    chat, agent = spans["chat gpt-5"], spans["invoke_agent assistant"]
    assert chat.attributes is not None
    told = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.request.max_tokens": 50,
        "gen_ai.usage.input_tokens": 4,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.response.finish_reasons": ("tool_calls",),
    }
    assert {key: chat.attributes.get(key) for key in told} == told
    [asked] = json.loads(str(chat.attributes["gen_ai.input.messages"]))
    assert asked == {
        "role": "user",
        "parts": [{"type": "text", "content": "What time is it?"}],
    }
    [said] = json.loads(str(chat.attributes["gen_ai.output.messages"]))
    assert [part["type"] for part in said["parts"]] == ["text", "tool_call"]
    assert chat.kind is SpanKind.CLIENT
    assert chat.parent is not None
    assert agent.context is not None
    assert chat.parent.span_id == agent.context.span_id
    assert chat.end_time is not None
    assert chat.start_time is not None
    assert chat.end_time >= chat.start_time


def test_errors_and_tools(telemetry: Telemetry) -> None:
    with (
        recording(telemetry.sink),
        pytest.raises(OSError, match="gone"),
        span("read", "tool", inputs={"path": "a"}, tries=2),
    ):
        raise OSError("gone")
    read = telemetry.spans()["execute_tool read"]
    assert read.status.status_code is StatusCode.ERROR
    assert read.attributes is not None
    assert read.attributes["error.type"] == "OSError"
    assert read.attributes["gen_ai.tool.name"] == "read"
    assert read.attributes["ragkit.tries"] == 2
    assert json.loads(str(read.attributes["gen_ai.tool.call.arguments"])) == {"path": "a"}


def test_a_question_is_one_trace_below_the_applications_own_span(
    telemetry: Telemetry, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("The kettle holds two litres.", encoding="utf-8")
    with KnowledgeBase(
        tmp_path / "kb", embedder=HashEmbedder(), sinks=[telemetry.sink], traces="facts"
    ) as kb:
        kb.ingest(tmp_path / "a.txt")
        provider = TracerProvider()
        with provider.get_tracer("app").start_as_current_span("request") as request:
            kb.ask("How much does the kettle hold?")
    spans = telemetry.spans()
    context = request.get_span_context()
    ask = spans["ask"]
    assert ask.parent is not None
    assert ask.parent.span_id == context.span_id
    assert {item.context.trace_id for item in spans.values() if item.context} == {context.trace_id}
    retrieve, search = spans["retrieval retrieve"], spans["retrieval search"]
    for child, parent in ((retrieve, ask), (search, retrieve)):
        assert child.parent is not None
        assert parent.context is not None
        assert child.parent.span_id == parent.context.span_id
    assert not any("kettle" in str(item.attributes) for item in spans.values())
