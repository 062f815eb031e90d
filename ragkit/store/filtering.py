"""From a filter to exactly the documents and chunks that it allows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from itertools import chain
from typing import TYPE_CHECKING

from ragkit.errors import UsageError
from ragkit.store import heading_filter as headings
from ragkit.store.allowed import Allowed, as_array, covered, ranges_where
from ragkit.store.where import Where, match_paths, plain_text, text_matcher

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_EVERYTHING = Where()
_COLUMNS = "SELECT id, first_chunk, chunks FROM documents"


def allowed(connection: sqlite3.Connection, where: Where) -> Allowed:
    """What ``where`` allows."""
    found = _included(connection, replace(where, excluding=()))
    for unwanted in where.excluding:
        found = found.without(_included(connection, unwanted))
    return found


def _included(connection: sqlite3.Connection, where: Where) -> Allowed:
    import numpy as np

    if not where.headings:
        return _whole(_documents(connection, where))
    under = as_array(headings.ranges_under(connection, where.headings))
    mask = covered(under, int(under[:, 1].max(initial=0)))
    if replace(where, headings=()) != _EVERYTHING:
        ranges = _whole(_documents(connection, where)).ranges
        mask = np.logical_and(mask, covered(ranges, len(mask) - 1))
    return Allowed(ranges_where(mask), None)


def allowed_documents(connection: sqlite3.Connection, document_ids: Sequence[int]) -> Allowed:
    """All chunks of some documents; those that are gone are ignored."""
    rows = connection.execute(
        f"{_COLUMNS} WHERE id IN (SELECT value FROM json_each(?)) ORDER BY first_chunk",  # noqa: S608 - our own names
        (json.dumps([int(number) for number in document_ids]),),
    )
    return _whole(_table(rows))


def document_ids(connection: sqlite3.Connection, where: Where) -> list[int]:
    """Ids of the documents that ``where`` allows something of, ascending."""
    found = {int(number) for number in _documents(connection, where)[:, 0]}
    if where.headings:
        spans = headings.ranges_under(connection, where.headings)
        rows = connection.execute(
            "SELECT DISTINCT document_id FROM chunks WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps([first for first, _ in spans]),),
        )
        found &= {row[0] for row in rows}
    for unwanted in where.excluding:
        # Something of a document is left where only some of its headings are unwanted.
        if not unwanted.headings:
            found -= {int(number) for number in _documents(connection, unwanted)[:, 0]}
    return sorted(found)


def _documents(connection: sqlite3.Connection, where: Where) -> NDArray[np.int64]:
    """Documents that fit all conditions but those on headings, by their first chunk.

    Returns:
        Id, first chunk and number of chunks: shape (n, 3).
    """
    import numpy as np

    conditions: list[str] = []
    values: list[object] = []
    if where.types:
        conditions.append("format IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(where.types))
    if where.modified_from is not None:
        conditions.append("mtime_ns >= ?")
        values.append(_int64(where.modified_from))
    if where.modified_to is not None:
        conditions.append("mtime_ns < ?")
        values.append(_int64(where.modified_to))
    # The index holds all that is asked for, in the order it is wanted in.
    table = _table(
        connection.execute(
            f"{_COLUMNS} INDEXED BY documents_for_filters"
            + (f" WHERE {' AND '.join(conditions)}" if conditions else "")
            + " ORDER BY first_chunk",
            values,
        )
    )
    for there in _by_texts(connection, where):
        table = table[np.isin(table[:, 0], there)]
    return table


def _by_texts(connection: sqlite3.Connection, where: Where) -> Iterator[list[int]]:
    """Ids of the documents that fit the conditions on metadata, and of those that fit on paths."""
    if where.metadata:
        yield _with_metadata(connection, where.metadata)
    if where.paths:
        # Whether a pattern is a path or a glob is decided among all documents, not among those
        # that the other conditions left.
        named = connection.execute("SELECT id, path FROM documents").fetchall()
        fitting = match_paths(where.paths, [path for _, path in named])
        yield [document_id for document_id, path in named if path in fitting]


def _table(rows: Iterable[tuple[int, int, int]]) -> NDArray[np.int64]:
    import numpy as np

    return np.fromiter(chain.from_iterable(rows), dtype=np.int64).reshape(-1, 3)


def _whole(table: NDArray[np.int64]) -> Allowed:
    """All chunks of documents, which are given by their first chunk."""
    import numpy as np

    there = table[table[:, 2] > 0]
    firsts, ends = there[:, 1], there[:, 1] + there[:, 2]
    apart = firsts[1:] != ends[:-1]
    ranges = np.stack(
        [
            firsts[np.append(True, apart)[: len(firsts)]],
            ends[np.append(apart, True)[: len(ends)]] - 1,
        ],
        axis=1,
    )
    return Allowed(ranges, np.sort(table[:, 0]))


def _with_metadata(
    connection: sqlite3.Connection, metadata: Sequence[tuple[str, tuple[str, ...]]]
) -> list[int]:
    """Ids of the documents that have all of some metadata."""
    known = {"title"}
    fitting: list[int] = []
    matchers = [(key, text_matcher(patterns)) for key, patterns in metadata]
    only_title = all(key == "title" for key, _ in metadata)
    for document_id, title, text in connection.execute("SELECT id, title, metadata FROM documents"):
        values = {"title": title or ""}
        if not only_title and text != "{}":
            values |= json.loads(text)
            known.update(values)
        if all(key in values and fits(plain_text(str(values[key]))) for key, fits in matchers):
            fitting.append(document_id)
    unknown = [key for key, _ in metadata if key not in known]
    if unknown:
        near = get_close_matches(unknown[0], ["path", "type", "date", "heading", *known], 1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        raise UsageError(
            f"cannot filter on {unknown[0]!r}: it is neither path, type, date or heading nor among"
            f" the documents' metadata ({', '.join(sorted(known))}){meant}"
        )
    return fitting


def _int64(value: int) -> int:
    return max(-(2**63), min(2**63 - 1, value))
