"""Language models: names, the wire protocol and its faults, a real llama.cpp, token counts."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fake_server import FakeServer, Handler, Script, hello

from ragkit.errors import ModelError, UsageError
from ragkit.llm import Delta, Message, complete, load_model
from ragkit.llm.token_counts import count_tokens
from ragkit.results import Usage
from ragkit.testing import ScriptedModel

HELLO = [Message("user", "Say hello.")]


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def ask(server: FakeServer, name: str = "openai:tiny", **options: object) -> list[Delta]:
    model = load_model(name, base_url=server.url, **{"timeout": 20.0, **options})
    return list(model.stream(HELLO, max_tokens=50))


def failure(server: FakeServer, *scripts: Script, **options: object) -> str:
    server.scripts = list(scripts)
    with pytest.raises(ModelError) as caught:
        ask(server, **options)
    return str(caught.value)


# -- names ------------------------------------------------------------------------------------


def test_a_provider_of_another_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_provider.py").write_text(
        "from ragkit.testing import ScriptedModel\n"
        "def make(model, *, api_key=None):\n"
        "    return ScriptedModel(f'I am {model} {api_key}.', name=f'mine:{model}')\n"
    )
    metadata = tmp_path / "my_provider-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-provider\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[ragkit.chat_models]\nmine = my_provider:make\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    model = load_model("mine:small", api_key="k")
    assert complete(model, [Message("user", "Who?")]).text == "I am small k."
    assert load_model("mine:other").name == "mine:other"
    with pytest.raises(UsageError, match="unknown model 'theirs:small'"):
        load_model("theirs:small")


@pytest.mark.parametrize(
    "name", ["", "gpt-5", "openai:", "openai", "claude:x", "gguf: ", "scripted"]
)
def test_unknown_names_list_the_known_forms(name: str) -> None:
    with pytest.raises(UsageError, match=r"'extractive', 'openai:NAME'.*'gguf:PATH'"):
        load_model(name)


def test_extractive_is_not_a_language_model() -> None:
    with pytest.raises(UsageError, match="without a language model"):
        load_model("extractive")


def test_options_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="http://"):
        load_model("openai:tiny", base_url="localhost:8000/v1")
    with pytest.raises(UsageError, match="positive"):
        load_model("ollama:tiny", timeout=0)
    with pytest.raises(UsageError, match="no base URL"):
        load_model(f"gguf:{tmp_path / 'm.gguf'}", base_url="http://localhost/v1")


def test_openai_itself_needs_a_key() -> None:
    with pytest.raises(UsageError, match="OPENAI_API_KEY"):
        load_model("openai:gpt-5")
    assert load_model("openai:gpt-5", api_key="k").name == "openai:gpt-5"


def test_context_windows() -> None:
    assert load_model("openai:gpt-4o-mini", api_key="k").context_window == 128_000
    assert load_model("openai:gpt-4", api_key="k").context_window == 8_192
    assert load_model("ollama:llama3.2").context_window == 4_096
    assert load_model("ollama:llama3.2", context_window=32_768).context_window == 32_768


@pytest.mark.parametrize(
    ("models", "window"),
    [
        ([{"id": "other"}, {"id": "tiny", "max_model_len": 32_768}], 32_768),
        ([{"id": "/models/some.gguf", "meta": {"n_ctx": 2_048, "n_ctx_train": 8_192}}], 2_048),
        ([{"id": "tiny", "context_length": 131_072}], 131_072),
        ([{"id": "tiny"}, {"id": "other"}], 8_192),
        ([{"id": "tiny", "max_model_len": "many"}], 8_192),
        ([{"id": "a", "max_model_len": 999}, {"id": "b"}], 8_192),
        ([], 8_192),
    ],
)
def test_a_server_is_asked_once_for_the_window_of_a_model_that_is_not_known(
    server: FakeServer, models: list[dict[str, object]], window: int
) -> None:
    server.models = models
    model = load_model("openai:tiny", base_url=server.url)
    assert server.paths == []
    assert [model.context_window, model.context_window] == [window, window]
    assert server.paths == ["/v1/models"]
    load_model("openai:gpt-4o", base_url=server.url).context_window  # noqa: B018 - it is known
    assert server.paths == ["/v1/models"]


def test_making_a_model_sends_and_imports_nothing(server: FakeServer) -> None:
    server.scripts = [hello]
    load_model("openai:tiny", base_url=server.url)
    assert server.requests == []
    code = (
        "import sys; from ragkit.llm import load_model; "
        "load_model('openai:gpt-5', api_key='k'); load_model('ollama:x'); "
        "print([m for m in ('openai', 'tiktoken', 'xllamacpp') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


# -- the wire ---------------------------------------------------------------------------------


def test_streams_text_then_finish_and_usage(server: FakeServer) -> None:
    server.scripts = [hello]
    deltas = ask(server)
    assert [delta.text for delta in deltas[:-1]] == ["Hel", "lo", "!"]
    assert deltas[-1] == Delta(finish_reason="stop", usage=Usage(12, 3))
    headers, body = server.requests[0]
    assert body["model"] == "tiny"
    assert body["messages"] == [{"role": "user", "content": "Say hello."}]
    assert body["max_tokens"] == 50
    assert headers["Authorization"] == "Bearer no-key"


def test_keys_come_from_the_argument_or_for_openai_the_environment(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.scripts = [hello]
    monkeypatch.setenv("OPENAI_API_KEY", "from-environment")
    ask(server)
    ask(server, api_key="given")
    ask(server, "ollama:tiny")
    sent = [headers["Authorization"] for headers, _ in server.requests]
    assert sent == ["Bearer from-environment", "Bearer given", "Bearer no-key"]


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("tool_calls", "tool_calls"),
        ("eos", "other"),
    ],
)
def test_finish_reasons(server: FakeServer, sent: str, told: str) -> None:
    def cut(handler: Handler) -> None:
        handler.begin()
        handler.say("Hel")
        handler.done(sent)

    server.scripts = [cut]
    assert ask(server)[-1].finish_reason == told


def test_a_rate_limit_is_waited_for(server: FakeServer) -> None:
    server.scripts = [
        lambda handler: handler.fail(429, {"message": "slow down"}, Retry_After="0.05"),
        hello,
    ]
    assert "".join(delta.text for delta in ask(server)) == "Hello!"
    assert len(server.requests) == 2


def test_a_server_error_is_tried_again_but_not_for_ever(server: FakeServer) -> None:
    def broken(handler: Handler) -> None:
        handler.fail(500, {"message": "out of memory"}, Retry_After="0.05")

    message = failure(server, broken)
    assert "HTTP status 500: out of memory" in message
    assert len(server.requests) == 3


def test_a_setting_the_server_does_not_know_is_left_out(server: FakeServer) -> None:
    def refuse(parameter: str) -> Script:
        error = {"message": f"unsupported {parameter}", "param": parameter, "code": "unsupported"}
        return lambda handler: handler.fail(400, dict(error))

    server.scripts = [refuse("max_tokens"), refuse("temperature"), hello]
    assert "".join(delta.text for delta in ask(server)) == "Hello!"
    assert server.requests[-1][1]["max_completion_tokens"] == 50
    assert "temperature" not in server.requests[-1][1]


# -- faults -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (401, {"message": "bad key"}, "does not accept the key for openai:tiny: bad key"),
        (403, {"message": "not yours"}, "does not allow the use of openai:tiny"),
        (404, {"message": "no such model"}, "has no model 'tiny'"),
        (
            400,
            {"message": "too long", "code": "context_length_exceeded"},
            "longer than openai:tiny can read",
        ),
        (
            400,
            {"message": "request (15031 tokens) exceeds the available context size"},
            "longer than openai:tiny can read",
        ),
        (400, {"message": "no", "code": "content_filter"}, "content filter"),
        (422, {"message": "what?"}, "HTTP status 422: what?"),
    ],
)
def test_refusals_say_what_to_do(
    server: FakeServer, status: int, error: dict[str, object], expected: str
) -> None:
    assert expected in failure(server, lambda handler: handler.fail(status, error))
    assert len(server.requests) == 1


def test_rate_limit_and_quota(server: FakeServer) -> None:
    def limited(handler: Handler) -> None:
        handler.fail(429, {"message": "slow down"}, Retry_After="0.02")

    assert "limits the rate of requests to openai:tiny" in failure(server, limited)
    assert len(server.requests) == 3

    def empty(handler: Handler) -> None:
        error = {"message": "pay", "code": "insufficient_quota"}
        handler.fail(429, error, Retry_After="0.02")

    assert "no quota left" in failure(server, empty)


def test_ollama_says_how_to_get_a_model(server: FakeServer) -> None:
    message = failure(
        server, lambda handler: handler.fail(404, {"message": "not found"}), name="ollama:tiny"
    )
    assert "ollama pull tiny" in message


def test_an_unreachable_server_is_named() -> None:
    closed = FakeServer()
    closed.server_close()
    model = load_model("ollama:tiny", base_url=closed.url, timeout=20.0)
    with pytest.raises(ModelError) as caught:
        list(model.stream(HELLO, max_tokens=5))
    assert f"cannot reach {closed.url} for ollama:tiny" in str(caught.value)
    assert "is Ollama running?" in str(caught.value)


def test_a_cut_stream_is_not_taken_for_a_whole_reply(server: FakeServer) -> None:
    def cut(handler: Handler) -> None:
        handler.begin()
        handler.say("Hel")

    assert "broke off" in failure(server, cut)

    def cut_inside_a_chunk(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"1000\r\ndata: {")
        handler.wfile.flush()
        handler.close_connection = True

    assert server.url in failure(server, cut_inside_a_chunk)


@pytest.mark.parametrize(
    "data",
    ["{not json", '"text"', "[1]", {"choices": "x"}, {"choices": [{"delta": 3}]}, {"choices": [7]}],
)
def test_a_malformed_chunk_is_reported(server: FakeServer, data: object) -> None:
    def malformed(handler: Handler) -> None:
        handler.begin()
        handler.say("Hel")
        handler.event(data)

    message = failure(server, malformed)
    assert "not of the OpenAI chat protocol" in message or "broke off" in message


def test_an_error_inside_the_stream_is_passed_on(server: FakeServer) -> None:
    def failing(handler: Handler) -> None:
        handler.begin()
        handler.say("Hel")
        handler.event({"error": {"message": "the GPU fell off"}})

    assert "the GPU fell off" in failure(server, failing)


def test_a_stalled_stream_ends(server: FakeServer) -> None:
    def stall(handler: Handler) -> None:
        handler.begin()
        handler.say("Hel")
        server.released.wait(30)

    started = time.monotonic()
    message = failure(server, stall, timeout=0.6)
    assert time.monotonic() - started < 15
    assert "did not finish its reply within 0.6 seconds" in message or "too long" in message


def test_a_dripping_stream_ends(server: FakeServer) -> None:
    def drip(handler: Handler) -> None:
        handler.begin()
        while not server.released.wait(0.05):
            handler.wfile.write(b": still here\n\n")
            handler.wfile.flush()

    started = time.monotonic()
    assert "within 0.5 seconds" in failure(server, drip, timeout=0.5)
    assert time.monotonic() - started < 15


def test_closing_the_stream_hangs_up(server: FakeServer) -> None:
    gone = threading.Event()

    def endless(handler: Handler) -> None:
        handler.begin()
        try:
            while not server.released.wait(0.02):
                handler.say("and ")
        except OSError:
            gone.set()

    server.scripts = [endless]
    model = load_model("openai:tiny", base_url=server.url, timeout=20.0)
    deltas = model.stream(HELLO, max_tokens=50)
    assert next(deltas).text == "and "
    deltas.close()  # type: ignore[attr-defined]
    assert gone.wait(10)


# -- llama.cpp --------------------------------------------------------------------------------


def test_gguf_files_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot read the model file"):
        load_model(f"gguf:{tmp_path / 'none.gguf'}")
    (tmp_path / "text.gguf").write_text("hello", encoding="utf-8")
    with pytest.raises(ModelError, match="is not a GGUF model file"):
        load_model(f"gguf:{tmp_path / 'text.gguf'}")


def test_gguf_without_llama_cpp_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "xllamacpp" else real(name)
    )
    with pytest.raises(ModelError, match=r"pip install 'ragkit\[gguf\]'"):
        load_model(f"gguf:{tmp_path / 'm.gguf'}")


def test_a_damaged_gguf_file_is_reported(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="xllamacpp is not installed")
    (tmp_path / "bad.gguf").write_bytes(b"GGUF" + b"\xff" * 500)
    model = load_model(f"gguf:{tmp_path / 'bad.gguf'}")
    with pytest.raises(ModelError, match="cannot load"):
        list(model.stream(HELLO, max_tokens=5))


def test_a_real_model_in_this_process(smollm2: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # loopback must not use a proxy
    model = load_model(f"gguf:{smollm2}", context_window=2_048, timeout=120.0)
    try:
        assert model.context_window == 2_048
        prompt = [Message("user", "What is the capital of France? Answer in one sentence.")]
        deltas = list(model.stream(prompt, max_tokens=40))
        assert "Paris" in "".join(delta.text for delta in deltas)
        usage = deltas[-1].usage
        assert deltas[-1].finish_reason == "stop"
        assert usage is not None
        assert usage.input_tokens > 10
        assert usage.output_tokens > 3
        cut = list(model.stream([Message("user", "Tell me a long story.")], max_tokens=8))
        assert cut[-1].finish_reason == "length"
        with pytest.raises(ModelError, match="longer than gguf:"):
            list(model.stream([Message("user", "word " * 5_000)], max_tokens=8))
    finally:
        model.close()  # type: ignore[attr-defined]


# -- tokens -----------------------------------------------------------------------------------


def test_tokens_are_counted_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    assert count_tokens("") == 0
    assert count_tokens("Hello, world!") == 4
    assert count_tokens("<|endoftext|>") > 1
    assert 900 <= count_tokens("word " * 1_000) <= 1_100
    assert count_tokens("naïve 日本語 😀", "gpt-4o") > 4


def test_counting_an_endless_word_takes_no_endless_time() -> None:
    assert count_tokens("a" * 200_000) > 10_000


# -- the scripted model -----------------------------------------------------------------------


def test_scripted_model_plays_its_script_once() -> None:
    model = ScriptedModel("one two", ["a", Delta(text="b", finish_reason="length")])
    first = list(model.stream(HELLO, max_tokens=1))
    assert "".join(delta.text for delta in first) == "one two"
    assert first[-1].usage == Usage(2, 2)
    with pytest.raises(AssertionError, match="1 of 2 replies were never asked for"):
        model.assert_done()
    assert list(model.stream(HELLO, max_tokens=1))[-1].finish_reason == "length"
    model.assert_done()
    assert model.calls[0] == tuple(HELLO)
    with pytest.raises(AssertionError, match="asked 3 times"):
        model.stream(HELLO, max_tokens=1)


def test_scripted_model_raises_what_it_is_told_to() -> None:
    with ScriptedModel(["a", ModelError("gone")]) as model:
        deltas = model.stream(HELLO, max_tokens=1)
        assert next(deltas).text == "a"
        with pytest.raises(ModelError, match="gone"):
            next(deltas)
    with pytest.raises(AssertionError, match="never asked for"), ScriptedModel("unused"):
        pass
