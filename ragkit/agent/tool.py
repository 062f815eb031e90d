"""Tools: typed functions that a model may call, with every call checked, bounded and recorded."""

from __future__ import annotations

import asyncio
import functools
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import wait
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Generic, overload

from pydantic_core import PydanticSerializationError, to_json
from typing_extensions import ParamSpec, TypeVar  # with defaults

from ragkit.agent import workers
from ragkit.agent.signature import (
    InvalidArgumentsError,
    Validator,
    schema_binder,
    signature_of,
)
from ragkit.errors import UsageError
from ragkit.events import span
from ragkit.llm.chat_model import ToolSchema
from ragkit.llm.json_text import read_json

DEFAULT_TIMEOUT = 30.0
DEFAULT_RESULT_CHARACTERS = 20_000

Confirm = bool | Callable[[Mapping[str, Any]], bool]

# What OpenAI allows; other servers allow no less.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MAX_ITEMS = 10_000

# The event loop of an application that awaits its agent: coroutines of its tools belong there.
CALLERS_LOOP: ContextVar[asyncio.AbstractEventLoop | None] = ContextVar(
    "ragkit_callers_loop", default=None
)


# A tool whose function is not known to the type checker takes and returns anything.
Takes = ParamSpec("Takes", default=...)
Returns = TypeVar("Returns", default=Any)


class ToolError(Exception):
    """Raise it in a tool to tell the model, in your own words, what went wrong."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What came of a call; a tool may also return one, to tell the model something of its own.

    Attributes:
        text: What the model is told: the value as text (JSON unless it is a string), cut to the
            tool's ``max_result_characters``, or what went wrong.
        error: Whether the call failed.
        value: What the function returned; ``None`` where it failed.
    """

    text: str
    error: bool = False
    value: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class Tool(Generic[Takes, Returns]):
    """A function that a model may call. Make one with :func:`tool` or :meth:`from_schema`.

    Attributes:
        name: What the model calls it by: 1 to 64 letters, digits, ``_`` and ``-``.
        description: What it does and when to use it, for the model.
        parameters: JSON schema, of type ``object``, of its arguments.
        timeout: Seconds that a call may take; ``None`` for no limit.
        confirm: Whether a person has to agree to a call: always, never, or as a function of the
            arguments says.
        max_result_characters: Longer results are cut, with a note that says so.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    timeout: float | None
    confirm: Confirm
    max_result_characters: int
    _function: Callable[Takes, Returns] = field(repr=False)
    _bind: Validator = field(repr=False)

    def __post_init__(self) -> None:
        """Check the name and the limits."""
        if not _NAME.fullmatch(self.name):
            raise UsageError(
                f"a tool's name has 1 to 64 letters, digits, '_' and '-', unlike {self.name!r}"
            )
        if self.timeout is not None and not self.timeout > 0:
            raise UsageError(f"timeout must be positive, not {self.timeout!r}")
        if self.max_result_characters < 1:
            raise UsageError(
                f"max_result_characters must be positive, not {self.max_result_characters!r}"
            )

    @classmethod
    def from_schema(
        cls,
        function: Callable[..., Any],
        *,
        name: str,
        description: str,
        parameters: Mapping[str, Any],
        timeout: float | None = DEFAULT_TIMEOUT,
        confirm: Confirm = False,
        max_result_characters: int = DEFAULT_RESULT_CHARACTERS,
    ) -> Tool:
        """Make a tool whose parameters are described elsewhere, as by an OpenAPI document.

        ``function`` is called with the arguments by name, checked against ``parameters``.

        Raises:
            UsageError: ``parameters`` is not a JSON schema of type ``object``.
        """
        schema = {"type": "object", "properties": {}, **parameters}
        return cls(
            name,
            description,
            schema,
            timeout,
            confirm,
            max_result_characters,
            function,
            schema_binder(schema),
        )

    @property
    def schema(self) -> ToolSchema:
        """What a model is told of the tool."""
        return ToolSchema(self.name, self.description, self.parameters)

    def __call__(self, *args: Takes.args, **kwargs: Takes.kwargs) -> Returns:
        """Call the function itself, as if it were no tool."""
        return self._function(*args, **kwargs)

    def renamed(self, name: str) -> Tool[Takes, Returns]:
        """Return the same tool under another name."""
        return replace(self, name=name)

    def needs_approval(self, arguments: Mapping[str, Any]) -> bool:
        """Whether a person has to agree to this call; if ``confirm`` fails to say, one has to."""
        if not callable(self.confirm):
            return self.confirm
        try:
            return bool(self.confirm(arguments))
        except Exception:  # whatever went wrong in it, it did not say that the call is harmless
            return True

    def fault(self, arguments: str | Mapping[str, Any]) -> str | None:
        """Say what is wrong with a model's arguments, or ``None`` if they fit."""
        try:
            self._bind(parse_arguments(arguments))
        except InvalidArgumentsError as error:
            return str(error)
        return None

    def call(
        self, arguments: str | Mapping[str, Any], *, seconds: float | None = None
    ) -> ToolResult:
        """Call the function with a model's arguments; whatever happens, there is a result.

        Nobody is asked for approval here: that is up to the loop that the tool runs in. A call
        that is not back in time is given up; a thread cannot be stopped from outside, so a plain
        function goes on in the background, whereas a coroutine is cancelled.

        Args:
            arguments: JSON as the model wrote it, or the arguments themselves.
            seconds: What is left for it, where that is less than its own ``timeout``. It does not
                bind a tool without one, which runs in this thread.
        """
        timeout = self.timeout
        if timeout is not None and seconds is not None:
            timeout = max(0.0, min(timeout, seconds))
        with span(self.name, "tool", inputs=_recordable(arguments), tool=self.name) as step:
            result = self._call(arguments, timeout)
            step.set(outputs=result.text)
            if result.error:
                step.fail(result.text)
            return result

    def _call(self, arguments: str | Mapping[str, Any], timeout: float | None) -> ToolResult:
        try:
            given = parse_arguments(arguments)
            args, kwargs = self._bind(given)
        except InvalidArgumentsError as error:
            return ToolResult(f"{self.name} was not called, its arguments are wrong: {error}", True)
        run = functools.partial(self._run, args, kwargs, timeout)
        if timeout is None:
            return run()
        call = workers.start(run)
        done, _ = wait([call], timeout)
        return call.result() if done else self._too_slow(timeout)

    def _run(self, args: list[Any], kwargs: dict[str, Any], timeout: float | None) -> ToolResult:
        try:
            value: Any = self._function(*args, **kwargs)
            if inspect.isawaitable(value):
                value = awaited(value, timeout)
            if isinstance(value, ToolResult):
                return replace(value, text=self._cut(value.text))
            if isinstance(value, Iterator):
                value = list(islice(value, _MAX_ITEMS))
            return ToolResult(self._cut(as_text(value)), value=value)
        except ToolError as error:
            return ToolResult(self._cut(str(error) or "failed"), error=True)
        except TimeoutError as error:
            return self._failed(error) if str(error) else self._too_slow(timeout)
        except (Exception, SystemExit, asyncio.CancelledError) as error:
            return self._failed(error)

    def _failed(self, error: BaseException) -> ToolResult:
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return ToolResult(self._cut(said), error=True)

    def _too_slow(self, timeout: float | None) -> ToolResult:
        limit = "in time" if timeout is None else f"within {timeout:.3g} seconds"
        return ToolResult(f"{self.name} did not finish {limit} and was given up", error=True)

    def _cut(self, text: str) -> str:
        limit = self.max_result_characters
        if len(text) <= limit:
            return text
        return f"{text[:limit]}\n[cut here: the first {limit:,} of {len(text):,} characters]"


@overload
def tool(function: Callable[Takes, Returns], /) -> Tool[Takes, Returns]: ...


@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    timeout: float | None = DEFAULT_TIMEOUT,
    confirm: Confirm = False,
    max_result_characters: int = DEFAULT_RESULT_CHARACTERS,
) -> Callable[[Callable[Takes, Returns]], Tool[Takes, Returns]]: ...


def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    timeout: float | None = DEFAULT_TIMEOUT,
    confirm: Confirm = False,
    max_result_characters: int = DEFAULT_RESULT_CHARACTERS,
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a tool of a typed function, plain or async.

        @tool
        def convert(amount: float, unit: Literal["km", "mi"]) -> str:
            '''Convert a distance between kilometres and miles.

    Args:
                amount: The distance.
                unit: What it is given in.
            '''

    The function's types are checked by pydantic on every call (``"3"`` is taken for the number
    3), its docstring describes it to the model. It stays callable as a function.

    Args:
        function: What is called.
        name: What the model calls it by; default: the function's own name.
        description: For the model; default: the first paragraph of the docstring.
        timeout: Seconds that a call may take; ``None`` for no limit.
        confirm: Whether a person has to agree to a call; or a function of the arguments (by name,
            as the model gave them) that says so.
        max_result_characters: Longer results are cut, with a note that says so.

    Raises:
        UsageError: a parameter has no type, or one that JSON cannot express.
    """

    def make(function: Callable[..., Any]) -> Tool:
        if isinstance(function, Tool):
            raise UsageError(f"{function.name!r} is a tool already")
        signature = signature_of(function)
        return Tool(
            name or str(getattr(function, "__name__", type(function).__name__)),
            signature.description if description is None else description,
            signature.parameters,
            timeout,
            confirm,
            max_result_characters,
            function,
            signature.bind,
        )

    return make if function is None else make(function)


def parse_arguments(arguments: str | Mapping[str, Any]) -> Mapping[str, Any]:
    """Read a model's arguments; none at all is an empty object.

    Raises:
        InvalidArgumentsError: they are not a JSON object.
    """
    value: Any = arguments
    # Some models write the object as a string inside a string.
    for _ in range(2):
        if not isinstance(value, str):
            break
        try:
            value = read_json(value, around=False).value if value.strip() else {}
        except ValueError as error:
            raise InvalidArgumentsError(str(error)) from error
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidArgumentsError(f"they must be one JSON object, not {_kind(value)}")
    return value


def as_text(value: Any) -> str:
    """Return a tool's result as a model reads it: a string as it is, anything else as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return "done"
    try:
        return to_json(
            value, fallback=repr, inf_nan_mode="strings", bytes_mode="base64", indent=None
        ).decode()
    except (PydanticSerializationError, ValueError, RecursionError):
        return repr(value)  # such as a list that holds itself


def awaited(awaitable: Any, timeout: float | None) -> Any:
    """Wait for ``awaitable`` on the event loop of whoever awaits the agent, or on one of its own.

    Raises:
        TimeoutError: it took longer than ``timeout`` seconds, and was cancelled.
    """

    async def waited() -> Any:
        return await asyncio.wait_for(awaitable, timeout)

    loop = CALLERS_LOOP.get()
    if loop is not None and loop.is_running():
        return asyncio.run_coroutine_threadsafe(waited(), loop).result()
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(waited())
    # This thread's loop is busy calling us.
    return workers.start(lambda: asyncio.run(waited())).result()


def _kind(value: Any) -> str:
    names = {str: "a string", list: "a list", bool: "a truth value", int: "a number"}
    return names.get(type(value), "a number" if isinstance(value, float) else repr(value))


def _recordable(arguments: str | Mapping[str, Any]) -> Any:
    return arguments if isinstance(arguments, str) else {**arguments}
