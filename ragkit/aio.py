"""The calls of a knowledge base for async applications: those of :mod:`ragkit.kb`, in threads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Protocol, Unpack

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
    """Like ``search``, in a worker thread."""
    from asyncio import to_thread

    return await to_thread(self.search, question, where=where, **options)


async def aask(
    self: Asked,
    question: str,
    *,
    where: WhereMapping | None = None,
    **options: Unpack[AskOptions],
) -> Answer:
    """Like ``ask``, in a worker thread."""
    from asyncio import to_thread

    return await to_thread(self.ask, question, where=where, **options)


async def astream(
    self: Asked,
    question: str,
    *,
    where: WhereMapping | None = None,
    **options: Unpack[AskOptions],
) -> AsyncIterator[StreamEvent]:
    """Like ``stream``, each step in a worker thread."""
    from asyncio import to_thread

    events = self.stream(question, where=where, **options)
    while (event := await to_thread(next, events, None)) is not None:
        yield event
