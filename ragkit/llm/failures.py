"""What went wrong with a model, in one sentence for the user."""

from __future__ import annotations

import re

import openai

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
    said = _message(error)
    if isinstance(error, openai.APITimeoutError):
        return ModelError(f"{url} sent nothing for too long while answering as {name}")
    if isinstance(error, openai.APIConnectionError):
        hint = "; is Ollama running?" if name.startswith("ollama:") else ""
        cause = f" ({error.__cause__})" if error.__cause__ and str(error.__cause__) else ""
        return ModelError(f"cannot reach {url} for {name}{cause}{hint}")
    if not isinstance(error, openai.APIStatusError):
        return ModelError(f"{name} at {url} failed while answering: {said}")
    code = error.code or ""
    if with_tools and (error.param == "tools" or _NO_TOOLS.search(said)):
        return ToolsUnsupportedError(f"{name} at {url} cannot call tools: {said}")
    if isinstance(error, openai.AuthenticationError):
        return ModelError(f"{url} does not accept the key for {name}: {said}")
    if isinstance(error, openai.PermissionDeniedError):
        return ModelError(f"{url} does not allow the use of {name}: {said}")
    if isinstance(error, openai.NotFoundError):
        if name.startswith("ollama:"):
            return ModelError(f"{url} has no model {model!r}; get it with 'ollama pull {model}'")
        return ModelError(
            f"{url} has no model {model!r}, or is not the base URL of its API (most end in /v1): "
            f"{said}"
        )
    if isinstance(error, openai.RateLimitError):
        if code == "insufficient_quota":
            return ModelError(f"the account at {url} has no quota left for {name}: {said}")
        return ModelError(f"{url} limits the rate of requests to {name}; try again later: {said}")
    if code == "context_length_exceeded" or _OVERFLOW.search(said):
        return PromptTooLongError(f"the prompt is longer than {name} can read: {said}")
    if code == "content_filter" or _FILTER.search(said):
        return ModelError(f"the content filter of {url} refused the prompt: {said}")
    return ModelError(f"{name} at {url} failed with HTTP status {error.status_code}: {said}")


def _message(error: openai.OpenAIError) -> str:
    """What the server said, on one line and not too long."""
    body = getattr(error, "body", None)
    said = body.get("message") if isinstance(body, dict) else None
    text = " ".join(str(said or error).split())
    return text if len(text) <= 300 else text[:299] + "…"
