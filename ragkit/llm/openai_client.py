"""The ``openai`` client at work: connecting, asking, reading what comes back."""

from __future__ import annotations

import functools
import json
import re
import threading
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, cast

import openai

from ragkit.errors import ModelError
from ragkit.events import span
from ragkit.llm.chat_model import Delta, FinishReason
from ragkit.llm.failures import explain
from ragkit.llm.fragments import ToolCallFragments
from ragkit.llm.retries import AbandonedError, patiently
from ragkit.results import Usage

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionChunk

_CONNECT_SECONDS = 10.0
# A local model may think this long about a long prompt before its first word.
_SILENCE_SECONDS = 120.0
_ASKING_SECONDS = 5.0
_SMALLEST, _LARGEST = 256, 100_000_000


def make_client(
    base_url: str,
    api_key: str,
    *,
    timeout: float,
    use_proxy: bool,
    azure: tuple[str, str] | None,
) -> openai.OpenAI:
    """Make a client; ``azure`` is a deployment and the dated version of Azure's older protocol."""
    settings: dict[str, Any] = {
        "api_key": api_key,
        "max_retries": 0,
        "http_client": openai.DefaultHttpx2Client(
            timeout=openai.Timeout(
                min(timeout, _SILENCE_SECONDS), connect=min(timeout, _CONNECT_SECONDS)
            ),
            trust_env=use_proxy,
        ),
    }
    if azure is None:
        return openai.OpenAI(base_url=base_url, **settings)
    deployment, version = azure
    return openai.AzureOpenAI(
        azure_endpoint=base_url, azure_deployment=deployment, api_version=version, **settings
    )


def served_window(client: openai.OpenAI, model: str) -> int | None:
    """Ask a server for its models, and return the window it gives this one, if it does.

    vLLM says ``max_model_len``, llama.cpp ``meta.n_ctx``, others ``context_length``.
    """
    try:
        served = client.with_options(max_retries=0, timeout=_ASKING_SECONDS).models.list().data
        described = [each.model_dump() for each in served if each.id == model]
        if not described and len(served) == 1:  # such a server takes any name for its one model
            described = [served[0].model_dump()]
    except (openai.OpenAIError, ValueError, TypeError, AttributeError):
        return None  # not every server lists its models
    return _window(described[0]) if described else None


def _window(described: Mapping[str, Any]) -> int | None:
    meta = described.get("meta")
    said = [described.get(key) for key in ("max_model_len", "context_length", "context_window")]
    said.append(meta.get("n_ctx") if isinstance(meta, Mapping) else None)
    sizes = [size for size in said if isinstance(size, int) and _SMALLEST <= size <= _LARGEST]
    return sizes[0] if sizes else None


def deltas_of(
    client: openai.OpenAI,
    settings: dict[str, Any],
    *,
    name: str,
    url: str,
    until: float,
    abandoned: threading.Event,
) -> Generator[Delta, None, None]:
    """Ask for a reply and yield it as it comes.

    Args:
        client: Who asks.
        settings: What is sent.
        name: The string the user chose the model by, for messages.
        url: Where it is, likewise.
        until: When the reply has to be there, by ``time.monotonic()``.
        abandoned: Set when nobody wants it any more.

    Raises:
        ModelError: the model cannot be reached, refused, or broke off.
    """
    finish: FinishReason | None = None
    usage: Usage | None = None
    broke_off = ModelError(f"{name} at {url} broke off in its reply")
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
            model=settings["model"],
            name=name,
            url=url,
            with_tools="tools" in settings,
        ) from error
    except AbandonedError:
        return
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError, TypeError) as error:
        # The client builds its objects unchecked, so what is not of the protocol's form shows
        # up as broken JSON or as a missing or ill-typed field.
        raise ModelError(
            f"{name} at {url} sent something that is not of the OpenAI chat protocol"
        ) from error
    if finish is None:
        raise broke_off
    yield Delta(finish_reason=finish, usage=usage, tool_calls=calls.whole())


def _open(
    client: openai.OpenAI, settings: dict[str, Any], until: float, abandoned: threading.Event
) -> openai.Stream[ChatCompletionChunk]:
    """Send the request; again without what the server says it does not support."""
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
