"""What a base asks of an index: the seam behind which FAISS and tantivy stand, or one's own.

The store holds the truth and a log of its changes. An index is a view of it that can be thrown
away: it is given what changed, says how far it has come, and gives ids and scores. It need know
nothing of SQLite, of processes that fork, of threads beyond its own, or of what it missed: a base
adds to its results what it has not been given yet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from ragkit.errors import KnowledgeBaseError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragkit.store.allowed import Allowed
    from ragkit.store.feed import VectorChanges, WordChanges
    from ragkit.store.records import Scored


class DamagedIndexError(KnowledgeBaseError):
    """The files of an index cannot be read; a base then gives it everything anew."""


class UnreachableIndexError(KnowledgeBaseError):
    """The server that an index is on does not answer, or refuses; nothing is lost by it."""


@dataclass(frozen=True, slots=True)
class IndexState:
    """What :meth:`VectorIndex.check` found.

    Attributes:
        sequence: Number of the last change that the index holds.
        count: How many vectors or passages it holds.
        about: What else there is to say of it, such as its measured recall.
        damage: What is wrong with its files, as a clause: ``"3 files are damaged"``; ``""``: nothing.
    """

    sequence: int
    count: int
    about: str = ""
    damage: str = ""


class VectorReader(Protocol):
    """A vector index as it is at one change of the log, whatever is applied to it meanwhile.

    Several threads search it at a time.
    """

    @property
    def sequence(self) -> int:
        """Number of the last change it holds. It may hold some later ones: they are looked over."""
        ...

    @property
    def dimension(self) -> int:
        """Length of its vectors."""
        ...

    def search(
        self, query: NDArray[np.float32], k: int, allowed: Allowed | None
    ) -> Sequence[Scored]:
        """Return the ``k`` ids of highest product with ``query``, best first, equal ones by id.

        :func:`ragkit.index.ordering.ordered` puts them in order.

        Args:
            query: Shape (dimension,), of unit length.
            k: How many, at least 1; fewer come back when there are no more.
            allowed: Only these ids, some of which the index may not have; ``None``: all.

        Raises:
            DamagedIndexError: its files cannot be read.
        """
        ...

    def vectors(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return those of ``ids`` whose vectors it can give, and these, shape (n, dimension).

        Faster than they are read from SQLite; it may give none.
        """
        ...


class Index(Protocol):
    """What all indexes have.

    One thread of one process at a time applies, drops and closes. Other threads, and objects that
    other processes made of the same files, ask for readers meanwhile.
    """

    def sequence(self) -> int | None:
        """Return the last change that is kept where a new process would find it.

        ``None``: there is no usable index, perhaps because it is of another base or version. Called
        often, so it should cost little.
        """
        ...

    def check(self) -> IndexState | None:
        """Examine the files, which may take long; ``None``: there is no usable index."""
        ...

    def drop(self) -> None:
        """Delete all that is kept. Readers that are open may fail."""
        ...

    def close(self) -> None:
        """Let go of what :meth:`apply` keeps open, such as a lock. Readers stay usable."""
        ...


class VectorIndex(Index, Protocol):
    """Finds the vectors nearest to another."""

    def apply(self, changes: VectorChanges, *, final: bool) -> int:
        """Forget what is stale, put in what was added, and keep it so that it outlasts a crash.

        An index may put this off: what it has not applied is searched in memory meanwhile.

        Args:
            changes: What happened after :meth:`sequence`.
            final: No more changes are expected soon, so that it is worth more work.

        Returns:
            What :meth:`sequence` returns from now on: the number of these changes, or of earlier
            ones if they were put off.

        Raises:
            DamagedIndexError: its files cannot be used; it is dropped, and given everything.
        """
        ...

    def reader(self) -> VectorReader | None:
        """Open what is kept at this moment; ``None``: there is nothing usable."""
        ...


@dataclass(frozen=True, slots=True)
class WordWeights:
    """What a word of the question counts by where it stands; a passage's text counts 1.

    Attributes:
        context: The passage with those before and after it, by BM25.
        heading: Its headings.
        name: Title and file name.
        codes: Numbers, dates and codes in its text and headings.
        nearby: In any of these but the codes, however often and however long they are.
    """

    context: float
    heading: float
    name: float
    codes: float
    nearby: float


# Fitted by bench/fusion.py. What is nearby only adds to the score of a passage that a word was
# found in. Beside a search by meaning it is best not counted how often a word stands there, but
# whether.
ALONE = WordWeights(context=0.6, heading=0.3, name=0.4, codes=0.6, nearby=0.0)
BESIDE_MEANING = WordWeights(context=0.0, heading=0.3, name=0.4, codes=0.6, nearby=0.5)


class WordReader(Protocol):
    """A word index as it is at one change of the log. Several threads search it at a time."""

    @property
    def sequence(self) -> int:
        """Number of the last change it holds."""
        ...

    def search(
        self,
        parts: Sequence[tuple[str, float]],
        k: int,
        allowed: Allowed | None,
        weights: WordWeights,
    ) -> Sequence[Scored]:
        """Return the ``k`` passages that fit best, best first, equal ones by id.

        Any text is a valid query: its words are looked up, there is no syntax. Scores are above 0
        and at most 1, so that they can be compared between questions.

        Args:
            parts: Texts to look for and their weights, which sum to 1 at most.
            k: How many, at least 1; fewer come back when no more hold any of the words.
            allowed: Only these passages; ``None``: all. The scores are the same either way.
            weights: What words count by where they stand.

        Raises:
            DamagedIndexError: its files cannot be read.
        """
        ...

    def terms(self, prefix: str) -> Sequence[tuple[str, int]]:
        """Return the stems that begin so, of texts, headings and names, and how often they occur."""
        ...

    def holds(self, stem: str) -> bool:
        """Whether a stem occurs in any text, heading or name, in any language."""
        ...

    def absent(self, words: Sequence[str], allowed: Allowed | None) -> frozenset[str]:
        """Return those of the words that no allowed passage holds; never one that says little."""
        ...

    def languages(self) -> tuple[str, ...]:
        """Return the languages of the passages, English always among them and first."""
        ...


class WordIndex(Index, Protocol):
    """Finds the passages that hold some words."""

    def apply(self, changes: WordChanges) -> int:
        """Forget what is stale, put in what was added, and keep it; return the number reached.

        Raises:
            DamagedIndexError: its files cannot be used.
        """
        ...

    def reader(self) -> WordReader | None:
        """Open what is kept at this moment; ``None``: there is nothing usable.

        Called often: it should look first whether anything has changed.
        """
        ...


# Make an index of a base: in a folder of its own in the base's directory, and noting the base's
# identifier, so that files which an earlier base has left there are not taken for this one's. A word
# index is asked for without a directory where none can be written to: it keeps itself in memory.
VectorIndexFactory: TypeAlias = Callable[[Path, str], VectorIndex]
WordIndexFactory: TypeAlias = Callable[[Path | None, str], WordIndex]
