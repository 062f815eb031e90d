"""Asking an open base: one question, or a conversation that is kept in it."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Unpack

from ragkit.answer.answering import Means, Request, ask, models_of
from ragkit.answer.settings import AnswerOptions
from ragkit.errors import NotInBaseError
from ragkit.events import current_trace, isolated, new_trace_id
from ragkit.events.awaiting import awaited, blocking, spawned, worked
from ragkit.events.traces import note_answer
from ragkit.llm.prices import price_of
from ragkit.memory import CombinedMemory, Memory, make_memory
from ragkit.question.reading import read_question
from ragkit.results import Answer, StreamEvent, Usage
from ragkit.retrieve.filters import parse_where
from ragkit.retrieve.presence import Presence
from ragkit.run.options import Model, Turns, check_keywords
from ragkit.store.records import Spent, Turn

if TYPE_CHECKING:
    from ragkit.memory import Recall
    from ragkit.retrieve.filters import WhereMapping
    from ragkit.run.opened import Opened
    from ragkit.store import Store

ANSWER_HITS = 12
MEMORY_TOKENS = 2_000


class SayOptions(AnswerOptions, total=False):
    """How to answer: fields of :class:`ragkit.AnswerSettings` that are to differ, and

    Attributes:
        notes: What is remembered beside the ``history``; a language model is shown them, as data.
    """

    notes: Sequence[str]


class AskOptions(SayOptions, total=False):
    """All that an answer takes beside its question and filter.

    Attributes:
        history: Earlier turns, oldest first: ``[{"role": "user", "content": "…"}, …]``.
        model: What answers, or several, the cheapest first: an answer of one that is not sure is
            given up for that of the next. Default: the one given on opening.
        session: The conversation whose budget counts.
    """

    history: Turns | None
    model: Model | Sequence[Model] | None
    session: str | None


def answer(base: Opened, question: str, where: WhereMapping | None, options: AskOptions) -> Answer:
    """Answer a question; see :meth:`ragkit.KnowledgeBase.ask`."""
    check_keywords("KnowledgeBase.ask", options, AskOptions)
    return _final(answer_events(base, question, where, options))


def answer_events(
    base: Opened, question: str, where: WhereMapping | None, options: AskOptions
) -> Iterator[StreamEvent]:
    """Answer piece by piece; see :meth:`ragkit.KnowledgeBase.stream`."""
    check_keywords("KnowledgeBase.stream", options, AskOptions)
    base.store()  # which says at once that there is none
    settings: dict[str, Any] = {**options}
    history, model = settings.pop("history", None), settings.pop("model", None)
    session, notes = settings.pop("session", None), settings.pop("notes", ())
    asked = Request(
        worked(read_question)(question, history),
        where,
        models_of(base.model if model is None else model),
        replace(base.answers, **settings),
        base.base_url,
        session,
        notes,
    )
    return isolated(_answer(base, asked))


def _final(events: Iterator[StreamEvent]) -> Answer:
    """Return the answer that a stream ends with."""
    for event in events:
        if isinstance(event, Answer):
            return event
    raise AssertionError("the stream ended without an answer")


def _answer(base: Opened, asked: Request) -> Generator[StreamEvent, None, None]:
    trace = current_trace() or new_trace_id()
    where = parse_where(asked.where)
    store = base.store()
    means = Means(
        store=store,
        retrieve=lambda question, k=ANSWER_HITS: base.passages(question, k, asked.where),
        embedder=base.question_embedder,
        chat_model=base.chat_model,
        document_of=base.document_of,
        documents=lambda: [document.path for document in store.documents(where)],
        presence=Presence(base.indexes(), base.question_embedder, where),
        records=base.records,
        listener=base.listener,
    )
    answer: Answer | None = None
    of_session = {} if asked.session is None else {"session": asked.session}
    with base.traced(
        "ask", "answer", trace=trace, inputs={"question": asked.question.text}, **of_session
    ) as step:
        for event in ask(asked, means, trace=trace):
            if isinstance(event, Answer):
                note_answer(step, event)
                answer = event
            else:
                yield event
    # The trace is kept by now: whoever has the answer can look it up, and may stop reading.
    if answer is not None:
        yield answer


class Chat:
    """Ask follow-up questions; the turns so far are taken into account and kept.

    Several processes may go on with one session at the same time: each question and its answer
    are kept together, and each next question sees all that were kept before it.
    :meth:`ragkit.KnowledgeBase.chat` makes one.
    """

    def __init__(
        self,
        base: Opened,
        session: str,
        *,
        memory: str | Memory | Sequence[str | Memory],
        model: Model | Sequence[Model] | None = None,
    ) -> None:
        """Continue the conversation named ``session``, or begin it.

        Raises:
            UsageError: the session has no name, or the memory is unknown or of another session.
            ReadOnlyError: the base may only be read, so that nothing can be kept in it.
        """
        base.store().require_writable("a conversation")
        self._base = base
        self._session = session
        self.memory = memory_of(base, session, memory)
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
        turns = self._base.store().turns(self._session)
        return [{"role": turn.role, "content": turn.content} for turn in turns]

    def ask(
        self,
        question: str,
        *,
        where: WhereMapping | None = None,
        **options: Unpack[AnswerOptions],
    ) -> Answer:
        """Answer a question in the light of the conversation, and keep both turns."""
        check_keywords("Chat.ask", options, AnswerOptions)
        return _final(self.stream(question, where=where, **options))

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
        check_keywords("Chat.stream", options, AnswerOptions)
        self._base.store()
        return isolated(self._stream(question, where, options))

    async def aask(
        self,
        question: str,
        *,
        where: WhereMapping | None = None,
        **options: Unpack[AnswerOptions],
    ) -> Answer:
        """Like :meth:`ask`; cancelling it ends the model's reply, and nothing of it is kept."""
        return await spawned(self.ask, question, where=where, **options)

    def astream(
        self,
        question: str,
        *,
        where: WhereMapping | None = None,
        **options: Unpack[AnswerOptions],
    ) -> AsyncIterator[StreamEvent]:
        """Like :meth:`stream`; closing or cancelling it ends the model's reply."""
        return awaited(lambda: self.stream(question, where=where, **options))

    def _stream(
        self, question: str, where: WhereMapping | None, options: AnswerOptions
    ) -> Generator[StreamEvent, None, None]:
        answer: Answer | None = None
        with self._base.traced(
            "chat",
            "answer",
            trace=new_trace_id(),
            inputs={"question": question},
            session=self._session,
        ) as step:
            recall = blocking(self.memory.recall)(question, max_tokens=MEMORY_TOKENS)
            asked: AskOptions = {
                **options,
                "history": [{"role": turn.role, "content": turn.content} for turn in recall.turns],
                "notes": [note.text for note in recall.notes],
                "model": self.model,
                "session": self._session,
            }
            for event in answer_events(self._base, question, where, asked):
                if isinstance(event, Answer):
                    blocking(self._keep)(question, event)
                    answer = replace(event, degraded=(*recall.degraded, *event.degraded))
                    note_answer(step, answer)
                else:
                    yield event
        if answer is not None:
            yield answer

    def _keep(self, question: str, answer: Answer) -> None:
        citations = json.dumps([asdict(each) for each in answer.citations], ensure_ascii=False)
        now = time.time()
        self._base.store().add_turns(
            self._session,
            [
                Turn("user", question, None, "[]", now),
                Turn("assistant", answer.text, answer.trace, citations, now),
            ],
        )
        self.memory.catch_up()

    def delete(self) -> None:
        """Delete the conversation, with all that was remembered of it.

        Raises:
            NotFoundError: nothing was said in it yet.
        """
        if not self._base.store().delete_session(self._session):
            raise NotInBaseError(f"nothing was said in the conversation {self._session!r} yet")


def memory_of(
    base: Opened,
    session: str,
    kinds: str | Memory | Sequence[str | Memory],
    model: Model | None = None,
) -> CombinedMemory:
    """Make the memory of a session; see :meth:`ragkit.KnowledgeBase.memory`."""
    return make_memory(
        base.store(),
        session,
        kinds=kinds,
        embedder=base.question_embedder,
        model=base.chat_model(model) if model is not None else None,
    )


def note_usage(store: Store, model: str, usage: Usage, calls: int, trace: str) -> None:
    """Count what was used; see :meth:`ragkit.KnowledgeBase.note_usage`."""
    if store.read_only:
        return
    cost = usage.cost
    if cost is None and (price := price_of(model)) is not None:
        cost = price.of(usage)
    spent = Spent(1, calls, usage.input_tokens, usage.output_tokens, cost)
    store.put_spending(trace, [(model, spent)])
