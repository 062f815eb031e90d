"""Giving vectors to whatever waits for one, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from ragkit.errors import EmbeddingError
from ragkit.events import Listener, Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragkit.embed.embedder import Embedder

Key = TypeVar("Key")

_BATCH = 128  # as many as go into one request to a server: what is paid for is kept


def embed_waiting(
    embedder: Embedder,
    listener: Listener,
    *,
    total: int,
    waiting: Callable[[int], Mapping[Key, str]],
    put: Callable[[Sequence[Key], NDArray[np.float32]], None],
    left: Callable[[int], str],
    after_each: Callable[[], None] = lambda: None,
) -> int:
    """Embed until nothing waits; return how many texts that were.

    Args:
        embedder: The model.
        listener: Told how far it is.
        total: How many passages have no vector; some may share theirs.
        waiting: Gives at most so many texts that wait, by what names them.
        put: Keeps the vectors of a batch.
        left: Says what is left after so many when the model fails.
        after_each: Called after each batch.

    Raises:
        EmbeddingError: the model failed; the message says how many passages are left.
    """
    if total <= 0:
        return 0
    done = 0
    listener(Progress("embed", 0, total, "passages"))
    try:
        while batch := waiting(_BATCH):
            put(list(batch), embedder.embed(list(batch.values()), kind="passage"))
            done += len(batch)
            listener(Progress("embed", min(done, total), total, "passages"))
            after_each()
    except EmbeddingError as error:
        raise EmbeddingError(
            f"{error}; {left(done)}, run the same command again to go on"
        ) from error
    if done < total:  # passages with the same text share one vector
        listener(Progress("embed", total, total, "passages"))
    return done
