"""The one order of results: by score to six digits, equal ones by id."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ragkit.store.records import Scored

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DIGITS = 6  # what float32 sums of float16 products agree on, whichever way they are added up


def ordered(ids: NDArray[np.int64], scores: NDArray[np.floating], k: int) -> list[Scored]:
    """Return the ``k`` best of any number of ids, best first, equal ones by id.

    Args:
        ids: Shape (n,).
        scores: Shape (n,), from -1 to 1; what rounding puts beyond is put back.
        k: How many.
    """
    return in_order(candidates(ids, scores, k), k)


def candidates(ids: NDArray[np.int64], scores: NDArray[np.floating], k: int) -> list[Scored]:
    """Return the ``k`` best, in no order, with all that ties with the last of them."""
    import numpy as np

    if len(scores) > k:
        last = np.partition(scores, -k)[-k]
        near = scores >= last - 10.0**-DIGITS  # what rounds to the same is a tie
        ids, scores = ids[near], scores[near]
    rounded = np.round(np.clip(scores.astype(np.float64), -1.0, 1.0), DIGITS)
    return list(map(Scored, ids.tolist(), rounded.tolist()))


def best(nearest: Callable[[int], list[Scored]], k: int, total: int) -> list[Scored]:
    """Return the ``k`` best results, and any others that score the same as the last of them.

    Which of several equals an engine returns is up to the engine, and changes with its state; so
    more are asked for until all of them are there.

    Args:
        nearest: Gives so many results, best first.
        k: How many are wanted.
        total: No more than this exist.
    """
    count = min(k + 1, total)
    while True:
        found = nearest(count) if count else []
        if len(found) <= k or count >= total or found[-1].score < found[k - 1].score:
            return found
        count = min(4 * count, total)


def in_order(found: Iterable[Scored], k: int) -> list[Scored]:
    """Sort by score, equal ones by id, and keep ``k``."""
    return sorted(found, key=lambda hit: (-hit.score, hit.chunk_id))[:k]
