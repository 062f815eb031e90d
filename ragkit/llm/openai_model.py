"""Models behind the OpenAI chat protocol: OpenAI itself, Ollama, vLLM, LM Studio, llama.cpp…"""

from __future__ import annotations

import functools
import json
import os
import re
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, cast

from ragkit.errors import ModelError, UsageError
from ragkit.events import span
from ragkit.llm.chat_model import (
    Delta,
    FinishReason,
    Message,
    ToolSchema,
    message_document,
)
from ragkit.llm.deadline import seconds_left, within
from ragkit.llm.failures import explain
from ragkit.llm.fragments import ToolCallFragments
from ragkit.llm.known_windows import (
    DEFAULT_WINDOW,
    OLLAMA_WINDOW,
    known_window,
    served_window,
)
from ragkit.llm.retries import AbandonedError, patiently
from ragkit.results import Usage

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    import openai
    from openai.types.chat import ChatCompletionChunk

OPENAI_URL = "https://api.openai.com/v1"
OLLAMA_URL = "http://localhost:11434/v1"

_CONNECT_SECONDS = 10.0
# A local model may think this long about a long prompt before its first word.
_SILENCE_SECONDS = 120.0

# What a server that takes no key is sent in its place, since the protocol's header wants one.
_NO_KEY = "no-key"


def served_model(
    provider: str,
    model: str,
    *,
    base_url: str | None,
    api_key: str | None,
    timeout: float,
    context_window: int | None,
) -> OpenAICompatible:
    """Make the model that ``openai:NAME``, ``azure:DEPLOYMENT`` or ``ollama:NAME`` stands for.

    For Azure its own API (``/openai/v1``) is used, or the older one of a dated version where the
    environment's ``OPENAI_API_VERSION`` names one. A key in the environment is not sent to Ollama.

    Raises:
        UsageError: OpenAI's own server is meant and there is no key for it, or the resource at
            Azure or its key is missing.
    """
    version, window = None, context_window
    if provider == "ollama":
        url, key = base_url or OLLAMA_URL, api_key or _NO_KEY
        window = window or OLLAMA_WINDOW
    elif provider == "openai":
        url = base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI_URL
        key = api_key or os.environ.get("OPENAI_API_KEY") or _NO_KEY
        if key == _NO_KEY and url == OPENAI_URL:
            raise UsageError(
                f"'openai:{model}' needs a key: set OPENAI_API_KEY, or name another server by its "
                "base URL"
            )
        window = window or known_window(model)
        if url == OPENAI_URL:  # it would not tell the window of a model that is not known
            window = window or DEFAULT_WINDOW
    else:
        url = (base_url or os.environ.get("AZURE_OPENAI_ENDPOINT") or "").rstrip("/")
        key = api_key or os.environ.get("AZURE_OPENAI_API_KEY") or ""
        if not url or not key:
            raise UsageError(
                f"'azure:{model}' needs the resource and its key: set AZURE_OPENAI_ENDPOINT (or "
                "the base URL, like https://NAME.openai.azure.com) and AZURE_OPENAI_API_KEY"
            )
        version = os.environ.get("OPENAI_API_VERSION")
        if version is None and not url.endswith("/openai/v1"):
            url += "/openai/v1"
        window = window or known_window(model) or DEFAULT_WINDOW
    return OpenAICompatible(
        model,
        name=f"{provider}:{model}",
        base_url=url,
        api_key=key,
        timeout=timeout,
        context_window=window,
        azure_version=version,
    )


class OpenAICompatible:
    """A chat model behind an OpenAI-compatible server; see :class:`ragkit.llm.ChatModel`."""

    native_tools = True

    def __init__(
        self,
        model: str,
        *,
        name: str,
        base_url: str,
        api_key: str,
        timeout: float,
        context_window: int | None,
        use_proxy: bool = True,
        azure_version: str | None = None,
    ) -> None:
        """Remember where the model is; nothing is imported or sent yet.

        Without ``context_window`` the server is asked for it when it is first needed.
        """
        self._model = model
        self.name = name
        self._base_url = base_url
        self._api_key = api_key
        self._timeout = timeout
        self._context_window = context_window
        self._use_proxy = use_proxy
        self._azure_version = azure_version

    def __repr__(self) -> str:
        return f"OpenAICompatible({self.name!r}, base_url={self._base_url!r})"

    @property
    def context_window(self) -> int:
        """How many tokens prompt and reply may hold together; the server may be asked for it."""
        if self._context_window is None:
            said = served_window(self._client, self._model)
            self._context_window = said or DEFAULT_WINDOW
        return self._context_window

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        tools: Sequence[ToolSchema] = (),
        schema: Mapping[str, Any] | None = None,
        stop: Sequence[str] = (),
    ) -> Iterator[Delta]:
        """Reply piece by piece; closing the iterator cancels the call.

        A refused connection, a rate limit (its ``Retry-After`` respected) and a server error are
        tried again twice, all within the model's time limit. A setting that the server does not
        know is left out.

        Raises:
            ToolsUnsupportedError: the server, or the model there, cannot call tools.
            PromptTooLongError: the server says that the prompt is too long.
            ModelError: the model cannot be reached, refused, broke off or took too long.
        """
        settings: dict[str, Any] = {
            "model": self._model,
            "messages": [message_document(message) for message in messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": temperature,
            # OpenAI's newer models know only the longer name, most other servers the shorter.
            ("max_completion_tokens" if self._base_url == OPENAI_URL else "max_tokens"): max_tokens,
        }
        if tools:
            settings["tools"] = [_tool_document(tool) for tool in tools]
        if schema is not None:
            settings["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "reply", "schema": dict(schema)},
            }
        if stop:
            settings["stop"] = list(stop)
        client = self._client  # made before the clock starts: importing takes a second
        abandoned = threading.Event()
        left = seconds_left()
        seconds = self._timeout if left is None else min(left, self._timeout)
        try:
            until = time.monotonic() + seconds
            deltas = self._deltas(client, settings, until, abandoned)
            yield from within(seconds, deltas, abandoned=abandoned)
        except TimeoutError:
            raise ModelError(
                f"{self.name} at {self._base_url} did not finish its reply within "
                f"{seconds:.3g} seconds"
            ) from None

    @functools.cached_property
    def _client(self) -> openai.OpenAI:
        import openai

        http_client = openai.DefaultHttpx2Client(
            timeout=openai.Timeout(
                min(self._timeout, _SILENCE_SECONDS),
                connect=min(self._timeout, _CONNECT_SECONDS),
            ),
            trust_env=self._use_proxy,
        )
        settings: dict[str, Any] = {
            "api_key": self._api_key,
            "max_retries": 0,
            "http_client": http_client,
        }
        client = (
            openai.OpenAI(base_url=self._base_url, **settings)
            if self._azure_version is None
            else openai.AzureOpenAI(
                azure_endpoint=self._base_url,
                azure_deployment=self._model,
                api_version=self._azure_version,
                **settings,
            )
        )
        # Connections are kept open between replies; they go when the model goes.
        weakref.finalize(self, client.close)
        return client

    def _deltas(
        self,
        client: openai.OpenAI,
        settings: dict[str, Any],
        until: float,
        abandoned: threading.Event,
    ) -> Generator[Delta, None, None]:
        import openai

        finish: FinishReason | None = None
        usage: Usage | None = None
        broke_off = ModelError(f"{self.name} at {self._base_url} broke off in its reply")
        started = False
        calls = ToolCallFragments()
        try:
            with _open(client, settings, until, abandoned) as chunks:
                for chunk in chunks:
                    started = True
                    usage = _usage(chunk) or usage
                    for choice in chunk.choices or ():
                        if choice.delta is not None and choice.delta.content:
                            yield Delta(text=choice.delta.content)
                        if choice.delta is not None:
                            calls.feed(choice.delta.tool_calls or ())
                        if choice.finish_reason is not None:
                            finish = _finish_reason(choice.finish_reason)
        except openai.OpenAIError as error:
            lost = isinstance(error, openai.APIConnectionError)
            if started and lost and not isinstance(error, openai.APITimeoutError):
                raise broke_off from error
            raise explain(
                error,
                model=self._model,
                name=self.name,
                url=self._base_url,
                with_tools="tools" in settings,
            ) from error
        except AbandonedError:
            return
        except (json.JSONDecodeError, UnicodeDecodeError, AttributeError, TypeError) as error:
            # The client builds its objects unchecked, so what is not of the protocol's form shows
            # up as broken JSON or as a missing or ill-typed field.
            raise ModelError(
                f"{self.name} at {self._base_url} sent something that is not of the OpenAI chat "
                "protocol"
            ) from error
        if finish is None:
            raise broke_off
        yield Delta(finish_reason=finish, usage=usage, tool_calls=calls.whole())


def _tool_document(tool: ToolSchema) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": dict(tool.parameters),
        },
    }


def _open(
    client: openai.OpenAI, settings: dict[str, Any], until: float, abandoned: threading.Event
) -> openai.Stream[ChatCompletionChunk]:
    """Send the request; again without what the server says it does not support."""
    import openai

    while True:
        try:
            return cast(
                "openai.Stream[ChatCompletionChunk]",
                patiently(
                    functools.partial(client.chat.completions.create, **settings),
                    until=until,
                    abandoned=abandoned,
                ),
            )
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            unsupported = _unsupported(settings, error)
            if unsupported is None:
                raise
            with span("left_out", "model", setting=unsupported, reason=error.message[:300]):
                value = settings[unsupported]
                settings = {key: item for key, item in settings.items() if key != unsupported}
                if unsupported == "max_tokens":
                    settings["max_completion_tokens"] = value


# What a reply can do without: the caller checks what a schema or a stop would have ensured.
_OPTIONAL = ("max_tokens", "temperature", "stream_options", "response_format", "stop")
_UNSUPPORTED = re.compile(
    r"unsupported|not support|n't support|unknown|unrecogni[sz]ed|not permitted|not allowed|"
    r"unexpected|unavailable",
    re.IGNORECASE,
)


def _unsupported(settings: Mapping[str, Any], error: openai.APIStatusError) -> str | None:
    """Return the optional setting that a server refused, if it was one."""
    if error.param in _OPTIONAL and error.param in settings:
        return error.param
    if error.param is not None or not _UNSUPPORTED.search(error.message):
        return None
    named = [key for key in _OPTIONAL if key in settings and f"{key}" in error.message]
    if not named and "response_format" in settings and "json_schema" in error.message:
        named = ["response_format"]
    return named[0] if named else None


def _usage(chunk: ChatCompletionChunk) -> Usage | None:
    if chunk.usage is None:
        return None
    return Usage(chunk.usage.prompt_tokens or 0, chunk.usage.completion_tokens or 0)


def _finish_reason(reason: str) -> FinishReason:
    if reason in ("stop", "length", "tool_calls", "content_filter"):
        return cast("FinishReason", reason)
    return "other"
