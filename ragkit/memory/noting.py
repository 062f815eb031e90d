"""What memories that note things down have in common: reading on from where they stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ragkit.store.records import MemoryFact, MemoryView, NumberedTurn

if TYPE_CHECKING:
    from ragkit.memory.log import SessionLog

Noted = Callable[[Sequence["NumberedTurn"]], Sequence["MemoryFact"]]


def note_new_turns(log: SessionLog, kind: str, noted: Noted) -> None:
    """Let ``noted`` read the turns that the memory ``kind`` has not read yet, and keep its facts.

    Another process may read the same turns at the same time; the facts of whoever is done first
    are kept.
    """
    seen = log.store.memory_view(log.session, kind)
    new = [turn for turn in log.turns() if turn.id > seen.last_turn]
    if new:
        facts = noted(new)
        log.store.put_memory_view(
            log.session,
            kind,
            before=seen.last_turn,
            view=MemoryView(new[-1].id, seen.body),
            facts=facts,
        )


def numbers_of(log: SessionLog) -> dict[int, int]:
    """Map the ids of a session's turns to their numbers."""
    return {turn.id: turn.number for turn in log.turns()}
