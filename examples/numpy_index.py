"""A vector index of one's own: two files of numpy, searched by comparing with every vector.

    from numpy_index import NumpyIndex
    kb = KnowledgeBase("kb", vector_index=NumpyIndex)

``ragkit.testing.check_vector_index(NumpyIndex)`` shows that it does what a base relies on.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ragkit.index import Allowed, IndexState, Scored, VectorChanges, ordered

Ids = NDArray[np.int64]
Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class NumpyReader:
    """The index as it was when it was opened. ``ids`` ascend; ``rows`` are their vectors."""

    sequence: int
    ids: Ids
    rows: Rows

    @property
    def dimension(self) -> int:
        return self.rows.shape[1]

    def search(self, query: Rows, k: int, allowed: Allowed | None) -> list[Scored]:
        ids, rows = self.ids, self.rows
        if allowed is not None:
            fits = allowed.holds(ids)
            ids, rows = ids[fits], rows[fits]
        return ordered(ids, rows @ query, k)

    def vectors(self, ids: Ids) -> tuple[Ids, Rows]:
        held = np.intersect1d(ids, self.ids)
        return held, self.rows[np.searchsorted(self.ids, held)]


class NumpyIndex:
    """Keeps its files in a folder of its own, a new one for each state, named by its number."""

    def __init__(self, directory: Path, base: str) -> None:
        self._folder = directory / "numpy"
        self._base = base

    def sequence(self) -> int | None:
        note = self._newest()
        return None if note is None else note[0]

    def reader(self) -> NumpyReader | None:
        for _attempt in range(3):  # a writer may delete it between finding and opening it
            note = self._newest()
            if note is None:
                return None
            try:
                place = self._place(note[0])
                ids = np.load(place / "ids.npy")
                rows = np.load(place / "rows.npy", mmap_mode="r")
            except FileNotFoundError:
                continue
            except (OSError, ValueError):
                return None
            is_whole = len(ids) == len(rows) == note[1]
            return NumpyReader(note[0], ids, rows) if is_whole else None
        return None

    def apply(self, changes: VectorChanges, *, final: bool) -> int:
        del final  # nothing is ever put off
        before = None if changes.whole else self.reader()
        if before is not None and not changes.ranges:
            return before.sequence
        if before is not None and before.dimension == changes.dimension:
            stays = ~changes.stale(before.ids)
            batches = [(before.ids[stays], before.rows[stays]), *changes.added()]
        else:
            batches = list(changes.everything())
        self._write(changes, batches)
        return changes.sequence

    def check(self) -> IndexState | None:
        note = self._newest()
        if note is None:
            return None
        damage = "" if self.reader() else "the arrays are damaged"
        return IndexState(note[0], note[1], damage=damage)

    def drop(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.unlink(missing_ok=True) if self._folder.is_file() else None

    def close(self) -> None:
        """Nothing is kept open."""

    def _place(self, sequence: int) -> Path:
        return self._folder / f"{self._base}-{sequence:016d}"

    def _newest(self) -> tuple[int, int] | None:
        """The newest state of this base: its number, and how many vectors it has."""
        for note in sorted(self._folder.glob(f"{self._base}-*/note.json"), reverse=True):
            try:
                found = json.loads(note.read_text(encoding="utf-8"))
                return int(found["sequence"]), int(found["count"])
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return None

    def _write(self, changes: VectorChanges, batches: list[tuple[Ids, Rows]]) -> None:
        """Write all beside what there is, and give it its name when it is whole and on the disk."""
        ids = np.concatenate([np.empty(0, np.int64), *(ids for ids, _ in batches)])
        rows = np.concatenate(
            [np.empty((0, changes.dimension), np.float32), *(rows for _, rows in batches)]
        )
        order = np.argsort(ids)
        if self._folder.is_file():
            self._folder.unlink()
        new = self._folder / "unfinished"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        np.save(new / "ids.npy", ids[order])
        np.save(new / "rows.npy", rows[order])
        note = {"sequence": changes.sequence, "count": len(ids)}
        (new / "note.json").write_text(json.dumps(note), encoding="utf-8")
        for path in new.iterdir():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
        place = self._place(changes.sequence)
        shutil.rmtree(place, ignore_errors=True)
        new.replace(place)
        for old in self._folder.iterdir():
            if old != place:
                shutil.rmtree(old, ignore_errors=True)
