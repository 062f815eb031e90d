"""The one order of results: by score to six digits, equal ones by id, or by where they stand.

An index knows only ids, which are given as documents arrive. What a search returns is put in the
order of places, so that two bases of the same documents give the same, whichever came first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter, itemgetter
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
    for count in _more_and_more(k):
        found = nearest(min(count, total)) if total else []
        if len(found) <= k or count >= total or found[-1].score < found[k - 1].score:
            break
    return found


def in_order(found: Iterable[Scored], k: int) -> list[Scored]:
    """Sort by score, equal ones by id, and keep ``k``."""
    by_id = sorted(found, key=attrgetter("chunk_id"))
    return sorted(by_id, key=attrgetter("score"), reverse=True)[:k]


def all_of_the_best(nearest: Callable[[int], Sequence[Scored]], k: int) -> list[Scored]:
    """Return the ``k`` best results of an index, and all others that may belong in their place.

    Args:
        nearest: Gives so many results, best first; fewer only when there are no more.
        k: How many are wanted, at least 1.
    """
    for count in _more_and_more(k):
        found = list(nearest(count))
        if len(found) < count or found[-1].score < found[k - 1].score - 2 * 10.0**-DIGITS:
            break
    return found


def _more_and_more(k: int) -> Iterator[int]:
    """Yield how many to ask for: equals are mostly few, but may be all there is."""
    step = 8
    while True:
        yield k + step
        step *= 4


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
        score_of = dict(scores)
        placed = [(chunk_id, score_of.pop(chunk_id)) for chunk_id in in_order(equal)]
        scores = placed + sorted(score_of.items())
    return sorted(scores, key=itemgetter(1), reverse=True)
