"""Lets a model search the web, with the provider that the user names; off until one is named."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable
from urllib.parse import urlencode

from ragkit.agent.tool import ToolError, tool
from ragkit.agent.tools.addresses import AllowList, BlockedError, parse_target
from ragkit.agent.tools.fetch import FetchError, fetch
from ragkit.errors import UsageError

if TYPE_CHECKING:
    from ragkit.agent.tool import Tool

_MAX_TEXT = 1_000
_MAX_ANSWER = 2_000_000


@dataclass(frozen=True, slots=True)
class WebResult:
    """A page that was found, with what the provider shows of it."""

    title: str
    url: str
    text: str


class SearchFailedError(Exception):
    """A search came to nothing; the message says why."""


@runtime_checkable
class SearchProvider(Protocol):
    """Searches the web. Write your own by having this one method."""

    def search(self, query: str, *, limit: int) -> Sequence[WebResult]:
        """Return at most ``limit`` results, the best first.

        Raises:
            SearchFailedError: the provider cannot be reached, or refuses.
        """
        ...


def web_search_tool(
    provider: SearchProvider | str,
    *,
    api_key: str | None = None,
    api_key_variable: str | None = None,
    limit: int = 5,
    timeout: float = 15.0,
) -> Tool:
    """Make the tool ``web_search``. What a model looks for is sent to the provider.

    Args:
        provider: ``"searxng:URL"`` (your own instance, with its JSON format switched on),
            ``"brave"``, ``"tavily"``, ``"duckduckgo"`` (needs ``pip install 'ragkit[search]'``),
            or a :class:`SearchProvider` of your own.
        api_key: Key for Brave or Tavily.
        api_key_variable: Name of the environment's variable that holds the key instead.
        limit: How many results the model is shown.
        timeout: Seconds for a search.

    Raises:
        UsageError: the provider is not known, or its key is missing or not needed.
    """
    if limit < 1:
        raise UsageError(f"limit must be positive, not {limit!r}")
    chosen = provider
    if isinstance(chosen, str):
        chosen = named_provider(chosen, api_key=_key(api_key, api_key_variable), timeout=timeout)
    elif api_key is not None or api_key_variable is not None:
        raise UsageError("a provider of your own has its own key; give none here")
    searcher: SearchProvider = chosen

    @tool(timeout=timeout + 5.0)
    def web_search(query: str) -> list[dict[str, str]]:
        """Search the web; returns titles, addresses and excerpts of pages.

        Args:
            query: What to search for.
        """
        if not query.strip():
            raise ToolError("there is nothing to search for")
        try:
            results = searcher.search(query.strip(), limit=limit)
        except SearchFailedError as error:
            raise ToolError(str(error)) from None
        return [
            {"title": result.title, "url": result.url, "text": result.text[:_MAX_TEXT]}
            for result in list(results)[:limit]
        ]

    return web_search


def named_provider(name: str, *, api_key: str | None, timeout: float = 15.0) -> SearchProvider:
    """Return the provider that a name such as ``"brave"`` stands for.

    Raises:
        UsageError: it is not known, or its key is missing or not needed.
    """
    kind, _, place = name.partition(":")
    if kind in ("brave", "tavily") and not place:
        if not api_key:
            raise UsageError(f"searching with {kind} needs api_key= or api_key_variable=")
        return (
            Brave(api_key, timeout=timeout) if kind == "brave" else Tavily(api_key, timeout=timeout)
        )
    if api_key:
        raise UsageError(f"{name!r} takes no key")
    if kind == "searxng" and place:
        return SearXNG(place, timeout=timeout)
    if name == "duckduckgo":
        return DuckDuckGo(timeout=timeout)
    raise UsageError(
        f"unknown web search {name!r}: expected 'searxng:URL', 'brave', 'tavily' or 'duckduckgo'"
    )


def _key(api_key: str | None, variable: str | None) -> str | None:
    if variable is None:
        return api_key
    if api_key is not None:
        raise UsageError("give api_key or api_key_variable, not both")
    value = os.environ.get(variable)
    if not value:
        raise UsageError(f"the environment's variable {variable!r} holds no key")
    return value


@dataclass(frozen=True, slots=True)
class SearXNG:
    """A SearXNG instance. https://docs.searxng.org/dev/search_api.html."""

    url: str
    timeout: float = 15.0

    def __post_init__(self) -> None:
        """Check the URL."""
        _check_url(self.url)

    def search(self, query: str, *, limit: int) -> list[WebResult]:
        """Search; see :class:`SearchProvider`."""
        place = f"{self.url.rstrip('/')}/search?{urlencode({'q': query, 'format': 'json'})}"
        found = _ask(place, timeout=self.timeout)
        return _results(found.get("results"), "title", "url", "content")[:limit]


@dataclass(frozen=True, slots=True)
class Brave:
    """Brave Search. https://api-dashboard.search.brave.com/app/documentation."""

    api_key: str = field(repr=False)
    url: str = "https://api.search.brave.com/res/v1/web/search"
    timeout: float = 15.0

    def search(self, query: str, *, limit: int) -> list[WebResult]:
        """Search; see :class:`SearchProvider`."""
        place = f"{self.url}?{urlencode({'q': query, 'count': min(limit, 20)})}"
        found = _ask(place, timeout=self.timeout, secret={"x-subscription-token": self.api_key})
        web = found.get("web")
        pages = web.get("results") if isinstance(web, Mapping) else None
        return _results(pages, "title", "url", "description")[:limit]


@dataclass(frozen=True, slots=True)
class Tavily:
    """Tavily. https://docs.tavily.com/documentation/api-reference/endpoint/search."""

    api_key: str = field(repr=False)
    url: str = "https://api.tavily.com/search"
    timeout: float = 15.0

    def search(self, query: str, *, limit: int) -> list[WebResult]:
        """Search; see :class:`SearchProvider`."""
        found = _ask(
            self.url,
            timeout=self.timeout,
            secret={"authorization": f"Bearer {self.api_key}"},
            body={"query": query, "max_results": min(limit, 20)},
        )
        return _results(found.get("results"), "title", "url", "content")[:limit]


@dataclass(frozen=True, slots=True)
class DuckDuckGo:
    """DuckDuckGo through the package ``ddgs``, which reads its pages; it needs no key."""

    timeout: float = 15.0

    def __post_init__(self) -> None:
        """Check that the package is there."""
        import importlib.util

        if importlib.util.find_spec("ddgs") is None:
            raise UsageError("searching DuckDuckGo needs a package: pip install 'ragkit[search]'")

    def search(self, query: str, *, limit: int) -> list[WebResult]:
        """Search; see :class:`SearchProvider`."""
        from ddgs import DDGS
        from ddgs.exceptions import DDGSException

        try:
            found = DDGS(timeout=max(1, int(self.timeout))).text(
                query, max_results=limit, backend="duckduckgo"
            )
        except DDGSException as error:
            if "no results" in str(error).lower():
                return []
            raise SearchFailedError(f"DuckDuckGo could not be searched: {error}") from None
        return _results(found, "title", "href", "body")[:limit]


def _check_url(url: str) -> None:
    try:
        parse_target(url)
    except BlockedError as error:
        raise UsageError(f"the search's URL {url!r} is of no use: {error}") from None


def _ask(
    url: str,
    *,
    timeout: float,
    secret: Mapping[str, str] | None = None,
    body: Mapping[str, Any] | None = None,
) -> Mapping[str, Any]:
    """Ask a provider for JSON. Its address was named by the user, so it may be a private one."""
    target = parse_target(url)
    allow = AllowList([f"{target.scheme}://{target.authority}"], networks=("0.0.0.0/0", "::/0"))
    try:
        fetched = fetch(
            url,
            allow=allow,
            method="GET" if body is None else "POST",
            headers={"accept": "application/json", "content-type": "application/json"}
            if body is not None
            else {"accept": "application/json"},
            secrets={url: secret or {}},
            body=json.dumps(body).encode() if body is not None else None,
            max_bytes=_MAX_ANSWER,
            timeout=timeout,
        )
    except (BlockedError, FetchError) as error:
        # The URL holds the question, which the message need not repeat.
        said = str(error).replace(url, target.authority)
        raise SearchFailedError(f"the web could not be searched: {said}") from None
    if fetched.status in (401, 403):
        hint = "; is its JSON format switched on?" if secret is None else ""
        raise SearchFailedError(f"{target.authority} refused the search ({fetched.status}){hint}")
    if fetched.status == 429:
        raise SearchFailedError(f"{target.authority} limits the rate of searches; try again later")
    if fetched.status != 200:
        raise SearchFailedError(f"{target.authority} failed with HTTP status {fetched.status}")
    try:
        found = json.loads(fetched.text())
    except ValueError:
        raise SearchFailedError(f"{target.authority} sent something else than JSON") from None
    if not isinstance(found, Mapping):
        raise SearchFailedError(f"{target.authority} sent no object")
    return found


def _results(pages: Any, title: str, url: str, text: str) -> list[WebResult]:
    """Take from each result what is there; what has no web address is left out."""
    found = [
        page for page in (pages if isinstance(pages, list) else []) if isinstance(page, Mapping)
    ]
    return [
        WebResult(str(page.get(title) or page[url]), str(page[url]), str(page.get(text) or ""))
        for page in found
        if str(page.get(url, "")).startswith(("http://", "https://"))
    ]
