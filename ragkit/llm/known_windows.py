"""How many tokens models have room for: what is known of them, or what their server says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import openai

# What such servers are commonly run with, where neither is known.
DEFAULT_WINDOW = 8_192
# Ollama cuts a longer prompt silently unless it was started with more.
OLLAMA_WINDOW = 4_096

# Tokens, by the beginning of the name, the longer beginnings first.
_OPENAI = {
    "gpt-3.5": 16_385,
    "gpt-4.1": 1_000_000,
    "gpt-4o": 128_000,
    "gpt-4-turbo": 128_000,
    "gpt-4": 8_192,
    "gpt-5": 272_000,
    "o1": 128_000,
    "o3": 200_000,
    "o4": 200_000,
}
_ASKING_SECONDS = 5.0
_SMALLEST, _LARGEST = 256, 100_000_000


def known_window(model: str) -> int | None:
    """Return the window of one of OpenAI's models."""
    return next((size for start, size in _OPENAI.items() if model.startswith(start)), None)


def served_window(client: openai.OpenAI, model: str) -> int | None:
    """Ask a server for its models, and return the window it gives this one, if it does.

    vLLM says ``max_model_len``, llama.cpp ``meta.n_ctx``, others ``context_length``.
    """
    import openai

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
