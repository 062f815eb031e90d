"""What went wrong with a server of the OpenAI protocol, in one sentence for the user."""

from __future__ import annotations

import openai

from ragkit.embed.servers import said_in


def server_said(error: openai.OpenAIError) -> str:
    """Return what the server said, in whichever form, on one line and not too long."""
    text = " ".join((said_in(getattr(error, "body", None)) or str(error)).split())
    return text if len(text) <= 300 else text[:299] + "…"


def in_words(error: openai.OpenAIError, *, model: str, name: str, url: str) -> str:
    """Say what an error of the ``openai`` client means, and what to do.

    Args:
        error: What the client raised.
        model: The model's name as the server knows it.
        name: The string the user chose the model by.
        url: The server's base URL.
    """
    said, at_ollama = server_said(error), name.startswith("ollama:")
    match error:
        case openai.APITimeoutError():
            return f"{url} did not answer in time for {name}"
        case openai.APIConnectionError():
            hint = "; is Ollama running?" if at_ollama else ""
            cause = f" ({error.__cause__})" if error.__cause__ and str(error.__cause__) else ""
            return f"cannot reach {url} for {name}{cause}{hint}"
        case openai.AuthenticationError():
            return f"{url} does not accept the key for {name}: {said}"
        case openai.PermissionDeniedError():
            return f"{url} does not allow the use of {name}: {said}"
        case openai.NotFoundError() if at_ollama:
            return f"{url} has no model {model!r}; get it with {f'ollama pull {model}'!r}"
        case openai.NotFoundError():
            return (
                f"{url} has no model {model!r}, or is not the base URL of its API (most end in /v1):"
                f" {said}"
            )
        case openai.RateLimitError() if error.code == "insufficient_quota":
            return f"the account at {url} has no quota left for {name}: {said}"
        case openai.RateLimitError():
            return f"{url} limits the rate of requests to {name}; try again later: {said}"
        case openai.APIStatusError():
            return f"{name} at {url} failed with HTTP status {error.status_code}: {said}"
    return f"{name} at {url} failed: {said}"
