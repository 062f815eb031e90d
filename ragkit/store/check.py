"""The checks behind ``ragkit doctor``: each says what was looked at, what it found, what to do."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ragkit.errors import CorruptError, KnowledgeBaseError, LockedError
from ragkit.store import queries, staging, vectors
from ragkit.store.database import companions
from ragkit.store.lock import WriterLock
from ragkit.store.records import Check, Counts

if TYPE_CHECKING:
    from ragkit.store.database import Database

_VECTORS_AT_ONCE = 4_096
_QUICK_BYTES = 512 * 2**20
_SAMPLED_DOCUMENTS = 1_000
_LOW_DISK_BYTES = 500_000_000
_LARGE_LOG_BYTES = 256_000_000
RESTORE = "restore knowledge.sqlite3 from a backup, or ingest into a new directory"
REPAIR = "run `ragkit doctor --repair`"


def examine(directory: Path, database: Database) -> list[Check]:
    """Run all checks; a check that cannot be run because of damage is a failed one."""
    found: list[Check] = []
    parts: list[tuple[str, Callable[[], Iterator[Check]]]] = [
        ("database", lambda: _integrity(database)),
        ("documents", lambda: _documents(database)),
        ("vectors", lambda: _vectors(database)),
        ("totals", lambda: _totals(database)),
        ("permissions", lambda: _permissions(directory, database)),
        ("disk", lambda: _disk(directory, database)),
        ("rebuild", lambda: _unfinished_rebuild(directory)),
        ("writer", lambda: _writer(directory)),
    ]
    for name, part in parts:
        try:
            found += part()
        except CorruptError as error:
            found.append(damage(name, error))
    return found


def damage(name: str, error: CorruptError) -> Check:
    """Return the check that found the database damaged."""
    what_happened = str(error).partition("; ")[0]  # the rest is advice, as is the remedy
    return Check(name, "fail", what_happened, RESTORE)


def _integrity(database: Database) -> Iterator[Check]:
    quick = database.path.stat().st_size > _QUICK_BYTES
    pragma = "quick_check" if quick else "integrity_check"
    with database.reading() as connection:
        problems = [str(row[0]) for row in connection.execute(f"PRAGMA {pragma}(5)")]
        strays = connection.execute("PRAGMA foreign_key_check").fetchmany(5)
    if problems != ["ok"]:
        yield Check("database", "fail", f"SQLite reports: {'; '.join(problems)}", RESTORE)
    else:
        how = " (quick check, for its size)" if quick else ""
        yield Check("database", "ok", f"SQLite finds no damage{how}")
    if strays:
        tables = ", ".join(sorted({str(row[0]) for row in strays}))
        yield Check("references", "fail", f"rows in {tables} belong to nothing", REPAIR)
    else:
        yield Check("references", "ok", "every row belongs to something")


def _documents(database: Database) -> Iterator[Check]:
    with database.snapshot() as connection:
        (total,) = connection.execute("SELECT count(*) FROM documents").fetchone()
        step = max(1, -(-total // _SAMPLED_DOCUMENTS))
        sample = connection.execute("SELECT id, path FROM documents ORDER BY id").fetchall()[::step]
        wrong = [path for document_id, path in sample if not is_whole(connection, document_id)]
    extent = "every chunk is" if step == 1 else f"in {len(sample):,} of {total:,}, each chunk is"
    if wrong:
        yield Check(
            "documents",
            "fail",
            f"{len(wrong):,} of {len(sample):,} documents do not match their chunks, "
            f"such as {wrong[0]!r}",
            "remove them with `ragkit rm` and ingest them again",
        )
    else:
        yield Check(
            "documents", "ok", f"{total:,} documents; {extent} what stands in the text at its place"
        )


def is_whole(connection: sqlite3.Connection, document_id: int) -> bool:
    """Whether a document's chunks are what stands in its text at their places."""
    row = connection.execute(
        "SELECT text, layout, characters, chunks, first_chunk FROM documents"
        " JOIN contents ON document_id = id WHERE id = ?",
        (document_id,),
    ).fetchone()
    if row is None:
        return False
    text, layout, characters, count, first_chunk = row
    chunks = connection.execute(
        "SELECT id, position, start_offset, end_offset, text FROM chunks WHERE document_id = ?"
        " ORDER BY position",
        (document_id,),
    ).fetchall()
    try:
        json.loads(layout)
    except ValueError:
        return False
    return (
        len(text) == characters
        and len(chunks) == count
        and all(
            chunk_id == first_chunk + index and position == index and text[start:end] == part
            for index, (chunk_id, position, start, end, part) in enumerate(chunks)
        )
    )


def _vectors(database: Database) -> Iterator[Check]:
    with database.snapshot() as connection:
        width = vectors.dimension(connection)
        bad = len(bad_vectors(connection))
        (orphans,) = connection.execute(
            "SELECT count(*) FROM embeddings WHERE id NOT IN (SELECT embedding_id FROM chunks)"
        ).fetchone()
        (lost,) = connection.execute(
            "SELECT count(*) FROM chunks WHERE id NOT IN (SELECT chunk_id FROM pending)"
            " AND embedding_id NOT IN (SELECT embedding_id FROM vectors)"
        ).fetchone()
        total = queries.counts(connection)
    if bad:
        yield Check(
            "vectors", "fail", f"{bad:,} vectors have a wrong length or are not finite", REPAIR
        )
    elif lost:
        yield Check(
            "vectors",
            "fail",
            f"{lost:,} passages have no vector and do not wait for one",
            REPAIR,
        )
    elif total.vectors < total.chunks:
        yield Check(
            "vectors",
            "warn",
            f"{total.chunks - total.vectors:,} of {total.chunks:,} passages have no vector yet",
            "run the same `ragkit ingest` again: it goes on where it stopped",
        )
    else:
        size = f" of {width} numbers" if width else ""
        yield Check("vectors", "ok", f"all {total.chunks:,} passages have a vector{size}")
    if orphans:
        yield Check("orphans", "warn", f"{orphans:,} vectors belong to no passage", REPAIR)
    else:
        yield Check("orphans", "ok", "no vector is left over")


def _totals(database: Database) -> Iterator[Check]:
    with database.snapshot() as connection:
        kept = queries.counts(connection)
        row = connection.execute(
            "SELECT (SELECT count(*) FROM documents), (SELECT count(*) FROM failures),"
            " (SELECT count(*) FROM chunks),"
            " (SELECT count(*) FROM chunks) - (SELECT count(*) FROM pending),"
            " (SELECT coalesce(sum(characters), 0) FROM documents)"
        ).fetchone()
    counted = Counts(*row)
    if kept == counted:
        yield Check("totals", "ok", "the totals kept are those counted")
    else:
        yield Check("totals", "fail", f"the totals kept are {kept}, counted {counted}", REPAIR)


def bad_vectors(connection: sqlite3.Connection) -> list[int]:
    """Return the embeddings whose vector has a wrong length or holds what is no number."""
    import numpy as np

    width = vectors.dimension(connection)
    bad: list[int] = []
    cursor = connection.execute("SELECT embedding_id, vector FROM vectors")
    while rows := cursor.fetchmany(_VECTORS_AT_ONCE):
        right = [row for row in rows if len(row[1]) == 2 * width > 0]
        bad += [row[0] for row in rows if len(row[1]) != 2 * width or not width]
        if right:
            flat = np.frombuffer(b"".join(row[1] for row in right), dtype="<f2")
            lengths = np.linalg.norm(flat.reshape(len(right), width).astype(np.float32), axis=1)
            sound = (np.abs(lengths - 1.0) < 0.01) | (lengths == 0)
            bad += [row[0] for row, is_sound in zip(right, sound, strict=True) if not is_sound]
    return bad


def _unfinished_rebuild(directory: Path) -> Iterator[Check]:
    if (directory / staging.FILE_NAME).exists():
        yield Check(
            "rebuild",
            "warn",
            "a rebuild was interrupted; the knowledge base is as it was before",
            "run the same `ragkit rebuild` again to finish it, or delete rebuild.sqlite3",
        )
    else:
        yield Check("rebuild", "ok", "none was interrupted")


def _writer(directory: Path) -> Iterator[Check]:
    lock = WriterLock(directory)
    try:
        with lock.hold("looking who is writing", 0.0):
            yield Check("writer", "ok", "nobody is writing")
    except LockedError as error:
        yield Check("writer", "ok", f"somebody is: {error}")
    except KnowledgeBaseError as error:
        yield Check("writer", "warn", str(error), "change the rights of the directory")


def _permissions(directory: Path, database: Database) -> Iterator[Check]:
    ours = [directory, database.path, *companions(database.path)]
    ours += [path for folder in directory.glob("*/") for path in (folder, *folder.glob("*"))]
    locked = [
        path.name for path in ours if path.exists() and not os.access(path, os.R_OK | os.W_OK)
    ]
    if locked:
        yield Check(
            "permissions",
            "warn",
            f"you may not read and write {', '.join(map(repr, locked[:5]))}",
            "change the rights of the directory, or use it as its owner",
        )
    else:
        yield Check("permissions", "ok", "the directory can be read and written")


def _disk(directory: Path, database: Database) -> Iterator[Check]:
    free = shutil.disk_usage(directory).free
    if free < _LOW_DISK_BYTES:
        yield Check("disk", "warn", f"only {_megabytes(free)} are free", "free some space")
    else:
        yield Check("disk", "ok", f"{_megabytes(free)} are free")
    log = database.path.with_name(database.path.name + "-wal")
    size = log.stat().st_size if log.exists() else 0
    if size > _LARGE_LOG_BYTES:
        yield Check(
            "write-ahead log",
            "warn",
            f"the write-ahead log has grown to {_megabytes(size)}",
            "close all programs that use this knowledge base",
        )
    else:
        yield Check("write-ahead log", "ok", f"{_megabytes(size)}")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
