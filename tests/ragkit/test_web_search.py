"""The tool web_search: each provider's protocol, against a server on loopback."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from http_server import answer, serving

from ragkit.agent import ToolError
from ragkit.agent.tools import web_search_tool
from ragkit.agent.tools.web_search import (
    Brave,
    DuckDuckGo,
    SearchFailedError,
    SearXNG,
    Tavily,
    WebResult,
)
from ragkit.errors import UsageError

PAGES = [
    {"title": "A", "url": "https://a.example/", "content": "about a", "description": "about a"},
    {"title": None, "url": "https://b.example/", "content": None, "description": None},
    {"title": "bad", "url": "javascript:alert(1)"},
    "nonsense",
]
FOUND = [
    WebResult("A", "https://a.example/", "about a"),
    WebResult("https://b.example/", "https://b.example/", ""),
]


def as_json(found: Any) -> Any:
    def answerer(handler: Any, _: Any) -> None:
        answer(handler, json.dumps(found), content_type="application/json")

    return answerer


def test_searxng() -> None:
    with serving(as_json({"results": PAGES})) as server:
        tool = web_search_tool(f"searxng:{server.url}/searx/", limit=1)
        assert tool("bücher & co") == [
            {"title": "A", "url": "https://a.example/", "text": "about a"}
        ]
        assert server.asked[0].path == "/searx/search?q=b%C3%BCcher+%26+co&format=json"
        assert SearXNG(server.url).search("x", limit=9) == FOUND


def test_brave() -> None:
    with serving(as_json({"web": {"results": PAGES}})) as server:
        provider = Brave("hunter2", url=f"{server.url}/search")
        assert provider.search("x", limit=3) == FOUND
        assert server.asked[0].path == "/search?q=x&count=3"
        assert server.asked[0].headers["x-subscription-token"] == "hunter2"
        assert "hunter2" not in repr(provider)


def test_tavily() -> None:
    with serving(as_json({"results": PAGES})) as server:
        assert Tavily("hunter2", url=server.url).search("x", limit=3) == FOUND
        assert server.asked[0].method == "POST"
        assert server.asked[0].headers["authorization"] == "Bearer hunter2"
        assert json.loads(server.asked[0].body) == {"query": "x", "max_results": 3}


def test_duckduckgo(monkeypatch: pytest.MonkeyPatch) -> None:
    ddgs = pytest.importorskip("ddgs", reason="the extra 'search' is not installed")

    class Package:
        def __init__(self, *, timeout: int) -> None:
            assert timeout == 15

        def text(self, query: str, *, max_results: int, backend: str) -> list[dict[str, str]]:
            assert (query, max_results, backend) == ("x", 3, "duckduckgo")
            return [{"title": "A", "href": "https://a.example/", "body": "about a"}]

    monkeypatch.setattr(ddgs, "DDGS", Package)
    assert DuckDuckGo().search("x", limit=3) == FOUND[:1]


@pytest.mark.parametrize(("said", "error"), [("No results found.", None), ("blocked", "blocked")])
def test_duckduckgo_that_fails(
    monkeypatch: pytest.MonkeyPatch, said: str, error: str | None
) -> None:
    ddgs = pytest.importorskip("ddgs", reason="the extra 'search' is not installed")
    from ddgs.exceptions import DDGSException

    class Package:
        def __init__(self, *, timeout: int) -> None:
            pass

        def text(self, *_: Any, **__: Any) -> None:
            raise DDGSException(said)

    monkeypatch.setattr(ddgs, "DDGS", Package)
    if error is None:
        assert DuckDuckGo().search("x", limit=3) == []
    else:
        with pytest.raises(SearchFailedError, match=error):
            DuckDuckGo().search("x", limit=3)


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (403, "", r"refused the search \(403\); is its JSON format switched on"),
        (429, "", "limits the rate"),
        (500, "", "failed with HTTP status 500"),
        (200, "<html>", "something else than JSON"),
        (200, "[1]", "sent no object"),
    ],
)
def test_what_can_go_wrong_is_told(status: int, body: str, reason: str) -> None:
    with serving(lambda handler, _: answer(handler, body, status=status)) as server:
        result = web_search_tool(f"searxng:{server.url}").call({"query": "private question"})
        assert result.error
        with pytest.raises(ToolError, match=reason):
            web_search_tool(f"searxng:{server.url}")("private question")
        assert "private" not in result.text


def test_odd_answers_are_no_results() -> None:
    for found in ({}, {"results": None}, {"results": {}}, {"web": []}):
        with serving(as_json(found)) as server:
            assert SearXNG(server.url).search("x", limit=3) == []
            assert Brave("k", url=server.url).search("x", limit=3) == []


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(ToolError, match="could not be searched"):
        web_search_tool("searxng:http://127.0.0.1:9")("x")


def test_a_provider_of_ones_own() -> None:
    class Own:
        def search(self, query: str, *, limit: int) -> Sequence[WebResult]:
            return [WebResult("T", "https://t.example/", "x" * 5_000)] * 10

    found = web_search_tool(Own(), limit=2)("x")
    assert len(found) == 2
    assert len(found[0]["text"]) == 1_000
    with pytest.raises(ToolError, match="nothing to search for"):
        web_search_tool(Own())(" ")


@pytest.mark.parametrize(
    ("provider", "options", "reason"),
    [
        ("google", {}, "unknown web search 'google'"),
        ("searxng", {}, "unknown web search 'searxng'"),
        ("searxng:example", {}, "of no use"),
        ("brave", {}, "needs api_key= or api_key_variable="),
        ("tavily", {"api_key": ""}, "needs api_key="),
        ("duckduckgo", {"api_key": "x"}, "takes no key"),
        ("brave", {"api_key_variable": "RAGKIT_NO_SUCH"}, "'RAGKIT_NO_SUCH' holds no key"),
        ("brave", {"api_key": "a", "api_key_variable": "b"}, "not both"),
        ("searxng:https://x.example", {"limit": 0}, "limit must be positive"),
    ],
)
def test_wrong_settings(provider: str, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        web_search_tool(provider, **options)


def test_a_key_in_the_environment_alone_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAVE_API_KEY", "hunter2")
    with pytest.raises(UsageError, match="needs api_key="):
        web_search_tool("brave")
    assert web_search_tool("brave", api_key_variable="BRAVE_API_KEY").name == "web_search"
