"""What faulty servers send: each ends in a right reply, or in the error of every other fault."""

from __future__ import annotations

import gzip
import json
import threading
import time
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from fake_server import FakeServer, Handler, Script, call_tools, say_text
from test_embed_openai import Server

from ragkit import Agent, KnowledgeBase, RagkitError, tool
from ragkit.embed.openai_embedder import served_embedder
from ragkit.errors import BudgetError, EmbeddingError, ModelError
from ragkit.events import Span, recording
from ragkit.llm import Message, Reply, complete, load_model
from ragkit.llm.json_text import read_json
from ragkit.llm.meter import Budget, Limit, Meter
from ragkit.testing import HashEmbedder

HELLO = [Message("user", "Say hello.")]


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def ask(server: FakeServer, *scripts: Script, timeout: float = 20.0) -> Reply:
    server.scripts = list(scripts)
    return complete(load_model("openai:tiny", base_url=server.url, timeout=timeout), HELLO)


def sending(*values: object, done: bool = True) -> Script:
    """Stream ``values``, each as one event."""

    def script(handler: Handler) -> None:
        handler.begin()
        for value in values:
            handler.event(value)
        if done:
            handler.event("[DONE]")

    return script


def delta(finish: str | None = None, **fields: object) -> dict[str, object]:
    return {"id": "c", "choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def whole(body: bytes, **headers: str) -> Script:
    """Reply with ``body`` at once, whatever was asked for."""

    def script(handler: Handler) -> None:
        handler.send_response(200)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return script


# -- floods -----------------------------------------------------------------------------------


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "ragkit-model"]


def no_threads(seconds: float = 10.0) -> bool:
    ends = time.monotonic() + seconds
    while threads() and time.monotonic() < ends:
        time.sleep(0.02)
    return not threads()


@pytest.mark.parametrize("tokens", ["NaN", '"12"', "1e400", "-3", "[1]", "true", str(10**30)])
def test_a_usage_that_cannot_be_is_estimated(server: FakeServer, tokens: str) -> None:
    event = f'{{"choices": [], "usage": {{"prompt_tokens": {tokens}, "completion_tokens": 2}}}}'
    reply = ask(server, sending(delta(content="Hello there"), delta("stop"), event))
    assert reply.text == "Hello there"
    assert 8 < reply.usage.input_tokens < 20
    assert reply.usage.output_tokens == 2


def test_json_that_is_nested_too_deep(server: FakeServer) -> None:
    deep = '{"choices": ' + "[" * 200_000 + "]" * 200_000 + "}"
    with pytest.raises(ModelError, match="not of the OpenAI chat protocol"):
        ask(server, sending(deep))
    with pytest.raises(ModelError, match="not of the OpenAI chat protocol"):
        ask(server, whole(deep.encode()))
    calls = call_tools(
        [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "[" * 99_999}}]
    )
    assert ask(server, calls).tool_calls[0].name == "f"


@pytest.mark.parametrize(
    "line", [b"data: " + b"x" * 65_536, b"x" * 65_536, b"\n: still here\n" * 5_000]
)
def test_an_endless_reply_ends(server: FakeServer, line: bytes) -> None:
    """By its size, long before all of memory is full; and nobody goes on reading."""
    sent = 0

    def endless(handler: Handler) -> None:
        nonlocal sent
        handler.begin()
        while not server.released.is_set():
            handler.wfile.write(line)
            sent += len(line)

    with pytest.raises(ModelError, match=r"not of the OpenAI chat protocol|more than 64 MiB"):
        ask(server, endless)
    assert sent < 100 * 2**20
    assert no_threads()


def test_a_thread_that_waits_ends_with_the_time(server: FakeServer) -> None:
    def stall(handler: Handler) -> None:
        handler.begin()
        handler.say("Hel")
        server.released.wait(60)

    with pytest.raises(ModelError, match="within"):
        ask(server, stall, timeout=0.5)
    assert no_threads()


@pytest.mark.parametrize("status", [200, 500])
def test_a_reply_that_is_packed_is_not_unpacked(server: FakeServer, status: int) -> None:
    bomb = gzip.compress(bytes(200 * 2**20), 1)

    def packed(handler: Handler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", str(len(bomb)))
        handler.end_headers()
        handler.wfile.write(bomb)

    with pytest.raises(ModelError, match="packed with 'gzip', which was not asked for"):
        ask(server, packed)
    assert [headers["Accept-Encoding"] for headers, _ in server.requests] == ["identity"]


@pytest.mark.parametrize(
    ("headers", "reply", "told"),
    [
        ({"Content-Encoding": "gzip"}, gzip.compress(bytes(2**20)), "packed with 'gzip'"),
        ({}, b'{"data": ' + b"[" * 200_000, "not of the OpenAI protocol"),
        ({}, {"data": [{"index": 0, "embedding": [10**400]}]}, "not of the OpenAI protocol"),
        ({}, b'{"data": [{"index": 0, "embedding": [1e400, 1]}]}', "no number"),
        ({}, {"data": [{"index": [], "embedding": [1]}]}, "not of the OpenAI protocol"),
        ({}, b" " * (65 * 2**20), "more than 64 MiB"),
    ],
)
def test_embedding_servers_that_flood(headers: dict[str, str], reply: Any, told: str) -> None:
    server = Server()
    try:
        server.script = [(200, headers, reply)] * 2
        with pytest.raises(EmbeddingError, match=told):
            served_embedder("openai", "m", base_url=server.url, retries=0).embed(
                ["a"], kind="passage"
            )
    finally:
        server.close()


def test_embedding_servers_that_take_few_texts_at_once() -> None:
    server = Server()
    error = {"detail": [{"loc": ["body", "input"], "msg": "at most 10 texts"}]}
    try:
        embedder = served_embedder("openai", "m", base_url=server.url, retries=0)
        server.script = [(422, {}, error), (422, {}, error)]
        texts = [f"text {number}" for number in range(40)]
        vectors = embedder.embed(texts, kind="passage")
        sizes = [len(request["input"]) for request in server.requests]
        assert sizes == [40, 20, 10, 10, 20]
        fresh = served_embedder("openai", "m", base_url=server.url, retries=0)
        assert np.array_equal(vectors, fresh.embed(texts, kind="passage"))
        server.requests.clear()
        embedder.embed(texts, kind="passage")
        assert max(len(request["input"]) for request in server.requests) <= 20
        server.script = [(422, {}, error)]
        with pytest.raises(EmbeddingError, match=r"body\.input: at most 10 texts"):
            embedder.embed(["one"], kind="passage")
    finally:
        server.close()


# -- calls ------------------------------------------------------------------------------------


def call(name: str = "", arguments: Any = None, **fields: object) -> dict[str, object]:
    function = {
        key: value
        for key, value in (("name", name), ("arguments", arguments))
        if value not in ("", None)
    }
    return {"function": function, **fields}


ONE = ("weather", '{"city": "Ulm"}')
TWO = ("weather", '{"city": "Bonn"}')


@pytest.mark.parametrize(
    ("fragments", "expected"),
    [
        ([[call(*ONE, index=0, id="a")], [call(*TWO, index=0, id="b")]], [ONE, TWO]),
        ([[call(*ONE, index=0), call(*TWO, index=0)]], [ONE, TWO]),
        ([[call(*ONE), call(*TWO)]], [ONE, TWO]),
        ([[call(*ONE)], [call(*TWO)]], [ONE, TWO]),
        ([[call("a", {}, index=0), call("b", {}, index=0)]], [("a", "{}"), ("b", "{}")]),
        (
            [[call("weather", index=0, id="a")], [call("", '{"city": ', index=0)], [call("", '"Ulm"}', index=0)]],
            [ONE],
        ),
        ([[call("wea", index=0)], [call("ther", '{"city": "Ulm"}', index=0)]], [ONE]),
        (
            [[call("weather", '{"city": ', index=0)], [call("weather", '"Ulm"}', index=0)]],
            [ONE],
        ),
        ([[call(*ONE, index=0, id="a")], [call("weather", index=0, id="a")]], [ONE]),
        ([[call(*ONE, index=0)], [call("", ONE[1], index=0)]], [ONE]),
        (
            [[call("weather", '{"city": ', index=0, id="a"), call("weather", '{"ci', index=1, id="b")], [call("", 'ty": "Bonn"}', index=1), call("", '"Ulm"}', index=0)]],
            [ONE, TWO],
        ),
        ([[call("weather", {"city": "Ulm"}, index=None, id=7)]], [ONE]),
    ],
)  # fmt: skip
def test_no_call_is_lost_or_merged(
    server: FakeServer, fragments: list[list[dict[str, object]]], expected: list[tuple[str, str]]
) -> None:
    reply = ask(server, call_tools(*fragments))
    assert [(made.name, made.arguments) for made in reply.tool_calls] == expected
    assert len({made.id for made in reply.tool_calls}) == len(expected)


def test_calls_that_share_a_number_are_all_made(server: FakeServer) -> None:
    cities: list[str] = []

    @tool
    def weather(city: str) -> str:
        """Tell the weather."""
        cities.append(city)
        return "dry"

    server.scripts = [
        call_tools([call(*ONE, index=0, id="x"), call(*TWO, index=0, id="y")]),
        say_text("Dry in both."),
    ]
    result = Agent(load_model("openai:tiny", base_url=server.url), tools=[weather]).run("Weather?")
    assert result.output == "Dry in both."
    assert sorted(cities) == ["Bonn", "Ulm"]


@pytest.mark.parametrize(
    ("written", "sent_back"),
    [
        ('{"city": "Ul', "{}"),
        ("Ulm", "{}"),
        ('["Ulm"]', "{}"),
        ("", "{}"),
        ('{"city": "Ulm",}', '{"city": "Ulm"}'),
        ('{"city": "Ulm"} and more', "{}"),
    ],
)
def test_arguments_are_sent_back_as_json(server: FakeServer, written: str, sent_back: str) -> None:
    """Servers answer 400 or 500 to anything else, which would end the run."""

    @tool
    def weather(city: str) -> str:
        """Tell the weather."""
        return f"dry in {city}"

    server.scripts = [call_tools([call("weather", written, index=0, id="x")]), say_text("Dry.")]
    result = Agent(load_model("openai:tiny", base_url=server.url), tools=[weather]).run("Weather?")
    assert result.output == "Dry."
    messages: Any = server.requests[-1][1]["messages"]
    made = next(message for message in messages if message.get("tool_calls"))
    assert made["tool_calls"][0]["function"]["arguments"] == sent_back
    told = messages[-1]["content"]
    assert ("dry in Ulm" in told) == (sent_back != "{}")
    assert ("its arguments are wrong" in told) == (sent_back == "{}")


# -- content ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "text", "thought"),
    [
        ([delta(content=[{"type": "text", "text": "Hel"}, "lo"])], "Hello", ""),
        ([delta(content={"type": "text", "text": "Hello"})], "Hello", ""),
        (
            [delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]), delta(content="Hello")],
            "Hello",
            "Hm.",
        ),
        ([delta(content=7), delta(content=None), delta(content="Hello")], "Hello", ""),
        ([delta(content="<think>Hm.</think>\n\nHello")], "Hello", "Hm."),
        ([delta(content=piece) for piece in "<thinking>Hm.</thinking>Hello"], "Hello", "Hm."),
        ([delta(content="Hm.\n</think>\n\nHello")], "Hello", "Hm."),
        ([delta(content=piece) for piece in "Hm.</think>Hello"], "Hello", "Hm."),
        ([delta(reasoning_content="Hm."), delta(content="Hello")], "Hello", "Hm."),
        ([delta(reasoning="Hm."), delta(content="Hello")], "Hello", "Hm."),
        ([delta(content="<think>for ever")], "", "for ever"),
        ([delta(content="Write <think> before it.")], "Write <think> before it.", ""),
        ([delta(content="a < b")], "a < b", ""),
        ([{"choices": [{"message": {"content": "Hello"}}]}], "Hello", ""),
        ([{"choices": [{"text": "Hello"}]}], "Hello", ""),
    ],
)  # fmt: skip
def test_text_and_thoughts_in_every_form(
    server: FakeServer, events: list[object], text: str, thought: str
) -> None:
    spans: list[Span] = []
    with recording(spans.append):
        reply = ask(server, sending(*events, delta("stop")))
    assert (reply.text, reply.reasoning) == (text, thought)
    assert spans[-1].attributes.get("reasoning", "") == thought


def test_values_are_not_taken_from_thoughts(server: FakeServer) -> None:
    from ragkit.chain import ask_for

    server.scripts = [say_text('<think>Perhaps {"answer": 3}?</think>{"answer": 4}')]
    model = load_model("openai:tiny", base_url=server.url)
    assert ask_for(model, int)("How many?").value == 4


def test_what_a_server_wants_back_is_sent_back(server: FakeServer) -> None:
    @tool
    def now() -> str:
        """Tell the time."""
        return "noon"

    signed = {"google": {"thought_signature": "abc"}}
    server.scripts = [
        sending(
            delta(reasoning_content="Which "),
            delta(reasoning_content="time?"),
            delta("tool_calls", tool_calls=[call("now", "{}", id="x", extra_content=signed)]),
        ),
        say_text("Noon."),
    ]
    agent = Agent(load_model("openai:tiny", base_url=server.url), tools=[now])
    assert agent.run("What time is it?").output == "Noon."
    messages: Any = server.requests[-1][1]["messages"]
    made = next(message for message in messages if message.get("tool_calls"))
    assert made["reasoning_content"] == "Which time?"
    assert made["tool_calls"][0]["extra_content"] == signed


def test_a_reply_without_a_reason_to_end(server: FakeServer) -> None:
    assert ask(server, sending(delta(content="Hello"))).text == "Hello"
    with pytest.raises(ModelError, match="broke off"):
        ask(server, sending(delta(content="Hel"), done=False))


@pytest.mark.parametrize("indent", [None, 2])
def test_a_server_that_does_not_stream(server: FakeServer, indent: int | None) -> None:
    body = {
        "id": "c",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello"},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    }
    reply = ask(server, whole(json.dumps(body, indent=indent).encode()))
    assert (reply.text, reply.finish_reason) == ("Hello", "stop")
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (3, 2)


def test_a_page_is_no_reply(server: FakeServer) -> None:
    with pytest.raises(ModelError, match="not of the OpenAI chat protocol"):
        ask(server, whole(b"<html><body>Sign in</body></html>", Content_Type="text/html"))


def test_a_refusal_is_shown_and_not_asked_for_again(server: FakeServer) -> None:
    from pydantic import BaseModel

    class Person(BaseModel):
        name: str

    refused = sending(delta(refusal="I will not "), delta(refusal="say."), delta("stop"))
    assert ask(server, refused).text == "I will not say."
    server.requests.clear()
    model = load_model("openai:tiny", base_url=server.url)
    result = Agent(model, output_type=Person).run("Who?")
    assert (result.output, result.text) == (None, "I will not say.")
    assert any("refused" in note for note in result.degraded)
    from ragkit.chain import ChainError, ask_for

    with pytest.raises(ChainError, match="refused: I will not say"):
        ask_for(model, Person)("Who?")
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "error",
    [
        {"detail": [{"loc": ["body", "temperature"], "msg": "Extra inputs are not permitted"}]},
        {"error": "unknown field temperature"},
        {"error": {"message": "Unsupported parameter", "param": "temperature"}},
        {"message": "temperature is not supported"},
    ],
)
def test_a_setting_is_refused_once(server: FakeServer, error: dict[str, object]) -> None:
    def refuse(handler: Handler) -> None:
        content = json.dumps(error).encode()
        handler.send_response(422)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    server.scripts = [refuse, say_text("Hello"), say_text("Hello")]
    model = load_model("openai:tiny", base_url=server.url)
    assert [complete(model, HELLO).text for _ in range(2)] == ["Hello", "Hello"]
    assert ["temperature" in body for _, body in server.requests] == [True, False, False]


def test_the_body_of_an_error_is_read(server: FakeServer) -> None:
    body = b'{"detail": [{"loc": ["body", "model"], "msg": "no such model here"}]}'

    def refuse(handler: Handler) -> None:
        handler.send_response(422)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    with pytest.raises(ModelError, match=r"422: body\.model: no such model here"):
        ask(server, refuse)


def test_a_server_without_a_system_role(server: FakeServer) -> None:
    def refuse(handler: Handler) -> None:
        handler.fail(400, {"message": "System role not supported"})

    server.scripts = [refuse, say_text("Hello"), say_text("Hello")]
    model = load_model("openai:tiny", base_url=server.url)
    messages = [Message("system", "Be brief."), *HELLO]
    assert [complete(model, messages).text for _ in range(2)] == ["Hello", "Hello"]
    assert [body["messages"] for _, body in server.requests[1:]] == [
        [{"role": "user", "content": "Be brief.\n\nSay hello."}]
    ] * 2


# -- calls in text ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        '{"name": "weather", "parameters": {"city": "Ulm"}}',
        '{"type": "function", "function": {"name": "weather", "arguments": {"city": "Ulm"}}}',
        '<function=weather>{"city": "Ulm"}</function>',
        "<function=weather><parameter=city>Ulm</parameter></function>",
        '[weather(city="Ulm")]',
        'weather(city="Ulm")',
        '[TOOL_CALLS][{"name": "weather", "arguments": {"city": "Ulm"}}]',
        '[TOOL_CALLS]weather[ARGS]{"city": "Ulm"}',
        '<|python_tag|>{"name": "weather", "parameters": {"city": "Ulm"}}',
        'Look.\n<tool_call>\n{"name": "weather", "arguments": {"city": "Ulm"}}\n</tool_call>',
        '```json\n{"name": "weather", "arguments": {"city": "Ulm"}}\n```',
    ],
)
@pytest.mark.parametrize("calling", ["native", "react"])
def test_calls_written_as_text_are_made(server: FakeServer, written: str, calling: Any) -> None:
    cities: list[str] = []

    @tool
    def weather(city: str, day: str = "today") -> str:
        """Tell the weather."""
        cities.append(f"{city} {day}")
        return "dry"

    last = "Dry." if calling == "native" else "Final Answer: Dry."
    server.scripts = [say_text(written), say_text(last)]
    model = load_model("openai:tiny", base_url=server.url)
    result = Agent(model, tools=[weather], calling=calling).run("Weather?")
    assert (result.output, cities) == ("Dry.", ["Ulm today"])


def test_an_action_as_one_object_is_made(server: FakeServer) -> None:
    @tool
    def weather(city: str, day: str = "today") -> str:
        """Tell the weather."""
        return f"dry in {city} {day}"

    made = '{"action": "weather", "action_input": {"city": "Ulm"}}'
    action = f"Thought: look\nAction:\n```json\n{made}\n```"
    server.scripts = [say_text(action), say_text("Final Answer: Dry.")]
    model = load_model("openai:tiny", base_url=server.url)
    result = Agent(model, tools=[weather], calling="react").run("Weather?")
    assert result.output == "Dry."
    told = [made.result for step in result.steps for made in step.calls]
    assert told == ["dry in Ulm today"]


@pytest.mark.parametrize(
    "text", ["It is dry (in Ulm).", '{"name": "Ulm", "river": "Danube"}', "f(x=1)", "[1, 2]"]
)
def test_an_answer_is_no_call(server: FakeServer, text: str) -> None:
    @tool
    def weather(city: str) -> str:
        """Tell the weather."""
        return "dry"

    server.scripts = [say_text(text)]
    agent = Agent(load_model("openai:tiny", base_url=server.url), tools=[weather])
    assert agent.run("Weather?").output == text


def test_usage_that_is_not_told_counts_against_a_budget(server: FakeServer) -> None:
    server.scripts = [sending(delta(content="Hello there"), delta("stop"))]
    meter = Meter(limits=[Limit(Budget(tokens=60))])
    model = meter.metered(load_model("openai:tiny", base_url=server.url))
    first = complete(model, HELLO, max_tokens=20)
    assert first.usage.input_tokens > 5
    assert meter.usage.input_tokens == first.usage.input_tokens
    assert meter.usage.output_tokens == first.usage.output_tokens > 0
    for _ in range(6):
        try:
            complete(model, HELLO, max_tokens=20)
        except BudgetError:
            return
    pytest.fail("the budget was passed")


# -- everything at once -----------------------------------------------------------------------

GOOD = [
    delta(content="The warranty "),
    delta(reasoning_content="Hm."),
    delta(content=[{"type": "text", "text": "lasts two years [1]."}]),
    delta("tool_calls", tool_calls=[call("now", "{}", index=0, id="x")]),
    {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
]
ODD: list[Any] = [
    None, True, -1, 10**40, 1e308, "", "x", "<think>", "</think>", "\ud800", "[TOOL_CALLS]", [], [[]],
    {}, {"text": {}}, [None], {"": ""}, "\0", "final answer: ", "NO ANSWER",
]  # fmt: skip


def mutated(value: Any, random: Random) -> Any:
    """Return ``value`` with a part of it exchanged, left out or doubled."""
    if isinstance(value, dict) and value and random.random() < 0.8:
        key = random.choice(list(value))
        if random.random() < 0.2:
            return {other: inner for other, inner in value.items() if other != key}
        return {**value, key: mutated(value[key], random)}
    if isinstance(value, list) and value and random.random() < 0.8:
        place = random.randrange(len(value))
        changed = [mutated(value[place], random)] * random.choice([1, 1, 1, 0, 2])
        return [*value[:place], *changed, *value[place + 1 :]]
    return random.choice(ODD)


def stream_of(random: Random) -> Script:
    events: Any = GOOD
    for _ in range(random.choice([1, 1, 2, 4])):
        events = mutated(events, random)
    body = b""
    for event in events if isinstance(events, list) else [events]:
        body += b"data: " + json.dumps(event).encode() + b"\n\n"
    body += random.choice([b"data: [DONE]\n\n", b""])
    if random.random() < 0.2:
        cut = random.randrange(len(body) + 1)
        body = (
            body[:cut] + random.choice([b"", b"\xff\xfe", b"\n", b"{", b"data:"]) + body[cut + 3 :]
        )

    def script(handler: Handler) -> None:
        handler.begin()
        handler.wfile.write(body)

    return script


@pytest.mark.parametrize("count", [30, pytest.param(500, marks=pytest.mark.slow)])
def test_nothing_but_an_answer_or_a_plain_error_comes_of_any_stream(
    server: FakeServer, tmp_path: Path, count: int
) -> None:
    """``kb.ask``, ``kb.stream`` and ``Agent.run``, each with streams that are a little wrong."""

    @tool
    def now() -> str:
        """Tell the time."""
        return "noon"

    random = Random(count)
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as kb:
        kb.add("The warranty lasts two years.", path="warranty.txt")
        for number in range(count):
            server.scripts = [stream_of(random), say_text("It lasts two years [1].")]
            model = load_model("openai:tiny", base_url=server.url)
            try:
                if number % 3 == 0:
                    assert kb.ask("How long is the warranty?", model=model, cache=False).text
                elif number % 3 == 1:
                    assert list(kb.stream("How long is the warranty?", model=model, cache=False))
                else:
                    Agent(model, tools=[now]).run("What time is it?")
            except RagkitError:
                pass


# -- JSON in replies --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '{"a": [1, "x"]}',
        '```json\n{"a": [1, "x"]}\n```',
        'Sure! {"a": [1, "x"]} Hope it helps.',
        'As in [1], it is {"a": [1, "x"]}.',
        'First {"a": 2}, but no: {"a": [1, "x"]}',
        'Not\n```\n{"a": 2}\n```\nbut\n```\n{"a": [1, "x"]}\n```',
        '{"a": [1, "x"],}',
        "{'a': [1, 'x']}",
        '{a: [1, "x"]}',
        '{"a": [1, "x"] // both\n}',
        '/* it */ {"a": [1, "x"]}',
        '{"a": [1, "x"}',
        '{"a": [1 "x"]}',
        "{“a”: [1, “x”]}",
        'json\n{"a": [1, "x"]}',
        '<answer>{"a": [1, "x"]}</answer>',
        'reply = {"a": [1, "x"]};',
        '{{"a": [1, "x"]}}',
        'Here: {"a": [1, "x"],} Done.',
    ],
)  # fmt: skip
def test_json_in_its_usual_forms(text: str) -> None:
    assert read_json(text).value == {"a": [1, "x"]}


@pytest.mark.parametrize(
    "text",
    [
        '{"a": [1, "x"',
        '{"a": {"b": 1}',
        '{"a": tru}',
        '{"a" 1}',
        '{"a": 1,, "b": 2}',
        '{"a": "b" + "c"}',
        '{"a": [1, 2, ...]}',
        "The set {x} has 3 elements.",
        "Five.",
        "",
    ],
)
def test_nothing_is_guessed_or_lost(text: str) -> None:
    with pytest.raises(ValueError, match="not valid JSON"):
        read_json(text)
