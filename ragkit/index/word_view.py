"""A word index, brought up to the truth before it is searched.

Where nothing can be written, because another process is writing or the directory may only be read,
an index that is late is still used, and says by how much; one that is no use is built in memory.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ragkit.errors import CorruptError, KnowledgeBaseError
from ragkit.index.ordering import all_of_the_best, by_place
from ragkit.index.protocols import DamagedIndexError
from ragkit.store.check import REPAIR
from ragkit.store.records import Check, Scored

if TYPE_CHECKING:
    from ragkit.index.protocols import WordIndex, WordReader, WordWeights
    from ragkit.store import Store
    from ragkit.store.allowed import Allowed

_IN_MEMORY_LIMIT = 20_000  # passages
_CATCH_UP = "it catches up at the next ingest or word search"


class WordView:
    """Searches words; see the module's description."""

    def __init__(
        self,
        store: Store,
        make: Callable[[Path | None], WordIndex],
        sync_all: Callable[[], None],
    ) -> None:
        """Begin with an index that ``make`` makes; a forked child makes another.

        Args:
            store: The truth.
            make: Makes the index in a directory; ``None``: in memory.
            sync_all: Brings the vector index along, where this one has to catch up; the caller
                holds the writer lock.
        """
        self._store = store
        self._make = make
        self._sync_all = sync_all
        self.start_over()

    def start_over(self) -> None:
        """Begin again, as in a child process, where the threads that held locks do not exist."""
        self._index = self._make(self._store.directory)
        self._in_memory: WordIndex | None = None
        self._reader: WordReader | None = None
        self._damaged = False
        self._lock = threading.RLock()

    def search(
        self,
        parts: Sequence[tuple[str, float]],
        k: int,
        allowed: Allowed | None,
        weights: WordWeights,
    ) -> list[Scored]:
        """Return the ``k`` passages that fit best, equal ones by where they stand.

        See :meth:`WordReader.search`.
        """
        for is_last in (False, True):
            self._catch_up()
            reader = self.reader()
            if reader is None or k <= 0 or (allowed is not None and not len(allowed.ranges)):
                return []
            try:
                found = all_of_the_best(partial(_search, reader, parts, allowed, weights), k)
                scores = [(one.chunk_id, one.score) for one in found]
                return [Scored(*one) for one in by_place(scores, self._store.in_order_of_place)[:k]]
            except DamagedIndexError:
                if is_last:
                    raise
                with self._lock:
                    self._reader, self._damaged = None, True
        return []

    def reader(self) -> WordReader | None:
        """Return the newest state of the index that there is, which may be late."""
        return self._reader_at(self._store.sequence())

    def _reader_at(self, sequence: int) -> WordReader | None:
        reader = self._reader
        if reader is not None and reader.sequence == sequence:
            return reader
        # A search need not wait for a writing thread of this process while it has an index.
        if not self._lock.acquire(blocking=reader is None):
            return reader
        try:
            fresh = None if self._damaged else self._index.reader()
            if fresh is not None:
                self._in_memory = None
            elif self._in_memory is not None:
                fresh = self._in_memory.reader()
            self._reader = fresh
            return fresh
        finally:
            self._lock.release()

    def behind(self) -> int:
        """How many changed passages the index does not show as they are now."""
        sequence = self._store.sequence()
        reader = self._reader_at(sequence)
        if reader is not None and reader.sequence == sequence:
            return 0
        with self._store.word_changes(reader.sequence if reader else None) as changes:
            return changes.touched

    def sync(self) -> int:
        """Let the index apply what happened since; return the change it has reached.

        One that is missing, damaged, of another base or too old is built anew.
        """
        with self._lock:
            # The files may have been harmed while they were open, or by a process that was killed:
            # look at them afresh once, and then do without them.
            for give_up in (False, True):
                try:
                    return self._apply()
                except DamagedIndexError:
                    self._reader = None
                    if self._damaged:
                        raise
                    self._damaged = give_up
            return self._apply()

    def _apply(self) -> int:
        reached = None if self._damaged else self._index.sequence()
        with self._store.word_changes(reached) as changes:
            if reached is None or reached != changes.sequence:
                reached = self._index.apply(changes)
        self._damaged = False
        self._in_memory, self._reader = None, self._index.reader()
        return reached

    def rebuild(self) -> None:
        """Throw the index away and build it anew from the truth."""
        with self._lock:
            self._reader = None
            self._index.drop()
            self.sync()

    def settle(self) -> None:
        """Let the index let go of what it keeps open for writing."""
        with self._lock:
            self._index.close()

    def forget(self) -> None:
        """Drop what is in memory; the next search opens it again."""
        with self._lock:
            self._reader = self._in_memory = None

    def check(self) -> Iterator[Check]:
        """Compare the index with the truth."""
        found = self._index.check()
        with self._store.word_changes(found.sequence if found else None) as changes:
            total, touched, is_whole = changes.total, changes.touched, changes.whole
        if found is None and total == 0:
            yield Check("lexical view", "ok", "there is none, and no passage to put in it")
        elif found is None:
            yield Check("lexical view", "warn", "there is no usable word index", _CATCH_UP)
        elif found.damage:
            yield Check("lexical view", "fail", found.damage, REPAIR)
        elif is_whole:
            yield Check("lexical view", "warn", "the word index is too old to be used", _CATCH_UP)
        elif touched:
            message = f"{touched:,} passages changed since the word index was written"
            yield Check("lexical view", "warn", message, _CATCH_UP)
        elif found.count != total:
            message = f"the word index holds {found.count:,} passages, the database {total:,}"
            yield Check("lexical view", "fail", message, REPAIR)
        else:
            about = f", {found.about}" if found.about else ""
            yield Check("lexical view", "ok", f"{found.count:,} passages{about}")

    def _catch_up(self) -> None:
        if not self.behind():
            return
        try:
            with self._store.writing("catching up the search indexes", timeout=0.0):
                self._sync_all()
        except CorruptError:
            raise
        except KnowledgeBaseError:
            # Somebody else is writing, and will bring it up to date; or the directory cannot be
            # written to. An index that is only late is still used. One that has little of what there
            # is now, as right after a rebuild, is no use.
            is_usable = self._reader is not None and self._in_memory is None
            if not is_usable or 2 * self.behind() > self._store.counts().chunks:
                self._build_in_memory()

    def _build_in_memory(self) -> None:
        if self._store.counts().chunks > _IN_MEMORY_LIMIT:
            return
        index = self._make(None)
        if index is self._index:  # not made by a factory
            return
        with self._store.word_changes(None) as changes:
            index.apply(changes)
        index.close()
        with self._lock:
            self._in_memory, self._reader = index, index.reader()


def _search(
    reader: WordReader,
    parts: Sequence[tuple[str, float]],
    allowed: Allowed | None,
    weights: WordWeights,
    k: int,
) -> Sequence[Scored]:
    return reader.search(parts, k, allowed, weights)
