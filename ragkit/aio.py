"""The calls of a knowledge base for async applications: those of :mod:`ragkit.kb`, awaiting.

They are the same functions, run in a greenlet of the event loop: what waits for a language model gives
the loop back, and what works the processor goes to threads; see :mod:`ragkit.events.awaiting`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Protocol, Unpack

from ragkit.events.awaiting import awaited, spawned, worked

if TYPE_CHECKING:
    from ragkit.chat import AskOptions
    from ragkit.results import Answer, Hit, StreamEvent
    from ragkit.retrieve.filters import WhereMapping
    from ragkit.run.options import SearchOptions


class Asked(Protocol):
    """What can be searched and asked, such as a :class:`ragkit.KnowledgeBase`."""

    def search(
        self, question: str, *, where: WhereMapping | None = None, **options: Unpack[SearchOptions]
    ) -> list[Hit]:
        """Find passages."""
        ...

    def ask(
        self, question: str, *, where: WhereMapping | None = None, **options: Unpack[AskOptions]
    ) -> Answer:
        """Answer a question."""
        ...

    def stream(
        self, question: str, *, where: WhereMapping | None = None, **options: Unpack[AskOptions]
    ) -> Iterator[StreamEvent]:
        """Answer a question piece by piece."""
        ...


async def asearch(
    self: Asked,
    question: str,
    *,
    where: WhereMapping | None = None,
    **options: Unpack[SearchOptions],
) -> list[Hit]:
    """Like ``search``; the event loop goes on meanwhile."""
    return await spawned(worked(self.search), question, where=where, **options)


async def aask(
    self: Asked,
    question: str,
    *,
    where: WhereMapping | None = None,
    **options: Unpack[AskOptions],
) -> Answer:
    """Like ``ask``; cancelling it ends the model's reply, and closes the connection to its server."""
    return await spawned(self.ask, question, where=where, **options)


def astream(
    self: Asked,
    question: str,
    *,
    where: WhereMapping | None = None,
    **options: Unpack[AskOptions],
) -> AsyncIterator[StreamEvent]:
    """Like ``stream``; closing or cancelling it ends the model's reply, as in :func:`aask`."""
    return awaited(lambda: self.stream(question, where=where, **options))
