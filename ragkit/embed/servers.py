"""Where servers of the OpenAI protocol are, and the key they are sent: embedding and chat models."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ragkit.errors import UsageError

OPENAI_URL = "https://api.openai.com/v1"
OLLAMA_URL = "http://localhost:11434/v1"

# What a server that takes no key is sent in its place, since the protocol's header wants one.
_NO_KEY = "no-key"


def address(
    provider: str, model: str, *, base_url: str | None, api_key: str | None
) -> tuple[str, str]:
    """Return the base URL and the key for ``openai:NAME`` or ``ollama:NAME``.

    A key in the environment is sent to what ``openai:`` names alone.

    Raises:
        UsageError: OpenAI's own server is meant, and there is no key for it.
    """
    if provider == "ollama":
        return base_url or OLLAMA_URL, api_key or _NO_KEY
    url = base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI_URL
    key = api_key or os.environ.get("OPENAI_API_KEY")
    if key is None and url == OPENAI_URL:
        raise UsageError(
            f"'openai:{model}' needs a key: set OPENAI_API_KEY, or name another server by its "
            "base URL"
        )
    return url, key or _NO_KEY


def said_in(body: Any, _depth: int = 0) -> str:
    """Find what the body of an error says in words, whichever form the server gives it."""
    if isinstance(body, str):
        return body
    if _depth > 4:
        return ""
    if isinstance(body, list):
        return "; ".join(filter(None, (said_in(each, _depth + 1) for each in body[:5])))
    if isinstance(body, Mapping):
        for name in ("error", "message", "detail", "msg", "details", "title"):
            said = said_in(body.get(name), _depth + 1)
            if said:
                place = body.get("loc")
                where = ".".join(map(str, place)) if isinstance(place, list) else ""
                return f"{where}: {said}" if where else said
    return ""
