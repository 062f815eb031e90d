"""Whether a vector index does what a base relies on."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from ragkit.errors import UsageError
from ragkit.index.ordering import ordered
from ragkit.index.vector_view import VectorView
from ragkit.store.allowed import Allowed, as_array
from ragkit.store.changes import Range, ranges_of
from ragkit.store.feed import VectorChanges
from ragkit.testing.change_log import ChangeLog, inside, opened, require

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragkit.index.protocols import VectorIndexFactory
    from ragkit.store import Store
    from ragkit.store.records import Scored

DIMENSION = 24
COUNT = 600
_BATCH = 100
_SHARES = (0.0, 0.001, 0.02, 0.1, 0.5, 0.97, 1.0)
_THREADS = 4
_SAME = 3e-6  # scores that may be one


class VectorTruth(ChangeLog):
    """The vectors of a base and the log of their changes, in memory; a stand-in for its store."""

    def __init__(self, dimension: int = DIMENSION) -> None:
        super().__init__()
        self.dimension = dimension
        self.rows: dict[int, NDArray[np.float32]] = {}
        self._random = np.random.default_rng(7)

    def put(self, ids: Iterable[int], like: NDArray[np.float32] | None = None) -> None:
        """Give new or other vectors to some ids: random ones, or all the same."""
        numbers = list(ids)
        for number in numbers:
            row = self._random.standard_normal(self.dimension) if like is None else like
            stored = (row / np.linalg.norm(row)).astype(np.float16)
            self.rows[number] = stored.astype(np.float32)
        self.note(numbers)

    def remove(self, ids: Iterable[int]) -> None:
        """Take some ids away."""
        numbers = list(ids)
        for number in numbers:
            del self.rows[number]
        self.note(numbers)

    @contextlib.contextmanager
    def vector_changes(self, after: int | None) -> Iterator[VectorChanges]:
        """As of :class:`ragkit.store.Store`, and so the next."""
        whole, ranges = self.since(after)
        yield VectorChanges(
            sequence=self.sequence(),
            whole=whole,
            ranges=ranges,
            dimension=self.dimension,
            total=len(self.rows),
            last_id=self.last_id,
            embedded=sum(last - first + 1 for first, last in ranges),
            read=self._read,
        )

    def vectors_of(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Vectors in the order of the ids; zeros where there is none."""
        zero = np.zeros(self.dimension, np.float32)
        return np.array([self.rows.get(number, zero) for number in ids]).reshape(-1, self.dimension)

    def _read(
        self, ranges: tuple[Range, ...]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        ids = sorted(i for i in self.rows if inside(i, ranges))
        for start in range(0, len(ids), _BATCH):
            part = ids[start : start + _BATCH]
            yield np.array(part, np.int64), self.vectors_of(part)

    def expected(self, query: NDArray[np.float32], k: int, allowed: Allowed | None) -> list[Scored]:
        """What an exact search finds."""
        ids = np.array(sorted(self.rows), np.int64)
        if allowed is not None:
            ids = ids[allowed.holds(ids)]
        return ordered(ids, self.vectors_of(ids.tolist()) @ query, k)


class _Trial:
    """An index in a directory of its own, and the truth that it follows."""

    def __init__(self, factory: VectorIndexFactory, directory: Path, recall: float) -> None:
        self.factory, self.directory, self.recall = factory, directory, recall
        self.truth = VectorTruth()
        self.view = self.opened()

    def opened(self, base: str = "base") -> VectorView:
        """The view as another process would open it."""
        store = cast("Store", self.truth)
        return VectorView(store, lambda: self.factory(self.directory, base))

    def sync(self, *, final: bool = True) -> None:
        """Apply what happened; what the index says of itself must fit."""
        index = self.factory(self.directory, "base")
        with self.truth.vector_changes(index.sequence()) as changes:
            reached = index.apply(changes, final=final)
        index.close()
        kept = index.sequence()
        require(reached <= self.truth.sequence(), "apply() returned a change that is yet to come")
        if kept is not None:
            require(kept == reached, "sequence() is not what apply() returned", (kept, reached))
            state = index.check()
            require(state is not None, "check() finds no index after apply()")
            require(not state or not state.damage, "check() finds damage after apply()", state)

    def rebuild(self) -> None:
        """Put everything in, so that nothing is left for the view to make up for."""
        self.view.rebuild()
        state = self.factory(self.directory, "base").check()
        if self.truth.rows:
            require(state is not None, "there is no index after everything was applied")
            held = state.count if state else 0
            require(held == len(self.truth.rows), "it holds another number of vectors", held)

    def agree(self, what: str, allowed: Allowed | None = None) -> None:
        """Search, in this process and in another; both must find what is there."""
        for place, view in (("", self.view), (" once opened again", self.opened())):
            for seed in range(3):
                query = _query(seed, self.truth.dimension)
                for k in (1, 10, 50, len(self.truth.rows) + 5):
                    found = view.search(query, k, allowed)
                    self.fits(found, query, k, allowed, f"{what}{place}, k={k}")

    def fits(
        self,
        found: Sequence[Scored],
        query: NDArray[np.float32],
        k: int,
        allowed: Allowed | None,
        when: str,
    ) -> None:
        """Compare results with those of an exact search.

        Sums of float32 depend on how they are added up, so what differs in the sixth digit may
        stand the other way round.
        """
        everything = self.truth.expected(query, len(self.truth.rows), allowed)
        score, wanted = {hit.chunk_id: hit.score for hit in everything}, everything[:k]
        ids, expected = [hit.chunk_id for hit in found], [hit.chunk_id for hit in wanted]
        require(len(ids) == len(set(ids)), f"it finds an id twice {when}", ids[:9])
        for hit in found:
            require(hit.chunk_id in score, f"it finds an id that it may not {when}", hit)
            near = abs(score[hit.chunk_id] - hit.score) < _SAME
            require(near, f"scores are not the products {when}", hit)
        order = [(-hit.score, hit.chunk_id) for hit in found]
        require(order == sorted(order), f"equal scores are not in the order of ids {when}", ids[:9])
        # What a filter leaves may be less than was asked for, and is then found to the last.
        whole = self.recall == 1.0 or (allowed is not None and len(everything) <= k)
        least = len(wanted) if whole else int(self.recall * len(wanted))
        good = sum(hit.score > wanted[-1].score - _SAME for hit in found)
        require(good >= least, f"it finds other ids {when}", (ids[:9], expected[:9]))
        enough = len(wanted) if whole or allowed is not None else least
        require(enough <= len(ids) <= k, f"it finds another number {when}", (len(ids), k))


def check_vector_index(factory: VectorIndexFactory, *, recall: float = 1.0) -> None:
    """Check all that a base relies on: additions, removals, filters, ties, damage, threads, …

    Args:
        factory: Makes the index in a directory, for the base with an identifier.
        recall: Share of what an exact search finds that each search must, rounded down to whole
            results; above 0 and at most 1, which an approximate index does not reach. Its scores and
            filters are exact even so: nothing is found that is not allowed, and of a filter that
            leaves no more than is asked for, all.

    Raises:
        AssertionError: it does something else; the message says what.
    """
    if not 0.0 < recall <= 1.0:
        raise UsageError(f"recall must be above 0 and at most 1, not {recall!r}")
    for check in CHECKS:
        with tempfile.TemporaryDirectory(prefix="ragkit-") as folder:
            check(_Trial(factory, Path(folder), recall))


def _nothing(trial: _Trial) -> None:
    trial.agree("with nothing in it")
    trial.sync()
    trial.agree("with nothing in it, applied")


def _additions_and_removals(trial: _Trial) -> None:
    trial.truth.put(range(1, COUNT))
    trial.sync(final=False)
    trial.agree("after additions")
    trial.rebuild()
    trial.agree("after everything was added")
    trial.truth.remove(range(5, COUNT, 3))
    trial.agree("after removals that were not applied")
    trial.sync()
    trial.agree("after removals")
    trial.truth.put(range(COUNT, COUNT + 50))
    trial.sync()
    trial.agree("after more additions")
    trial.truth.remove(list(trial.truth.rows))
    trial.sync()
    trial.agree("after all was removed")


def _changes(trial: _Trial) -> None:
    trial.truth.put(range(1, COUNT))
    trial.rebuild()
    trial.truth.put(range(10, COUNT, 2))
    trial.sync()
    trial.agree("after vectors changed")
    trial.sync()
    trial.agree("after the same changes were applied twice")
    trial.truth.prune()
    trial.truth.put(range(1, 20))
    trial.truth.prune()
    trial.agree("when the log no longer goes back so far")
    trial.sync()
    trial.agree("after it began anew")


def _filters(trial: _Trial) -> None:
    trial.truth.put(range(1, COUNT))
    trial.truth.remove(range(50, 80))
    trial.rebuild()
    for share in _SHARES:
        for name, ids in (
            ("scattered", [i for i in range(1, COUNT) if (i * 7919) % 1000 < 1000 * share]),
            ("in one piece", list(range(1, 1 + int(COUNT * share)))),
        ):
            allowed = Allowed(as_array(ranges_of(ids)))
            trial.agree(f"with a filter that allows {share:.1%}, {name}", allowed)
    trial.agree("with a filter on one", Allowed(as_array([(9, 9)])))
    trial.agree("with a filter on one that is gone", Allowed(as_array([(60, 60)])))
    trial.truth.put(range(COUNT, COUNT + 30))
    trial.agree("with a filter on what was not applied", Allowed(as_array([(90, COUNT + 9)])))


def _equal_scores(trial: _Trial) -> None:
    trial.truth.put(range(1, 400, 2))
    trial.truth.put(range(2, 400, 2), like=_query(5, DIMENSION))
    trial.rebuild()
    query = _query(5, DIMENSION)
    reader = opened(trial.factory(trial.directory, "base").reader())
    for k in (1, 2, 3, 10, 150, 300):
        when = f"with many equal scores, of which the lowest ids come first, k={k}"
        lowest = [hit.chunk_id for hit in trial.truth.expected(query, k, None)]
        for found in (trial.view.search(query, k), reader.search(query, k, None)):
            trial.fits(found, query, k, None, when)
            same = trial.recall < 1.0 or k > 199 or [hit.chunk_id for hit in found] == lowest
            require(same, f"it finds others {when}", found[:9])


def _other_base(trial: _Trial) -> None:
    trial.truth.put(range(1, 100))
    trial.rebuild()
    other = trial.factory(trial.directory, "another")
    message = "it uses the files of another base, which stand in the same directory"
    require(other.sequence() is None and other.reader() is None, message)


def _readers(trial: _Trial) -> None:
    trial.truth.put(range(1, 200))
    trial.rebuild()
    reader = opened(trial.factory(trial.directory, "base").reader())
    query = _query(1, DIMENSION)
    before, number = list(reader.search(query, 10, None)), reader.sequence
    trial.truth.remove([hit.chunk_id for hit in before])
    trial.truth.put(range(200, 9_000))
    trial.sync()
    require(reader.sequence == number, "the number of a reader changed")
    held, rows = reader.vectors(np.array([3, 8, 10**6], np.int64))
    require(len(held) == len(rows), "vectors() gave other ids than vectors")
    require(10**6 not in held.tolist(), "vectors() gave an id that it does not have")
    trial.agree("after a reader stayed open while much was applied")


def _lost(trial: _Trial) -> None:
    trial.truth.put(range(1, 300))
    trial.rebuild()
    trial.factory(trial.directory, "base").drop()
    require(trial.factory(trial.directory, "base").sequence() is None, "drop() left an index")
    trial.agree("after its files were deleted")
    trial.sync()
    trial.agree("after it was built again")


def _damaged(trial: _Trial) -> None:
    for name, harm in _HARMS.items():
        trial.truth.put(range(1, 300))
        trial.rebuild()
        for path in [path for path in trial.directory.rglob("*") if path.is_file()]:
            path.write_bytes(harm(path.read_bytes()))
        trial.view.forget()
        trial.agree(f"after its files were {name}")
        trial.rebuild()
        trial.agree(f"after it was rebuilt, its files having been {name}")


_HARMS: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda _data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "overwritten": lambda data: b"\x07 not what it was" * (1 + len(data) // 17),
}


def _ahead(trial: _Trial) -> None:
    for first in range(1, 200, 20):
        trial.truth.put(range(first, first + 20))
    trial.rebuild()
    trial.truth = VectorTruth()  # an older copy of the database was put back
    trial.truth.put(range(5, 60))
    trial.view = trial.opened()
    trial.agree("when it is ahead of the truth")
    trial.sync()
    trial.agree("after it was ahead of the truth")


def _dimension(trial: _Trial) -> None:
    trial.truth.put(range(1, 200))
    trial.rebuild()
    trial.truth.dimension = DIMENSION // 2
    trial.truth.put(range(1, 150))
    trial.truth.remove(range(150, 200))
    trial.agree("after the vectors became shorter")
    trial.sync()
    trial.agree("after the vectors became shorter, applied")


def _threads(trial: _Trial) -> None:
    trial.truth.put(range(1, COUNT))
    trial.rebuild()
    wrong: list[BaseException] = []

    def search(seed: int) -> None:
        query = _query(seed, DIMENSION)
        allowed = Allowed(as_array([(1, 40 * seed)])) if seed else None
        try:
            for _round in range(20):
                found = trial.view.search(query, 20, allowed)
                trial.fits(found, query, 20, allowed, "from several threads")
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=search, args=(seed,)) for seed in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise wrong[0]


CHECKS = (
    _nothing,
    _additions_and_removals,
    _changes,
    _filters,
    _equal_scores,
    _other_base,
    _readers,
    _lost,
    _damaged,
    _ahead,
    _dimension,
    _threads,
)


def _query(seed: int, dimension: int) -> NDArray[np.float32]:
    row = np.random.default_rng(1000 + seed).standard_normal(dimension)
    return np.asarray(row / np.linalg.norm(row), dtype=np.float32)
