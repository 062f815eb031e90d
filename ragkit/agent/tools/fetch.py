"""One HTTP request to an allowed address, bounded in size, time and redirects."""

from __future__ import annotations

import time
import zlib
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from ingest.decode import python_name
from ragkit.agent.tools.addresses import AllowList, BlockedError, Target, parse_target
from ragkit.llm.deadline import within

if TYPE_CHECKING:
    import httpx2

_REDIRECTS = (301, 302, 303, 307, 308)
_WITHOUT_BODY = ("GET", "HEAD")
_USER_AGENT = "ragkit"


class FetchError(Exception):
    """A request that came to nothing; the message says why."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A response.

    Attributes:
        url: Where it came from, after redirects.
        status: The HTTP status code.
        headers: Its headers, with names in lower case.
        body: What it held, unpacked; no more than was asked for.
        truncated: Whether there was more.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool

    @property
    def content_type(self) -> str:
        """The media type, without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def text(self) -> str:
        """Decode the body as the response says, by default as UTF-8."""
        from email.message import Message

        message = Message()
        message["content-type"] = self.headers.get("content-type", "")
        charset = python_name(message.get_content_charset("utf-8"))
        return self.body.decode(charset or "utf-8", "replace")


def fetch(
    url: str,
    *,
    allow: AllowList,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    secrets: Mapping[str, Mapping[str, str]] | None = None,
    body: bytes | None = None,
    max_bytes: int = 1_000_000,
    timeout: float = 20.0,
    max_redirects: int = 5,
) -> Fetched:
    """Send one request; each address it leads to, also by redirects, is checked and then pinned.

    No proxy, cookie or stored password is used.

    Args:
        url: What to fetch.
        allow: Where requests may go.
        method: The HTTP method, in upper case.
        headers: Headers to send wherever the request goes.
        secrets: Headers, such as a key, to send to the origin of a URL and nowhere else.
        body: What to send.
        max_bytes: How much of the response, unpacked, is kept.
        timeout: Seconds for everything together.
        max_redirects: How many redirects are followed.

    Raises:
        BlockedError: it leads where it may not.
        FetchError: it was not answered, or not in time.
    """
    keyed = {parse_target(place).origin: values for place, values in (secrets or {}).items()}
    deadline = time.monotonic() + timeout

    def work() -> Generator[Fetched, None, None]:
        target, sent, verb = parse_target(url), body, method
        kept = dict(headers or {})
        for _ in range(max_redirects + 1):
            allow.check(target)
            extra = keyed.get(target.origin, {})
            fetched, location = _once(
                target, verb, {**kept, **extra}, sent, allow, max_bytes, deadline
            )
            if location is None:
                yield fetched
                return
            following = parse_target(urljoin(target.url, location))
            if target.scheme == "https" and following.scheme == "http":
                raise BlockedError(f"{target.url} redirects from https to http")
            if fetched.status == 303 or (fetched.status < 303 and verb == "POST"):
                verb, sent = ("HEAD" if verb == "HEAD" else "GET"), None
                kept.pop("content-type", None)
            elif verb not in _WITHOUT_BODY and following.origin != target.origin:
                raise BlockedError(f"{target.url} redirects a {verb} request to another server")
            target = following
        raise FetchError(f"{url} redirects more than {max_redirects} times")

    try:
        for fetched in within(timeout, work()):
            return fetched
    except TimeoutError:
        raise FetchError(f"{url} was not answered within {timeout:g} seconds") from None
    raise FetchError(f"{url} was not answered")


def _once(
    target: Target,
    method: str,
    headers: Mapping[str, str],
    body: bytes | None,
    allow: AllowList,
    max_bytes: int,
    deadline: float,
) -> tuple[Fetched, str | None]:
    """Send a request to the first checked address that can be reached.

    Returns:
        The response, and where it redirects to.
    """
    import httpx2

    problem = ""
    for address in allow.addresses(target):
        remaining = max(0.1, deadline - time.monotonic())
        limits = httpx2.Timeout(min(remaining, 30.0))
        with httpx2.Client(trust_env=False, timeout=limits, follow_redirects=False) as client:
            try:
                return _ask(client, target, address, method, headers, body, max_bytes)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                problem = str(error) or type(error).__name__
            except httpx2.HTTPError as error:
                said = str(error) or type(error).__name__
                raise FetchError(f"{target.url} could not be fetched: {said}") from None
    raise FetchError(f"{target.url} cannot be reached: {problem}")


def _ask(
    client: httpx2.Client,
    target: Target,
    address: str,
    method: str,
    headers: Mapping[str, str],
    body: bytes | None,
    max_bytes: int,
) -> tuple[Fetched, str | None]:
    import httpx2

    host = f"[{address}]" if ":" in address else address
    request = httpx2.Request(
        method,
        f"{target.scheme}://{host}:{target.port}{target.path}",
        headers={
            "user-agent": _USER_AGENT,
            "accept": "*/*",
            "accept-encoding": "gzip",
            **{name.lower(): value for name, value in headers.items()},
            "host": target.authority,
            "connection": "close",
        },
        content=body,
        # The certificate must be that of the name, though the connection goes to the address.
        extensions={"sni_hostname": target.host, "timeout": client.timeout.as_dict()},
    )
    response = client.send(request, stream=True)
    try:
        location = response.headers.get("location") if response.status_code in _REDIRECTS else None
        data, truncated = b"", False
        if location is None and method != "HEAD":
            data, truncated = _read(response, max_bytes)
        fetched = Fetched(
            url=target.url,
            status=response.status_code,
            headers=dict(response.headers),
            body=data,
            truncated=truncated,
        )
        return fetched, location
    finally:
        response.close()


def _read(response: httpx2.Response, max_bytes: int) -> tuple[bytes, bool]:
    """Read and unpack at most ``max_bytes``, however well the rest is packed."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("gzip", "x-gzip", "deflate"):
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
    elif encoding in ("", "identity"):
        unpacker = None
    else:
        raise FetchError(f"the response is packed as {encoding!r}, which was not asked for")
    data = bytearray()
    try:
        for block in response.iter_raw():
            room = max_bytes + 1 - len(data)
            data += unpacker.decompress(block, room) if unpacker else block[:room]
            if len(data) > max_bytes:
                break
    except zlib.error as error:
        raise FetchError(f"the response is packed wrongly: {error}") from None
    return bytes(data[:max_bytes]), len(data) > max_bytes
