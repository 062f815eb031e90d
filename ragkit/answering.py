"""What a knowledge base does with questions: finds passages, answers, talks, remembers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

from ragkit.events import current_trace, isolated, new_trace_id, span
from ragkit.opened import Model, OpenedBase
from ragkit.results import Answer, Hit, SearchResult, Sources, TextDelta, Usage
from ragkit.retrieve.filters import WhereMapping, parse_where
from ragkit.store.tracing import note_answer, note_search

if TYPE_CHECKING:
    from ragkit.agent import Tool
    from ragkit.answer.answering import Request
    from ragkit.answer.settings import AnswerOptions
    from ragkit.chat import Chat
    from ragkit.llm.chat_model import ChatModel
    from ragkit.memory import CombinedMemory, Memory
    from ragkit.question.question import Question
    from ragkit.retrieve.search import Mode
    from ragkit.retrieve.stages import StageOptions
    from ragkit.store.records import Spent

StreamEvent = Sources | TextDelta | Answer
Turns = Sequence[Mapping[str, str]]

ANSWER_HITS = 12


class AnsweringBase(OpenedBase):
    """The half of :class:`ragkit.KnowledgeBase` that answers."""

    # -- finding ------------------------------------------------------------------------------

    def search(
        self,
        question: str,
        *,
        k: int = 10,
        where: WhereMapping | None = None,
        history: Turns | None = None,
        mode: Mode = "hybrid",
        **options: Unpack[StageOptions],
    ) -> list[Hit]:
        """Find the ``k`` best passages; see :meth:`retrieve`, which also says how it went."""
        result = self.retrieve(question, k=k, where=where, history=history, mode=mode, **options)
        return list(result.hits)

    def retrieve(
        self,
        question: str,
        *,
        k: int = 10,
        where: WhereMapping | None = None,
        history: Turns | None = None,
        mode: Mode = "hybrid",
        **options: Unpack[StageOptions],
    ) -> SearchResult:
        """Find the ``k`` best passages, with what was degraded and the time of each stage.

        Args:
            question: Any text of at most 100,000 characters.
            k: How many passages at most.
            where: Exact filter, such as ``{"path": "*.pdf", "date": ">=2024"}``; see
                :func:`ragkit.retrieve.filters.parse_where`.
            history: Earlier turns, oldest first: ``[{"role": "user", "content": "…"}, …]``.
            mode: ``"hybrid"``, ``"dense"`` (meaning only) or ``"lexical"`` (words only).
            **options: Stages beyond the defaults: ``rerank``, ``expand``, ``diversity``, ``by``,
                ``context_tokens``, ``model``, ``explain``, ``quoting``; see
                :class:`ragkit.retrieve.stages.StageOptions`.

        Raises:
            UsageError: an empty question, a bad filter, mode, ``k``, entry of ``history`` or other
                option.
        """
        from ragkit.retrieve.search import search
        from ragkit.retrieve.stages import make_stages

        model = options.pop("model", None)
        ask = None
        if model is not None:
            from ragkit.llm import asking

            ask = asking(self._chat_model(model))
        with span(
            "search", "retrieval", inputs={"question": question}, k=k, where=where, mode=mode
        ) as step:
            result = search(
                self._indexes(),
                question,
                embedder=self._question_embedder,
                k=k,
                where=parse_where(where),
                history=history,
                mode=mode,
                stages=make_stages(options, ask),
            )
            note_search(step, result)
            return result

    # -- asking -------------------------------------------------------------------------------

    def ask(
        self,
        question: str,
        *,
        where: WhereMapping | None = None,
        history: Turns | None = None,
        model: Model | Sequence[Model] | None = None,
        session: str | None = None,
        **options: Unpack[AnswerOptions],
    ) -> Answer:
        """Answer ``question`` from the documents, with checked citations, or refuse and say why.

        See :meth:`stream` for the arguments.
        """
        for event in self.stream(
            question, where=where, history=history, model=model, session=session, **options
        ):
            if isinstance(event, Answer):
                return event
        raise AssertionError("the stream ended without an answer")

    def stream(
        self,
        question: str,
        *,
        where: WhereMapping | None = None,
        history: Turns | None = None,
        model: Model | Sequence[Model] | None = None,
        session: str | None = None,
        notes: Sequence[str] = (),
        **options: Unpack[AnswerOptions],
    ) -> Iterator[StreamEvent]:
        """Answer piece by piece: first the sources, then text, then the whole :class:`Answer`.

        The final answer's text may differ from the pieces: citations that do not exist are
        removed, the others renumbered.

        Args:
            question: What to answer.
            where: Exact filter, as for :meth:`retrieve`.
            history: Earlier turns, oldest first, as for :meth:`retrieve`.
            model: What answers, or several, the cheapest first: an answer of one that is not sure
                is given up for that of the next. Default: the one given on opening.
            session: The conversation whose budget counts.
            notes: What is remembered beside the ``history``; a language model is shown them, as
                data.
            **options: Fields of :class:`ragkit.AnswerSettings` that are to differ this time, such
                as ``mode="compare"`` or ``cache=False``.

        Raises:
            UsageError: a bad question, filter, entry of ``history`` or option.
        """
        from ragkit.answer.answering import Request, models_of
        from ragkit.question.reading import read_question

        settings = replace(self._answers, **options) if options else self._answers
        models = models_of(self._model if model is None else model)
        asked = Request(
            read_question(question, history),
            where,
            models,
            settings,
            self._base_url,
            session,
            notes,
        )
        return isolated(self._stream(asked))

    def _stream(self, asked: Request) -> Generator[StreamEvent, None, None]:
        from ragkit.answer.answering import Means, ask
        from ragkit.retrieve.presence import Presence

        trace = current_trace() or new_trace_id()
        means = Means(
            store=self._store(),
            retrieve=lambda question, k=ANSWER_HITS: self._passages(question, k, asked.where),
            embedder=self._question_embedder,
            chat_model=self._chat_model,
            document_of=self._document_of,
            documents=lambda: [
                document.path for document in self._store().documents(parse_where(asked.where))
            ],
            presence=Presence(self._indexes(), self._question_embedder, parse_where(asked.where)),
            records=self._tracing.level == "full",
            listener=self._listener,
        )
        answer: Answer | None = None
        of_session = {} if asked.session is None else {"session": asked.session}
        with self._traced(
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

    def _passages(self, question: Question, k: int, where: WhereMapping | None) -> SearchResult:
        """Find passages to answer from."""
        from ragkit.retrieve.search import search
        from ragkit.retrieve.stages import Stages

        rewrite = question.rewrite
        with span(
            "search",
            "retrieval",
            inputs={"question": question.text},
            k=k,
            where=where,
            mode="hybrid",
        ) as step:
            result = search(
                self._indexes(),
                question.text,
                embedder=self._question_embedder,
                k=k,
                where=parse_where(where),
                history=question.history,
                stages=Stages(ask=None if rewrite is None else lambda _: rewrite, quoting=True),
            )
            note_search(step, result)
            return result

    def usage(self, session: str | None = None) -> dict[str, Spent]:
        """Return what language models read, wrote and cost so far, by model.

        Args:
            session: Only in this conversation; default: in all.
        """
        return self._store().spending(session)

    def note_usage(
        self, model: str, usage: Usage, *, calls: int = 1, trace: str | None = None
    ) -> None:
        """Count what an agent, or a program of yours, used towards :meth:`usage`.

        A base that may only be read counts nothing.

        Args:
            model: The model's name.
            usage: What it read and wrote; its cost, where it is not known, by the price list.
            calls: How often it was asked.
            trace: Identifier of what it was used for, which says to which conversation it belongs.
        """
        if self.read_only:
            return
        from ragkit.llm.prices import price_of
        from ragkit.store.records import Spent

        cost = usage.cost
        if cost is None and (price := price_of(model)) is not None:
            cost = price.of(usage)
        spent = Spent(1, calls, usage.input_tokens, usage.output_tokens, cost)
        self._store().put_spending(trace or new_trace_id(), [(model, spent)])

    def clear_cache(self) -> int:
        """Forget all answers that are kept for the next time; return how many there were."""
        return self._store().clear_answer_cache()

    def chat(
        self,
        session: str = "default",
        *,
        model: Model | Sequence[Model] | None = None,
        memory: str | Memory | Sequence[str | Memory] = ("window",),
    ) -> Chat:
        """Open a conversation that is kept in the base under the name ``session``.

        Args:
            session: Its name; one that exists goes on.
            model: What answers; default: the base's.
            memory: What is remembered of it: kinds; what :meth:`memory` returned, which may
                have a model that writes summaries and notes; or any object of the protocol
                :class:`ragkit.memory.Memory`.

        Raises:
            UsageError: the session has no name, an unknown kind of memory, or the memory is of
                another session.
            ReadOnlyError: the base may only be read, so that nothing can be kept in it.
        """
        self._store().require_writable("a conversation")
        from ragkit.chat import Chat

        return Chat(self, session, model=model, memory=self.memory(session, kinds=memory))

    def memory(
        self,
        session: str,
        *,
        kinds: str | Memory | Sequence[str | Memory] = ("window", "turns"),
        model: str | ChatModel | None = None,
    ) -> CombinedMemory:
        """Return the memory of a session, for an agent or a chain.

        Args:
            session: Its name; it need not exist yet.
            kinds: What is recalled, in this order: ``"window"`` (the last turns), ``"summary"``,
                ``"entities"``, ``"graph"`` (relations), ``"turns"`` (old turns like the question),
                or objects of the protocol :class:`ragkit.memory.Memory`.
            model: A language model that writes summaries and notes; without one, rules do.

        Raises:
            UsageError: the session has no name, or an unknown kind.
        """
        from ragkit.memory import make_memory

        return make_memory(
            self._store(),
            session,
            kinds=kinds,
            embedder=self._question_embedder,
            model=self._chat_model(model) if model is not None else None,
        )

    def delete_session(self, session: str) -> bool:
        """Delete a conversation with all memories and traces of it; say whether there was one."""
        return self._store().delete_session(session)

    def as_tool(
        self, *, name: str = "search_kb", description: str | None = None, k: int = 6
    ) -> Tool:
        """Make the base a tool that an agent searches it with; passages come with their places.

        Args:
            name: What models call it by; set it where an agent has several bases.
            description: What is to be found here, for the model.
            k: How many passages a search returns unless the model asks for another number.
        """
        from ragkit.agent.tools import search_kb_tool

        return search_kb_tool(
            lambda query, passages, where: self.retrieve(query, k=passages, where=where),
            name=name,
            description=description,
            k=k,
        )

    # -- the same, for async applications -----------------------------------------------------

    async def asearch(self, question: str, **options: Any) -> list[Hit]:
        """Like :meth:`search`, in a worker thread."""
        from asyncio import to_thread

        return await to_thread(self.search, question, **options)

    async def aask(self, question: str, **options: Any) -> Answer:
        """Like :meth:`ask`, in a worker thread."""
        from asyncio import to_thread

        return await to_thread(self.ask, question, **options)

    async def astream(self, question: str, **options: Any) -> AsyncIterator[StreamEvent]:
        """Like :meth:`stream`, each step in a worker thread."""
        from asyncio import to_thread

        events = self.stream(question, **options)
        while (event := await to_thread(next, events, None)) is not None:
            yield event
