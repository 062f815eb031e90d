"""What ``ragkit doctor --repair`` does: only what cannot lose anything."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

from ragkit.errors import CorruptError
from ragkit.store import changes, check

if TYPE_CHECKING:
    from pathlib import Path

    from ragkit.store.database import Database

# Files of runs that were killed before they gave them their names.
_LEFTOVERS = ("knowledge.sqlite3.new*", "knowledge.sqlite3.import*", "writer.json.*", "*/*.new")


def repair(directory: Path, database: Database) -> list[str]:
    """Repair what can be repaired from the truth itself; say what was done, one sentence each.

    Nothing that somebody wrote is changed. Passages whose vector was lost wait for the next ingest
    to embed them. The caller holds the writer lock.

    Raises:
        CorruptError: the database itself is damaged; nothing was touched.
    """
    with database.reading() as connection:
        problems = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(1)")]
    if problems != ["ok"]:
        raise CorruptError(
            f"{str(directory)!r} cannot be repaired, the database is damaged "
            f"({problems[0]}); {check.RESTORE}"
        )
    done = _clear_leftovers(directory)
    with database.transaction() as connection:
        done += _repair_rows(connection)
    with database.reading() as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return done


def _clear_leftovers(directory: Path) -> list[str]:
    found = [path for pattern in _LEFTOVERS for path in directory.glob(pattern)]
    cleared = 0
    for path in found:
        with contextlib.suppress(OSError):
            path.unlink()
            cleared += 1
    return [f"deleted {cleared:,} files that killed runs had left"] if cleared else []


def _repair_rows(connection: sqlite3.Connection) -> list[str]:
    done: list[str] = []
    strays = sum(
        connection.execute(
            f"DELETE FROM {table} WHERE document_id NOT IN (SELECT id FROM documents)"  # noqa: S608 - our own names
        ).rowcount
        for table in ("contents", "chunks")
    )
    strays += connection.execute(
        "DELETE FROM pending WHERE chunk_id NOT IN (SELECT id FROM chunks)"
    ).rowcount
    strays += connection.execute(
        "DELETE FROM vectors WHERE embedding_id NOT IN (SELECT id FROM embeddings)"
    ).rowcount
    if strays:
        done.append(f"deleted {strays:,} rows that belonged to nothing")
    bad = check.bad_vectors(connection)
    connection.executemany("DELETE FROM vectors WHERE embedding_id = ?", [(one,) for one in bad])
    if bad:
        done.append(f"threw away {len(bad):,} damaged vectors; the next ingest makes them anew")
    orphans = connection.execute(
        "DELETE FROM embeddings WHERE id NOT IN (SELECT embedding_id FROM chunks)"
    ).rowcount
    if orphans:
        done.append(f"deleted {orphans:,} vectors that belonged to no passage")
    waiting = connection.execute(
        "INSERT OR IGNORE INTO pending (chunk_id, embedding_id) SELECT id, embedding_id FROM chunks"
        " WHERE embedding_id NOT IN (SELECT embedding_id FROM vectors)"
    ).rowcount
    served = connection.execute(
        "DELETE FROM pending WHERE embedding_id IN (SELECT embedding_id FROM vectors)"
    ).rowcount
    if waiting or served:
        done.append(f"put {waiting + served:,} passages right in the queue of those to embed")
    if _count_anew(connection):
        done.append("counted the totals anew")
    if done:
        (last_chunk,) = connection.execute("SELECT last_chunk FROM state").fetchone()
        changes.log(connection, "chunks", [(1, last_chunk)])
    return done


def _count_anew(connection: sqlite3.Connection) -> bool:
    cursor = connection.execute(
        "UPDATE state SET documents = counted.documents, failures = counted.failures,"
        " chunks = counted.chunks, vectors = counted.chunks - counted.pending,"
        " characters = counted.characters, last_chunk = max(state.last_chunk, counted.last_chunk)"
        " FROM (SELECT (SELECT count(*) FROM documents) AS documents,"
        "  (SELECT count(*) FROM failures) AS failures, (SELECT count(*) FROM chunks) AS chunks,"
        "  (SELECT count(*) FROM pending) AS pending,"
        "  (SELECT coalesce(sum(characters), 0) FROM documents) AS characters,"
        "  (SELECT coalesce(max(id), 0) FROM chunks) AS last_chunk) AS counted"
        " WHERE state.documents <> counted.documents OR state.failures <> counted.failures"
        "  OR state.chunks <> counted.chunks OR state.characters <> counted.characters"
        "  OR state.vectors <> counted.chunks - counted.pending"
        "  OR state.last_chunk < counted.last_chunk"
    )
    return bool(cursor.rowcount)
