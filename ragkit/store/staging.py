"""A second set of passages and vectors, made beside the first and put in its place at once.

It is a database of its own, ``rebuild.sqlite3``. Whoever makes it may be killed at any moment: the
base is as it was, and the next rebuild to the same end goes on from what is there. The exchange is
one transaction of the base, which only reads the other file.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ragkit.errors import KnowledgeBaseError
from ragkit.store import changes, vectors
from ragkit.store import heading_filter as headings
from ragkit.store.database import companions, connect, translated_errors
from ragkit.store.documents import embedding_key
from ragkit.store.layout import dump_json
from ragkit.store.paths import storable, to_stored

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ingest.document import Chunk
    from ragkit.store.database import Database
    from ragkit.store.records import StoredDocument

FILE_NAME = "rebuild.sqlite3"

_TABLES = """
CREATE TABLE IF NOT EXISTS goal (goal TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS documents (
    id INTEGER PRIMARY KEY,
    added_at REAL NOT NULL,
    relative_path TEXT NOT NULL,
    chunks INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS chunks (
    document_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    embedding_key BLOB NOT NULL,
    key TEXT NOT NULL,
    start_offset INTEGER NOT NULL,
    end_offset INTEGER NOT NULL,
    page INTEGER,
    heading TEXT NOT NULL,
    prefix TEXT NOT NULL,
    text TEXT NOT NULL,
    tokens INTEGER NOT NULL,
    PRIMARY KEY (document_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS chunks_by_embedding ON chunks (embedding_key);
CREATE TABLE IF NOT EXISTS vectors (
    embedding_key BLOB PRIMARY KEY,
    vector BLOB NOT NULL
) STRICT, WITHOUT ROWID;
"""


class Staging:
    """What a rebuild has made so far. The caller holds the writer lock of the base."""

    def __init__(self, database: Database, goal: str) -> None:
        """Go on with what is there if it was made for the same ``goal``, else begin anew.

        Args:
            database: The base.
            goal: All that decides what comes out: the base, the model, the chunker.
        """
        self._database = database
        self.path = database.path.with_name(FILE_NAME)
        try:
            self._connection = self._open(goal)
        except (sqlite3.DatabaseError, KnowledgeBaseError):
            discard(database.path.parent)  # damaged, and nothing that cannot be made again
            self._connection = self._open(goal)

    def _open(self, goal: str) -> sqlite3.Connection:
        connection = connect(self.path)
        try:
            connection.executescript(_TABLES)
            kept = connection.execute("SELECT goal FROM goal").fetchone()
            if kept != (goal,):
                with _transaction(connection):
                    for table in ("goal", "documents", "chunks", "vectors"):
                        connection.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names
                    connection.execute("INSERT INTO goal (goal) VALUES (?)", (goal,))
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Close the file; it stays, for the next run to go on from."""
        self._connection.close()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        with translated_errors(self.path):
            yield

    def missing(self, documents: Sequence[StoredDocument]) -> list[StoredDocument]:
        """Return the documents that are not staged as they are now; forget those that are gone."""
        wanted = {
            document.id: (document.added_at, to_stored(document.relative_path))
            for document in documents
        }
        with self._errors(), _transaction(self._connection):
            staged = {
                row[0]: (row[1], row[2])
                for row in self._connection.execute(
                    "SELECT id, added_at, relative_path FROM documents"
                )
            }
            for number in staged:
                if staged[number] != wanted.get(number):
                    self._forget(number)
        return [one for one in documents if staged.get(one.id) != wanted[one.id]]

    def _forget(self, document_id: int) -> None:
        self._connection.execute("DELETE FROM chunks WHERE document_id = ?", (document_id,))
        self._connection.execute("DELETE FROM documents WHERE id = ?", (document_id,))

    def put(self, stored: StoredDocument, chunks: Sequence[Chunk]) -> None:
        """Stage a document's new passages, in one transaction."""
        rows = [
            (
                stored.id,
                chunk.index,
                embedding_key(chunk),
                chunk.id,
                chunk.start,
                chunk.end,
                chunk.page,
                dump_json(chunk.heading),
                storable(chunk.prefix),
                storable(chunk.text),
                chunk.tokens,
            )
            for chunk in chunks
        ]
        with self._errors(), _transaction(self._connection):
            self._forget(stored.id)
            self._connection.executemany(
                "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
            )
            self._connection.execute(
                "INSERT INTO documents VALUES (?, ?, ?, ?)",
                (stored.id, stored.added_at, to_stored(stored.relative_path), len(rows)),
            )

    def keep_vectors(self) -> None:
        """Take over the base's vectors of texts that stay the same."""
        with (
            self._errors(),
            self._attached(self._connection, self._database.path) as connection,
            _transaction(connection),
        ):
            connection.execute(
                "INSERT OR IGNORE INTO main.vectors (embedding_key, vector)"
                " SELECT key, vector FROM other.embeddings"
                " JOIN other.vectors ON embedding_id = other.embeddings.id"
                " WHERE key IN (SELECT embedding_key FROM main.chunks)"
            )

    def count_pending(self) -> int:
        """Return how many different texts have no vector yet."""
        with self._errors():
            row = self._connection.execute(
                "SELECT count(DISTINCT embedding_key) FROM chunks"
                " WHERE embedding_key NOT IN (SELECT embedding_key FROM vectors)"
            ).fetchone()
            return int(row[0])

    def pending(self, limit: int) -> dict[bytes, str]:
        """Return texts that have no vector yet, by their key."""
        with self._errors():
            return dict(
                self._connection.execute(
                    "SELECT embedding_key, prefix || text FROM chunks"
                    " WHERE embedding_key NOT IN (SELECT embedding_key FROM vectors)"
                    " GROUP BY embedding_key LIMIT ?",
                    (limit,),
                ).fetchall()
            )

    def put_vectors(self, keys: Sequence[bytes], rows: NDArray[np.float32]) -> None:
        """Stage the vectors of texts, shape (len(keys), dimension)."""
        stored = vectors.to_stored_rows(rows)
        with self._errors(), _transaction(self._connection):
            self._connection.executemany(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?)", zip(keys, stored, strict=True)
            )

    def exchange(self, dimension: int, settings: Mapping[str, str]) -> None:
        """Put what is staged in the place of what the base has: all of it, or nothing.

        Args:
            dimension: Length of the staged vectors.
            settings: What to set in the same transaction.

        Raises:
            KnowledgeBaseError: the base has changed since, or a vector is missing.
        """
        with self._errors():
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with (
            self._database.reading() as connection,
            self._attached(connection, self.path),
            self._database.transaction_on(connection),
        ):
            _require_complete(connection)
            _exchange(connection)
            for key, value in {**settings, "dimension": str(dimension)}.items():
                connection.execute(
                    "INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)", (key, value)
                )

    @contextlib.contextmanager
    def _attached(self, connection: sqlite3.Connection, path: Path) -> Iterator[sqlite3.Connection]:
        connection.execute("ATTACH ? AS other", (str(path),))
        try:
            yield connection
        finally:
            if connection.in_transaction:
                connection.rollback()
            connection.execute("DETACH other")


def discard(directory: Path) -> bool:
    """Delete what an unfinished rebuild has left; say whether there was something."""
    path = directory / FILE_NAME
    found = path.exists()
    for file in (path, *companions(path)):
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)
    return found


def _require_complete(connection: sqlite3.Connection) -> None:
    (strangers,) = connection.execute(
        "SELECT count(*) FROM main.documents AS ours LEFT JOIN other.documents AS theirs"
        " ON ours.id = theirs.id AND ours.added_at = theirs.added_at"
        " AND ours.relative_path = theirs.relative_path WHERE theirs.id IS NULL"
    ).fetchone()
    (without,) = connection.execute(
        "SELECT count(*) FROM other.chunks WHERE embedding_key NOT IN"
        " (SELECT embedding_key FROM other.vectors)"
    ).fetchone()
    if strangers or without:
        raise KnowledgeBaseError(
            f"the rebuild is not complete ({strangers:,} documents and {without:,} vectors are"
            " missing); nothing was changed, run it again"
        )


def _exchange(connection: sqlite3.Connection) -> None:
    for table in ("pending", "chunks", "vectors", "embeddings"):
        connection.execute(f"DELETE FROM main.{table}")  # noqa: S608 - our own names
    # Ids are never used twice: the new chunks come after the last of the old ones.
    connection.execute(
        "UPDATE main.documents SET chunks = placed.chunks, first_chunk = placed.first_chunk FROM ("
        " SELECT other.documents.id, other.documents.chunks, last_chunk + 1"
        "  + sum(other.documents.chunks) OVER (ORDER BY other.documents.id)"
        "  - other.documents.chunks AS first_chunk"
        " FROM other.documents JOIN main.documents AS ours ON ours.id = other.documents.id,"
        "  main.state"
        ") AS placed WHERE placed.id = main.documents.id"
    )
    connection.execute(
        "INSERT INTO main.embeddings (key) SELECT DISTINCT embedding_key FROM other.chunks"
        " WHERE document_id IN (SELECT id FROM main.documents)"
    )
    connection.execute(
        "INSERT INTO main.vectors (embedding_id, vector) SELECT id, vector"
        " FROM main.embeddings JOIN other.vectors ON embedding_key = key"
    )
    connection.execute(
        "INSERT INTO main.chunks (id, document_id, embedding_id, key, position, start_offset,"
        " end_offset, page, heading, prefix, text, tokens)"
        " SELECT first_chunk + position, document_id, main.embeddings.id, other.chunks.key,"
        "  position, start_offset, end_offset, page, heading, prefix, text, tokens"
        " FROM other.chunks JOIN main.documents ON main.documents.id = document_id"
        " JOIN main.embeddings ON main.embeddings.key = embedding_key"
        " ORDER BY main.documents.id, position"
    )
    headings.fill(connection)
    (count,) = connection.execute("SELECT count(*) FROM main.chunks").fetchone()
    connection.execute(
        "UPDATE main.state SET last_chunk = last_chunk + ?1, chunks = ?1, vectors = ?1", (count,)
    )
    (last_chunk,) = connection.execute("SELECT last_chunk FROM main.state").fetchone()
    changes.log(connection, "chunks", [(1, last_chunk)])


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()
