"""What the indexes are fed from: the vectors and passages of the truth, by the log of its changes.

An index that has reached some number of the log is given what changed after it, as plain data: what
to forget, and what to put in instead. Applying the same changes twice does no harm.
"""

from __future__ import annotations

import functools
import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, TypeAlias

from ragkit.language import analysis, languages
from ragkit.store import changes, queries, vectors
from ragkit.store.allowed import as_array, inside
from ragkit.store.paths import from_stored, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragkit.store.changes import ChangeKind, Range

    Batches: TypeAlias = Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]

_SAMPLE = 2_000  # characters
_WORD_BREAK = re.compile(r"(?<=[a-z])(?=[A-Z])|[_\W]+")


@dataclass(frozen=True, slots=True)
class VectorChanges:
    """What happened to the vectors of a base.

    Attributes:
        sequence: Number of the newest change: what an index has reached that applied them all.
        whole: Whether the index begins anew: it forgets all that it holds.
        ranges: Ids to look at again, the first and last of each range, ascending and disjoint.
        dimension: Length of the vectors; 0 while there is none.
        total: How many vectors there are.
        last_id: No id is larger. Ids are of passages, and never used twice.
        embedded: How many vectors came at most.
        read: Reads the vectors in some ranges; use :meth:`added` and :meth:`everything`.
    """

    sequence: int
    whole: bool
    ranges: tuple[Range, ...]
    dimension: int
    total: int
    last_id: int
    embedded: int
    read: Callable[[tuple[Range, ...]], Batches]

    def stale(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether an index has to forget each of some ids, before it puts in what was added."""
        import numpy as np

        return np.ones(len(ids), bool) if self.whole else inside(ids, as_array(self.ranges))

    def added(self) -> Batches:
        """Iterate over what to put in: ids (n,), ascending, and unit vectors (n, dimension)."""
        return self.read(self.ranges)

    def everything(self) -> Batches:
        """Iterate over all that the index holds afterwards, as :meth:`added` does."""
        return self.read(_all_ids(self.last_id))

    @property
    def touched(self) -> int:
        """How many vectors came or went at most."""
        return _size(self.ranges)


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk, as a word index takes it.

    Attributes:
        before: Text of the chunk before it in its document, empty for the first; so ``after``.
        headings: Its headings, and the header row of a table that goes on, one a line.
        name: Title of its document, and the words of the file's name.
        language: Code of its document's language; see :mod:`ragkit.language.languages`.
    """

    id: int
    document_id: int
    text: str
    before: str
    after: str
    headings: str
    name: str
    language: str


@dataclass(frozen=True, slots=True)
class WordChanges:
    """What happened to the passages of a base; the attributes as of :class:`VectorChanges`."""

    sequence: int
    whole: bool
    ranges: tuple[Range, ...]
    total: int
    last_id: int
    read: Callable[[tuple[Range, ...]], Iterator[Passage]]

    def stale(self, passage_id: int) -> bool:
        """Whether an index has to forget a passage, before it puts in what was added."""
        return self.whole or any(first <= passage_id <= last for first, last in self.ranges)

    def added(self) -> Iterator[Passage]:
        """Iterate over the passages to put in, by id."""
        return self.read(self.ranges)

    @property
    def touched(self) -> int:
        """How many passages came or went at most."""
        return self.total if self.whole else _size(self.ranges)


def vector_changes(connection: sqlite3.Connection, after: int | None) -> VectorChanges:
    """What happened after a number of the log; all, where that is ``None`` or too long ago."""
    kinds: tuple[ChangeKind, ...] = ("chunks", "vectors")
    past = None if after is None else changes.since(connection, after, kinds)
    embedded = None if after is None else changes.since(connection, after, ("vectors",))
    last_id, total = _last_id(connection), queries.counts(connection).vectors
    return VectorChanges(
        sequence=changes.current(connection),
        whole=past is None,
        ranges=_all_ids(last_id) if past is None else past.ranges,
        dimension=vectors.dimension(connection),
        total=total,
        last_id=last_id,
        embedded=total if embedded is None else embedded.chunks,
        read=lambda ranges: vectors.in_ranges(connection, ranges),
    )


def word_changes(connection: sqlite3.Connection, after: int | None) -> WordChanges:
    """What happened after a number of the log; all, where that is ``None`` or too long ago."""
    past = None if after is None else changes.since(connection, after, ("chunks", "words"))
    last_id = _last_id(connection)
    return WordChanges(
        sequence=changes.current(connection),
        whole=past is None,
        ranges=_all_ids(last_id) if past is None else past.ranges,
        total=queries.counts(connection).chunks,
        last_id=last_id,
        read=lambda ranges: _passages(connection, ranges),
    )


def _last_id(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT last_chunk FROM state").fetchone()[0])


def _all_ids(last_id: int) -> tuple[Range, ...]:
    return ((1, last_id),) if last_id else ()


def _size(ranges: tuple[Range, ...]) -> int:
    return sum(last - first + 1 for first, last in ranges)


def _passages(connection: sqlite3.Connection, ranges: tuple[Range, ...]) -> Iterator[Passage]:
    language_of = functools.lru_cache(maxsize=1)(functools.partial(_language_of, connection))
    for span in ranges:
        rows = connection.execute(
            "SELECT chunks.id, documents.id, chunks.text, chunks.prefix, chunks.heading, title,"
            " relative_path, before.text, after.text, documents.characters"
            " FROM chunks JOIN documents ON documents.id = chunks.document_id"
            " LEFT JOIN chunks AS before ON before.id = chunks.id - 1 AND chunks.id > first_chunk"
            " LEFT JOIN chunks AS after ON after.id = chunks.id + 1"
            " AND chunks.id < first_chunk + documents.chunks - 1"
            " WHERE chunks.id BETWEEN ? AND ? ORDER BY chunks.id",
            span,
        )
        for number, document, text, prefix, heading, title, path, before, after, characters in rows:
            # The prefix repeats the headings, and adds the header row of a table that goes on.
            lines = dict.fromkeys([*json.loads(heading), *prefix.splitlines()])
            yield Passage(
                id=number,
                document_id=document,
                text=text,
                before=before or "",
                after=after or "",
                headings="\n".join(lines),
                name=f"{title or ''}\n{_name_words(path)}",
                language=language_of(document, characters),
            )


def _language_of(connection: sqlite3.Connection, document_id: int, characters: int) -> str:
    """Tell a document's language by its beginning, middle and end."""
    starts = (1, max(1, (characters - _SAMPLE) // 2), max(1, characters - _SAMPLE))
    samples = connection.execute(
        "SELECT substr(text, ?, ?), substr(text, ?, ?), substr(text, ?, ?)"
        " FROM contents WHERE document_id = ?",
        (*(number for start in starts for number in (start, _SAMPLE)), document_id),
    ).fetchone()
    whole = samples[0] if characters <= _SAMPLE else "\n".join(samples)
    return languages.language_of(analysis.normalise(whole))


def _name_words(stored_path: str) -> str:
    stem = PurePosixPath(shown(from_stored(stored_path))).stem
    return " ".join(_WORD_BREAK.split(stem))
