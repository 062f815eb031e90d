"""A conversation that is kept in the knowledge base."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Unpack

from ragkit.events import isolated, new_trace_id
from ragkit.events.traces import note_answer
from ragkit.results import Answer

if TYPE_CHECKING:
    from ragkit.answer.settings import AnswerOptions
    from ragkit.answering import AnsweringBase, StreamEvent
    from ragkit.memory import CombinedMemory, Recall
    from ragkit.opened import Model
    from ragkit.retrieve.filters import WhereMapping

MEMORY_TOKENS = 2_000


class Chat:
    """Ask follow-up questions; the turns so far are taken into account and kept.

    Several processes may go on with one session at the same time: each question and its answer
    are kept together, and each next question sees all that were kept before it.
    """

    def __init__(
        self,
        kb: AnsweringBase,
        session: str,
        *,
        memory: CombinedMemory,
        model: Model | Sequence[Model] | None = None,
    ) -> None:
        """Continue the conversation named ``session``, or begin it."""
        self._kb = kb
        self._session = session
        self.memory = memory
        self.model = model

    @property
    def session(self) -> str:
        """The conversation's name."""
        return self._session

    @property
    def recalled(self) -> Recall | None:
        """What was remembered for the last question, and why."""
        return self.memory.recalled

    @property
    def history(self) -> list[dict[str, str]]:
        """The turns so far, oldest first: ``{"role": …, "content": …}``."""
        return [{"role": turn.role, "content": turn.content} for turn in self.memory.log.turns()]

    def ask(
        self,
        question: str,
        *,
        where: WhereMapping | None = None,
        **options: Unpack[AnswerOptions],
    ) -> Answer:
        """Answer a question in the light of the conversation, and keep both turns."""
        for event in self.stream(question, where=where, **options):
            if isinstance(event, Answer):
                return event
        raise AssertionError("the stream ended without an answer")

    def stream(
        self,
        question: str,
        *,
        where: WhereMapping | None = None,
        **options: Unpack[AnswerOptions],
    ) -> Iterator[StreamEvent]:
        """Like :meth:`ask`, piece by piece. Turns are kept once the answer is complete.

        What was remembered for it, and why, is in ``recalled`` afterwards.
        """
        return isolated(self._stream(question, where, options))

    def _stream(
        self, question: str, where: WhereMapping | None, options: AnswerOptions
    ) -> Generator[StreamEvent, None, None]:
        answer: Answer | None = None
        with self._kb._traced(
            "chat",
            "answer",
            trace=new_trace_id(),
            inputs={"question": question},
            session=self._session,
        ) as step:
            recall = self.memory.recall(question, max_tokens=MEMORY_TOKENS)
            for event in self._kb.stream(
                question,
                where=where,
                history=[{"role": turn.role, "content": turn.content} for turn in recall.turns],
                notes=[note.text for note in recall.notes],
                model=self.model,
                session=self._session,
                **options,
            ):
                if isinstance(event, Answer):
                    self._keep(question, event)
                    answer = replace(event, degraded=(*recall.degraded, *event.degraded))
                    note_answer(step, answer)
                else:
                    yield event
        if answer is not None:
            yield answer

    def _keep(self, question: str, answer: Answer) -> None:
        from ragkit.store.records import Turn

        citations = json.dumps([asdict(each) for each in answer.citations], ensure_ascii=False)
        now = time.time()
        log = self.memory.log
        log.store.add_turns(
            self._session,
            [
                Turn("user", question, None, "[]", now),
                Turn("assistant", answer.text, answer.trace, citations, now),
            ],
        )
        self.memory.catch_up()

    def clear(self) -> None:
        """Delete the conversation, with all that was remembered of it."""
        self._kb.delete_session(self._session)
