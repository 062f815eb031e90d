"""Stand-ins for tests of ragkit, and of applications built on it: no network, no weights."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ragkit.embed.embedder import ModelFingerprint, TextKind
from ragkit.llm.chat_model import Delta, Message, ToolCall, ToolSchema
from ragkit.results import Usage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragkit.llm.chat_model import FinishReason

_WORD = re.compile(r"\w+|[^\w\s]")

Step = str | ToolCall | BaseException | Delta


class ScriptedModel:
    """A chat model that replies what it was told to, one reply for each call.

    A reply is a text (sent word by word), a :class:`ragkit.llm.ToolCall`, an exception (raised
    instead of replying), or a sequence of pieces sent one by one: texts, tool calls, exceptions, or
    :class:`ragkit.llm.Delta` to set a finish reason. Use it as a context manager, so that replies nobody asked for fail the test::

        with ScriptedModel("The warranty is two years [1].") as model:
            answer = kb.ask("How long is the warranty?", model=model)
    """

    def __init__(
        self,
        *replies: Step | Sequence[Step],
        name: str = "scripted",
        context_window: int = 8_192,
        native_tools: bool = True,
    ) -> None:
        """Set the replies, in order."""
        self._replies = list(replies)
        self._name = name
        self._context_window = context_window
        self._native_tools = native_tools
        self.calls: list[tuple[Message, ...]] = []
        self.tools: list[tuple[ToolSchema, ...]] = []
        self.schemas: list[Mapping[str, Any] | None] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.assert_done()

    @property
    def name(self) -> str:
        """The name that answers will carry."""
        return self._name

    @property
    def context_window(self) -> int:
        """How many tokens prompt and reply may hold together."""
        return self._context_window

    @property
    def native_tools(self) -> bool:
        """Whether it is taken for a model that calls tools by itself."""
        return self._native_tools

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        tools: Sequence[ToolSchema] = (),
        schema: Mapping[str, Any] | None = None,
        stop: Sequence[str] = (),
    ) -> Iterator[Delta]:
        """Send the next reply; ``calls`` keeps the messages, ``tools`` and ``schemas`` the rest.

        Raises:
            AssertionError: the script has no further reply.
        """
        del max_tokens, temperature, stop  # a script has its own length and no chance in it
        self.calls.append(tuple(messages))
        self.tools.append(tuple(tools))
        self.schemas.append(schema)
        if len(self.calls) > len(self._replies):
            raise AssertionError(
                f"the model was asked {len(self.calls)} times, but the script has "
                f"{len(self._replies)} replies"
            )
        return _play(_pieces(self._replies[len(self.calls) - 1]), messages)

    def assert_done(self) -> None:
        """Fail unless every reply was asked for."""
        left = len(self._replies) - len(self.calls)
        if left > 0:
            raise AssertionError(f"{left} of {len(self._replies)} replies were never asked for")


def _pieces(reply: Step | Sequence[Step]) -> Iterable[Step]:
    if isinstance(reply, str):
        return (word for word in reply.replace(" ", "\0 ").split("\0"))
    if isinstance(reply, BaseException | Delta | ToolCall):
        return (reply,)
    return reply


def _play(pieces: Iterable[Step], messages: Sequence[Message]) -> Iterator[Delta]:
    finish: FinishReason | None = None
    said = 0
    called = False
    for piece in pieces:
        if isinstance(piece, BaseException):
            raise piece
        if isinstance(piece, ToolCall):
            called = True
            yield Delta(tool_calls=(piece,))
            continue
        delta = Delta(text=piece) if isinstance(piece, str) else piece
        finish = delta.finish_reason or finish
        said += len(delta.text.split())
        yield delta
    if finish is None:
        read = sum(len(message.content.split()) for message in messages)
        yield Delta(
            finish_reason="tool_calls" if called else "stop",
            usage=Usage(input_tokens=read, output_tokens=said),
        )


class WordTokenizer:
    """A tokenizer for which each word, and each punctuation mark, is one token."""

    def token_starts(self, text: str) -> list[int]:
        """Return where each word begins, as code points, ascending."""
        return [match.start() for match in _WORD.finditer(text)]


class HashEmbedder:
    """An embedder without weights: texts are near when they share words, whatever their case.

    Each word is hashed to a few signed places of the vector (the "hashing trick" of Weinberger
    et al., 2009), weighted by the square root of its count. The same text has the same vector in
    every process and on every machine. It knows no synonyms: use it to test plumbing.
    """

    def __init__(
        self, *, dimension: int = 64, max_tokens: int = 254, name: str = "hash-words"
    ) -> None:
        """Set the length of the vectors, and how many words of a text are read."""
        if dimension < 1 or max_tokens < 1:
            raise ValueError(
                f"dimension and max_tokens must be positive, not {dimension!r} and {max_tokens!r}"
            )
        self._name = name
        self._max_tokens = max_tokens
        self._fingerprint = ModelFingerprint(
            model=name, dimension=dimension, pooling="sum", normalised=True, runtime="hash"
        )
        self._tokenizer = WordTokenizer()

    @property
    def name(self) -> str:
        """The name that the knowledge base records."""
        return self._name

    @property
    def fingerprint(self) -> ModelFingerprint:
        """What a knowledge base built with this embedder records."""
        return self._fingerprint

    @property
    def max_tokens(self) -> int:
        """How many words of a text are read; the rest is ignored, as a real model does."""
        return self._max_tokens

    @property
    def tokenizer(self) -> WordTokenizer:
        """Counts words the way :meth:`embed` does."""
        return self._tokenizer

    def embed(self, texts: Sequence[str], *, kind: TextKind) -> NDArray[np.float32]:
        """Embed ``texts`` into shape (len(texts), dimension), float32, rows of unit length."""
        import numpy as np

        del kind  # passages and queries are treated alike
        dimension = self._fingerprint.dimension
        vectors = np.zeros((len(texts), dimension), dtype=np.float32)
        for vector, text in zip(vectors, texts, strict=True):
            counts: dict[str, int] = {}
            for word in _WORD.findall(text)[: self._max_tokens]:
                folded = word.casefold()
                counts[folded] = counts.get(folded, 0) + 1
            for word, count in counts.items():
                for place, sign in _places(word):
                    vector[place % dimension] += sign * count**0.5
            if not vector.any():  # no words, or words that cancel out: still of unit length
                vector[0] = 1.0
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors


@lru_cache(maxsize=65_536)
def _places(word: str) -> tuple[tuple[int, int], ...]:
    """Return four (place, sign) pairs; more than one, so that a collision costs little."""
    digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    numbers = [int.from_bytes(digest[i : i + 4], "big") for i in range(0, 16, 4)]
    return tuple((number >> 1, 1 if number & 1 else -1) for number in numbers)
