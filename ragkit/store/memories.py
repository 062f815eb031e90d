"""What memories keep beside the turns of a session: digests, facts, vectors.

All of it is derived from turns, and is deleted with them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from ragkit.store.paths import storable
from ragkit.store.records import MemoryFact, MemoryView, NumberedTurn, TurnVectors


def numbered_turns(
    connection: sqlite3.Connection, session: str, after: int = 0
) -> tuple[float, list[NumberedTurn]]:
    """When a session began (0 if there is none), and its turns after the id ``after``."""
    found = connection.execute(
        "SELECT id, created_at FROM sessions WHERE name = ?", (storable(session),)
    ).fetchone()
    if found is None:
        return 0.0, []
    session_id, began = found
    (before,) = connection.execute(
        "SELECT count(*) FROM turns WHERE session_id = ? AND id <= ?", (session_id, after)
    ).fetchone()
    rows = connection.execute(
        "SELECT id, role, content, created_at FROM turns WHERE session_id = ? AND id > ?"
        " ORDER BY id",
        (session_id, after),
    )
    return began, [
        NumberedTurn(turn_id, number, role, content, created_at)
        for number, (turn_id, role, content, created_at) in enumerate(rows, start=before + 1)
    ]


def view(connection: sqlite3.Connection, session: str, kind: str) -> MemoryView:
    """What a memory of a session has taken in; nothing, where it has not begun."""
    row = connection.execute(
        "SELECT last_turn, body FROM memory_views JOIN sessions ON sessions.id = session_id"
        " WHERE name = ? AND kind = ?",
        (storable(session), kind),
    ).fetchone()
    return MemoryView(*row) if row is not None else MemoryView(0, "")


def put_view(
    connection: sqlite3.Connection,
    session: str,
    kind: str,
    *,
    before: int,
    view: MemoryView,
    facts: Sequence[MemoryFact] = (),
) -> bool:
    """Move a memory on from the turn ``before``, with the facts it noted on the way.

    Returns:
        False, with nothing changed, if another process moved it on first or the session is gone.
    """
    row = connection.execute(
        "SELECT sessions.id, coalesce(last_turn, 0) FROM sessions LEFT JOIN memory_views"
        " ON session_id = sessions.id AND kind = ?2 WHERE name = ?1",
        (storable(session), kind),
    ).fetchone()
    if row is None or row[1] != before:
        return False
    (session_id, _) = row
    there = connection.execute(
        "SELECT count(*) FROM turns WHERE session_id = ? AND id = ?", (session_id, view.last_turn)
    ).fetchone()
    if there != (1,):  # deleted and begun anew meanwhile
        return False
    connection.execute(
        "INSERT OR REPLACE INTO memory_views (session_id, kind, last_turn, body)"
        " VALUES (?, ?, ?, ?)",
        (session_id, kind, view.last_turn, storable(view.body)),
    )
    connection.executemany(
        "INSERT INTO memory_facts (session_id, turn_id, kind, subject, relation, object, text)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                session_id,
                fact.turn_id,
                kind,
                storable(fact.subject),
                storable(fact.relation),
                storable(fact.object),
                storable(fact.text),
            )
            for fact in facts
        ],
    )
    return True


def facts(connection: sqlite3.Connection, session: str, kind: str) -> list[MemoryFact]:
    """All facts that a memory of a session noted, oldest first."""
    rows = connection.execute(
        "SELECT turn_id, subject, relation, object, text FROM memory_facts"
        " JOIN sessions ON sessions.id = session_id WHERE name = ? AND kind = ?"
        " ORDER BY memory_facts.id",
        (storable(session), kind),
    )
    return [MemoryFact(*row) for row in rows]


def put_vectors(connection: sqlite3.Connection, model: str, vectors: Sequence[TurnVectors]) -> None:
    """Keep the vectors of turns; those of turns that are gone meanwhile are left out."""
    connection.executemany(
        "INSERT OR IGNORE INTO memory_vectors (turn_id, model, alone, following)"
        " SELECT id, ?2, ?3, ?4 FROM turns WHERE id = ?1",
        [(item.turn_id, model, item.alone, item.following) for item in vectors],
    )


def vectors(
    connection: sqlite3.Connection, session: str, model: str, after: int = 0
) -> list[TurnVectors]:
    """The vectors of a session's turns after the id ``after``, oldest first."""
    rows = connection.execute(
        "SELECT turn_id, alone, following FROM memory_vectors"
        " JOIN turns ON turns.id = turn_id JOIN sessions ON sessions.id = session_id"
        " WHERE name = ? AND model = ? AND turn_id > ? ORDER BY turn_id",
        (storable(session), model, after),
    )
    return [TurnVectors(*row) for row in rows]
