"""The one order of results: by score to six digits, equal ones by id, or by where they stand.

An index knows only ids, which are given as documents arrive. What a search returns is put in the
order of places, so that two bases of the same documents give the same, whichever came first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
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


def all_of_the_best(nearest: Callable[[int], Sequence[Scored]], k: int) -> list[Scored]:
    """Return the ``k`` best results of an index, and all others that may belong in their place.

    Args:
        nearest: Gives so many results, best first; fewer only when there are no more.
        k: How many are wanted, at least 1.
    """
    count = k + 1
    while True:
        found = list(nearest(count))
        if len(found) < count or found[-1].score < found[k - 1].score - 2 * 10.0**-DIGITS:
            return found
        count *= 4


def by_place(
    scores: Iterable[tuple[int, float]], in_order: Callable[[Sequence[int]], Sequence[int]]
) -> list[tuple[int, float]]:
    """Sort ids by score, best first, equal ones by where they stand.

    Args:
        scores: Ids, each with its score.
        in_order: Puts ids in the order of places; asked only of those that are equal to another.
    """
    # The order of places first, where it matters: sorting keeps that of what is equal.
    scores = list(scores)
    times = Counter(map(itemgetter(1), scores))
    if len(times) < len(scores):
        equal = [chunk_id for chunk_id, score in scores if times[score] > 1]
        place = {chunk_id: number for number, chunk_id in enumerate(in_order(equal))}
        scores.sort(key=lambda one: (place.get(one[0], len(place)), one[0]))
    return sorted(scores, key=itemgetter(1), reverse=True)
