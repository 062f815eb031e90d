"""Who may ask what, before anything else is looked at: an ASGI middleware.

A browser carries a stranger's page to every server of this computer. So a request has to name this
server (which ends DNS rebinding), must not come from another page (which ends forged requests), and
bears the token, where there is one. There are no cookies that a browser would add by itself.
"""

from __future__ import annotations

import hmac
import time
from collections import OrderedDict
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.responses import JSONResponse, Response

from ragkit.server.faults import fault
from ragkit.server.metrics import Metrics
from ragkit.server.served import LOOPBACK, ServeSettings

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Nothing is loaded from elsewhere, no script stands in a page, nobody frames it.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
# What anybody may fetch: the page asks for the token itself, and says nothing of the documents.
_OPEN = ("/static/", "/healthz")
_PAGES = ("/", "/docs", "/openapi.json", "/traces", "/library", "/search")
_ADDRESSES = 10_000  # that are remembered for the rate
_METHODS = "GET, POST, PUT, PATCH, DELETE"


class Guard:
    """Refuses what must not be asked, and says in each answer what a browser may do with it."""

    def __init__(self, app: ASGIApp, settings: ServeSettings, metrics: Metrics) -> None:
        """Stand before ``app``."""
        self._metrics = metrics
        self._app = app
        self._settings = settings
        self._running = 0
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        origin = self._allowed_origin(headers)

        status = 499  # the client was gone before there was an answer

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                there = {name for name, _ in message["headers"]}
                added = dict(_HEADERS)
                if origin is not None:
                    added |= {"access-control-allow-origin": origin, "vary": "origin"}
                    added["cross-origin-resource-policy"] = "cross-origin"
                message["headers"] = [
                    *message["headers"],
                    *(
                        (name.encode(), value.encode())
                        for name, value in added.items()
                        if name.encode() not in there
                    ),
                ]
            await send(message)

        refusal = self._refusal(scope, headers, origin)
        if refusal is not None:
            await refusal(scope, receive, answer)
            return
        self._running += 1
        self._metrics.began()
        began = time.monotonic()
        try:
            await self._app(scope, receive, answer)
        finally:
            self._running -= 1
            route = getattr(scope.get("route"), "path", "other")
            spent = time.monotonic() - began
            self._metrics.ended(scope["method"], route, status, spent)

    def _refusal(
        self, scope: Scope, headers: dict[str, str], origin: str | None
    ) -> Response | None:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 or not self._is_own(headers["host"]):
            return _refused(
                421,
                f"this server is not called {headers.get('host', '')!r}; name it with --allow-host",
            )
        if origin is None and not self._same_origin(headers):
            return _refused(403, "a page of another server must not call this one (--allow-origin)")
        if scope["method"] == "OPTIONS" and origin is not None:
            allowed = {
                "access-control-allow-methods": _METHODS,
                "access-control-allow-headers": "authorization, content-type",
                "access-control-max-age": "600",
            }
            return Response(status_code=204, headers=allowed)
        if not self._bears_token(scope, headers):
            challenge = {"WWW-Authenticate": 'Bearer realm="ragkit"'}
            return _refused(401, "the token is missing or wrong", challenge)
        size = headers.get("content-length", "0")
        if not size.isdecimal() or int(size) > self._settings.most(scope["method"], scope["path"]):
            return _refused(413, "the request is too long")
        if (wait := self._wait(scope)) > 0:
            return _refused(429, "too many requests", {"Retry-After": str(int(wait) + 1)})
        if self._running >= self._settings.concurrency:
            return _refused(503, "the server is busy", {"Retry-After": "1"})
        return None

    def _is_own(self, host: str) -> bool:
        settings = self._settings
        if settings.token is not None and not settings.hosts:
            return True  # a stranger's page cannot know the token
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        return name is not None and name in (*LOOPBACK, *settings.hosts)

    def _allowed_origin(self, headers: dict[str, str]) -> str | None:
        origin = headers.get("origin")
        return origin if origin in self._settings.origins else None

    def _same_origin(self, headers: dict[str, str]) -> bool:
        origin = headers.get("origin")
        if origin is not None:
            return urlsplit(origin).netloc == headers["host"] and origin.startswith("http")
        site = headers.get("sec-fetch-site", "none")
        # A link from elsewhere may open the page, and the page asks only what its address says.
        return site in ("none", "same-origin") or headers.get("sec-fetch-mode") == "navigate"

    def _bears_token(self, scope: Scope, headers: dict[str, str]) -> bool:
        token, path = self._settings.token, scope["path"]
        if token is None or path.startswith(_OPEN):
            return True
        if scope["method"] == "GET" and (
            path in _PAGES or path.startswith(("/documents/", "/traces/"))
        ):
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        same = hmac.compare_digest(given.strip().encode(), token.encode())
        return same and scheme.lower() == "bearer"

    def _wait(self, scope: Scope) -> float:
        """How long an address has to wait; each has a bucket that fills at the rate."""
        rate = self._settings.rate
        if rate is None:
            return 0.0
        address, now = (scope.get("client") or ("", 0))[0], time.monotonic()
        left, then = self._buckets.pop(address, (float(rate), now))
        left = min(float(rate), left + (now - then) * rate / 60)
        self._buckets[address] = (max(0.0, left - 1), now)
        while len(self._buckets) > _ADDRESSES:
            self._buckets.popitem(last=False)
        return 0.0 if left >= 1 else (1 - left) * 60 / rate


def _refused(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(fault(message, status), status, headers=headers)
