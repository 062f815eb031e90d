"""Answers given before, vectors of questions, and what was spent: rows that any process may add."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence

from ragkit.store.paths import storable
from ragkit.store.records import CachedAnswer, Spent

ANSWERS_KEPT = 2_000
VECTORS_KEPT = 5_000
# What is over is removed only now and then: each removal costs more than an addition.
_SLACK = 64
_SIMILAR_READ = 1_000


def state(connection: sqlite3.Connection) -> str:
    """Text that changes whenever the answer to a question might: documents, vectors, settings."""
    numbers = connection.execute("SELECT sequence, documents, failures FROM state").fetchone()
    settings = connection.execute(
        "SELECT key, value FROM settings WHERE key <> 'last_ingest' ORDER BY key"
    ).fetchall()
    return repr((numbers, settings))


def cached(connection: sqlite3.Connection, key: bytes) -> CachedAnswer | None:
    """The answer kept under a key."""
    row = connection.execute(
        "SELECT question, body, trace, vector FROM cached_answers WHERE key = ?", (key,)
    ).fetchone()
    return None if row is None else CachedAnswer(*row)


def cached_in(connection: sqlite3.Connection, scope: bytes) -> list[CachedAnswer]:
    """The answers of a scope whose questions have vectors, the last used first."""
    rows = connection.execute(
        "SELECT question, body, trace, vector FROM cached_answers"
        " WHERE scope = ? AND vector IS NOT NULL ORDER BY used_at DESC LIMIT ?",
        (scope, _SIMILAR_READ),
    )
    return [CachedAnswer(*row) for row in rows]


def put(connection: sqlite3.Connection, key: bytes, scope: bytes, answer: CachedAnswer) -> None:
    """Keep an answer, and forget those not used for longest past :data:`ANSWERS_KEPT`."""
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute(
        "INSERT OR REPLACE INTO cached_answers"
        " (key, scope, question, vector, body, trace, used_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            key,
            scope,
            storable(answer.question),
            answer.vector,
            storable(answer.body_json),
            answer.trace,
            time.time(),
        ),
    )
    _trim(connection, "cached_answers", ANSWERS_KEPT)


def touch(connection: sqlite3.Connection, key: bytes) -> None:
    """Note that an answer was of use again."""
    connection.execute("UPDATE cached_answers SET used_at = ? WHERE key = ?", (time.time(), key))


def clear(connection: sqlite3.Connection) -> int:
    """Forget all answers and vectors of questions; return how many answers there were."""
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("DELETE FROM question_vectors")
    return connection.execute("DELETE FROM cached_answers").rowcount


def question_vectors(connection: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, bytes]:
    """The vectors that are kept under some of ``keys``."""
    marks = ", ".join("?" * len(keys))
    rows = connection.execute(
        f"SELECT key, vector FROM question_vectors WHERE key IN ({marks})",  # noqa: S608 - only question marks
        list(keys),
    )
    return dict(rows.fetchall())


def put_question_vectors(
    connection: sqlite3.Connection, vectors: Sequence[tuple[bytes, bytes]]
) -> None:
    """Keep vectors of questions, and forget the oldest past :data:`VECTORS_KEPT`."""
    now = time.time()
    connection.executemany(
        "INSERT OR REPLACE INTO question_vectors (key, vector, used_at) VALUES (?, ?, ?)",
        [(key, vector, now) for key, vector in vectors],
    )
    _trim(connection, "question_vectors", VECTORS_KEPT)


def _trim(connection: sqlite3.Connection, table: str, most: int) -> None:
    (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - our own names
    if count > most + _SLACK:
        connection.execute(
            f"DELETE FROM {table} WHERE rowid IN"  # noqa: S608 - our own names
            f" (SELECT rowid FROM {table} ORDER BY used_at DESC LIMIT -1 OFFSET ?)",
            (most,),
        )


def put_spending(
    connection: sqlite3.Connection, trace: str, spent: Sequence[tuple[str, Spent]]
) -> None:
    """Add what each model spent on an answer."""
    connection.executemany(
        "INSERT INTO spending (trace, at, model, calls, input_tokens, output_tokens, cost)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                trace,
                time.time(),
                storable(model),
                part.calls,
                part.input_tokens,
                part.output_tokens,
                part.cost,
            )
            for model, part in spent
        ],
    )


def spending(connection: sqlite3.Connection, session: str | None = None) -> dict[str, Spent]:
    """What was spent in a session, or (``None``) in all, by model."""
    rows = connection.execute(
        "SELECT model, count(DISTINCT trace), sum(calls), sum(input_tokens), sum(output_tokens),"
        " CASE WHEN count(*) = count(cost) THEN sum(cost) END, coalesce(sum(cost), 0.0) FROM spending"
        " WHERE ?1 IS NULL OR trace IN (SELECT trace FROM turns"
        " JOIN sessions ON sessions.id = session_id WHERE name = ?1"
        " UNION SELECT trace FROM trace_sessions WHERE session = ?1)"
        " GROUP BY model ORDER BY model",
        (storable(session) if session is not None else None,),
    )
    return {model: Spent(*numbers) for model, *numbers in rows}
