"""A store and its two indexes: what is searched, and kept in step."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ragkit.errors import CorruptError
from ragkit.index.engines import make_faiss, make_tantivy
from ragkit.index.protocols import ALONE
from ragkit.index.vector_view import VectorView
from ragkit.index.word_view import WordView
from ragkit.language.languages import ENGLISH
from ragkit.store.check import damage
from ragkit.store.records import Check, Scored, ViewLag

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragkit.index.protocols import (
        VectorIndexFactory,
        WordIndexFactory,
        WordReader,
        WordWeights,
    )
    from ragkit.store import Store
    from ragkit.store.allowed import Allowed

# Dropping an index in a forked child may wait for threads that are not there.
_INHERITED: list[Any] = []


class Indexes:
    """Searches a store by meaning and by words, through two indexes that follow its log of changes.

    Safe to use from several threads; a forked child may go on using it.
    """

    def __init__(
        self,
        store: Store,
        *,
        vector_index: VectorIndexFactory = make_faiss,
        word_index: WordIndexFactory = make_tantivy,
    ) -> None:
        """Join a store and its indexes; nothing is opened until something is searched.

        Args:
            store: The truth. It is not closed with this.
            vector_index: Makes the index by meaning; see :mod:`ragkit.index.engines`.
            word_index: Makes the index by words.
        """
        self.store = store
        self._pid = os.getpid()
        self._vectors = VectorView(store, lambda: vector_index(store.directory, store.base))
        self._words = WordView(store, lambda place: word_index(place, store.base), self.sync)
        store.when_released(self._settle)

    def close(self) -> None:
        """Give up what is open; the next use opens it again."""
        self._check_fork()
        self._settle()
        self._words.forget()
        self._vectors.forget()

    # Keeping in step: the caller holds the store's writer lock

    def sync(self, *, final: bool = False) -> None:
        """Bring both indexes up to the truth, and forget the log that they have applied.

        Args:
            final: No more changes are expected soon, so that also a smaller lag of the vector
                index is worth removing. Searches are complete either way.
        """
        self._require_writing("sync")
        reached = min(self._words.sync(), self._vectors.sync(final=final))
        self.store.prune_changes(reached)

    def rebuild(self) -> None:
        """Throw both indexes away and build them anew from the truth."""
        self._require_writing("rebuild")
        self._words.rebuild()
        self._vectors.rebuild()

    def repair(self) -> list[str]:
        """Build anew what is damaged, bring up to date what is late; say what was done."""
        self._require_writing("repair")
        found = {check.status for check in self.check()}
        if found == {"ok"}:
            return []
        if "fail" in found:
            self.rebuild()
        self.sync(final=True)
        return ["built the search indexes anew from the database"]

    # Searching

    def search_dense(
        self,
        vector: NDArray[np.float32],
        k: int,
        *,
        allowed: Allowed | None = None,
        document_ids: Sequence[int] | None = None,
    ) -> list[Scored]:
        """Return the ``k`` chunks of highest cosine, best first, equal ones by where they stand.

        Args:
            vector: Shape (dimension,).
            k: How many; fewer come back when there are no more.
            allowed: Only these chunks, as :meth:`Store.allowed` gives them; ``None``: no limit.
            document_ids: Only chunks of these documents, likewise, where ``allowed`` is not given.

        Raises:
            UsageError: the vector's shape does not fit those stored.
        """
        self._check_fork()
        return self._vectors.search(vector, k, self._limit(allowed, document_ids))

    def search_lexical(
        self,
        query: str | Sequence[tuple[str, float]],
        k: int,
        *,
        weights: WordWeights = ALONE,
        allowed: Allowed | None = None,
        document_ids: Sequence[int] | None = None,
    ) -> list[Scored]:
        """Return the ``k`` chunks whose words fit best, best first, equal ones by where they stand.

        Any text is a valid query; several are given with their weights. Scores are from 0 to 1,
        as shares of what the question's words could reach, each by where it stands. Limits as in
        :meth:`search_dense`. An index that is behind the truth catches up first, if nobody else is
        writing; :meth:`lag` says what is missing otherwise.
        """
        self._check_fork()
        parts = [(query, 1.0)] if isinstance(query, str) else query
        return self._words.search(parts, k, self._limit(allowed, document_ids), weights)

    def products(self, vector: NDArray[np.float32], chunk_ids: Sequence[int]) -> dict[int, float]:
        """Return the products of a vector with those of chunks; chunks without are left out.

        Args:
            vector: Shape (dimension,); there is none with vectors of another dimension.
            chunk_ids: Any number of ids.
        """
        self._check_fork()
        return self._vectors.products(vector, chunk_ids)

    def holds_stem(self, stem: str) -> bool:
        """Return whether any chunk's text, headings or name hold a stem, in any language."""
        reader = self.word_reader()
        return reader is not None and reader.holds(stem)

    def absent_words(
        self, words: Sequence[str], *, allowed: Allowed | None = None
    ) -> frozenset[str]:
        """Return those of the words that no chunk's text, headings or names hold.

        Limits as in :meth:`search_dense`. Words that say little are never among them.
        """
        reader = self.word_reader()
        return frozenset() if reader is None else reader.absent(words, allowed)

    def languages(self) -> tuple[str, ...]:
        """Return the languages whose stems the word index holds, English first."""
        reader = self.word_reader()
        return (ENGLISH,) if reader is None else reader.languages()

    def lag(self) -> ViewLag:
        """Return how many changed chunks a search would not show as they are now."""
        self._check_fork()
        return ViewLag(dense=0, lexical=self._words.behind())

    def check(self) -> list[Check]:
        """Compare both indexes with the truth; reads all of them, changes nothing."""
        self._check_fork()
        parts: dict[str, Callable[[], Iterator[Check]]] = {
            "dense view": self._vectors.check,
            "lexical view": self._words.check,
        }
        found: list[Check] = []
        for name, part in parts.items():
            try:
                found += part()
            except CorruptError as error:
                found.append(damage(name, error))
        return found

    def word_reader(self) -> WordReader | None:
        """Return the newest state of the word index that there is, which may be late."""
        self._check_fork()
        return self._words.reader()

    def _limit(self, allowed: Allowed | None, document_ids: Sequence[int] | None) -> Allowed | None:
        if allowed is not None or document_ids is None:
            return allowed
        return self.store.allowed_documents(document_ids)

    def _settle(self) -> None:
        self._words.settle()
        self._vectors.settle()

    def _require_writing(self, what: str) -> None:
        self._check_fork()
        self.store.require_writing(what)

    def _check_fork(self) -> None:
        if self._pid != os.getpid():
            self._pid = os.getpid()
            _INHERITED.append((vars(self._vectors).copy(), vars(self._words).copy()))
            self._vectors.start_over()
            self._words.start_over()
