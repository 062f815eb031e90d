"""Writing roots, documents, failures and chunks. Each function runs inside a transaction."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ragkit.errors import UsageError
from ragkit.store import changes
from ragkit.store import heading_filter as headings
from ragkit.store.layout import dump_json, dump_layout
from ragkit.store.paths import display_paths, from_stored, root_name, storable, to_stored
from ragkit.store.records import FileState, Root, RootKind
from ragkit.store.vectors import put_vectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ingest.document import Chunk, Document


def embedding_key(chunk: Chunk) -> bytes:
    """Name what is embedded by its content: chunks with the same key share one vector."""
    return hashlib.blake2b(storable(chunk.embedded_text).encode(), digest_size=16).digest()


def root(connection: sqlite3.Connection, folder: Path, *, kind: RootKind) -> Root:
    """Find or make the root of ``folder``; a ``"file"`` root may become ``"folder"``.

    A folder has one root: asking for ``"file"`` where there is a ``"folder"`` returns that.
    """
    if not folder.is_absolute():
        raise UsageError(f"the folder of a root must be absolute, not {str(folder)!r}")
    stored = to_stored(str(folder))
    connection.execute(
        "INSERT INTO roots (folder, kind) VALUES (?, ?) ON CONFLICT (folder) DO UPDATE"
        " SET kind = excluded.kind WHERE excluded.kind = 'folder' AND kind = 'file'",
        (stored, kind),
    )
    row = connection.execute("SELECT id, folder, kind FROM roots WHERE folder = ?", (stored,))
    return make_root(*row.fetchone())


def added_root(connection: sqlite3.Connection) -> Root:
    """Find or make the root of what is added without a file."""
    connection.execute("INSERT OR IGNORE INTO roots (folder, kind) VALUES ('', 'file')")
    row = connection.execute("SELECT id, folder, kind FROM roots WHERE folder = ''")
    return make_root(*row.fetchone())


def make_root(root_id: int, folder: str, kind: RootKind) -> Root:
    """Make the record from a row."""
    path = _folder(folder)
    return Root(id=root_id, folder=path, kind=kind if folder else "added", name=root_name(path))


def _folder(stored: str) -> Path:
    return Path(from_stored(stored) or "added")


def put_document(
    connection: sqlite3.Connection,
    root_id: int,
    relative_path: str,
    state: FileState,
    document: Document,
    chunks: Sequence[Chunk],
    *,
    vectors: NDArray[np.float32] | None = None,
) -> int:
    """Store a document in place of whatever was at that path; return its id.

    A replaced document keeps its id; its chunks get new ones, and vectors of chunks whose embedded
    text did not change are kept. Others are pending, unless ``vectors`` are given for all chunks, as
    for :func:`ragkit.store.vectors.put_vectors`.
    """
    if state.sha256 is None:
        raise UsageError(f"the document {relative_path!r} was stored without its SHA-256")
    _require_root(connection, root_id)
    stored_path = to_stored(relative_path)
    row = connection.execute(
        "SELECT id FROM documents WHERE root_id = ? AND relative_path = ?", (root_id, stored_path)
    ).fetchone()
    orphans = _clear_document(connection, row[0]) if row else set[int]()
    _delete_failure(connection, root_id, stored_path)
    (last_chunk,) = connection.execute("SELECT last_chunk FROM state").fetchone()
    columns = {
        "root_id": root_id,
        "relative_path": stored_path,
        "size": state.size,
        "mtime_ns": state.mtime_ns,
        "sha256": state.sha256,
        "format": document.format,
        "title": None if document.title is None else storable(document.title),
        "encoding": document.encoding,
        "pages": len(document.pages),
        "chunks": len(chunks),
        "first_chunk": last_chunk + 1,
        "characters": len(document.text),
        "added_at": time.time(),
        "metadata": dump_json(dict(document.metadata)),
        "warnings": dump_json(list(document.warnings)),
    }
    document_id = _write_row(connection, columns, row[0] if row else None)
    connection.execute(
        "INSERT OR REPLACE INTO contents (document_id, text, layout) VALUES (?, ?, ?)",
        (document_id, storable(document.text), dump_layout(document)),
    )
    embedded = _insert_chunks(connection, document_id, last_chunk + 1, chunks)
    offsets = [(chunk.start, chunk.end) for chunk in chunks]
    headings.put(connection, last_chunk + 1, offsets, document.sections)
    _drop_orphans(connection, orphans)
    connection.execute(
        "UPDATE state SET last_chunk = last_chunk + :chunks, chunks = chunks + :chunks,"
        " vectors = vectors + :vectors, documents = documents + 1,"
        " characters = characters + :characters",
        {"chunks": len(chunks), "vectors": embedded, "characters": len(document.text)},
    )
    changes.log(connection, "chunks", [(last_chunk + 1, last_chunk + len(chunks))])
    if not row:
        _name_paths(connection, stored_path)
    if vectors is not None:
        ids = range(last_chunk + 1, last_chunk + 1 + len(chunks))
        put_vectors(connection, ids, vectors)
    return document_id


def _write_row(
    connection: sqlite3.Connection, columns: dict[str, object], document_id: int | None
) -> int:
    if document_id is not None:
        assignments = ", ".join(f"{name} = :{name}" for name in columns)
        connection.execute(
            f"UPDATE documents SET {assignments} WHERE id = :id",  # noqa: S608 - our own names
            {**columns, "id": document_id},
        )
        return document_id
    columns = {**columns, "path": columns["relative_path"]}
    names = ", ".join(columns)
    values = ", ".join(f":{name}" for name in columns)
    cursor = connection.execute(
        f"INSERT INTO documents ({names}) VALUES ({values})",  # noqa: S608 - our own names
        columns,
    )
    return int(cursor.lastrowid or 0)


def _insert_chunks(
    connection: sqlite3.Connection, document_id: int, first_chunk: int, chunks: Sequence[Chunk]
) -> int:
    """Insert chunks, reusing vectors of the same text; return how many have one."""
    rows: list[tuple[object, ...]] = []
    waiting: list[tuple[int, int]] = []
    for chunk_id, chunk in enumerate(chunks, start=first_chunk):
        key = embedding_key(chunk)
        found = connection.execute(
            "SELECT id, EXISTS (SELECT 1 FROM vectors WHERE embedding_id = id)"
            " FROM embeddings WHERE key = ?",
            (key,),
        ).fetchone()
        if found is None:
            cursor = connection.execute("INSERT INTO embeddings (key) VALUES (?)", (key,))
            found = (cursor.lastrowid, False)
        embedding_id, has_vector = found
        if not has_vector:
            waiting.append((chunk_id, embedding_id))
        rows.append(
            (
                chunk_id,
                document_id,
                embedding_id,
                chunk.id,
                chunk.index,
                chunk.start,
                chunk.end,
                chunk.page,
                dump_json(chunk.heading),
                storable(chunk.prefix),
                storable(chunk.text),
                chunk.tokens,
            )
        )
    connection.executemany(
        "INSERT INTO chunks (id, document_id, embedding_id, key, position, start_offset,"
        " end_offset, page, heading, prefix, text, tokens)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )
    connection.executemany("INSERT INTO pending (chunk_id, embedding_id) VALUES (?, ?)", waiting)
    return len(chunks) - len(waiting)


def put_failure(
    connection: sqlite3.Connection,
    root_id: int,
    relative_path: str,
    state: FileState,
    reason: str,
) -> None:
    """Store that a file could not be loaded, in place of whatever was at that path."""
    _require_root(connection, root_id)
    stored_path = to_stored(relative_path)
    row = connection.execute(
        "SELECT id FROM documents WHERE root_id = ? AND relative_path = ?", (root_id, stored_path)
    ).fetchone()
    if row:
        _delete_document(connection, row[0])
    _delete_failure(connection, root_id, stored_path)
    connection.execute(
        "INSERT INTO failures (root_id, relative_path, path, size, mtime_ns, sha256, reason,"
        " failed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            root_id,
            stored_path,
            stored_path,
            state.size,
            state.mtime_ns,
            state.sha256,
            storable(reason),
            time.time(),
        ),
    )
    connection.execute("UPDATE state SET failures = failures + 1")
    _name_paths(connection, stored_path)


def move_document(
    connection: sqlite3.Connection,
    document_id: int,
    root_id: int,
    relative_path: str,
    state: FileState,
) -> None:
    """Give a document another path; what was there before is replaced."""
    _require_root(connection, root_id)
    row = connection.execute(
        "SELECT relative_path, first_chunk, chunks FROM documents WHERE id = ?", (document_id,)
    ).fetchone()
    if row is None:
        raise UsageError(f"no document has the id {document_id!r}")
    old_path, first_chunk, count = row
    stored_path = to_stored(relative_path)
    there = connection.execute(
        "SELECT id FROM documents WHERE root_id = ? AND relative_path = ? AND id <> ?",
        (root_id, stored_path, document_id),
    ).fetchone()
    if there:
        _delete_document(connection, there[0])
    _delete_failure(connection, root_id, stored_path)
    connection.execute(
        "UPDATE documents SET root_id = ?, relative_path = ? WHERE id = ?",
        (root_id, stored_path, document_id),
    )
    touch_document(connection, document_id, state)
    changes.log(connection, "words", [(first_chunk, first_chunk + count - 1)])
    for path in {old_path, stored_path}:
        _name_paths(connection, path)


def touch_document(connection: sqlite3.Connection, document_id: int, state: FileState) -> None:
    """Note a new size and time of a file whose content is the same."""
    row = connection.execute(
        "SELECT mtime_ns FROM documents WHERE id = ?", (document_id,)
    ).fetchone()
    if row is None:
        raise UsageError(f"no document has the id {document_id!r}")
    connection.execute(
        "UPDATE documents SET size = ?, mtime_ns = ?, sha256 = coalesce(?, sha256) WHERE id = ?",
        (state.size, state.mtime_ns, state.sha256, document_id),
    )
    # A time that was only doubted before, see ingest.folder.doubted(), is no new one.
    if abs(state.mtime_ns - row[0]) > 1:
        changes.note(connection)


def remove_documents(connection: sqlite3.Connection, document_ids: Iterable[int]) -> None:
    """Remove documents with all that belongs to them; ids that are gone already are ignored."""
    freed: set[str] = set()
    for document_id in document_ids:
        row = connection.execute(
            "SELECT relative_path FROM documents WHERE id = ?", (document_id,)
        ).fetchone()
        if row:
            _delete_document(connection, document_id)
            freed.add(row[0])
    for path in freed:
        _name_paths(connection, path)


def remove_failures(
    connection: sqlite3.Connection, root_id: int, relative_paths: Iterable[str]
) -> None:
    """Forget failures; paths that are not failures are ignored."""
    for stored_path in map(to_stored, relative_paths):
        if _delete_failure(connection, root_id, stored_path):
            _name_paths(connection, stored_path)


def _require_root(connection: sqlite3.Connection, root_id: int) -> None:
    if connection.execute("SELECT 1 FROM roots WHERE id = ?", (root_id,)).fetchone() is None:
        raise UsageError(f"no root has the id {root_id!r}")


def _clear_document(connection: sqlite3.Connection, document_id: int) -> set[int]:
    """Take a document's chunks out; return the embeddings that they used."""
    first_chunk, count, characters = connection.execute(
        "SELECT first_chunk, chunks, characters FROM documents WHERE id = ?", (document_id,)
    ).fetchone()
    last_chunk = first_chunk + count - 1
    span = (first_chunk, last_chunk)
    used = {
        row[0]
        for row in connection.execute(
            "SELECT embedding_id FROM chunks WHERE id BETWEEN ? AND ?", span
        )
    }
    (waiting,) = connection.execute(
        "SELECT count(*) FROM pending WHERE chunk_id BETWEEN ? AND ?", span
    ).fetchone()
    connection.execute("DELETE FROM pending WHERE chunk_id BETWEEN ? AND ?", span)
    connection.execute("DELETE FROM chunks WHERE id BETWEEN ? AND ?", span)
    headings.forget(connection, *span)
    connection.execute(
        "UPDATE state SET documents = documents - 1, chunks = chunks - ?, vectors = vectors - ?,"
        " characters = characters - ?",
        (count, count - waiting, characters),
    )
    changes.log(connection, "chunks", [span])
    return used


def _delete_document(connection: sqlite3.Connection, document_id: int) -> None:
    orphans = _clear_document(connection, document_id)
    connection.execute("DELETE FROM documents WHERE id = ?", (document_id,))
    _drop_orphans(connection, orphans)


def _drop_orphans(connection: sqlite3.Connection, embedding_ids: set[int]) -> None:
    connection.executemany(
        "DELETE FROM embeddings WHERE id = ?1"
        " AND NOT EXISTS (SELECT 1 FROM chunks WHERE embedding_id = ?1)",
        [(embedding_id,) for embedding_id in sorted(embedding_ids)],
    )


def _delete_failure(connection: sqlite3.Connection, root_id: int, stored_path: str) -> bool:
    cursor = connection.execute(
        "DELETE FROM failures WHERE root_id = ? AND relative_path = ?", (root_id, stored_path)
    )
    if cursor.rowcount:
        connection.execute("UPDATE state SET failures = failures - 1")
    return bool(cursor.rowcount)


def name_all_paths(connection: sqlite3.Connection) -> None:
    """Give the files that several roots hold their display paths anew: a root has moved."""
    unusual = connection.execute(
        "SELECT relative_path FROM documents WHERE path <> relative_path"
        " UNION SELECT relative_path FROM failures WHERE path <> relative_path"
    ).fetchall()
    for (stored_path,) in unusual:
        _name_paths(connection, stored_path)


def _name_paths(connection: sqlite3.Connection, stored_path: str) -> None:
    """Give every file with this relative path its display path."""
    folders: dict[int, Path] = {}
    for table in ("documents", "failures"):
        rows = connection.execute(
            f"SELECT roots.id, roots.folder FROM {table} JOIN roots ON roots.id = root_id"  # noqa: S608 - our own names
            " WHERE relative_path = ?",
            (stored_path,),
        )
        folders.update((root_id, _folder(folder)) for root_id, folder in rows)

    def taken(path: str) -> bool:
        return any(
            connection.execute(
                f"SELECT 1 FROM {table} WHERE path = ? AND relative_path <> ?",  # noqa: S608 - our own names
                (path, stored_path),
            ).fetchone()
            for table in ("documents", "failures")
        )

    if not folders:
        return
    for root_id, path in display_paths(from_stored(stored_path), folders, taken).items():
        for table in ("documents", "failures"):
            connection.execute(
                f"UPDATE {table} SET path = ?1"  # noqa: S608 - our own names
                " WHERE root_id = ?2 AND relative_path = ?3 AND path <> ?1",
                (path, root_id, stored_path),
            )
