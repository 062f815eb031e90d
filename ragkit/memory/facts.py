"""Memories that note facts: read on from where they stopped, by a model or by rules."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from ragkit.errors import ModelError
from ragkit.events import OpenSpan, span
from ragkit.llm.token_counts import count_tokens
from ragkit.memory.log import SessionLog, SessionView
from ragkit.memory.memory import Note, Recall
from ragkit.store.records import MemoryFact, MemoryView, NumberedTurn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ragkit.llm.chat_model import ChatModel


class FactMemory(SessionView):
    """Notes the facts that turns state, and recalls those that bear on a question.

    With a model they are its extracts; without one, or where it fails, those of rules, and the
    next recall says so.
    """

    kind: ClassVar[str]
    name: ClassVar[str]
    noted: ClassVar[str]  # what is noted, for messages

    def __init__(self, log: SessionLog, *, model: ChatModel | None = None) -> None:
        """Note what is said in the session of ``log``, with the help of ``model`` if given."""
        super().__init__(log)
        self._model = model
        self._degraded: list[str] = []

    @abstractmethod
    def _by_model(self, model: ChatModel, turns: Sequence[NumberedTurn]) -> Iterable[MemoryFact]:
        """Have ``model`` extract the facts of ``turns``."""

    @abstractmethod
    def _by_rules(self, turns: Sequence[NumberedTurn]) -> Iterable[MemoryFact]:
        """Read the facts off ``turns``."""

    @abstractmethod
    def _fitting(self, question: str) -> Iterable[Note]:
        """Yield what bears on ``question``, the best first."""

    def recall(self, question: str, *, max_tokens: int = 1_000) -> Recall:
        """Return what bears on the question, the best first, as much as fits ``max_tokens``."""
        with span(
            self.name, "memory", inputs={"question": question}, session=self.log.session
        ) as step:
            self.catch_up()
            notes = tuple(_within(self._fitting(question), max_tokens))
            degraded, self._degraded = tuple(dict.fromkeys(self._degraded)), []
            note_recall(step, notes)
            return Recall(notes=notes, degraded=degraded)

    def catch_up(self) -> None:
        """Note what the turns say that have not been read yet.

        Another process may read the same turns at the same time; the facts of whoever is done
        first are kept.
        """
        seen = self.log.store.memory_view(self.log.session, self.kind)
        new = [turn for turn in self.log.turns() if turn.id > seen.last_turn]
        if new:
            self.log.store.put_memory_view(
                self.log.session,
                self.kind,
                before=seen.last_turn,
                view=MemoryView(new[-1].id, seen.body),
                facts=self._facts_in(new),
            )

    def facts(self) -> Sequence[MemoryFact]:
        """Return all that is noted, oldest first."""
        return self.log.store.memory_facts(self.log.session, self.kind)

    def _numbers(self) -> dict[int, int]:
        """The numbers of the session's turns, by their ids."""
        return {turn.id: turn.number for turn in self.log.turns()}

    def _facts_in(self, turns: Sequence[NumberedTurn]) -> list[MemoryFact]:
        if self._model is not None:
            try:
                return list(self._by_model(self._model, turns))
            except ModelError as error:
                self._degraded.append(f"{self.noted} were noted by rules: {error}")
        return list(self._by_rules(turns))


def note_recall(step: OpenSpan, notes: Sequence[Note]) -> None:
    """Put what was recalled, and why, into a memory's span."""
    step.set(
        outputs={"notes": [{"text": note.text, "why": note.why} for note in notes]},
        notes=len(notes),
    )


def _within(notes: Iterable[Note], max_tokens: int) -> Iterator[Note]:
    for note in notes:
        max_tokens -= count_tokens(note.text)
        if max_tokens < 0:
            return
        yield note
