"""Agents over the real protocol: faults of a server, and a real llama.cpp."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_server import FakeServer, Handler, Script, call_tools, hello, refuse, say_text
from pydantic import BaseModel

from ragkit import Agent, AgentResult, KnowledgeBase, Limits, ModelError, tool
from ragkit.events import Span, recording
from ragkit.llm import Delta, Message, complete, load_model
from ragkit.llm.chat_model import ChatModel, ToolCall
from ragkit.results import TextDelta
from ragkit.testing import HashEmbedder


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


ADD: dict[str, object] = {"index": 0, "id": "c1", "function": {"name": "add", "arguments": ""}}


def arguments(text: str, index: int = 0) -> dict[str, object]:
    return {"index": index, "function": {"arguments": text}}


CALL = call_tools([ADD], [arguments('{"a": 1,')], [arguments(' "b": 2}')])
ANSWER = say_text("It is 3.")


def model_of(server: FakeServer, *scripts: Script, timeout: float = 20.0) -> ChatModel:
    server.scripts = list(scripts)
    return load_model("openai:tiny", base_url=server.url, timeout=timeout)


def run(server: FakeServer, *scripts: Script, timeout: float = 20.0) -> AgentResult:
    return Agent(model_of(server, *scripts, timeout=timeout), tools=[add]).run("1 + 2?")


# -- the protocol -----------------------------------------------------------------------------


def test_calls_and_results_travel_as_the_protocol_has_them(server: FakeServer) -> None:
    result = run(server, CALL, ANSWER)
    assert result.output == "It is 3."
    assert result.usage.input_tokens == 24
    first, second = (body for _, body in server.requests)
    assert first["tools"][0]["function"]["name"] == "add"  # type: ignore[index]
    _, _, made, answered = second["messages"]  # type: ignore[misc]
    assert made["tool_calls"][0]["function"] == {"name": "add", "arguments": '{"a": 1, "b": 2}'}
    assert (answered["role"], answered["tool_call_id"]) == ("tool", "c1")
    assert "3" in answered["content"]


@pytest.mark.parametrize(
    "fragments",
    [
        [[{**ADD, "function": {"name": "add", "arguments": '{"a": 1, "b": 2}'}}]],
        [[ADD], *[[arguments(character)] for character in '{"a": 1, "b": 2}']],
        [
            [{**ADD, "function": {"name": "a", "arguments": ""}}],
            [{"index": 0, "function": {"name": "dd", "arguments": '{"a": 1, "b": 2}'}}],
        ],
        [
            [ADD],
            [{"index": 0, "function": {"name": "add", "arguments": '{"a": 1, "b": 2}'}}],
        ],
        [[{"id": "c1", "function": {"name": "add", "arguments": '{"a": 1, "b": 2}'}}]],
        [
            [{"id": "c1", "function": {"name": "add", "arguments": '{"a": 1'}}],
            [{"function": {"arguments": ', "b": 2}'}}],
        ],
        [[{"index": 0, "function": {"name": "add", "arguments": {"a": 1, "b": 2}}}]],
    ],
    ids=["whole", "letters", "name-cut", "name-repeated", "no-index", "no-index-cut", "object"],
)
def test_calls_are_put_together_however_they_are_cut(
    server: FakeServer, fragments: list[list[dict[str, object]]]
) -> None:
    result = run(server, call_tools(*fragments), ANSWER)
    assert result.steps[0].calls[0].result == "3"


def test_interleaved_fragments_of_several_calls(server: FakeServer) -> None:
    second = {"index": 1, "id": "c2", "function": {"name": "add", "arguments": '{"a": 5,'}}
    script = call_tools(
        [ADD, second], [arguments('{"a": 1, "b": 2}')], [arguments(' "b": 5}', index=1)]
    )
    result = run(server, script, ANSWER)
    assert [record.result for record in result.steps[0].calls] == ["3", "10"]


def test_schema_of_a_typed_answer_is_sent(server: FakeServer) -> None:
    class City(BaseModel):
        name: str

    model = model_of(server, say_text('{"name": "Ulm"}'))
    assert Agent(model, output_type=City).run("Where?").output == City(name="Ulm")
    sent = server.requests[0][1]["response_format"]
    assert sent["type"] == "json_schema"  # type: ignore[index]
    assert "name" in sent["json_schema"]["schema"]["properties"]  # type: ignore[index]


# -- faults -----------------------------------------------------------------------------------


def cut(handler: Handler) -> None:
    handler.begin()
    handler.delta({"tool_calls": [ADD]})


def malformed(handler: Handler) -> None:
    handler.begin()
    handler.event("{not json")


def nothing(handler: Handler) -> None:
    handler.begin()
    handler.done()


def stall(handler: Handler) -> None:
    handler.begin()
    handler.say("It")
    handler.server.released.wait(30)


FAULTS: dict[str, Script] = {
    "401": refuse(401, "bad key"),
    "404": refuse(404, "no such model"),
    "429": lambda handler: handler.fail(429, {"message": "slow down"}, Retry_After="0.02"),
    "500": lambda handler: handler.fail(500, {"message": "broken"}, Retry_After="0.02"),
    "cut": cut,
    "malformed": malformed,
    "stall": stall,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_once_is_a_clear_error_in_bounded_time(server: FakeServer, fault: str) -> None:
    started = time.monotonic()
    with pytest.raises(ModelError) as caught:
        run(server, FAULTS[fault], timeout=0.6 if fault == "stall" else 20.0)
    assert time.monotonic() - started < 20
    assert "openai:tiny" in str(caught.value) or "'tiny'" in str(caught.value)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_later_keeps_what_was_found_and_can_be_resumed(
    server: FakeServer, fault: str
) -> None:
    timeout = 0.6 if fault == "stall" else 20.0
    agent = Agent(model_of(server, CALL, FAULTS[fault], timeout=timeout), tools=[add])
    result = agent.run("1 + 2?")
    assert result.stopped == "error"
    assert '- add {"a": 1, "b": 2}: 3' in result.text
    server.scripts = [ANSWER]
    assert agent.resume(result.state.to_json()).output == "It is 3."


@pytest.mark.parametrize("fault", ["429", "500"])
def test_a_passing_fault_is_waited_for_and_shown_in_the_trace(
    server: FakeServer, fault: str
) -> None:
    spans: list[Span] = []
    with recording(spans.append):
        result = run(server, CALL, FAULTS[fault], ANSWER)
    assert (result.stopped, result.output) == ("answer", "It is 3.")
    retries = [span for span in spans if span.name == "retry"]
    assert len(retries) == 1
    assert retries[0].attributes["wait_seconds"] == pytest.approx(0.02)
    models = {span.id for span in spans if span.name == "openai:tiny"}
    assert retries[0].parent in models


def test_a_retry_that_would_come_too_late_is_not_waited_for(server: FakeServer) -> None:
    script: Script = lambda handler: handler.fail(429, {"message": "later"}, Retry_After="3000")  # noqa: E731
    started = time.monotonic()
    with pytest.raises(ModelError, match="limits the rate"):
        run(server, script)
    assert time.monotonic() - started < 15
    assert len(server.requests) == 1


def test_a_retry_after_may_be_a_date(server: FakeServer) -> None:
    past = "Wed, 21 Oct 2015 07:28:00 GMT"
    script: Script = lambda handler: handler.fail(503, {"message": "busy"}, Retry_After=past)  # noqa: E731
    assert run(server, script, ANSWER).output == "It is 3."


def test_wrong_arguments_and_unknown_tools_are_mended_by_the_model(server: FakeServer) -> None:
    unknown = {"index": 0, "id": "c1", "function": {"name": "plus", "arguments": "{}"}}
    wrong = call_tools([ADD], [arguments('{"a": 1, "b"')])
    result = run(server, call_tools([unknown]), wrong, CALL, ANSWER)
    assert result.output == "It is 3."
    assert len(result.steps) == 4


def test_a_call_cut_off_by_the_token_limit_is_made_again(server: FakeServer) -> None:
    short = call_tools([ADD], [arguments('{"a": 1')], finish="length")
    assert run(server, short, CALL, ANSWER).output == "It is 3."


def test_replies_without_content_end_in_an_answer(server: FakeServer) -> None:
    result = run(server, nothing)
    assert result.stopped == "empty"
    assert "No answer was reached" in result.text


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "registry.ollama.ai/library/tiny:latest does not support tools"),
        (400, '"auto" tool choice requires --enable-auto-tool-choice to be set'),
        (500, "tools param requires --jinja flag"),
        (501, "Tool calling is not supported by this server"),
        (422, "unknown field: tools"),
    ],
)
def test_a_server_that_refuses_tools_is_asked_in_text(
    server: FakeServer, status: int, message: str
) -> None:
    def refusing(handler: Handler) -> None:
        handler.fail(status, {"message": message}, Retry_After="0.01")

    action = say_text('Thought: add\nAction: add\nAction Input: {"a": 1, "b": 2}')
    server.scripts = [refusing, action, say_text("Final Answer: It is 3.")]
    if status == 500:
        server.scripts = [refusing, refusing, *server.scripts]
    agent = Agent(load_model("openai:tiny", base_url=server.url), tools=[add])
    result = agent.run("1 + 2?")
    assert result.output == "It is 3."
    assert message in result.degraded[0]
    last = server.requests[-1][1]
    assert "tools" not in last
    assert "Observation:" in last["stop"]  # type: ignore[operator]


def test_a_bad_tool_schema_is_not_taken_for_a_server_without_tools(server: FakeServer) -> None:
    with pytest.raises(ModelError, match="Invalid schema"):
        run(server, refuse(400, "Invalid schema for function 'add'", param="tools[0].parameters"))


def test_a_server_without_schemas_is_asked_without(server: FakeServer) -> None:
    refusing = refuse(400, "response_format 'json_schema' is not supported")
    model = model_of(server, refusing, say_text('{"answer": [1, 2]}'))
    assert Agent(model, output_type=list[int]).run("?").output == [1, 2]
    assert "response_format" not in server.requests[-1][1]


def test_a_prompt_that_the_server_finds_too_long_is_shortened(server: FakeServer) -> None:
    @tool
    def page() -> str:
        return "word " * 3_000

    called = {"index": 0, "id": "c1", "function": {"name": "page", "arguments": "{}"}}
    too_long = refuse(400, "too long", code="context_length_exceeded")
    model = model_of(server, call_tools([called]), too_long, say_text("Done."))
    assert Agent(model, tools=[page]).run("Read.").output == "Done."
    sent = [len(str(body["messages"])) for _, body in server.requests]
    assert sent[2] < sent[1]


def test_no_fault_loses_a_session(server: FakeServer, tmp_path: Path) -> None:
    (tmp_path / "heron.md").write_text("# Heron\n\nThe warranty of the heron is two years.\n")
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder(), base_url=server.url) as kb:
        kb.ingest(tmp_path / "heron.md")
        chat = kb.chat("ann", model="openai:tiny")
        server.scripts = [say_text("Two years [1].")]
        chat.ask("How long is the warranty of the heron?")
        for name, again in (("401", "again"), ("cut", "please"), ("malformed", "now")):
            server.scripts = [FAULTS[name]]
            answer = chat.ask(f"How long is the warranty of the heron, {again}?")
            assert answer.text
            assert answer.degraded
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as kb:
        assert {session.name: session.turns for session in kb.sessions()} == {"ann": 8}


def test_azure_is_reached_by_its_own_paths(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = server.url.removesuffix("/v1")
    monkeypatch.delenv("OPENAI_API_VERSION", raising=False)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", endpoint)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "secret")
    server.scripts = [hello]
    assert complete(load_model("azure:mine"), [Message("user", "hi")]).text == "Hello!"
    monkeypatch.setenv("OPENAI_API_VERSION", "2024-10-21")
    assert complete(load_model("azure:mine"), [Message("user", "hi")]).text == "Hello!"
    assert [path for path in server.paths if "chat" in path] == [
        "/openai/v1/chat/completions",
        "/openai/deployments/mine/chat/completions?api-version=2024-10-21",
    ]
    assert server.requests[0][0]["Authorization"] == "Bearer secret"
    assert server.requests[1][0]["api-key"] == "secret"


# -- llama.cpp --------------------------------------------------------------------------------


class City(BaseModel):
    name: str
    country: str


class Brief:
    """A model whose replies are short: a small one may go on until the window is full."""

    def __init__(self, model: ChatModel) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def stream(self, messages: Sequence[Message], **options: Any) -> Iterator[Delta]:
        return self._model.stream(messages, **{**options, "max_tokens": 40})


def test_a_small_real_model_uses_a_tool_answers_by_schema_and_streams(
    smollm2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So small a model answers otherwise beside other digits: let them not be random here.
    monkeypatch.setattr("ragkit.agent.model_turn.new_nonce", lambda: "5f0c9a3e71b2d846")
    looked_up: list[str] = []

    @tool
    def population(city: str) -> int:
        """Look up how many people live in a city."""
        looked_up.append(city)
        return 2_102_650

    model = load_model(f"gguf:{smollm2}", context_window=2_048, timeout=300.0)
    try:
        agent = Agent(
            model,
            tools=[population],
            limits=Limits(steps=4, seconds=None),
            max_reply_tokens=120,
        )
        result = agent.run("How many people live in Paris? Use the population tool.")
        assert "Paris" in looked_up
        assert result.stopped == "answer"
        assert "2102650" in result.text.replace(",", "")

        typed = Agent(model, output_type=City, max_reply_tokens=60, limits=Limits(seconds=None))
        city = typed.run("Paris is the capital of France. Give the city and its country.").output
        assert city.name == "Paris"
        assert city.country

        (tmp_path / "heron.md").write_text("# Heron\n\nThe warranty of the heron is two years.\n")
        with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder(), model=Brief(model)) as kb:
            kb.ingest(tmp_path / "heron.md")
            *pieces, answer = kb.stream("How long is the warranty of the heron?")
            assert pieces[0].hits[0].path == "heron.md"
            assert any(isinstance(piece, TextDelta) for piece in pieces)
            assert answer.text
            text = kb.text("heron.md")
            assert all(text[c.start : c.end] == c.quote for c in answer.citations)
    finally:
        model.close()  # type: ignore[attr-defined]


def test_tool_calls_of_the_protocol_reach_the_caller_whole(server: FakeServer) -> None:
    reply = complete(model_of(server, CALL), [Message("user", "1 + 2?")], tools=[add.schema])
    assert reply.finish_reason == "tool_calls"
    assert reply.tool_calls == (ToolCall("c1", "add", '{"a": 1, "b": 2}'),)
