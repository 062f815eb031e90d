"""Language models: one streaming protocol, chosen by one string.

``openai:NAME`` is any OpenAI-compatible server, ``azure:DEPLOYMENT`` a resource at Azure,
``ollama:NAME`` a local Ollama, ``gguf:PATH`` a model file run in this process by llama.cpp. Naming
a model sends nothing; asking it does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ragkit.errors import UsageError
from ragkit.events.plug_ins import plug_in
from ragkit.llm.chat_model import (
    ChatModel,
    Delta,
    FinishReason,
    Message,
    Reply,
    ReplyOptions,
    Role,
    ToolCall,
    ToolSchema,
    asking,
    complete,
)

__all__ = [
    "MODEL_FORMS",
    "ChatModel",
    "Delta",
    "FinishReason",
    "Message",
    "Reply",
    "ReplyOptions",
    "Role",
    "ToolCall",
    "ToolSchema",
    "asking",
    "complete",
    "load_model",
]

MODEL_FORMS = "'extractive', 'openai:NAME', 'azure:DEPLOYMENT', 'ollama:NAME' or 'gguf:PATH'"
DEFAULT_TIMEOUT = 300.0


def load_model(
    name: str,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    context_window: int | None = None,
) -> ChatModel:
    """Make the model that ``name`` stands for. Nothing is sent or loaded before it is asked.

    Args:
        name: ``"openai:NAME"``, ``"azure:DEPLOYMENT"``, ``"ollama:NAME"``, ``"gguf:PATH"``, or
            ``"PROVIDER:NAME"`` for the provider of an installed package: an entry point in the
            group ``ragkit.chat_models``, a function of what stands after the colon (and of those
            options below that are given, by name) which returns the model.
        base_url: Where the OpenAI-compatible server is; the default is OpenAI's own (or the
            environment's ``OPENAI_BASE_URL``), and ``http://localhost:11434/v1`` for Ollama.
        api_key: The server's key. For ``openai:`` the default is the environment's
            ``OPENAI_API_KEY``, for ``azure:`` its ``AZURE_OPENAI_API_KEY``; a server named by
            ``base_url`` may need none.
        timeout: Seconds that one reply may take in all, retries included.
        context_window: Tokens that prompt and reply may hold together; the default is what is
            known of the model, or what its server says of it when it is first asked, else a
            size that such servers are commonly run with.

    Raises:
        UsageError: ``name`` has no known form, or an option does not go with it.
        ModelError: the model file cannot be used, or its runtime is not installed.
    """
    provider, _, model = name.partition(":")
    if timeout <= 0:
        raise UsageError(f"timeout must be positive, not {timeout!r}")
    if provider == "extractive":
        raise UsageError("'extractive' answers without a language model, so there is none to load")
    if not model.strip():
        raise UsageError(f"unknown model {name!r}: expected {MODEL_FORMS}")
    if provider == "gguf":
        if base_url is not None or api_key is not None:
            raise UsageError(f"{name!r} runs in this process: it takes no base URL and no key")
        from ragkit.llm.gguf import GgufModel

        return GgufModel(model, name=name, timeout=timeout, context_window=context_window)
    if base_url is not None and not base_url.startswith(("http://", "https://")):
        raise UsageError(f"a base URL starts with http:// or https://, unlike {base_url!r}")
    options: dict[str, Any] = {
        "base_url": base_url,
        "api_key": api_key,
        "timeout": timeout,
        "context_window": context_window,
    }
    if provider in ("openai", "azure", "ollama"):
        from ragkit.llm.openai_model import served_model

        return served_model(provider, model, **options)
    make: Callable[..., ChatModel] | None = plug_in("ragkit.chat_models", provider)
    if make is None:
        raise UsageError(f"unknown model {name!r}: expected {MODEL_FORMS}")
    usual = {None, DEFAULT_TIMEOUT}
    return make(model, **{key: value for key, value in options.items() if value not in usual})
