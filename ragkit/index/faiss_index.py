"""The vector index by FAISS: exact while that is fast enough.

On disk is a FAISS file with a JSON note beside it, named by the base and by the number of the
last change it holds. It is never changed in place: a newer one replaces it, when enough has changed
to be worth it.

Up to :data:`FLAT_LIMIT` vectors all are compared (a scalar quantizer that keeps the stored
float16 values as they are: exact, and half the size), where they are many after a first pass
that leaves out only what cannot be found (:mod:`ragkit.index.quantized`). Above, an inverted file
(:mod:`ragkit.index.inverted_file`) looks at the nearest of its lists only, as many as were measured
to find what the exact search finds; with a filter that leaves less than half of the vectors it
looks at all lists, and is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ragkit.index import faiss_file, quantized
from ragkit.index.ordering import best, candidates, in_order
from ragkit.index.protocols import IndexState

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ragkit.store.allowed import Allowed
    from ragkit.store.feed import VectorChanges
    from ragkit.store.records import Scored

FLAT_LIMIT = 200_000
# The file is rewritten when more vectors than both of these, a number and a share of the file,
# changed since: at the end of a run, and in the middle of one.
_FINAL_TAIL = (2_000, 0.05)
_INTERIM_TAIL = (4_000, 0.25)
_NEARLY_ALL = 0.95  # share of the vectors allowed; with fewer, more lists are looked at


class FaissIndex:
    """The files in one folder; see the module's description."""

    def __init__(self, directory: Path, base: str) -> None:
        """Use the folder ``dense`` in the directory of a base.

        Args:
            directory: The base's.
            base: Its identifier; files of another base are not used.
        """
        self._folder = directory / "dense"
        self._base = base

    def sequence(self) -> int | None:
        """Return the last change that the file holds."""
        note = faiss_file.newest(self._folder, self._base)
        return None if note is None else note.sequence

    def apply(self, changes: VectorChanges, *, final: bool) -> int:
        """Write the file anew if it is missing or too far behind; return the change it holds.

        Raises:
            KnowledgeBaseError: it cannot be written.
        """
        note = faiss_file.newest(self._folder, self._base)
        if changes.total == 0:
            faiss_file.remove_others(self._folder, keep=None)
            return changes.sequence
        if note is not None and not _too_far(changes, note, final=final):
            return note.sequence
        if note is None and not final and changes.total < _INTERIM_TAIL[0]:
            return 0
        faiss_file.write(
            self._folder,
            base=self._base,
            sequence=changes.sequence,
            dimension=changes.dimension,
            count=changes.total,
            last_chunk=changes.last_id,
            batches=changes.everything,
            flat_limit=FLAT_LIMIT,
            before=note,
        )
        return changes.sequence

    def reader(self) -> FaissReader | None:
        """Map the file into memory."""
        loaded = faiss_file.load(self._folder, self._base)
        return None if loaded is None else FaissReader(loaded)

    def check(self) -> IndexState | None:
        """Compare the files' checksums."""
        note = faiss_file.newest(self._folder, self._base)
        if note is None:
            return None
        about = "exact"
        if note.kind == "ivf":
            about = (
                f"approximate, recall@10 {note.recall:.3f} at {note.probes} of {note.lists} lists"
            )
        damage = "the FAISS file is damaged" if faiss_file.damaged(self._folder, note) else ""
        return IndexState(note.sequence, note.count, about, damage)

    def drop(self) -> None:
        """Delete the files."""
        faiss_file.remove_others(self._folder, keep=None)

    def close(self) -> None:
        """Do nothing: nothing is kept open."""


@dataclass(frozen=True, slots=True)
class FaissReader:
    """A file that is mapped into memory, and stays so when a newer one takes its place."""

    loaded: faiss_file.Loaded

    @property
    def sequence(self) -> int:
        """The last change the file holds."""
        return self.loaded.note.sequence

    @property
    def dimension(self) -> int:
        """Length of its vectors."""
        return self.loaded.note.dimension

    def search(self, query: NDArray[np.float32], k: int, allowed: Allowed | None) -> list[Scored]:
        """Return the ``k`` ids of highest product with ``query``, best first, equal ones by id."""
        return in_order(_search(self.loaded, query, k, allowed), k)

    def vectors(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return those of ``ids`` that a flat file holds, and their vectors."""
        known, rows = self.loaded.ids, self.loaded.rows
        if known is None or rows is None:
            return ids[:0], np.empty((0, self.dimension), dtype=np.float32)
        places = np.minimum(np.searchsorted(known, ids), len(known) - 1)
        there = known[places] == ids
        return ids[there], rows[places[there]].astype(np.float32)


def _too_far(changes: VectorChanges, note: faiss_file.Note, *, final: bool) -> bool:
    if changes.whole or note.dimension != changes.dimension:
        return True
    if final and faiss_file.is_outdated(note):
        return True
    behind = min(changes.touched if final else changes.embedded, changes.total + note.count)
    number, share = _FINAL_TAIL if final else _INTERIM_TAIL
    return behind > max(number, share * note.count)


def _search(
    loaded: faiss_file.Loaded, query: NDArray[np.float32], k: int, allowed: Allowed | None
) -> list[Scored]:
    """The ``k`` best, in no order, with all that ties with the last of them."""
    faiss = quantized.library()
    note, ids = loaded.note, loaded.ids
    mask = None if allowed is None else allowed.mask(note.last_chunk)
    if mask is not None and not mask.any():
        return []
    share = 1.0 if allowed is None else allowed.chunks / max(1, note.count)
    if loaded.first_pass is not None and ids is not None and share >= quantized.SPARSE:
        with faiss_file.one_thread():
            found = quantized.nearest(
                loaded.first_pass, query, k, None if mask is None else mask[ids]
            )
        if found is not None:
            return candidates(ids[found[0]], found[1], k)
    options: dict[str, Any] = {}
    if mask is not None:
        options["sel"] = faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))

    def nearest(count: int, parameters: Any) -> list[Scored]:
        with faiss_file.one_thread():
            scores, found = loaded.index.search(query[np.newaxis], count, params=parameters)
        there = found[0] >= 0
        return in_order(candidates(found[0][there], scores[0][there], count), count)

    if note.kind != "ivf":
        exact = faiss.SearchParameters(**options) if options else None
        return best(partial(nearest, parameters=exact), k, note.count)
    probes = note.probes
    if share < _NEARLY_ALL:
        probes = note.lists if share < 0.5 else min(note.lists, 2 * probes)
    while True:
        lists = faiss.SearchParametersIVF(nprobe=probes, **options)
        hits = best(partial(nearest, parameters=lists), k, note.count)
        if len(hits) >= k or probes == note.lists:
            return hits
        probes = note.lists  # fewer may come back only where there are no more
