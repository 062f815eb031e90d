"""Tools of MCP servers (Model Context Protocol), through the official SDK."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragkit.agent.signature import InvalidArgumentsError, schema_binder
from ragkit.agent.tool import Tool, ToolError, ToolResult, as_text
from ragkit.errors import RagkitError, UsageError

if TYPE_CHECKING:
    import mcp
    from mcp_types import CallToolResult

_START_SECONDS = 30.0
_MAX_PAGES = 100
_MAX_TOOLS = 1_000
_ODD = re.compile(r"[^A-Za-z0-9_-]+")


@contextmanager
def mcp_tools(
    server: str | Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    folder: str | Path | None = None,
    prefix: str = "",
    confirm: bool | None = None,
    timeout: float = 60.0,
) -> Iterator[list[Tool]]:
    """Start or reach an MCP server; its tools can be called until the block is left.

        with mcp_tools(["npx", "-y", "@modelcontextprotocol/server-github"]) as tools:
            Agent("openai:gpt-5", tools=tools).run("…")

    Arguments are checked against the server's schemas before anything is sent. A server's process
    sees only the few harmless variables of the environment that the SDK passes on, and those
    named here.

    Args:
        server: The program and its arguments, to talk to over its standard streams; or the URL
            of a server that is running (``http://`` or ``https://``).
        environment: Further variables for the program.
        folder: Where the program runs.
        prefix: Put before the names of its tools, where those of two servers would be the same.
        confirm: Whether a person has to agree to each call; default: to those of tools that the
            server does not declare to be read-only.
        timeout: Seconds that a call may take.

    Raises:
        UsageError: mcp is not installed, or ``server`` is neither a program nor a URL.
        RagkitError: the server cannot be started or reached.
    """
    try:
        import mcp
    except ImportError as error:
        raise UsageError("MCP servers need mcp: pip install 'ragkit[mcp]'") from error
    if isinstance(server, str):
        if not server.startswith(("http://", "https://")):
            raise UsageError(
                f"an MCP server is a URL, or a program with its arguments in a list, not {server!r}"
            )
        shown = server
        target: str | mcp.StdioServerParameters = server
    else:
        if not server:
            raise UsageError("an MCP server needs a program to start")
        shown = server[0]
        target = mcp.StdioServerParameters(
            command=server[0],
            args=list(server[1:]),
            env=dict(environment) if environment else None,
            cwd=folder,
        )
    client = mcp.Client(target, read_timeout_seconds=timeout)
    connection = _Connection(client, shown)
    try:
        yield [
            _tool(connection, described, prefix=prefix, confirm=confirm, timeout=timeout)
            for described in connection.tools
        ]
    finally:
        connection.close()


class _Connection:
    """A client on an event loop of its own, in a thread of its own."""

    def __init__(self, client: mcp.Client, shown: str) -> None:
        self._client = client
        self.shown = shown
        self.tools: list[Any] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._leave: asyncio.Event | None = None
        self._task: asyncio.Task[Any] | None = None
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="ragkit-mcp", daemon=True)
        self._thread.start()
        try:
            self._ready.result(timeout=_START_SECONDS)
        except TimeoutError:
            self._abandon()
            raise RagkitError(
                f"the MCP server {shown!r} did not answer within {_START_SECONDS:g} seconds"
            ) from None

    def call(self, name: str, arguments: dict[str, Any]) -> CallToolResult:
        if self._loop is None or self._loop.is_closed() or not self._thread.is_alive():
            raise ToolError(f"the MCP server {self.shown!r} is not connected any more")
        asked = self._client.call_tool(name, arguments)
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result()

    def close(self) -> None:
        if self._loop is not None and self._leave is not None and self._thread.is_alive():
            try:
                self._loop.call_soon_threadsafe(self._leave.set)
            except RuntimeError:  # it ended by itself in this very moment
                return
            self._thread.join(_START_SECONDS)

    def _abandon(self) -> None:
        """End what is under way, the server's process with it."""
        if self._loop is not None and self._task is not None:
            with suppress(RuntimeError):  # it ended by itself in this very moment
                self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(_START_SECONDS)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if not self._ready.done():
                self._ready.set_exception(_explained(error, self.shown))

    async def _serve(self) -> None:
        # Entered and left in one task, as the SDK's cancel scopes demand.
        self._loop = asyncio.get_running_loop()
        self._leave = asyncio.Event()
        self._task = asyncio.current_task()
        async with self._client as client:
            # The SDK would run the server's own patterns over what it returns, by an engine that
            # can take for ever, and drop what a tool printed where its declared form is not met.
            client.session.validate_tool_result = _as_it_came  # type: ignore[method-assign]
            await self._list_tools(client)
            self._ready.set_result(None)
            await self._leave.wait()

    async def _list_tools(self, client: mcp.Client) -> None:
        seen: set[str | None] = set()
        cursor: str | None = None
        while cursor not in seen:
            seen.add(cursor)
            page = await client.list_tools(cursor=cursor)
            self.tools += page.tools
            if len(seen) > _MAX_PAGES or len(self.tools) > _MAX_TOOLS:
                raise RagkitError(
                    f"its list of tools does not end: {len(self.tools):,} tools on {len(seen):,}"
                    f" pages, where {_MAX_TOOLS:,} on {_MAX_PAGES:,} are allowed"
                )
            cursor = page.next_cursor
            if not cursor:
                return
        raise RagkitError(
            f"its list of tools goes in circles: page {str(cursor)[:80]!r} comes again"
        )


async def _as_it_came(name: str, result: CallToolResult) -> None:
    """Take a result in whatever form: a model reads it as text."""


def _explained(error: BaseException, shown: str) -> RagkitError:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    said = " ".join(str(error).split()) or type(error).__name__
    return RagkitError(f"the MCP server {shown!r} cannot be used: {said}")


def _tool(
    connection: _Connection, described: Any, *, prefix: str, confirm: bool | None, timeout: float
) -> Tool:
    own_name = str(described.name)
    hints = described.annotations
    read_only = hints is not None and hints.read_only_hint is True
    return Tool.from_schema(
        _caller(connection, own_name, _declared(described.output_schema)),
        name=(_ODD.sub("_", f"{prefix}{own_name}") or "tool")[:64],
        description=described.description or (described.title or own_name),
        parameters=described.input_schema,
        timeout=timeout,
        confirm=not read_only if confirm is None else confirm,
    )


def _declared(schema: Any) -> Callable[[Any], str]:
    """Return what says how a result differs from the form that a server declares; else nothing."""
    if schema is None:
        return lambda _: ""
    try:
        check = schema_binder(schema)
    except UsageError:
        return lambda _: "what it declares is no schema of an object"

    def differs(found: Any) -> str:
        if not isinstance(found, Mapping):
            return "it returned nothing of that form"
        try:
            check(found)
        except InvalidArgumentsError as error:
            return str(error)
        return ""

    return differs


def _caller(
    connection: _Connection, name: str, differs: Callable[[Any], str]
) -> Callable[..., ToolResult]:
    def call(**arguments: Any) -> ToolResult:
        try:
            result = connection.call(name, arguments)
        except ToolError:
            raise
        except Exception as error:
            raise ToolError(str(_explained(error, connection.shown))) from error
        text = "\n".join(_block(block) for block in result.content)
        if not text and result.structured_content is not None:
            text = as_text(result.structured_content)
        if not result.is_error and (fault := differs(result.structured_content)):
            text = f"{text}\n(Not as this tool declares what it returns: {fault})".lstrip()
        return ToolResult(text or "done", error=result.is_error, value=result)

    return call


def _block(block: Any) -> str:
    """Return a block of a result as text; what is no text is named."""
    if block.type == "text":
        return str(block.text)
    if block.type == "resource" and hasattr(block.resource, "text"):
        return f"{block.resource.uri}:\n{block.resource.text}"
    if block.type == "resource_link":
        return f"[{block.name}: {block.uri}]"
    kind = getattr(block, "mime_type", None) or getattr(
        getattr(block, "resource", None), "mime_type", None
    )
    return f"[{block.type}, {kind or 'not text'}]"
