"""Lets a model make HTTP requests, to allowed hosts only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragkit.agent.tool import ToolError, tool
from ragkit.agent.tools.addresses import AllowList, BlockedError, Resolver, parse_target
from ragkit.agent.tools.fetch import Fetched, FetchError, fetch
from ragkit.errors import UsageError

if TYPE_CHECKING:
    from ragkit.agent.tool import Tool

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def http_tool(
    *,
    allow: Sequence[str],
    methods: Sequence[str] = ("GET",),
    headers: Mapping[str, Mapping[str, str]] | None = None,
    networks: Sequence[str] = (),
    max_bytes: int = 1_000_000,
    raw_html: bool = False,
    timeout: float = 20.0,
    resolver: Resolver | None = None,
) -> Tool:
    """Make the tool ``http``: requests to the hosts on an allow-list.

    Names are resolved once and every address is checked before the connection goes to it, for
    each redirect anew, so that neither a redirect nor a name whose address changes leads into a
    private network. Methods that change something need the confirmation of the user.

    Args:
        allow: Hosts or beginnings of URLs (see :class:`AllowList`).
        methods: What may be done, such as ``("GET", "POST")``.
        headers: For a URL's origin, the headers to send there and nowhere else, such as a key:
            ``{"https://api.example.com": {"Authorization": "Bearer …"}}``. The model sees none.
        networks: Networks that are not public but may be reached, such as ``"10.1.0.0/16"``.
        max_bytes: How much of a response is read.
        raw_html: Whether the model is shown the source of web pages, not their main text.
        timeout: Seconds for a request with its redirects.
        resolver: Returns the addresses of a host and port; default: the system's.

    Raises:
        UsageError: the allow-list, a network or a method cannot be read.
    """
    wanted = tuple(method.upper() for method in methods)
    if not wanted or any(method not in _METHODS for method in wanted):
        raise UsageError(f"methods must be some of {', '.join(_METHODS)}, not {methods!r}")
    allowed = AllowList(allow, networks=networks, resolver=resolver)
    _check_headers(headers or {})
    reached = ", ".join(allow)

    def request(url: str, method: str, body: str | None) -> dict[str, Any]:
        chosen = method.upper()
        if chosen not in wanted:
            raise ToolError(f"the method may be {', '.join(wanted)}, not {method!r}")
        sent = {"content-type": _content_type(body)} if body is not None else {}
        try:
            fetched = fetch(
                url,
                allow=allowed,
                method=chosen,
                headers=sent,
                secrets=headers,
                body=body.encode() if body is not None else None,
                max_bytes=max_bytes,
                timeout=timeout,
            )
        except (BlockedError, FetchError) as error:
            raise ToolError(str(error)) from None
        return told(fetched, raw_html=raw_html)

    limit = timeout + 5.0
    if len(wanted) == 1 and wanted[0] in SAFE_METHODS:

        def http(url: str) -> dict[str, Any]:
            """Fetch a URL.

            Args:
                url: The whole URL, with https://.
            """
            return request(url, wanted[0], None)

        described = f"Fetch a URL; returns its status and content. Reachable: {reached}."
        return tool(name="http", description=described, timeout=limit)(http)

    def http_request(url: str, method: str = wanted[0], body: str | None = None) -> dict[str, Any]:
        """Make an HTTP request.

        Args:
            url: The whole URL, with https://.
            method: The HTTP method.
            body: What to send: JSON, or plain text.
        """
        return request(url, method, body)

    def changes(arguments: Mapping[str, Any]) -> bool:
        return str(arguments.get("method", wanted[0])).upper() not in SAFE_METHODS

    described = (
        f"Make an HTTP request ({', '.join(wanted)}); returns its status and content. "
        f"Reachable: {reached}."
    )
    return tool(name="http", description=described, timeout=limit, confirm=changes)(http_request)


def _check_headers(headers: Mapping[str, Mapping[str, str]]) -> None:
    for place in headers:
        try:
            parse_target(place)
        except BlockedError as error:
            raise UsageError(
                f"headers are given for a URL's origin, not {place!r}: {error}"
            ) from None


def _content_type(body: str) -> str:
    looks_like_json = body.lstrip()[:1] in ("{", "[")
    return "application/json" if looks_like_json else "text/plain; charset=utf-8"


def told(fetched: Fetched, *, raw_html: bool = False) -> dict[str, Any]:
    """Return what a model is told of a response: text, or that it is none.

    Of a web page it is the title and the main text, unless ``raw_html`` asks for its source.
    """
    content = fetched.content_type
    readable = (
        content.startswith("text/")
        or content.endswith(("json", "xml", "yaml", "javascript"))
        or content in ("", "application/x-www-form-urlencoded")
    )
    told: dict[str, Any] = {"url": fetched.url, "status": fetched.status, "content_type": content}
    if content in ("text/html", "application/xhtml+xml") and not raw_html:
        told |= _page(fetched.text())
    elif readable:
        told["content"] = fetched.text()
    else:
        told["note"] = f"{len(fetched.body)} bytes that are no text"
    if fetched.truncated:
        told["truncated"] = True
    return told


def _page(source: str) -> dict[str, str]:
    from ingest.errors import LoadError
    from ingest.loader_spec import Source
    from ingest.loaders.html.page import load_html

    try:
        document = load_html(Source(Path("page.html"), source.encode("utf-8", "replace")))
    except LoadError as error:
        return {"content": source, "note": f"this is the page's source: {error}"}
    if not document.text.strip():
        return {"content": source, "note": "this is the page's source: no text was found in it"}
    return ({"title": document.title} if document.title else {}) | {"content": document.text}
