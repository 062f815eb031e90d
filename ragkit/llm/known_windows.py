"""How many tokens models have room for, as far as that is known."""

from __future__ import annotations

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


def known_window(model: str) -> int | None:
    """Return the window of one of OpenAI's models."""
    return next((size for start, size in _OPENAI.items() if model.startswith(start)), None)
