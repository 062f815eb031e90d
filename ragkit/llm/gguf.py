"""Models in GGUF files, run in this process by llama.cpp.

xllamacpp serves the OpenAI protocol on a loopback port, so the one client does the talking.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import secrets
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Unpack
from urllib.parse import urlsplit

from ragkit.errors import ModelError
from ragkit.llm.openai_model import OpenAICompatible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import xllamacpp

    from ragkit.llm.chat_model import Delta, Message, ReplyOptions

# Memory for the context grows with it, so it is not taken as large as the model allows.
_DEFAULT_WINDOW = 8_192
_PROPERTIES_SECONDS = 30.0


class GgufModel:
    """A model file run by llama.cpp; see :class:`ragkit.llm.ChatModel`.

    The weights are loaded when the model is first asked (or its window is), and freed by
    :meth:`close` or with the object.
    """

    native_tools = False  # what a small local model writes as a tool call is seldom one
    follows_schemas = True  # llama.cpp lets a model write only what a schema allows

    def __init__(
        self,
        path: str,
        *,
        name: str,
        timeout: float,
        context_window: int | None = None,
    ) -> None:
        """Check that the file is there and is a model.

        Raises:
            ModelError: it is not, or xllamacpp is not installed.
        """
        self._path = Path(path).expanduser()
        try:
            with self._path.open("rb") as file:
                magic = file.read(4)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ModelError(f"cannot read the model file {path!r}: {reason}") from error
        if magic != b"GGUF":
            raise ModelError(f"{path!r} is not a GGUF model file")
        if importlib.util.find_spec("xllamacpp") is None:
            raise ModelError(
                f"{name!r} needs llama.cpp: install it with pip install 'ragkit[gguf]'"
            )
        self.name = name
        self._timeout = timeout
        self._wanted_window = context_window or _DEFAULT_WINDOW
        self._lock = threading.Lock()
        self._server: xllamacpp.Server | None = None
        self._client: OpenAICompatible | None = None

    def __repr__(self) -> str:
        return f"GgufModel({self.name!r})"

    @property
    def context_window(self) -> int:
        """How many tokens prompt and reply may hold together; loads the model to find out."""
        return self._loaded().context_window

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        **options: Unpack[ReplyOptions],
    ) -> Iterator[Delta]:
        """Reply piece by piece; closing the iterator cancels the call.

        Raises:
            ModelError: the model cannot be loaded, or took too long.
        """
        yield from self._loaded().stream(messages, max_tokens=max_tokens, **options)

    def close(self) -> None:
        """Free the weights; asking again would load them again."""
        with self._lock:
            self._server = self._client = None

    def _loaded(self) -> OpenAICompatible:
        with self._lock:
            if self._client is None:
                self._client = self._start()
            return self._client

    def _start(self) -> OpenAICompatible:
        import xllamacpp

        # Without a key, any web page open on this machine could ask the model through the port.
        key = secrets.token_urlsafe(24)
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(self._path)
        parameters.n_ctx = self._wanted_window
        parameters.n_parallel = 1
        parameters.api_keys = [key]
        parameters.hostnames = ["127.0.0.1"]
        parameters.port = 0
        parameters.ui = False
        parameters.offline = True
        parameters.verbosity = -1
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = _threads()
        # Keeps a reasoning model's thoughts out of its reply.
        parameters.reasoning_format = (
            xllamacpp.common_reasoning_format.COMMON_REASONING_FORMAT_DEEPSEEK
        )
        try:
            self._server = xllamacpp.Server(parameters)
        except RuntimeError as error:
            raise ModelError(
                f"llama.cpp cannot load {str(self._path)!r}: the file is damaged, of a kind it "
                "does not know, or too large for the memory"
            ) from error
        address = self._server.listening_address
        return OpenAICompatible(
            self._path.name,
            name=self.name,
            base_url=f"{address}/v1",
            api_key=key,
            timeout=self._timeout,
            context_window=_context_window(address, key),
            use_proxy=False,
        )


def _threads() -> int:
    """One thread fewer than there are processors, at least one.

    llama.cpp's threads wait for each other by spinning: where another program takes the processor
    of one of them, all burn time, and replies take twenty times as long.
    """
    try:
        processors = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        processors = os.cpu_count() or 1
    return max(1, processors - 1)


def _context_window(address: str, key: str) -> int:
    """Ask the server how many tokens it has room for: fewer than wanted, if the model has less."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=_PROPERTIES_SECONDS)
    try:
        connection.request("GET", "/props", headers={"Authorization": f"Bearer {key}"})
        properties = json.loads(connection.getresponse().read())
        return int(properties["default_generation_settings"]["n_ctx"])
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"llama.cpp started but does not answer at {address}") from error
    finally:
        connection.close()
