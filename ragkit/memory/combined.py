"""Several memories of one session as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragkit.errors import EmbeddingError, UsageError
from ragkit.llm.token_counts import count_tokens
from ragkit.memory.log import SessionLog, SessionView
from ragkit.memory.memory import Memory, Note, Recall

if TYPE_CHECKING:
    from collections.abc import Sequence


class Told(SessionView):
    """A memory of somebody else's, which is told of each turn that comes into the session."""

    def __init__(self, log: SessionLog, memory: Memory) -> None:
        """Tell ``memory`` of the turns from now on; what was said before it knows itself."""
        super().__init__(log)
        self.memory = memory
        self._told = len(log.turns())

    def recall(self, question: str, *, max_tokens: int = 1_000) -> Recall:
        """Return what it recalls."""
        return self.memory.recall(question, max_tokens=max_tokens)

    def catch_up(self) -> None:
        """Tell it of the questions, with their answers, that are new to it."""
        turns = self.log.turns()
        new = turns[self._told if self._told <= len(turns) else 0 :]
        self._told = len(turns)
        question = ""
        for turn in new:
            if turn.role == "assistant":
                self.memory.remember(question, turn.content)
            else:
                question = turn.content


class CombinedMemory(SessionView):
    """Recalls with each of several memories, in their order, within one budget.

    The first is given what it wants of the whole budget; each next one what is left. Notes that
    rest only on turns that are recalled whole are left out, and no text comes twice. What was
    recalled last is in ``recalled``.
    """

    def __init__(self, memories: Sequence[SessionView]) -> None:
        """Combine ``memories``, which must be of one session."""
        if not memories:
            raise UsageError("there is no memory to combine")
        sessions = {memory.log.session for memory in memories}
        if len(sessions) > 1:
            raise UsageError(
                f"memories of different sessions cannot be combined: {sorted(sessions)}"
            )
        super().__init__(memories[0].log)
        self.memories = tuple(memories)
        self.recalled: Recall | None = None

    def recall(self, question: str, *, max_tokens: int = 1_000) -> Recall:
        """Return what all memories recall, in at most ``max_tokens`` tokens."""
        whole: Recall = Recall()
        notes: list[Note] = []
        degraded: list[str] = []
        left = max_tokens
        for place, memory in enumerate(self.memories):
            # A memory that comes first must leave room for those behind it.
            share = left if place == len(self.memories) - 1 else max(left // 2, 1)
            try:
                found = memory.recall(question, max_tokens=share)
            except EmbeddingError as error:
                degraded.append(f"old turns were not looked for: {error}")
                continue
            degraded += found.degraded
            if found.turns and not whole.turns:
                whole = found
                left -= sum(count_tokens(turn.content) for turn in found.turns)
            known = {note.text for note in notes}
            fresh = [
                note
                for note in found.notes
                if note.text not in known
                and not (note.turns and set(note.turns) <= set(whole.numbers))
            ]
            notes += fresh
            left = max(0, left - sum(count_tokens(note.text) for note in fresh))
        self.recalled = Recall(whole.turns, tuple(notes), whole.numbers, tuple(degraded))
        return self.recalled

    def catch_up(self) -> None:
        """Let every memory take in the turns it has not read yet."""
        for memory in self.memories:
            memory.catch_up()


def combine(*memories: SessionView) -> CombinedMemory:
    """Return several memories of one session as one; see :class:`CombinedMemory`."""
    return CombinedMemory(memories)
