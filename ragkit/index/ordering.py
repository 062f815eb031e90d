"""What both views need to give the same answer whatever state their index is in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragkit.store.records import Scored


def best(nearest: Callable[[int], list[Scored]], k: int, total: int) -> list[Scored]:
    """Return the ``k`` best results, and any others that score the same as the last of them.

    Which of several equals an index returns is up to the index, and changes with it; so more are
    asked for until all of them are there.

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


def in_order(found: list[Scored], k: int) -> list[Scored]:
    """Sort by score, equal ones by chunk id, and keep ``k``."""
    return sorted(found, key=lambda hit: (-hit.score, hit.chunk_id))[:k]
