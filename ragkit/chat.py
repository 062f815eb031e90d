"""A conversation that is kept in the knowledge base."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from ragkit.errors import UsageError
from ragkit.results import Answer

if TYPE_CHECKING:
    from ragkit.kb import KnowledgeBase, StreamEvent
    from ragkit.retrieve.filters import WhereMapping
    from ragkit.store import Store


class Chat:
    """Ask follow-up questions; the turns so far are taken into account and kept."""

    def __init__(
        self, kb: KnowledgeBase, store: Store, session: str, *, model: str | None = None
    ) -> None:
        """Continue the conversation named ``session``, or begin it."""
        if not session.strip():
            raise UsageError("a session needs a name")
        self._kb = kb
        self._store = store
        self._session = session
        self.model = model

    @property
    def session(self) -> str:
        """The conversation's name."""
        return self._session

    @property
    def history(self) -> list[dict[str, str]]:
        """The turns so far, oldest first: ``{"role": …, "content": …}``."""
        return [
            {"role": turn.role, "content": turn.content}
            for turn in self._store.turns(self._session)
        ]

    def ask(self, question: str, *, where: WhereMapping | None = None) -> Answer:
        """Answer a question in the light of the conversation, and keep both turns."""
        for event in self.stream(question, where=where):
            if isinstance(event, Answer):
                return event
        raise AssertionError("the stream ended without an answer")

    def stream(self, question: str, *, where: WhereMapping | None = None) -> Iterator[StreamEvent]:
        """Like :meth:`ask`, piece by piece. Turns are kept once the answer is complete."""
        events = self._kb.stream(question, where=where, history=self.history, model=self.model)
        for event in events:
            if isinstance(event, Answer):
                citations = json.dumps(
                    [asdict(citation) for citation in event.citations], ensure_ascii=False
                )
                self._store.add_turn(self._session, "user", question)
                self._store.add_turn(
                    self._session,
                    "assistant",
                    event.text,
                    trace=event.trace,
                    citations_json=citations,
                )
            yield event

    def clear(self) -> None:
        """Delete the conversation."""
        self._store.delete_session(self._session)
