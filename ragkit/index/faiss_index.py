"""The dense view: FAISS over the vectors of the truth, exact while that is fast enough.

On disk is a FAISS file with a JSON note beside it, named by the base and by the number of the
last change it holds. It is never changed in place: a newer one replaces it. What came after it is
read from the truth into a tail that is searched exactly; what went is masked out. So a small
change to a large base costs little, and no search misses or repeats anything.

Up to :data:`FLAT_LIMIT` vectors all are compared (a scalar quantizer that keeps the stored
float16 values as they are: exact, and half the size), where they are many after a first pass
that leaves out only what cannot be found (:mod:`ragkit.index.quantized`). Above, an inverted file
(:mod:`ragkit.index.inverted_file`) looks at the nearest of its lists only, as many as were measured
to find what the exact search finds; with a filter that leaves less than half of the vectors it
looks at all lists, and is exact.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragkit.errors import UsageError
from ragkit.index import faiss_file as dense_file
from ragkit.index import ordering as ranking
from ragkit.index import quantized
from ragkit.store import changes, queries, vectors
from ragkit.store.allowed import as_array, covered, inside
from ragkit.store.records import Scored

if TYPE_CHECKING:
    import sqlite3

    import numpy as np
    from numpy.typing import NDArray

    from ragkit.store.allowed import Allowed
    from ragkit.store.changes import Range
    from ragkit.store.database import Database

DENSE_FOLDER = "dense"
FLAT_LIMIT = 200_000
# The file is rewritten when more vectors than both of these, a number and a share of the file,
# changed since: at the end of a run, and in the middle of one.
_FINAL_TAIL = (2_000, 0.05)
_INTERIM_TAIL = (4_000, 0.25)
_RELOAD_TAIL = 2_000
_DIGITS = 6  # what float32 sums of float16 products agree on, whichever way they are added up


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """What a search looks at: never changed, only replaced."""

    sequence: int
    dimension: int
    file: dense_file.Loaded | None
    gone: tuple[Range, ...]  # ids that are no longer to be found in the file
    mask: NDArray[np.bool_] | None  # whether each id, from 0, is left in the file; None: all
    tail_ids: NDArray[np.int64]
    tail: NDArray[np.float32]


class DenseView:
    """Searches vectors; see the module's description."""

    def __init__(self, directory: Path, database: Database) -> None:
        self.folder = directory / DENSE_FOLDER
        self._database = database
        self._lock = threading.Lock()
        self._snapshot: _Snapshot | None = None

    def search(
        self, vector: NDArray[np.float32], k: int, allowed: Allowed | None = None
    ) -> list[Scored]:
        """Return the ``k`` chunks of highest cosine, best first, equal ones by chunk id.

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
        snapshot = self._refresh()
        if k <= 0 or not snapshot.dimension or not 0.0 < length < float("inf"):
            return []
        if len(query) != snapshot.dimension:
            raise UsageError(
                f"the query vector has {len(query)} numbers, those stored have {snapshot.dimension}"
            )
        if allowed is not None and not len(allowed.ranges):
            return []
        found = _search_file(snapshot, query / length, k, allowed)
        found += _search_tail(snapshot, query / length, k, allowed)
        return ranking.in_order(found, k)

    def products(self, vector: NDArray[np.float32], chunk_ids: Sequence[int]) -> dict[int, float]:
        """Products of a vector with those of some chunks; chunks that have none are left out.

        Args:
            vector: Shape (dimension,); with another dimension than the stored ones, none is found.
            chunk_ids: Any number of ids.
        """
        import numpy as np

        snapshot = self._refresh()
        if not chunk_ids or snapshot.dimension != len(vector):
            return {}
        wanted = np.asarray(chunk_ids, dtype=np.int64)
        found: dict[int, float] = {}
        file = snapshot.file
        if file is not None and file.ids is not None and file.rows is not None:
            ids, rows = file.ids, file.rows
            places = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
            there = ids[places] == wanted
            if snapshot.mask is not None:
                there &= snapshot.mask[ids[places]]
            found = _products(wanted[there], rows[places[there]].astype(np.float32), vector)
            wanted = wanted[~there]
        if len(wanted):
            numbers = wanted.tolist()
            with self._database.snapshot() as connection:
                found |= _products(wanted, vectors.of_chunks(connection, numbers), vector)
        return found

    def sync(self, *, final: bool) -> int:
        """Write the file if it is missing or too far behind; return the change it has reached.

        The caller holds the writer lock. With ``final``, no more changes are expected soon.
        """
        note = dense_file.newest(self.folder, self._database.base)
        with self._database.snapshot() as connection:
            total = queries.counts(connection).vectors
            sequence = changes.current(connection)
            if total == 0:
                dense_file.remove_others(self.folder, keep=None)
                return sequence
            if note is not None and not _too_far(connection, note, total, final=final):
                return note.sequence
            if note is None and not final and total < _INTERIM_TAIL[0]:
                return 0
            self._write(connection, sequence, note)
        return sequence

    def rebuild(self) -> None:
        """Write the file anew from the truth. The caller holds the writer lock."""
        dense_file.remove_others(self.folder, keep=None)
        self.forget()
        self.sync(final=True)

    def forget(self) -> None:
        """Drop what is in memory; the next search loads it again."""
        with self._lock:
            self._snapshot = None

    def after_fork(self) -> None:
        """Start over in a child process, where the threads that held locks do not exist."""
        self._lock = threading.Lock()
        self._snapshot = None

    def _write(
        self, connection: sqlite3.Connection, sequence: int, before: dense_file.Note | None
    ) -> None:
        (last_chunk,) = connection.execute("SELECT last_chunk FROM state").fetchone()
        dense_file.write(
            self.folder,
            base=self._database.base,
            sequence=sequence,
            dimension=vectors.dimension(connection),
            count=queries.counts(connection).vectors,
            last_chunk=last_chunk,
            batches=lambda: vectors.in_ranges(connection, [(1, last_chunk)]),
            flat_limit=FLAT_LIMIT,
            before=before,
        )

    def _refresh(self) -> _Snapshot:
        """Bring what is in memory up to the newest committed change."""
        snapshot = self._snapshot
        if snapshot is not None:
            with self._database.reading() as connection:
                if changes.current(connection) == snapshot.sequence:
                    return snapshot
        with self._lock, self._database.snapshot() as connection:
            snapshot = self._snapshot
            if snapshot is not None and len(snapshot.tail_ids) > _RELOAD_TAIL:
                newest = dense_file.newest(self.folder, self._database.base)
                loaded = snapshot.file.note if snapshot.file else None
                if newest is not None and newest != loaded:
                    snapshot = None
            fresh = _advance(connection, snapshot) if snapshot is not None else None
            if fresh is None:
                fresh = self._load(connection)
            self._snapshot = fresh
            return fresh

    def _load(self, connection: sqlite3.Connection) -> _Snapshot:
        """Load the file and its tail; without a usable file, everything is the tail."""
        import numpy as np

        width = vectors.dimension(connection)
        empty = _Snapshot(
            sequence=0,
            dimension=width,
            file=None,
            gone=(),
            mask=None,
            tail_ids=np.empty(0, dtype=np.int64),
            tail=np.empty((0, width), dtype=np.float32),
        )
        file = dense_file.load(self.folder, self._database.base)
        if file is not None and file.note.dimension == width:
            loaded = _Snapshot(
                sequence=file.note.sequence,
                dimension=width,
                file=file,
                gone=(),
                mask=None,
                tail_ids=empty.tail_ids,
                tail=empty.tail,
            )
            fresh = _advance(connection, loaded)
            if fresh is not None:
                return fresh
        (last_chunk,) = connection.execute("SELECT last_chunk FROM state").fetchone()
        return _extend(connection, empty, changes.current(connection), ((1, last_chunk),))


def _too_far(
    connection: sqlite3.Connection, note: dense_file.Note, total: int, *, final: bool
) -> bool:
    if note.dimension != vectors.dimension(connection) or (final and dense_file.is_outdated(note)):
        return True
    past = changes.since(
        connection, note.sequence, ("chunks", "vectors") if final else ("vectors",)
    )
    if past is None:
        return True
    behind = min(past.chunks, total + note.count)
    number, share = _FINAL_TAIL if final else _INTERIM_TAIL
    return behind > max(number, share * note.count)


def _advance(connection: sqlite3.Connection, snapshot: _Snapshot) -> _Snapshot | None:
    """Apply what happened since; ``None`` if that cannot be known or the vectors are others."""
    if vectors.dimension(connection) != snapshot.dimension:
        return None
    past = changes.since(connection, snapshot.sequence, ("chunks", "vectors"))
    return None if past is None else _extend(connection, snapshot, past.sequence, past.ranges)


def _extend(
    connection: sqlite3.Connection,
    snapshot: _Snapshot,
    sequence: int,
    ranges: tuple[Range, ...],
) -> _Snapshot:
    """Look at ranges of ids again: forget what was known of them, take what is there now."""
    import numpy as np

    id_parts, row_parts = [snapshot.tail_ids], [snapshot.tail]
    if len(snapshot.tail_ids) and ranges:
        stays = ~inside(snapshot.tail_ids, as_array(ranges))
        id_parts, row_parts = [snapshot.tail_ids[stays]], [snapshot.tail[stays]]
    for ids, rows in vectors.in_ranges(connection, ranges):
        id_parts.append(ids)
        row_parts.append(rows)
    gone = tuple(changes.merge([*snapshot.gone, *ranges]))
    mask = snapshot.mask
    if snapshot.file is not None and gone != snapshot.gone:
        mask = ~covered(as_array(gone), snapshot.file.note.last_chunk)
    return _Snapshot(
        sequence=sequence,
        dimension=snapshot.dimension,
        file=snapshot.file,
        gone=gone if snapshot.file is not None else (),
        mask=mask,
        tail_ids=np.concatenate(id_parts),
        tail=np.concatenate(row_parts),
    )


def _search_tail(
    snapshot: _Snapshot, query: NDArray[np.float32], k: int, allowed: Allowed | None
) -> list[Scored]:
    """Search what came after the file, with all that ties with the last of ``k``."""
    ids, rows = snapshot.tail_ids, snapshot.tail
    if allowed is not None:
        fits = allowed.holds(ids)
        ids, rows = ids[fits], rows[fits]
    return _best(ids, rows @ query, k)


def _search_file(
    snapshot: _Snapshot, query: NDArray[np.float32], k: int, allowed: Allowed | None
) -> list[Scored]:
    """Search the FAISS index, with all that ties with the last of ``k``."""
    import numpy as np

    faiss = quantized.library()
    if snapshot.file is None:
        return []
    index, note = snapshot.file.index, snapshot.file.note
    mask = snapshot.mask
    if allowed is not None:
        picked = covered(allowed.ranges, note.last_chunk)
        mask = picked if mask is None else mask & picked
        if not mask.any():
            return []
    first_pass, ids_of = snapshot.file.first_pass, snapshot.file.ids
    is_sparse = allowed is not None and allowed.chunks < quantized.SPARSE * note.count
    if first_pass is not None and ids_of is not None and not is_sparse:
        with dense_file.one_thread():
            found = quantized.nearest(first_pass, query, k, None if mask is None else mask[ids_of])
        if found is not None:
            return _best(ids_of[found[0]], found[1], k)
    options: dict[str, Any] = {}
    if mask is not None:
        options["sel"] = faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))
    parameters: Any = None
    if note.kind == "ivf":
        probes = note.probes
        if allowed is not None:
            probes = note.lists if 2 * allowed.chunks < note.count else min(note.lists, 2 * probes)
        parameters = faiss.SearchParametersIVF(nprobe=probes, **options)
    elif options:
        parameters = faiss.SearchParameters(**options)

    def nearest(count: int) -> list[Scored]:
        with dense_file.one_thread():
            scores, ids = index.search(query[np.newaxis], count, params=parameters)
        there = ids[0] >= 0
        return _scored(ids[0][there], scores[0][there])

    return ranking.best(nearest, k, note.count)


def _products(
    ids: NDArray[np.int64], rows: NDArray[np.float32], vector: NDArray[np.float32]
) -> dict[int, float]:
    there = rows.any(axis=1)  # a row of zeros is no vector
    return dict(zip(ids[there].tolist(), (rows[there] @ vector).tolist(), strict=True))


def _best(ids: NDArray[np.int64], scores: NDArray[np.float32], k: int) -> list[Scored]:
    """The ``k`` best, in no order, with all that ties with the last of them."""
    import numpy as np

    if len(scores) > k:
        last = np.partition(scores, -k)[-k]
        near = scores >= last - 10.0**-_DIGITS  # what rounds to the same is a tie
        ids, scores = ids[near], scores[near]
    return _scored(ids, scores)


def _scored(ids: NDArray[np.int64], scores: NDArray[np.float32]) -> list[Scored]:
    import numpy as np

    rounded = np.round(np.clip(scores.astype(np.float64), -1.0, 1.0), _DIGITS)
    return list(map(Scored, ids.tolist(), rounded.tolist()))
