"""Embedding models on a server, against a server that can misbehave."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from ragkit.embed import Embedder, load_embedder
from ragkit.embed.openai_embedder import OpenAICompatibleEmbedder, served_embedder
from ragkit.errors import EmbeddingError, UsageError

DIMENSION = 8


class Server:
    """Answers embedding requests; ``script`` holds what to answer instead, first to last."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.script: list[tuple[int, dict[str, str], Any]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.requests.append(body)
                server.keys.append(self.headers.get("Authorization"))
                status, headers, reply = 200, {}, embeddings(body["input"])
                if server.script:
                    status, headers, reply = server.script.pop(0)
                data = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_args: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


def vector(text: str) -> list[float]:
    return [float(byte) - 100.5 for byte in hashlib.sha256(text.encode()).digest()[:DIMENSION]]


def embeddings(texts: list[str]) -> dict[str, Any]:
    items = [
        {"object": "embedding", "index": index, "embedding": vector(text)}
        for index, text in enumerate(texts)
    ]
    # In the wrong order, for the protocol has an index to go by.
    return {"object": "list", "model": "m", "data": items[::-1], "usage": {}}


def refusal(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "error", **more}}


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def connect(server: Server, *, retries: int = 1) -> OpenAICompatibleEmbedder:
    return served_embedder(
        "openai", "text-embedding-3-small", base_url=server.url, api_key="a key", retries=retries
    )


def expected(texts: list[str]) -> np.ndarray:
    rows = np.array([vector(text) for text in texts], dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_embeds_in_order_and_learns_the_dimension(server: Server) -> None:
    embedder = load_embedder("openai:text-embedding-3-small", base_url=server.url, api_key="a key")
    assert embedder.name == "openai:text-embedding-3-small"
    texts = ["one", "two", "", "drei \ud800"]
    vectors = embedder.embed(texts, kind="passage")
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, expected(["one", "two", " ", "drei \ufffd"]), atol=1e-6)
    assert len(server.requests) == 1
    assert server.requests[0]["model"] == "text-embedding-3-small"
    assert server.keys == ["Bearer a key"]
    assert embedder.fingerprint.dimension == DIMENSION
    assert len(server.requests) == 1
    assert embedder.embed([], kind="query").shape == (0, DIMENSION)
    assert isinstance(embedder, Embedder)


def test_sends_nothing_until_it_must(server: Server) -> None:
    embedder = load_embedder(
        "openai:text-embedding-3-small", base_url=server.url, api_key="a key", dimension=DIMENSION
    )
    assert embedder.fingerprint.dimension == DIMENSION
    assert embedder.max_tokens == 8000
    assert list(embedder.tokenizer.token_starts("two words")) == [0, 3]
    assert server.requests == []
    assert connect(server).fingerprint.dimension == DIMENSION
    assert len(server.requests) == 1


def test_many_texts_go_in_several_requests(server: Server) -> None:
    texts = [f"text {number}" for number in range(300)]
    np.testing.assert_allclose(
        connect(server).embed(texts, kind="passage"), expected(texts), atol=1e-6
    )
    assert [len(request["input"]) for request in server.requests] == [128, 128, 44]


def test_long_texts_go_in_several_requests_and_are_cut(server: Server) -> None:
    texts = ["word " * 20_000] * 10
    embedder = connect(server)
    embedder.embed(texts, kind="passage")
    sent = [text for request in server.requests for text in request["input"]]
    assert len(sent) == 10
    assert len(server.requests) > 1
    tokens = len(embedder.tokenizer.token_starts(sent[0]))
    assert embedder.max_tokens - 2 <= tokens <= embedder.max_tokens


def test_waits_as_told_and_tries_again(server: Server) -> None:
    server.script = [(429, {"Retry-After": "0.05"}, refusal("slow down"))] * 2
    embedder = connect(server, retries=2)
    np.testing.assert_allclose(embedder.embed(["x"], kind="query"), expected(["x"]), atol=1e-6)
    assert len(server.requests) == 3


def test_a_server_error_is_tried_again(server: Server) -> None:
    server.script = [(500, {"retry-after-ms": "10"}, refusal("oops"))]
    assert connect(server).embed(["x"], kind="query").shape == (1, DIMENSION)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("status", "message", "said"),
    [
        (401, "Incorrect API key provided", "does not accept the key .*Incorrect API key"),
        (403, "not your region", "does not allow .*not your region"),
        (404, "no such model", "has no model 'text-embedding-3-small', or is not the base URL"),
        (400, "maximum context length is 8192 tokens", "status 400: maximum context length"),
        (429, "quota used up", "limits the rate of requests to .*: quota used up"),
        (503, "overloaded", "status 503: overloaded"),
    ],
)
def test_refusals_say_what_the_server_said(
    server: Server, status: int, message: str, said: str
) -> None:
    server.script = [(status, {"retry-after-ms": "1"}, refusal(message))] * 2
    with pytest.raises(EmbeddingError, match=said):
        connect(server).embed(["x"], kind="query")
    assert len(server.requests) == (2 if status in (429, 503) else 1)


def item(index: int, embedding: Any) -> dict[str, Any]:
    return {"object": "embedding", "index": index, "embedding": embedding}


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (b"<html>welcome</html>", "not of the OpenAI protocol"),
        ({"hello": "world"}, "not of the OpenAI protocol"),
        ({"data": []}, "not of the OpenAI protocol"),
        ({"data": [item(0, [1.0, 2.0])]}, "1 vectors for 2 texts"),
        ({"data": [item(0, [1.0]), item(1, [1.0, 2.0])]}, "different lengths"),
        ({"data": [item(0, []), item(1, [])]}, "empty"),
        ({"data": [item(0, ["a"]), item(1, ["b"])]}, "different lengths, or none"),
        ({"data": [item(0, [0.0]), item(1, [0.0])]}, "vector of zeros"),
        (b'{"data": [{"index":0,"embedding":[NaN]},{"index":1,"embedding":[1]}]}', "no number"),
    ],
)
def test_replies_of_another_form(server: Server, reply: Any, said: str) -> None:
    server.script = [(200, {}, reply)]
    with pytest.raises(EmbeddingError, match=said):
        connect(server).embed(["x", "y"], kind="passage")


def test_another_dimension_than_before(server: Server) -> None:
    embedder = load_embedder("openai:m", base_url=server.url, api_key="k", dimension=3)
    with pytest.raises(EmbeddingError, match="8 dimensions instead of 3"):
        embedder.embed(["x"], kind="query")


def test_nobody_answers(server: Server) -> None:
    server.close()
    with pytest.raises(EmbeddingError, match="cannot reach http"):
        connect(server, retries=0).embed(["x"], kind="query")
    ollama = load_embedder("ollama:nomic-embed-text", base_url=server.url)
    assert isinstance(ollama, OpenAICompatibleEmbedder)
    ollama._retries = 0
    with pytest.raises(EmbeddingError, match="is Ollama running"):
        ollama.embed(["x"], kind="query")


def test_keys(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="OPENAI_API_KEY"):
        load_embedder("openai:text-embedding-3-small")
    load_embedder("openai:m", base_url=server.url).embed(["x"], kind="query")
    monkeypatch.setenv("OPENAI_API_KEY", "from the environment")
    load_embedder("openai:m", base_url=server.url).embed(["x"], kind="query")
    load_embedder("ollama:m", base_url=server.url).embed(["x"], kind="query")
    assert server.keys == ["Bearer no-key", "Bearer from the environment", "Bearer no-key"]


def test_ollama_is_asked_to_pull(server: Server) -> None:
    server.script = [(404, {}, refusal("model not found"))]
    with pytest.raises(EmbeddingError, match="ollama pull nomic-embed-text"):
        load_embedder("ollama:nomic-embed-text", base_url=server.url).embed(["x"], kind="query")
