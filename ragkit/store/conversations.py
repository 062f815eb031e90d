"""Sessions with their turns, and traces: small rows that any process may add at any time."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence

from ragkit.events.traces import StoredTrace
from ragkit.store.paths import storable
from ragkit.store.records import SessionInfo, Turn

TRACES_KEPT = 1000


def add_turns(connection: sqlite3.Connection, session: str, turns: Sequence[Turn]) -> None:
    """Append to a session, which begins with its first turn."""
    now = time.time()
    (session_id,) = connection.execute(
        "INSERT INTO sessions (name, created_at, updated_at) VALUES (?1, ?2, ?2)"
        " ON CONFLICT (name) DO UPDATE SET updated_at = ?2 RETURNING id",
        (storable(session), now),
    ).fetchone()
    connection.executemany(
        "INSERT INTO turns (session_id, role, content, trace, citations, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        [
            (
                session_id,
                storable(turn.role),
                storable(turn.content),
                turn.trace,
                storable(turn.citations_json),
                turn.created_at,
            )
            for turn in turns
        ],
    )


def turns(connection: sqlite3.Connection, session: str, limit: int | None = None) -> list[Turn]:
    """The turns of a session, oldest first; with a limit, the newest so many."""
    rows = connection.execute(
        "SELECT role, content, trace, citations, turns.created_at FROM turns"
        " JOIN sessions ON sessions.id = session_id WHERE name = ?"
        " ORDER BY turns.id DESC LIMIT ?",
        (storable(session), -1 if limit is None else max(0, limit)),
    ).fetchall()
    return [Turn(*row) for row in reversed(rows)]


def sessions(connection: sqlite3.Connection) -> list[SessionInfo]:
    """All sessions, the one last used first."""
    rows = connection.execute(
        "SELECT name, (SELECT count(*) FROM turns WHERE session_id = sessions.id),"
        " created_at, updated_at FROM sessions ORDER BY updated_at DESC, id DESC"
    )
    return [SessionInfo(*row) for row in rows]


def delete_session(connection: sqlite3.Connection, session: str) -> bool:
    """Delete a session with its turns, all that was made of them, and its traces.

    What is deleted is overwritten in the file; say whether there was anything.
    """
    connection.execute("PRAGMA secure_delete = ON")
    name = storable(session)
    its_traces = (
        "SELECT trace FROM turns JOIN sessions ON sessions.id = session_id WHERE name = ?1"
        " UNION SELECT trace FROM trace_sessions WHERE session = ?1"
    )
    deleted = 0
    # Which traces are the session's is read off the last of these tables.
    for table, column in (("cached_answers", "trace"), ("traces", "id")):
        deleted += connection.execute(
            f"DELETE FROM {table} WHERE {column} IN ({its_traces})",  # noqa: S608 - our own names
            (name,),
        ).rowcount
    connection.execute("DELETE FROM question_vectors")  # whose they are is not known
    deleted += connection.execute("DELETE FROM sessions WHERE name = ?", (name,)).rowcount
    return bool(deleted)


def rename_session(connection: sqlite3.Connection, session: str, name: str) -> bool:
    """Give a session another name, unless there is one of that name; say whether it has it now."""
    old, new = storable(session), storable(name)
    there = connection.execute("SELECT 1 FROM sessions WHERE name = ?", (new,)).fetchone()
    if there is not None:
        return False
    renamed = connection.execute("UPDATE sessions SET name = ? WHERE name = ?", (new, old)).rowcount
    connection.execute("UPDATE trace_sessions SET session = ? WHERE session = ?", (new, old))
    return bool(renamed)


def put_trace(
    connection: sqlite3.Connection,
    trace_id: str,
    kind: str,
    started_at: float,
    seconds: float,
    body_json: str,
    *,
    sessions: Iterable[str] = (),
) -> None:
    """Store a trace, which goes with its ``sessions``, and forget the oldest past so many for good."""
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute(
        "INSERT OR REPLACE INTO traces (id, kind, started_at, seconds, body)"
        " VALUES (?, ?, ?, ?, ?)",
        (trace_id, kind, started_at, seconds, storable(body_json)),
    )
    connection.executemany(
        "INSERT OR IGNORE INTO trace_sessions (trace, session) VALUES (?, ?)",
        [(trace_id, storable(session)) for session in sessions],
    )
    connection.execute(
        "DELETE FROM traces WHERE id IN"
        " (SELECT id FROM traces ORDER BY started_at DESC LIMIT -1 OFFSET ?)",
        (TRACES_KEPT,),
    )


def delete_traces(connection: sqlite3.Connection, trace_ids: Sequence[str] | None = None) -> int:
    """Delete traces by their ids, or (``None``) all, overwriting them; return how many."""
    connection.execute("PRAGMA secure_delete = ON")
    if trace_ids is None:
        return connection.execute("DELETE FROM traces").rowcount
    return sum(
        connection.execute("DELETE FROM traces WHERE id = ?", (trace_id,)).rowcount
        for trace_id in trace_ids
    )


def trace(connection: sqlite3.Connection, trace_id: str) -> StoredTrace | None:
    """One trace by its id."""
    row = connection.execute(
        "SELECT id, kind, started_at, seconds, body FROM traces WHERE id = ?", (trace_id,)
    ).fetchone()
    return None if row is None else StoredTrace(*row)


def traces_beginning(connection: sqlite3.Connection, beginning: str) -> list[StoredTrace]:
    """The traces whose id begins with ``beginning``, at most two of them."""
    rows = connection.execute(
        "SELECT id, kind, started_at, seconds, body FROM traces WHERE substr(id, 1, ?) = ? LIMIT 2",
        (len(beginning), beginning),
    )
    return [StoredTrace(*row) for row in rows]


def traces(connection: sqlite3.Connection, limit: int = 20) -> list[StoredTrace]:
    """The newest traces, newest first."""
    rows = connection.execute(
        "SELECT id, kind, started_at, seconds, body FROM traces"
        " ORDER BY started_at DESC, rowid DESC LIMIT ?",
        (max(0, limit),),
    )
    return [StoredTrace(*row) for row in rows]
