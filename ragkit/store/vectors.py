"""Vectors in the truth: float16, one for each distinct text, and the queue of what has none."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ragkit.errors import EmbeddingError, UsageError
from ragkit.store import changes
from ragkit.store.records import PendingChunk

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragkit.store.changes import Range

_BATCH = 4096
_STORED_TYPE = "<f2"


def dimension(connection: sqlite3.Connection) -> int:
    """Length of the vectors, or 0 while there is none."""
    row = connection.execute("SELECT value FROM settings WHERE key = 'dimension'").fetchone()
    return int(row[0]) if row else 0


def model(connection: sqlite3.Connection) -> str | None:
    """Name of the model that the vectors are from, if it was ever set."""
    row = connection.execute("SELECT value FROM settings WHERE key = 'vectors_of'").fetchone()
    return str(row[0]) if row else None


def set_model(connection: sqlite3.Connection, name: str) -> None:
    """Set what :func:`model` returns."""
    connection.execute(
        "INSERT OR REPLACE INTO settings (key, value) VALUES ('vectors_of', ?)", (name,)
    )


def pending(connection: sqlite3.Connection, limit: int, *, after: int = 0) -> list[PendingChunk]:
    """Chunks without a vector and with an id above ``after``, ascending.

    Of chunks with the same embedded text only the first is listed: its vector serves all.
    """
    rows = connection.execute(
        "SELECT chunk_id, prefix || text, tokens FROM pending AS this"
        " JOIN chunks ON chunks.id = chunk_id WHERE chunk_id > ? AND NOT EXISTS ("
        "SELECT 1 FROM pending WHERE embedding_id = this.embedding_id AND chunk_id < this.chunk_id"
        ") ORDER BY chunk_id LIMIT ?",
        (after, max(0, limit)),
    )
    return [PendingChunk(*row) for row in rows]


def put_vectors(
    connection: sqlite3.Connection, chunk_ids: Sequence[int], vectors: NDArray[np.float32]
) -> None:
    """Store vectors, shape (len(chunk_ids), dimension); chunks that are gone are ignored.

    They are made unit length and kept as float16. The first vectors fix the dimension.

    Raises:
        UsageError: the shape does not fit.
        EmbeddingError: a number is not finite.
    """
    rows = _unit(vectors)
    if len(rows) != len(chunk_ids):
        raise UsageError(f"{len(chunk_ids)} chunks were given {len(rows)} vectors")
    if not len(rows):
        return
    known = dimension(connection)
    if known and known != rows.shape[1]:
        raise UsageError(f"a vector has {rows.shape[1]} numbers, those stored have {known}")
    if not known:
        connection.execute(
            "INSERT INTO settings (key, value) VALUES ('dimension', ?)", (str(rows.shape[1]),)
        )
    found = dict(
        connection.execute(
            "SELECT id, embedding_id FROM chunks WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps([int(number) for number in chunk_ids]),),
        )
    )
    stored = rows.astype(_STORED_TYPE)
    by_embedding = {
        found[chunk_id]: stored[index].tobytes()
        for index, chunk_id in enumerate(map(int, chunk_ids))
        if chunk_id in found
    }
    connection.executemany(
        "INSERT OR REPLACE INTO vectors (embedding_id, vector) VALUES (?, ?)",
        sorted(by_embedding.items()),
    )
    served = json.dumps(list(by_embedding))
    touched = connection.execute(
        "SELECT id FROM chunks WHERE embedding_id IN (SELECT value FROM json_each(?))", (served,)
    )
    changes.log(connection, "vectors", changes.ranges_of(row[0] for row in touched))
    cursor = connection.execute(
        "DELETE FROM pending WHERE embedding_id IN (SELECT value FROM json_each(?))", (served,)
    )
    connection.execute("UPDATE state SET vectors = vectors + ?", (cursor.rowcount,))


def clear(connection: sqlite3.Connection) -> None:
    """Forget all vectors, so that every chunk is pending again and any dimension is welcome."""
    connection.execute("DELETE FROM vectors")
    connection.execute("DELETE FROM pending")
    connection.execute(
        "INSERT INTO pending (chunk_id, embedding_id) SELECT id, embedding_id FROM chunks"
    )
    connection.execute("DELETE FROM settings WHERE key = 'dimension'")
    (last_chunk,) = connection.execute("SELECT last_chunk FROM state").fetchone()
    changes.log(connection, "vectors", [(1, last_chunk)])
    connection.execute("UPDATE state SET vectors = 0")


def of_chunks(connection: sqlite3.Connection, chunk_ids: Sequence[int]) -> NDArray[np.float32]:
    """Vectors in the order of the ids, shape (n, dimension); zeros where there is none."""
    import numpy as np

    width = dimension(connection)
    result = np.zeros((len(chunk_ids), width), dtype=np.float32)
    numbers = [int(number) for number in chunk_ids]
    found = dict(
        connection.execute(
            "SELECT chunks.id, vector FROM chunks JOIN vectors USING (embedding_id)"
            " WHERE chunks.id IN (SELECT value FROM json_each(?)) AND length(vector) = ?",
            (json.dumps(numbers), 2 * width),
        )
    )
    there = [index for index, number in enumerate(numbers) if number in found]
    flat = b"".join([found[numbers[index]] for index in there])
    result[there] = np.frombuffer(flat, dtype=_STORED_TYPE).reshape(len(there), width)
    return result


def in_ranges(
    connection: sqlite3.Connection, ranges: Iterable[Range]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Vectors of all chunks whose id lies in the ranges, in batches of ids and rows.

    Ids ascend if the ranges do; a batch is never empty.
    """
    import numpy as np

    width = dimension(connection)
    for first, last in ranges:
        cursor = connection.execute(
            "SELECT chunks.id, vector FROM chunks JOIN vectors USING (embedding_id)"
            " WHERE chunks.id BETWEEN ? AND ? AND length(vector) = ? ORDER BY chunks.id",
            (first, last, 2 * width),
        )
        while batch := cursor.fetchmany(_BATCH):
            ids = np.array([row[0] for row in batch], dtype=np.int64)
            flat = np.frombuffer(b"".join(row[1] for row in batch), dtype=_STORED_TYPE)
            yield ids, flat.reshape(len(batch), width).astype(np.float32)


def to_stored_rows(vectors: NDArray[np.float32]) -> list[bytes]:
    """Write each row as it is stored: unit length, float16.

    Raises:
        UsageError: the array has not two dimensions.
        EmbeddingError: a number is not finite.
    """
    return [row.tobytes() for row in _unit(vectors).astype(_STORED_TYPE)]


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Check the model's output and make each row unit length (a row of zeros stays)."""
    import numpy as np

    rows = np.asarray(vectors, dtype=np.float32)
    if rows.ndim != 2:
        raise UsageError(f"vectors must have two dimensions, not shape {rows.shape!r}")
    if not np.isfinite(rows).all():
        raise EmbeddingError("the embedding model returned numbers that are not finite")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0), dtype=np.float32)
