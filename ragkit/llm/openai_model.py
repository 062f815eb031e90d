"""Models behind the OpenAI chat protocol: OpenAI itself, Ollama, vLLM, LM Studio, llama.cpp…"""

from __future__ import annotations

import functools
import os
import time
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ragkit.embed.servers import OPENAI_URL, address
from ragkit.errors import ModelError, UsageError
from ragkit.llm.chat_model import (
    Delta,
    Message,
    ToolSchema,
    message_document,
)
from ragkit.llm.deadline import seconds_left, within
from ragkit.llm.json_text import argument_text
from ragkit.llm.known_windows import (
    DEFAULT_WINDOW,
    OLLAMA_WINDOW,
    known_window,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import openai


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
    if provider != "azure":
        url, key = address(provider, model, base_url=base_url, api_key=api_key)
        window = window or (OLLAMA_WINDOW if provider == "ollama" else known_window(model))
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
    awaits = True

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
        # What its server has refused, and is not sent again.
        self._left_out: set[str] = set()

    def __repr__(self) -> str:
        return f"OpenAICompatible({self.name!r}, base_url={self._base_url!r})"

    @property
    def context_window(self) -> int:
        """How many tokens prompt and reply may hold together; the server may be asked for it."""
        if self._context_window is None:
            from ragkit.llm.openai_client import served_window

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
            "messages": [_sent(message) for message in messages],
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
        from ragkit.embed.bounded_http import Abandonment
        from ragkit.llm.openai_client import deltas_of

        left = seconds_left()
        seconds = self._timeout if left is None else min(left, self._timeout)
        until = time.monotonic() + seconds
        abandoned = Abandonment(until)
        try:
            deltas = deltas_of(
                client,
                settings,
                name=self.name,
                url=self._base_url,
                until=until,
                abandoned=abandoned,
                left_out=self._left_out,
            )
            yield from within(seconds, deltas, abandoned=abandoned)
        except TimeoutError:
            raise ModelError(
                f"{self.name} at {self._base_url} did not finish its reply within "
                f"{seconds:.3g} seconds"
            ) from None

    @functools.cached_property
    def _client(self) -> openai.OpenAI:
        from ragkit.llm.openai_client import make_client

        client = make_client(
            self._base_url,
            self._api_key,
            timeout=self._timeout,
            use_proxy=self._use_proxy,
            azure=None if self._azure_version is None else (self._model, self._azure_version),
        )
        # Connections are kept open between replies; they go when the model goes.
        weakref.finalize(self, client.close)
        return client


def _sent(message: Message) -> dict[str, Any]:
    """Return a message as servers take it: many refuse calls whose arguments are no JSON object."""
    calls = tuple(
        replace(call, name=call.name or "unnamed", arguments=argument_text(call.arguments))
        for call in message.tool_calls
    )
    return message_document(replace(message, tool_calls=calls))


def _tool_document(tool: ToolSchema) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": dict(tool.parameters),
        },
    }
