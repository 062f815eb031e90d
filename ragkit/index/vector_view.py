"""A vector index and what it has not been given yet: together they are the truth.

What came after the index's last change is read from the truth into a tail that is searched exactly;
what went is masked out. So a small change to a large base costs little, and no search misses or
repeats anything, whatever state the index is in.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ragkit.errors import UsageError
from ragkit.index.ordering import DIGITS, all_of_the_best, by_place, candidates
from ragkit.index.protocols import DamagedIndexError
from ragkit.store import changes as log
from ragkit.store.allowed import Allowed, as_array, covered, inside
from ragkit.store.check import REPAIR
from ragkit.store.records import Check, Scored

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragkit.index.protocols import VectorIndex, VectorReader
    from ragkit.store import Store
    from ragkit.store.changes import Range
    from ragkit.store.feed import VectorChanges

_RELOAD_TAIL = 2_000  # vectors in the tail; with more, a newer state of the index is looked for


@dataclass(frozen=True, slots=True)
class _State:
    """What a search looks at: never changed, only replaced.

    ``gone`` are ids that are no longer to be found in the index, ``kept`` those that are; ``None``:
    all. No id in the index is larger than ``last_id``.
    """

    sequence: int
    dimension: int
    tail_ids: NDArray[np.int64]
    tail: NDArray[np.float32]
    reader: VectorReader | None = None
    last_id: int = 0
    gone: tuple[Range, ...] = ()
    kept: Allowed | None = None


class VectorView:
    """Searches vectors; see the module's description."""

    def __init__(self, store: Store, make: Callable[[], VectorIndex]) -> None:
        """Begin with an index that ``make`` makes; a forked child makes another."""
        self._store = store
        self._make = make
        self.start_over()

    def start_over(self) -> None:
        """Begin again, as in a child process, where the threads that held locks do not exist."""
        self._index = self._make()
        self._lock = threading.Lock()
        self._state: _State | None = None

    def search(
        self, vector: NDArray[np.float32], k: int, allowed: Allowed | None = None
    ) -> list[Scored]:
        """Return the ``k`` chunks of highest cosine, best first, equal ones by where they stand.

        Whatever way the index came by its scores, these are the products with the stored vectors.

        Args:
            vector: Shape (dimension,), any length but zero.
            k: How many; fewer come back when there are no more.
            allowed: Only these chunks; ``None`` is no limit.

        Raises:
            UsageError: the vector's shape does not fit those stored.
        """
        import numpy as np

        query = np.ascontiguousarray(vector, dtype=np.float32)
        if query.ndim != 1:
            raise UsageError(f"a query vector must have one dimension, not shape {query.shape!r}")
        length = float(np.linalg.norm(query))
        state = self._refresh()
        if k <= 0 or not state.dimension or not 0.0 < length < float("inf"):
            return []
        if len(query) != state.dimension:
            raise UsageError(
                f"the query vector has {len(query)} numbers, those stored have {state.dimension}"
            )
        if allowed is not None and not len(allowed.ranges):
            return []
        query = query / length
        try:
            found = all_of_the_best(lambda count: _search_index(state, query, count, allowed), k)
        except DamagedIndexError:
            state = self._without_index()
            found = []
        ids, rows = state.tail_ids, state.tail
        if allowed is not None:
            fits = allowed.holds(ids)
            ids, rows = ids[fits], rows[fits]
        found += candidates(ids, rows @ query, k)
        exact = self._products(state, query, [one.chunk_id for one in found])
        scores = [(number, min(1.0, max(-1.0, score))) for number, score in exact.items()]
        return [Scored(*one) for one in by_place(scores, self._store.in_order_of_place)[:k]]

    def products(self, vector: NDArray[np.float32], chunk_ids: Sequence[int]) -> dict[int, float]:
        """Products of a vector with those of some chunks; chunks that have none are left out.

        Args:
            vector: Shape (dimension,); with another dimension than the stored ones, none is found.
            chunk_ids: Any number of ids.
        """
        state = self._refresh()
        if state.dimension != len(vector):
            return {}
        return self._products(state, vector, chunk_ids)

    def _products(
        self, state: _State, vector: NDArray[np.float32], chunk_ids: Sequence[int]
    ) -> dict[int, float]:
        import numpy as np

        wanted = np.asarray(chunk_ids, dtype=np.int64)
        found: dict[int, float] = {}
        if state.reader is not None and len(wanted):
            kept = wanted if state.kept is None else wanted[state.kept.holds(wanted)]
            held, rows = state.reader.vectors(kept)
            found = _rounded_products(held, rows, vector)
            if len(held) == len(wanted):
                return found
            wanted = wanted[~np.isin(wanted, held)]
        if len(state.tail_ids):
            there = np.isin(state.tail_ids, wanted)
            held, rows = state.tail_ids[there], state.tail[there]
            found |= _rounded_products(held, rows, vector)
            wanted = wanted[~np.isin(wanted, held)]
        if len(wanted):
            rows = self._store.vectors_of(wanted.tolist())
            found |= _rounded_products(wanted, rows, vector)
        return found

    def sync(self, *, final: bool) -> int:
        """Let the index apply what happened since; return the change it has reached."""
        try:
            return self._apply(final)
        except DamagedIndexError:
            self._index.drop()
            return self._apply(final)

    def _apply(self, final: bool) -> int:
        with self._store.vector_changes(self._index.sequence()) as changes:
            return self._index.apply(changes, final=final)

    def rebuild(self) -> None:
        """Throw the index away and build it anew from the truth."""
        self._index.drop()
        self.forget()
        self.sync(final=True)

    def forget(self) -> None:
        """Drop what is in memory; the next search loads it again."""
        with self._lock:
            self._state = None

    def settle(self) -> None:
        """Let the index let go of what it keeps open for writing."""
        self._index.close()

    def check(self) -> Iterator[Check]:
        """Compare the index with the truth."""
        found = self._index.check()
        with self._store.vector_changes(found.sequence if found else None) as changes:
            total, touched = changes.total, changes.touched
            is_whole = changes.whole
        if found is None and total == 0:
            yield Check("dense view", "ok", "there is none, and no vector to put in it")
        elif found is None:
            message = "there is no usable index; searches read all vectors from the database"
            yield Check("dense view", "warn", message, REPAIR)
        elif found.damage:
            yield Check("dense view", "fail", found.damage, REPAIR)
        elif is_whole:
            yield Check("dense view", "warn", "the index is too old to be used", REPAIR)
        elif not touched and found.count != total:
            message = f"the index holds {found.count:,} vectors, the database {total:,}"
            yield Check("dense view", "fail", message, REPAIR)
        else:
            about = f", {found.about}" if found.about else ""
            later = f", {touched:,} passages changed since" if touched else ""
            yield Check("dense view", "ok", f"{found.count:,} vectors{about}{later}")

    def _refresh(self) -> _State:
        """Bring what is in memory up to the newest committed change."""
        state = self._state
        if state is not None and self._store.sequence() == state.sequence:
            return state
        with self._lock:
            state = self._state
            if state is not None and len(state.tail_ids) > _RELOAD_TAIL:
                newest = self._index.sequence()
                if newest is not None and (not state.reader or newest != state.reader.sequence):
                    state = None
            fresh = None
            if state is not None:
                with self._store.vector_changes(state.sequence) as changes:
                    if not changes.whole and changes.dimension == state.dimension:
                        fresh = _extend(state, changes)
            self._state = fresh or self._load(self._index.reader())
            return self._state

    def _load(self, reader: VectorReader | None) -> _State:
        """Begin with the index; without a usable one, everything is the tail."""
        import numpy as np

        with self._store.vector_changes(reader.sequence if reader else None) as changes:
            state = _State(
                sequence=0,
                dimension=changes.dimension,
                tail_ids=np.empty(0, dtype=np.int64),
                tail=np.empty((0, changes.dimension), dtype=np.float32),
            )
            if reader is None or changes.whole or reader.dimension != changes.dimension:
                return _extend(state, replace(changes, ranges=((1, changes.last_id),)))
            return _extend(replace(state, reader=reader, last_id=changes.last_id), changes)

    def _without_index(self) -> _State:
        with self._lock:
            self._state = self._load(None)
            return self._state


def _extend(state: _State, changes: VectorChanges) -> _State:
    """Look at ranges of ids again: forget what was known of them, take what is there now."""
    import numpy as np

    ranges = as_array(changes.ranges)
    id_parts, row_parts = [state.tail_ids], [state.tail]
    if len(state.tail_ids) and len(ranges):
        stays = ~inside(state.tail_ids, ranges)
        id_parts, row_parts = [state.tail_ids[stays]], [state.tail[stays]]
    for ids, rows in changes.added():
        id_parts.append(ids)
        row_parts.append(rows)
    gone, kept = state.gone, state.kept
    if state.reader is not None and changes.ranges:
        gone = tuple(log.merge([*gone, *changes.ranges]))
        kept = Allowed.where(~covered(as_array(gone), state.last_id))
    return replace(
        state,
        sequence=changes.sequence,
        gone=gone,
        kept=kept,
        tail_ids=np.concatenate(id_parts),
        tail=np.concatenate(row_parts),
    )


def _search_index(
    state: _State, query: NDArray[np.float32], k: int, allowed: Allowed | None
) -> Sequence[Scored]:
    if state.reader is None:
        return []
    only = allowed
    if state.kept is not None:
        only = state.kept
        if allowed is not None:
            only = Allowed.where(state.kept.mask(state.last_id) & allowed.mask(state.last_id))
    return state.reader.search(query, k, only)


def _rounded_products(
    ids: NDArray[np.int64], rows: NDArray[np.float32], vector: NDArray[np.float32]
) -> dict[int, float]:
    """Products in float64: rounded, they are the same wherever the rows are kept."""
    import numpy as np

    there = rows.any(axis=1)  # a row of zeros is no vector
    products = np.round(rows[there].astype(np.float64) @ vector.astype(np.float64), DIGITS)
    return dict(zip(ids[there].tolist(), products.tolist(), strict=True))
