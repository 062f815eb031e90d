"""Reading files, documents and chunks. Each function takes a connection and returns records."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from ingest.document import Document
from ragkit.errors import UsageError
from ragkit.store import filtering
from ragkit.store.documents import make_root
from ragkit.store.layout import load_layout
from ragkit.store.paths import from_stored
from ragkit.store.records import (
    ChunkPlace,
    Counts,
    DocumentName,
    Root,
    StoredChunk,
    StoredDocument,
    StoredFailure,
    StoredFile,
)
from ragkit.store.where import Where

_DOCUMENT = """
    SELECT id, root_id, relative_path, path, format, title, size, mtime_ns, sha256, pages, chunks,
        chunks - iif(
            (SELECT vectors < chunks FROM state),
            (
                SELECT count(*) FROM pending
                WHERE chunk_id BETWEEN first_chunk AND first_chunk + documents.chunks - 1
            ),
            0
        ),
        characters, encoding, added_at, metadata, warnings
    FROM documents
"""
_CHUNK = """
    SELECT chunks.id, chunks.key, document_id, documents.path, position, start_offset, end_offset,
        page, text, prefix, tokens, heading
    FROM chunks JOIN documents ON documents.id = document_id
"""
_IDS_AMONG = " WHERE id IN (SELECT value FROM json_each(?))"
_CHUNK_AMONG = f"{_CHUNK} WHERE chunks.id IN (SELECT value FROM json_each(?))"  # noqa: S608


def roots(connection: sqlite3.Connection) -> list[Root]:
    """All roots, oldest first."""
    rows = connection.execute("SELECT id, folder, kind FROM roots ORDER BY id")
    return [make_root(*row) for row in rows]


def files(connection: sqlite3.Connection, root_id: int) -> list[StoredFile]:
    """All files known in a root, by path."""
    # Reading the table in its own order and sorting here is faster than SQLite's way by the index.
    found: list[tuple[Any, ...]] = []
    found += connection.execute(
        "SELECT id, root_id, relative_path, size, mtime_ns, sha256, NULL"
        " FROM documents NOT INDEXED WHERE root_id = ?",
        (root_id,),
    )
    found += connection.execute(
        "SELECT NULL, root_id, relative_path, size, mtime_ns, sha256, reason"
        " FROM failures WHERE root_id = ?",
        (root_id,),
    )
    found.sort(key=lambda row: str(row[2]))
    return [StoredFile(row[0], row[1], from_stored(row[2]), *row[3:]) for row in found]


def documents(connection: sqlite3.Connection, where: Where | None = None) -> list[StoredDocument]:
    """Documents that ``where`` allows, by display path."""
    if where is None or where == Where():
        rows = connection.execute(_DOCUMENT + " ORDER BY path")
    else:
        allowed = json.dumps(filtering.document_ids(connection, where))
        rows = connection.execute(_DOCUMENT + _IDS_AMONG + " ORDER BY path", (allowed,))
    return [_document(row) for row in rows]


def page_counts(
    connection: sqlite3.Connection, where: Where | None = None
) -> tuple[int, int] | None:
    """Pages of the document with the fewest, and with the most, that ``where`` allows."""
    sql = "SELECT min(pages), max(pages) FROM documents"
    if where is None or where == Where():
        row = connection.execute(sql).fetchone()
    else:
        allowed = json.dumps(filtering.document_ids(connection, where))
        row = connection.execute(sql + _IDS_AMONG, (allowed,)).fetchone()
    return None if row[0] is None else (row[0], row[1])


def document_names(connection: sqlite3.Connection) -> list[DocumentName]:
    """What all documents are called, by display path."""
    rows = connection.execute(
        "SELECT id, path, coalesce(title, ''), metadata, mtime_ns FROM documents ORDER BY path"
    )
    return [DocumentName(*row) for row in rows]


def unusual_paths(connection: sqlite3.Connection) -> dict[tuple[int | None, str], str]:
    """Display paths that differ from those in the root, by root id and path in the root."""
    rows = connection.execute(
        "SELECT root_id, relative_path, path FROM documents WHERE path <> relative_path"
        " UNION ALL SELECT root_id, relative_path, path FROM failures WHERE path <> relative_path"
    )
    return {(root_id, from_stored(relative)): path for root_id, relative, path in rows}


def yield_by_format(connection: sqlite3.Connection) -> dict[str, tuple[int, int]]:
    """Bytes of files and number of chunks they gave, by format."""
    rows = connection.execute(
        "SELECT format, sum(size), sum(chunks) FROM documents GROUP BY format"
    )
    return {kind: (size, chunks) for kind, size, chunks in rows}


def failures(connection: sqlite3.Connection) -> list[StoredFailure]:
    """All files that could not be loaded, by display path."""
    rows = connection.execute(
        "SELECT root_id, relative_path, path, reason, size, mtime_ns, sha256, failed_at"
        " FROM failures ORDER BY path"
    )
    return [StoredFailure(row[0], from_stored(row[1]), *row[2:]) for row in rows]


def document(connection: sqlite3.Connection, document_id: int) -> Document:
    """The whole document, equal to the one that was put."""
    row = connection.execute(
        "SELECT text, layout, format, title, metadata, warnings, encoding FROM documents"
        " JOIN contents ON document_id = id WHERE id = ?",
        (document_id,),
    ).fetchone()
    if row is None:
        raise UsageError(f"no document has the id {document_id!r}")
    text, layout, kind, title, metadata, warnings, encoding = row
    pages, sections, blocks = load_layout(layout)
    return Document(
        text=text,
        format=kind,
        title=title,
        pages=pages,
        sections=sections,
        blocks=blocks,
        metadata=json.loads(metadata),
        warnings=tuple(json.loads(warnings)),
        encoding=encoding,
    )


def document_by_path(
    connection: sqlite3.Connection, path: str
) -> tuple[StoredDocument, Document] | None:
    """The document with this display path."""
    found = stored_document(connection, path)
    return None if found is None else (found, document(connection, found.id))


def stored_document(connection: sqlite3.Connection, path: str) -> StoredDocument | None:
    """What is known of the document with this display path, without its text."""
    row = connection.execute(_DOCUMENT + " WHERE path = ?", (path,)).fetchone()
    return None if row is None else _document(row)


def chunks(connection: sqlite3.Connection, chunk_ids: Sequence[int]) -> list[StoredChunk]:
    """Chunks in the order of their ids as given; those that are gone are left out."""
    rows = connection.execute(
        _CHUNK_AMONG,
        (json.dumps([int(number) for number in chunk_ids]),),
    )
    found = {row[0]: _chunk(row) for row in rows}
    return [found[chunk_id] for chunk_id in map(int, chunk_ids) if chunk_id in found]


def texts_with(connection: sqlite3.Connection, signs: Sequence[str]) -> list[str]:
    """The texts of the chunks that hold any of some pieces of text; ASCII letters in either case."""
    rows = connection.execute(
        "SELECT text FROM chunks JOIN documents ON documents.id = document_id WHERE "  # noqa: S608 - our own conditions
        + " OR ".join(["text LIKE '%' || ? || '%'"] * len(signs))
        + " ORDER BY path, position",
        tuple(signs),
    )
    return [row[0] for row in rows]


def places(connection: sqlite3.Connection, chunk_ids: Sequence[int]) -> dict[int, ChunkPlace]:
    """Where chunks stand; those that are gone are left out."""
    rows = connection.execute(
        "SELECT chunks.id, document_id, path, title, documents.chunks, page, text"
        " FROM chunks JOIN documents ON documents.id = document_id"
        " WHERE chunks.id IN (SELECT value FROM json_each(?))",
        (json.dumps([int(number) for number in chunk_ids]),),
    )
    return {row[0]: ChunkPlace(*row[1:]) for row in rows}


def in_order_of_place(connection: sqlite3.Connection, chunk_ids: Sequence[int]) -> list[int]:
    """Chunks by the display path of their document and their position there; those that are there."""
    rows = connection.execute(
        "SELECT chunks.id FROM chunks JOIN documents ON documents.id = document_id"
        " WHERE chunks.id IN (SELECT value FROM json_each(?)) ORDER BY path, position",
        (json.dumps([int(number) for number in chunk_ids]),),
    )
    return [row[0] for row in rows]


def chunks_on_pages(
    connection: sqlite3.Connection, document_ids: Sequence[int], pages: Sequence[int]
) -> list[int]:
    """Ids of the chunks of some documents that begin on some pages, ascending."""
    rows = connection.execute(
        "SELECT id FROM chunks WHERE document_id IN (SELECT value FROM json_each(?))"
        " AND page IN (SELECT value FROM json_each(?)) ORDER BY id",
        (json.dumps(list(document_ids)), json.dumps(list(pages))),
    )
    return [row[0] for row in rows]


def chunks_of(connection: sqlite3.Connection, document_id: int) -> list[StoredChunk]:
    """All chunks of a document in order."""
    rows = connection.execute(_CHUNK + " WHERE document_id = ? ORDER BY position", (document_id,))
    return [_chunk(row) for row in rows]


def counts(connection: sqlite3.Connection) -> Counts:
    """Totals, kept up to date by every transaction."""
    row = connection.execute(
        "SELECT documents, failures, chunks, vectors, characters FROM state"
    ).fetchone()
    return Counts(*row)


def _document(row: Sequence[Any]) -> StoredDocument:
    decoded = (
        *row[:2],
        from_stored(row[2]),
        *row[3:-2],
        {} if row[-2] == "{}" else json.loads(row[-2]),
        () if row[-1] == "[]" else tuple(json.loads(row[-1])),
    )
    return StoredDocument(*decoded)


def _chunk(row: Sequence[Any]) -> StoredChunk:
    decoded = (*row[:-1], () if row[-1] == "[]" else tuple(json.loads(row[-1])))
    return StoredChunk(*decoded)
