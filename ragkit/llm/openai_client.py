"""The ``openai`` client at work: connecting, asking, reading what comes back."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx2
import openai

from ragkit.embed.awaiting_client import AwaitingClient
from ragkit.embed.bounded_http import (
    AbandonedError,
    Abandonment,
    FloodError,
    client_settings,
    waited_for,
)
from ragkit.embed.server_errors import server_said
from ragkit.errors import ModelError
from ragkit.events import span
from ragkit.llm.chat_model import Delta, FinishReason
from ragkit.llm.failures import SYSTEM, explain, refused_setting
from ragkit.llm.fragments import ToolCallFragments
from ragkit.llm.retries import patiently
from ragkit.llm.wire import ProtocolError, ServerSaidError, events, read_piece

if TYPE_CHECKING:
    from openai import APIResponse

    from ragkit.results import Usage

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
    connecting: dict[str, Any] = {
        "timeout": openai.Timeout(
            min(timeout, _SILENCE_SECONDS), connect=min(timeout, _CONNECT_SECONDS)
        ),
        "trust_env": use_proxy,
        "headers": {"Accept-Encoding": "identity"},
        "verify": httpx2.create_ssl_context(trust_env=use_proxy),
        # What is sent holds the user's documents: it goes where they said, and nowhere else.
        "follow_redirects": False,
    }
    settings: dict[str, Any] = {
        "api_key": api_key,
        "max_retries": 0,
        "http_client": AwaitingClient(
            lambda: httpx2.AsyncClient(**connecting),
            limits=httpx2.Limits(max_connections=1000, max_keepalive_connections=100),
            **{**connecting, **client_settings()},
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
    except (openai.OpenAIError, FloodError, ValueError, TypeError, AttributeError, RecursionError):
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
    abandoned: Abandonment,
    left_out: set[str],
) -> Generator[Delta, None, None]:
    """Ask for a reply and yield it as it comes.

    Args:
        client: Who asks.
        settings: What is sent.
        name: The string the user chose the model by, for messages.
        url: Where it is, likewise.
        until: When the reply has to be there, by ``time.monotonic()``.
        abandoned: Set when nobody wants it any more.
        left_out: What this server has refused before, and is not sent; more may be added.

    Raises:
        ModelError: the model cannot be reached, refused, or broke off.
        TimeoutError: it was not there in time.
    """
    place = f"{name} at {url}"
    reading = _Reading()
    try:
        with ExitStack() as stack:
            stack.enter_context(waited_for(abandoned))
            response = _open(client, settings, until, abandoned, left_out, stack)
            for value in events(response.iter_bytes()):
                if value is None:
                    reading.ended = True
                    break
                yield from reading.take(value)
            reading.ended |= _has_an_end(response)
    except (AbandonedError, FloodError, ProtocolError, ServerSaidError, httpx2.HTTPError) as error:
        if abandoned.is_set():
            return
        if abandoned.over() and isinstance(error, AbandonedError | httpx2.TimeoutException):
            raise TimeoutError from error
        raise _broken(error, place, started=reading.started) from error
    except openai.OpenAIError as error:
        if abandoned.is_set():
            return
        if abandoned.over() and isinstance(error, openai.APITimeoutError):
            raise TimeoutError from error
        raise explain(
            error,
            model=settings["model"],
            name=name,
            url=url,
            with_tools="tools" in settings,
        ) from error
    if not reading.started:
        raise ModelError(f"{place} sent something that is not of the OpenAI chat protocol")
    if reading.finish is None and not reading.ended:
        raise ModelError(f"{place} broke off in its reply")
    yield reading.last()


class _Reading:
    """A reply as it comes in."""

    def __init__(self) -> None:
        self.started = self.ended = False
        self.finish: FinishReason | None = None
        self._usage: Usage | None = None
        self._calls = ToolCallFragments()
        self._returned: dict[str, Any] = {}

    def take(self, value: Any) -> Iterator[Delta]:
        piece = read_piece(value)
        self.started = True
        self.finish = piece.finish or self.finish
        self._usage = piece.usage or self._usage
        self._calls.feed(piece.calls)
        for key, more in piece.returned.items():
            had = self._returned.get(key)
            self._returned[key] = (
                had + more if had is not None and type(had) is type(more) else more
            )
        if piece.text or piece.reasoning or piece.refusal:
            yield Delta(text=piece.text, reasoning=piece.reasoning, refusal=piece.refusal)

    def last(self) -> Delta:
        calls = self._calls.whole()
        finish: FinishReason = self.finish or ("tool_calls" if calls else "stop")
        returned = self._returned if calls else {}
        return Delta(finish_reason=finish, usage=self._usage, tool_calls=calls, returned=returned)


def _has_an_end(response: APIResponse[Any]) -> bool:
    """Whether a reply that is cut off could not pass for a whole one."""
    headers = response.headers
    return "content-length" in headers or "chunked" in headers.get("transfer-encoding", "").lower()


def _broken(error: Exception, place: str, *, started: bool) -> ModelError:
    if isinstance(error, ServerSaidError):
        said = " ".join(str(error).split())[:300]
        return ModelError(f"{place} failed while answering: {said}")
    if isinstance(error, FloodError):
        return ModelError(f"{place} {error}")
    if isinstance(error, ProtocolError):
        return ModelError(f"{place} sent something that is not of the OpenAI chat protocol")
    if isinstance(error, httpx2.TimeoutException):
        return ModelError(f"{place} sent nothing for too long while answering")
    if started:
        return ModelError(f"{place} broke off in its reply")
    return ModelError(f"{place} broke off before its reply")


def _open(
    client: openai.OpenAI,
    settings: dict[str, Any],
    until: float,
    abandoned: Abandonment,
    left_out: set[str],
    stack: ExitStack,
) -> APIResponse[Any]:
    """Send the request; again without what the server says it does not support."""
    create = client.chat.completions.with_streaming_response.create
    while True:
        sent = _without(settings, left_out)
        left = max(0.01, until - time.monotonic())
        timeout = openai.Timeout(min(left, _SILENCE_SECONDS), connect=min(left, _CONNECT_SECONDS))

        def send(
            sent: dict[str, Any] = sent, timeout: openai.Timeout = timeout
        ) -> APIResponse[Any]:
            return stack.enter_context(create(**sent, timeout=timeout))

        try:
            return patiently(send, until=until, abandoned=abandoned)
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            unsupported = refused_setting(sent, error)
            if unsupported is None:
                raise
            with span("left_out", "model", setting=unsupported, reason=server_said(error)):
                left_out.add(unsupported)


def _without(settings: Mapping[str, Any], left_out: Set[str]) -> dict[str, Any]:
    sent = {key: value for key, value in settings.items() if key not in left_out}
    if "max_tokens" in settings and "max_tokens" in left_out:
        sent["max_completion_tokens"] = settings["max_tokens"]
    if SYSTEM in left_out:
        sent["messages"] = _one_voice(sent["messages"])
    return sent


def _one_voice(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put what a system message says before what the user says next."""
    joined: list[dict[str, Any]] = []
    rules: list[str] = []
    for message in messages:
        if message["role"] == "system":
            rules.append(message["content"])
        elif rules and message["role"] == "user":
            content = "\n\n".join([*rules, message["content"]])
            joined.append({**message, "content": content})
            rules = []
        else:
            joined.append(message)
    return [*joined, {"role": "user", "content": "\n\n".join(rules)}] if rules else joined
