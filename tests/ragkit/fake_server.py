"""A server of the OpenAI protocol on loopback that does whatever a test tells it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Script = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Plays one script after the other, the last one again and again."""

    protocol_version = "HTTP/1.1"
    server: FakeServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.headers, body))
        self.server.paths.append(self.path)
        scripts = self.server.scripts
        (scripts.pop(0) if len(scripts) > 1 else scripts[0])(self)

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        content = json.dumps({"object": "list", "data": self.server.models}).encode()
        self.send_response(200 if self.server.models else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def fail(self, status: int, error: dict[str, object], **headers: str) -> None:
        content = json.dumps({"error": error}).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def begin(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()

    def event(self, data: object) -> None:
        text = data if isinstance(data, str) else json.dumps(data)
        self.wfile.write(f"data: {text}\n\n".encode())
        self.wfile.flush()

    def say(self, text: str | None, finish: str | None = None) -> None:
        delta = {} if text is None else {"content": text}
        self.delta(delta, finish)

    def delta(self, delta: Mapping[str, object], finish: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        self.event({"id": "c", "object": "chat.completion.chunk", "choices": [choice]})

    def done(self, finish: str = "stop") -> None:
        self.say(None, finish)
        usage = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
        self.event({"id": "c", "object": "chat.completion.chunk", "choices": [], "usage": usage})
        self.event("[DONE]")

    def log_message(self, *_: object) -> None:
        pass


class FakeServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.scripts: list[Script] = []
        self.requests: list[tuple[HTTPMessage, dict[str, object]]] = []
        self.paths: list[str] = []
        self.models: list[dict[str, object]] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, *_: object) -> None:
        pass  # a client that hangs up is part of the tests


def hello(handler: Handler) -> None:
    handler.begin()
    for piece in ("Hel", "lo", "!"):
        handler.say(piece)
    handler.done()


def say_text(text: str, finish: str = "stop") -> Script:
    """Stream ``text`` word by word."""

    def script(handler: Handler) -> None:
        handler.begin()
        for word in text.replace(" ", "\0 ").split("\0"):
            handler.say(word)
        handler.done(finish)

    return script


def call_tools(*fragments: Sequence[Mapping[str, object]], finish: str = "tool_calls") -> Script:
    """Stream tool calls as they are cut up in ``fragments``, one chunk for each."""

    def script(handler: Handler) -> None:
        handler.begin()
        for fragment in fragments:
            handler.delta({"tool_calls": list(fragment)})
        handler.done(finish)

    return script


def refuse(status: int, message: str, **error: object) -> Script:
    """Answer with an error."""
    return lambda handler: handler.fail(status, {"message": message, **error})
