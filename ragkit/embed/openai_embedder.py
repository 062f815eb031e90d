"""Embedding models behind the OpenAI protocol: OpenAI itself, Ollama, vLLM, LM Studio…"""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ragkit.embed.embedder import ModelFingerprint, TextKind
from ragkit.embed.servers import address
from ragkit.embed.tokenizer import OpenAITokenizer, without_surrogates
from ragkit.errors import EmbeddingError

if TYPE_CHECKING:
    import openai
    from numpy.typing import NDArray

_RETRIES = 4
_CONNECT_SECONDS = 10.0
_ANSWER_SECONDS = 120.0

# OpenAI takes 2,048 texts and 300,000 tokens in a request, others less; nothing is gained by more.
_REQUEST_TEXTS = 128
_REQUEST_TOKENS = 65_536
# What servers say to more texts at once than they take; of a single text, it has another reason.
_TOO_MANY = (400, 413, 422)
# What a model reads, with a margin for tokenizers that differ from the one counted with.
_OPENAI_TOKENS = 8_000
_OTHER_TOKENS = 400


def served_embedder(
    provider: str,
    model: str,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    dimension: int | None = None,
    retries: int = _RETRIES,
) -> OpenAICompatibleEmbedder:
    """Make the embedder that ``openai:NAME`` or ``ollama:NAME`` stands for.

    Raises:
        UsageError: OpenAI's own server is meant, and there is no key for it.
    """
    url, key = address(provider, model, base_url=base_url, api_key=api_key)
    at_openai = provider == "openai" and model.startswith("text-embedding-")
    return OpenAICompatibleEmbedder(
        model,
        name=f"{provider}:{model}",
        base_url=url,
        api_key=key,
        max_tokens=_OPENAI_TOKENS if at_openai else _OTHER_TOKENS,
        dimension=dimension,
        retries=retries,
    )


class OpenAICompatibleEmbedder:
    """An embedding model on a server; see :class:`ragkit.embed.Embedder`.

    Nothing is sent before :meth:`embed`, except that :attr:`fingerprint` embeds one word where the
    dimension is not known. Tokens are counted with OpenAI's table, which for other makers' models
    is an estimate.
    """

    def __init__(
        self,
        model: str,
        *,
        name: str,
        base_url: str,
        api_key: str,
        max_tokens: int,
        dimension: int | None = None,
        retries: int = _RETRIES,
    ) -> None:
        """Remember where the model is.

        Args:
            model: Its name on the server.
            name: What the user chose it by.
            base_url: Of the server's API; most end in ``/v1``.
            api_key: Its key.
            max_tokens: How many tokens of a text are sent.
            dimension: The length of its vectors, if it is known.
            retries: How often a request is sent again.
        """
        self._model = model
        self.name = name
        self._base_url = base_url
        self._api_key = api_key
        self.max_tokens = max_tokens
        self._dimension = dimension
        self._retries = retries
        self.tokenizer = OpenAITokenizer()
        self._lock = threading.Lock()
        self._most_texts = _REQUEST_TEXTS

    @property
    def base_url(self) -> str:
        """Where its server is."""
        return self._base_url

    def __repr__(self) -> str:
        return f"OpenAICompatibleEmbedder({self.name!r}, base_url={self._base_url!r})"

    @property
    def fingerprint(self) -> ModelFingerprint:
        """What must stay the same for vectors to be comparable.

        Raises:
            EmbeddingError: the dimension had to be asked for, and the server did not say.
        """
        return ModelFingerprint(
            model=self.name,
            dimension=self._dimension or self._request(["dimension"]).shape[1],
            pooling="server",
            normalised=True,
            runtime="openai",
        )

    def embed(self, texts: Sequence[str], *, kind: TextKind) -> NDArray[np.float32]:
        """Embed ``texts`` into shape (len(texts), dimension), float32, unit length.

        A refused connection, a rate limit (its ``Retry-After`` respected) and a server error are
        tried again a few times. What a text has beyond ``max_tokens`` is not sent.

        Raises:
            EmbeddingError: the server cannot be reached, refused, or sent something else.
        """
        del kind  # the protocol knows no difference
        if not texts:
            return np.zeros((0, self.fingerprint.dimension), dtype=np.float32)
        return np.concatenate([self._request(batch) for batch in self._batches(texts)])

    def _batches(self, texts: Sequence[str]) -> Iterator[list[str]]:
        batch: list[str] = []
        tokens = 0
        for text in texts:
            # Servers refuse an empty text; a blank has a vector as neutral as any.
            clean = self.tokenizer.truncate(without_surrogates(text), self.max_tokens) or " "
            size = min(self.max_tokens, len(clean.encode()))
            if batch and (len(batch) >= self._most_texts or tokens + size > _REQUEST_TOKENS):
                yield batch
                batch, tokens = [], 0
            batch.append(clean)
            tokens += size
        yield batch

    @functools.cached_property
    def _client(self) -> openai.OpenAI:
        import openai

        from ragkit.embed.bounded_http import client_settings

        timeout = openai.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS)
        client = openai.OpenAI(
            base_url=self._base_url,
            api_key=self._api_key,
            max_retries=self._retries,
            timeout=timeout,
            http_client=openai.DefaultHttpx2Client(timeout=timeout, **client_settings()),
        )
        weakref.finalize(self, client.close)
        return client

    def _request(self, texts: list[str]) -> NDArray[np.float32]:
        import openai

        from ragkit.embed.bounded_http import FloodError

        try:
            reply = self._client.embeddings.create(model=self._model, input=texts)
            rows = {item.index: item.embedding for item in reply.data}
        except openai.APIStatusError as error:
            if len(texts) > 1 and error.status_code in _TOO_MANY:
                return self._in_halves(texts)
            raise self._explained(error) from error
        except openai.OpenAIError as error:
            raise self._explained(error) from error
        except FloodError as error:
            raise EmbeddingError(f"{self._base_url} {error} when asked for {self.name}") from error
        except (ValueError, TypeError, AttributeError, RecursionError, OverflowError) as error:
            # The client builds its objects unchecked: what is not of the protocol's form shows up
            # as broken JSON, or as a missing or ill-typed field.
            raise self._unexpected("something that is not of the OpenAI protocol") from error
        return self._vectors([rows.get(index) for index in range(len(texts))])

    def _in_halves(self, texts: list[str]) -> NDArray[np.float32]:
        """Send less at once, and remember that, if the server takes it then."""
        import numpy as np

        half = (len(texts) + 1) // 2
        first = self._request(texts[:half])
        with self._lock:
            self._most_texts = min(self._most_texts, half)
        return np.concatenate([first, self._request(texts[half:])])

    def _vectors(self, rows: Sequence[Sequence[float] | None]) -> NDArray[np.float32]:
        present = [row for row in rows if row is not None]
        if len(present) < len(rows):
            raise self._unexpected(f"{len(present)} vectors for {len(rows)} texts")
        try:
            vectors: NDArray[np.float32] = np.array(present, dtype=np.float32)
        except (ValueError, TypeError, OverflowError) as error:
            raise self._unexpected("vectors of different lengths, or none at all") from error
        if vectors.ndim != 2 or vectors.shape[1] == 0 or not np.isfinite(vectors).all():
            raise self._unexpected("vectors that are empty or hold what is no number")
        with self._lock:
            self._dimension = self._dimension or vectors.shape[1]
        if vectors.shape[1] != self._dimension:
            raise self._unexpected(
                f"vectors of {vectors.shape[1]} dimensions instead of {self._dimension}; "
                "is it another model now?"
            )
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not lengths.all():
            raise self._unexpected("a vector of zeros")
        vectors /= lengths
        return vectors

    def _unexpected(self, what: str) -> EmbeddingError:
        return EmbeddingError(f"{self._base_url} sent {what} when asked for {self.name}")

    def _explained(self, error: openai.OpenAIError) -> EmbeddingError:
        from ragkit.embed.server_errors import in_words

        return EmbeddingError(
            in_words(error, model=self._model, name=self.name, url=self._base_url)
        )
