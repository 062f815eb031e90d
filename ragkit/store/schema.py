"""The tables of the truth, and how they came to be: numbered migrations.

``PRAGMA user_version`` holds the number of the last migration applied. Migrations are only ever
appended; each runs in one transaction, so a base is always at one version or the next.

Two things are worth knowing of the tables. A distinct ``prefix + text`` has one row in
``embeddings`` and at most one vector, which all chunks with that text share, so that an edit
embeds only what it changed. And ``changes`` is the log from which the two views catch up: each
row is a range of chunk ids that must be looked at again.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable

from ragkit.store import heading_filter as headings

APPLICATION_ID = 0x52414B54

_BASE = """
CREATE TABLE settings (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One row: totals that would be slow to count, and the last number given to a change or chunk.
CREATE TABLE state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    sequence INTEGER NOT NULL DEFAULT 0,
    pruned INTEGER NOT NULL DEFAULT 0,
    last_chunk INTEGER NOT NULL DEFAULT 0,
    documents INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    chunks INTEGER NOT NULL DEFAULT 0,
    vectors INTEGER NOT NULL DEFAULT 0,
    characters INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO state (id) VALUES (1);

-- folder: absolute; empty for the root of documents that were added without a file
CREATE TABLE roots (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    folder TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('folder', 'file'))
) STRICT;

CREATE TABLE documents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    root_id INTEGER NOT NULL REFERENCES roots (id),
    relative_path TEXT NOT NULL,
    path TEXT NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    format TEXT NOT NULL,
    title TEXT,
    encoding TEXT,
    pages INTEGER NOT NULL,
    chunks INTEGER NOT NULL,
    first_chunk INTEGER NOT NULL,
    characters INTEGER NOT NULL,
    added_at REAL NOT NULL,
    metadata TEXT NOT NULL,
    warnings TEXT NOT NULL,
    UNIQUE (root_id, relative_path)
) STRICT;
CREATE INDEX documents_by_path ON documents (path);
CREATE INDEX documents_by_relative_path ON documents (relative_path);

CREATE TABLE contents (
    document_id INTEGER PRIMARY KEY REFERENCES documents (id) ON DELETE CASCADE,
    text TEXT NOT NULL,
    layout TEXT NOT NULL
) STRICT;

CREATE TABLE failures (
    root_id INTEGER NOT NULL REFERENCES roots (id),
    relative_path TEXT NOT NULL,
    path TEXT NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    sha256 TEXT,
    reason TEXT NOT NULL,
    failed_at REAL NOT NULL,
    PRIMARY KEY (root_id, relative_path)
) STRICT, WITHOUT ROWID;
CREATE INDEX failures_by_path ON failures (path);
CREATE INDEX failures_by_relative_path ON failures (relative_path);

-- key: BLAKE2b-128 of prefix + text in UTF-8
CREATE TABLE embeddings (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE
) STRICT;

-- vector: float16, little-endian, unit length
CREATE TABLE vectors (
    embedding_id INTEGER PRIMARY KEY REFERENCES embeddings (id) ON DELETE CASCADE,
    vector BLOB NOT NULL
) STRICT;

-- A document's chunks are numbered without gaps from documents.first_chunk; no id is used twice.
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY,
    document_id INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    embedding_id INTEGER NOT NULL REFERENCES embeddings (id),
    key TEXT NOT NULL,
    position INTEGER NOT NULL,
    start_offset INTEGER NOT NULL,
    end_offset INTEGER NOT NULL,
    page INTEGER,
    heading TEXT NOT NULL,
    prefix TEXT NOT NULL,
    text TEXT NOT NULL,
    tokens INTEGER NOT NULL,
    UNIQUE (document_id, position)
) STRICT;
CREATE INDEX chunks_by_embedding ON chunks (embedding_id);

-- Chunks that have no vector yet: the queue of the embedder.
CREATE TABLE pending (
    chunk_id INTEGER PRIMARY KEY REFERENCES chunks (id) ON DELETE CASCADE,
    embedding_id INTEGER NOT NULL REFERENCES embeddings (id)
) STRICT;
CREATE INDEX pending_by_embedding ON pending (embedding_id);

-- kind: 'chunks' (came or went), 'vectors' (got one), 'words' (title or file name changed)
CREATE TABLE changes (
    sequence INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('chunks', 'vectors', 'words')),
    first_chunk INTEGER NOT NULL,
    last_chunk INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL
) STRICT;

CREATE TABLE turns (
    id INTEGER PRIMARY KEY,
    session_id INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    content TEXT NOT NULL,
    trace TEXT,
    citations TEXT NOT NULL,
    created_at REAL NOT NULL
) STRICT;
CREATE INDEX turns_by_session ON turns (session_id, id);

CREATE TABLE traces (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    started_at REAL NOT NULL,
    seconds REAL NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX traces_by_time ON traces (started_at);
"""

# Memories are views of a session's turns: each notes the last turn it has taken in, and goes when
# the session goes.
_MEMORY = """
CREATE TABLE memory_views (
    session_id INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    last_turn INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (session_id, kind)
) STRICT, WITHOUT ROWID;

-- kind: the memory that noted it; relation is empty where something was only mentioned
CREATE TABLE memory_facts (
    id INTEGER PRIMARY KEY,
    session_id INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    turn_id INTEGER NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    relation TEXT NOT NULL,
    object TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX memory_facts_by_session ON memory_facts (session_id, kind, id);
CREATE INDEX memory_facts_by_turn ON memory_facts (turn_id);

-- alone: the turn by itself; following: with the turn before it; float16, little-endian, unit length
CREATE TABLE memory_vectors (
    turn_id INTEGER NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
    model TEXT NOT NULL,
    alone BLOB NOT NULL,
    following BLOB NOT NULL,
    PRIMARY KEY (turn_id, model)
) STRICT, WITHOUT ROWID;
"""

# Nothing here is needed: an answer can be given again, a question embedded again.
_ANSWERS = """
-- key: BLAKE2b-256 of all that an answer depends on; scope: of all of that but the question;
-- vector: the question's, float16, little-endian, unit length
CREATE TABLE cached_answers (
    key BLOB PRIMARY KEY,
    scope BLOB NOT NULL,
    question TEXT NOT NULL,
    vector BLOB,
    body TEXT NOT NULL,
    trace TEXT NOT NULL,
    used_at REAL NOT NULL
) STRICT;
CREATE INDEX cached_answers_by_scope ON cached_answers (scope, used_at);
CREATE INDEX cached_answers_by_use ON cached_answers (used_at);
CREATE INDEX cached_answers_by_trace ON cached_answers (trace);

-- key: BLAKE2b-256 of model and text; vector: float32, little-endian
CREATE TABLE question_vectors (
    key BLOB PRIMARY KEY,
    vector BLOB NOT NULL,
    used_at REAL NOT NULL
) STRICT;
CREATE INDEX question_vectors_by_use ON question_vectors (used_at);

-- One row for each model that took part in an answer; cost is NULL where no price is known.
CREATE TABLE spending (
    id INTEGER PRIMARY KEY,
    trace TEXT NOT NULL,
    at REAL NOT NULL,
    model TEXT NOT NULL,
    calls INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cost REAL
) STRICT;
CREATE INDEX spending_by_trace ON spending (trace);
CREATE INDEX turns_by_trace ON turns (trace);
"""

# A question that failed, or that nobody waited for, leaves a trace but no turn: this says whose
# it was, so that it is deleted with the session.
_TRACE_SESSIONS = """
CREATE TABLE trace_sessions (
    trace TEXT NOT NULL REFERENCES traces (id) ON DELETE CASCADE,
    session TEXT NOT NULL,
    PRIMARY KEY (trace, session)
) STRICT, WITHOUT ROWID;
CREATE INDEX trace_sessions_by_session ON trace_sessions (session);
"""

# plain: as filters compare it, see where.plain_text(); a span is a range of chunks that hold text
# under the heading. The index has all that filters on types and dates ask for.
_FILTERS = """
CREATE TABLE headings (
    id INTEGER PRIMARY KEY,
    plain TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE heading_spans (
    heading_id INTEGER NOT NULL REFERENCES headings (id),
    first_chunk INTEGER NOT NULL,
    last_chunk INTEGER NOT NULL,
    PRIMARY KEY (heading_id, first_chunk)
) STRICT, WITHOUT ROWID;
CREATE INDEX heading_spans_by_chunk ON heading_spans (first_chunk);

CREATE INDEX documents_for_filters ON documents (first_chunk, chunks, format, mtime_ns);
"""


def _fill_headings(connection: sqlite3.Connection) -> None:
    headings.fill(connection)


# What people asked and were told, rather than what the documents say.
ABOUT_PEOPLE = (
    "sessions",
    "turns",
    "traces",
    "trace_sessions",
    "memory_views",
    "memory_facts",
    "memory_vectors",
    "cached_answers",
    "question_vectors",
    "spending",
)

MIGRATIONS: tuple[tuple[str, Callable[[sqlite3.Connection], None] | None], ...] = (
    (_BASE, None),
    (_MEMORY, None),
    (_ANSWERS, None),
    (_TRACE_SESSIONS, None),
    (_FILTERS, _fill_headings),
)
VERSION = len(MIGRATIONS)


def migrate(connection: sqlite3.Connection, *, upto: int = VERSION) -> None:
    """Bring the tables to version ``upto``, in one transaction.

    Other processes may try the same at the same time: the version is read again inside.
    ``connection`` must be in autocommit mode (``isolation_level=None``).
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        for script, fill in MIGRATIONS[version:upto]:
            for statement in _statements(script):
                connection.execute(statement)
            if fill is not None:
                fill(connection)
        if version == 0:
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(
                "INSERT INTO settings (key, value) VALUES ('base', ?)", (uuid.uuid4().hex,)
            )
        if version < upto:
            connection.execute(f"PRAGMA user_version = {upto}")
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def _statements(script: str) -> list[str]:
    """Split a script; ``executescript`` would commit the open transaction first."""
    statements: list[str] = []
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            statements.append(pending)
            pending = ""
    return statements
