"""The part of the store's façade that keeps sessions, their memories, and traces."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from ragkit.events.traces import StoredTrace
from ragkit.store import conversations, memories
from ragkit.store.connections import Connections
from ragkit.store.records import (
    MemoryFact,
    MemoryView,
    NumberedTurn,
    SessionInfo,
    Turn,
    TurnVectors,
)


class ConversationStore(Connections):
    """Sessions, memories and traces: small rows that any process may add at any time."""

    def add_turn(
        self,
        session: str,
        role: str,
        content: str,
        *,
        trace: str | None = None,
        citations_json: str = "[]",
    ) -> None:
        """Append a message to a session, which begins with its first message."""
        self.add_turns(session, [Turn(role, content, trace, citations_json, time.time())])

    def add_turns(self, session: str, turns: Sequence[Turn]) -> None:
        """Append messages, all of them or none, with nobody else's in between."""
        with self._transaction() as connection:
            conversations.add_turns(connection, session, turns)

    def turns(self, session: str, limit: int | None = None) -> list[Turn]:
        """Return a session's messages, oldest first; with a limit, the newest so many."""
        with self._reading() as connection:
            return conversations.turns(connection, session, limit)

    def sessions(self) -> list[SessionInfo]:
        """Return all sessions, the one last used first."""
        with self._reading() as connection:
            return conversations.sessions(connection)

    def delete_session(self, session: str) -> bool:
        """Delete a session with all that was made of it; say whether there was one.

        Its text is overwritten in the file, and in the write-ahead log as soon as no other process
        is reading.
        """
        with self._transaction() as connection:
            deleted = conversations.delete_session(connection, session)
        if deleted:
            self._empty_log()
        return deleted

    def _empty_log(self) -> None:
        with self._reading() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    # What memories keep of a session; see ragkit.memory

    def numbered_turns(self, session: str, after: int = 0) -> tuple[float, list[NumberedTurn]]:
        """Return when a session began (0.0 if there is none) and its turns after an id."""
        with self._snapshot() as connection:
            return memories.numbered_turns(connection, session, after)

    def memory_view(self, session: str, kind: str) -> MemoryView:
        """Return how far a memory of a session has read, and what it made of it."""
        with self._reading() as connection:
            return memories.view(connection, session, kind)

    def put_memory_view(
        self,
        session: str,
        kind: str,
        *,
        before: int,
        view: MemoryView,
        facts: Sequence[MemoryFact] = (),
    ) -> bool:
        """Move a memory on from turn ``before``; false if another process did so first."""
        with self._transaction() as connection:
            return memories.put_view(
                connection, session, kind, before=before, view=view, facts=facts
            )

    def memory_facts(self, session: str, kind: str) -> list[MemoryFact]:
        """Return what a memory noted, oldest first."""
        with self._reading() as connection:
            return memories.facts(connection, session, kind)

    def put_turn_vectors(self, model: str, vectors: Sequence[TurnVectors]) -> None:
        """Keep vectors of turns, made by the embedder ``model``."""
        with self._transaction(durable=False) as connection:
            memories.put_vectors(connection, model, vectors)

    def turn_vectors(self, session: str, model: str, after: int = 0) -> list[TurnVectors]:
        """Return the vectors of a session's turns after an id, oldest first."""
        with self._reading() as connection:
            return memories.vectors(connection, session, model, after)

    def put_trace(
        self,
        trace_id: str,
        kind: str,
        started_at: float,
        seconds: float,
        body_json: str,
        *,
        sessions: Iterable[str] = (),
    ) -> None:
        """Store a trace, which goes with its ``sessions``; only the newest thousand are kept."""
        with self._transaction(durable=False) as connection:
            record = StoredTrace(trace_id, kind, started_at, seconds, body_json)
            conversations.put_trace(connection, record, sessions)

    def delete_traces(self, trace_ids: Sequence[str] | None = None) -> int:
        """Delete traces, by default all, as :meth:`delete_session` deletes; return how many."""
        with self._transaction() as connection:
            deleted = conversations.delete_traces(connection, trace_ids)
        if deleted:
            self._empty_log()
        return deleted

    def trace(self, trace_id: str) -> StoredTrace | None:
        """Return a trace by its id."""
        with self._reading() as connection:
            return conversations.trace(connection, trace_id)

    def traces_beginning(self, beginning: str) -> list[StoredTrace]:
        """Return the traces whose id begins with ``beginning``, at most two of them."""
        with self._reading() as connection:
            return conversations.traces_beginning(connection, beginning)

    def traces(self, limit: int = 20) -> list[StoredTrace]:
        """Return the newest traces, newest first."""
        with self._reading() as connection:
            return conversations.traces(connection, limit)
