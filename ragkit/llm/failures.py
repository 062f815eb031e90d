"""What went wrong with a model, in one sentence for the user."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import openai

from ragkit.embed.server_errors import in_words, server_said
from ragkit.errors import ModelError, PromptTooLongError, ToolsUnsupportedError

_OVERFLOW = re.compile(
    r"context[ _](length|size|window)|maximum context|too many tokens|prompt is too long",
    re.IGNORECASE,
)
_NO_TOOLS = re.compile(
    r"(not|n't) support\w*\b.{0,60}\b(tool|function)|"
    r"\b(tool|function)s?\b.{0,80}((not|n't)\b.{0,20}(support|enabl|implement|allow|permit)|requires? )|"
    r"(unsupported|unknown|unrecogni[sz]ed|unexpected).{0,60}\btool(s|_choice)\b",
    re.IGNORECASE,
)
_FILTER = re.compile(r"content[ _]?(filter|management|policy)", re.IGNORECASE)
# What a status alone tells, whatever the message has in it.
_PLAIN = (
    openai.AuthenticationError,
    openai.PermissionDeniedError,
    openai.NotFoundError,
    openai.RateLimitError,
)


def explain(
    error: openai.OpenAIError, *, model: str, name: str, url: str, with_tools: bool = False
) -> ModelError:
    """Turn an error of the ``openai`` client into a :class:`ModelError` that says what to do.

    Args:
        error: What the client raised.
        model: The model's name as the server knows it.
        name: The string the user chose the model by.
        url: The server's base URL.
        with_tools: Whether tools were described to the model.
    """
    said, code = server_said(error), getattr(error, "code", None) or ""
    if isinstance(error, openai.APIStatusError):
        if with_tools and (error.param == "tools" or _NO_TOOLS.search(said)):
            return ToolsUnsupportedError(f"{name} at {url} cannot call tools: {said}")
        if not isinstance(error, _PLAIN):
            if code == "context_length_exceeded" or _OVERFLOW.search(said):
                return PromptTooLongError(f"the prompt is longer than {name} can read: {said}")
            if code == "content_filter" or _FILTER.search(said):
                return ModelError(f"the content filter of {url} refused the prompt: {said}")
    return ModelError(in_words(error, model=model, name=name, url=url))


# What a reply can do without: the caller checks what a schema or a stop would have ensured.
_OPTIONAL = ("max_tokens", "temperature", "stream_options", "response_format", "stop")
SYSTEM = "system messages"
_UNSUPPORTED = re.compile(
    r"unsupported|not support|n't support|unknown|unrecogni[sz]ed|not permitted|not allowed|"
    r"unexpected|unavailable|not implemented|forbidden|no such|does not exist|"
    r"only .{0,40}support|extra (field|input|argument)",
    re.IGNORECASE,
)
_NO_SYSTEM = re.compile(
    r"system\b.{0,40}(not|n't|un)[ -]?(support|allow|permit|accept|valid)|"
    r"roles? must alternate|unknown role.{0,10}system|"
    r"(only|must be|one of).{0,40}\buser\b.{0,20}\bassistant\b",
    re.IGNORECASE,
)


def refused_setting(settings: Mapping[str, Any], error: openai.APIStatusError) -> str | None:
    """Return the optional setting that a server refused, or :data:`SYSTEM`, if it was one."""
    said = server_said(error)
    if error.param in _OPTIONAL and error.param in settings:
        return error.param
    roles = {message["role"] for message in settings["messages"]}
    if "system" in roles and _NO_SYSTEM.search(said):
        return SYSTEM
    if error.param is not None or not _UNSUPPORTED.search(said):
        return None
    named = [key for key in _OPTIONAL if key in settings and key in said]
    if not named and "response_format" in settings and "json_schema" in said:
        named = ["response_format"]
    return named[0] if named else None
