"""From a question to an answer, with all that saves time and money on the way.

Rules answer what needs no documents, the cache what was asked before; the rest goes to the answer
chain, whose tokens and costs are counted, kept, and held within the user's limits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ragkit.answer.answer_cache import (
    Kept,
    Scope,
    is_repeated,
    keep,
    recall,
    recall_similar,
    scope_of,
)
from ragkit.answer.calibration import load_calibration
from ragkit.answer.chain import answer_stream
from ragkit.answer.draft import EXTRACTIVE, Draft
from ragkit.answer.routes import Routed, route
from ragkit.errors import EmbeddingError, RagkitError, UsageError
from ragkit.events import Listener, Notice, span
from ragkit.llm.meter import Limit, Meter
from ragkit.results import Answer, Hit, Sources, StreamEvent, TextDelta, Usage
from ragkit.retrieve.search import check_question
from ragkit.store.records import Spent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragkit.answer.candidates import DocumentOf
    from ragkit.answer.found import Retrieve
    from ragkit.answer.settings import AnswerSettings
    from ragkit.embed.embedder import Embedder
    from ragkit.llm.chat_model import ChatModel
    from ragkit.llm.meter import Budget
    from ragkit.retrieve.presence import Presence
    from ragkit.store import Store

RULES = "rules"


@dataclass(frozen=True, slots=True)
class Question:
    """A question and how it is to be answered.

    Attributes:
        models: What answers, the cheapest first: names, or objects. ``("extractive",)`` is none.
        session: The conversation it belongs to, whose budget counts.
        notes: What is remembered of that conversation besides its ``history``.
    """

    text: str
    where: Mapping[str, Any] | None
    history: Sequence[Mapping[str, str]]
    models: tuple[str | ChatModel, ...]
    settings: AnswerSettings
    base_url: str | None = None
    session: str | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Means:
    """What answering needs: the base and its parts, each made when first needed.

    Attributes:
        retrieve: Finds passages for a text, with ``k=`` as many as that; with ``history=``, for a
            text that refers back, and with ``model=``, one that may say it anew.
        records: Whether content may be kept in the base.
        documents: Gives the paths of the documents that the question is about.
        presence: Looks words up in these documents.
    """

    store: Store
    retrieve: Retrieve
    embedder: Callable[[], Embedder]
    chat_model: Callable[[str | ChatModel], ChatModel | None]
    document_of: DocumentOf
    documents: Callable[[], Sequence[str]]
    presence: Presence
    records: bool
    listener: Listener


def ask(question: Question, means: Means, *, trace: str) -> Iterator[StreamEvent]:
    """Answer a question: first its sources, then text, then the whole answer.

    Raises:
        UsageError: there is no question, or an endless one.
    """
    question = replace(question, text=check_question(question.text))
    started = time.perf_counter()
    routed = _route(question, means)
    if routed is not None:
        draft = Draft(RULES, trace, _clock_from(started))
        yield Sources(())
        yield TextDelta(routed.text)
        yield draft.answer(routed.text, ())
        return
    cache = _Cache(question, means)
    kept = cache.find()
    if kept is not None:
        yield Sources(kept.hits)
        yield TextDelta(kept.answer.text)
        seconds = time.perf_counter() - started
        yield replace(kept.answer, cached=True, usage=Usage(cost=0.0), seconds=seconds, trace=trace)
        return
    notes: list[str] = []
    calibration, outdated = load_calibration(means.store)
    notes += [outdated] if outdated else []
    meter = Meter(question.settings.prices, _limits(question, means.store, notes))
    models = [
        model for model in (means.chat_model(each) for each in question.models) if model is not None
    ]
    reader = meter.metered(models[0], base_url=question.base_url) if models else None
    hits: tuple[Hit, ...] = ()
    try:
        for event in answer_stream(
            question.text,
            retrieve=partial(means.retrieve, history=question.history, model=reader),
            search=means.retrieve,
            embedder=means.embedder,
            model=models,
            history=question.history,
            notes=question.notes,
            document_of=means.document_of,
            calibration=calibration,
            presence=means.presence,
            settings=question.settings,
            meter=meter,
            base_url=question.base_url,
            degraded=notes,
            trace=trace,
            clock=_clock_from(started),
        ):
            if isinstance(event, Sources):
                hits = event.hits
            elif isinstance(event, Answer):
                cache.keep(event, hits)
            yield event
    finally:
        _note_spending(meter, trace, means)


def models_of(
    model: str | ChatModel | Sequence[str | ChatModel],
) -> tuple[str | ChatModel, ...]:
    """Return a model, or several, the cheapest first, as a tuple.

    Raises:
        UsageError: none, or extractive among others.
    """
    if isinstance(model, str) or not isinstance(model, Sequence):
        return (model,)
    if not model or (len(model) > 1 and EXTRACTIVE in model):
        raise UsageError(f"model must be one model or several language models, not {list(model)!r}")
    return tuple(model)


def model_names(models: Sequence[str | ChatModel]) -> str:
    """Return the models' names, for people."""
    return " → ".join(each if isinstance(each, str) else each.name for each in models)


def total(spent: Mapping[str, Spent]) -> Spent:
    """Add up what several models spent."""
    parts = spent.values()
    costs = [part.cost for part in parts]
    return Spent(
        answers=max((part.answers for part in parts), default=0),
        calls=sum(part.calls for part in parts),
        input_tokens=sum(part.input_tokens for part in parts),
        output_tokens=sum(part.output_tokens for part in parts),
        cost=sum(cost for cost in costs if cost is not None) if None not in costs else None,
        known_cost=sum(part.known_cost for part in parts),
    )


def _clock_from(started: float) -> Callable[[], float]:
    """A clock whose first reading is ``started``, so that an answer's time includes what was before."""
    first = [started]
    return lambda: first.pop() if first else time.perf_counter()


def _route(question: Question, means: Means) -> Routed | None:
    if not question.settings.route:
        return None
    found = route(question.text, means.documents)
    if found is not None:
        with span("route", "chain", rule=found.rule):
            pass
    return found


def _limits(question: Question, store: Store, notes: list[str]) -> list[Limit]:
    settings = question.settings
    limits = [Limit(settings.budget)] if settings.budget is not None else []
    owners: list[tuple[Budget | None, str, str | None]] = [
        (settings.base_budget, "the knowledge base", None)
    ]
    if question.session is not None:
        owners.append((settings.session_budget, f"session {question.session!r}", question.session))
    for budget, owner, session in owners:
        if budget is None:
            continue
        spent = total(store.spending(session))
        if spent.cost is None and budget.cost is not None:
            notes.append(
                f"what some earlier answers of {owner} cost is not known, and does not count "
                "towards its budget"
            )
        used = Usage(spent.input_tokens, spent.output_tokens, spent.known_cost)
        limits.append(Limit(budget, owner, used))
    return limits


def _note_spending(meter: Meter, trace: str, means: Means) -> None:
    rows = [
        (name, Spent(1, calls, usage.input_tokens, usage.output_tokens, usage.cost))
        for name, (calls, usage) in meter.by_model.items()
    ]
    if not rows or means.store.read_only:
        return
    try:
        means.store.put_spending(trace, rows)
    except RagkitError as error:
        means.listener(Notice(f"what was spent could not be noted: {error}"))


class _Cache:
    """The answers given before, as far as they may be used and kept for one question."""

    def __init__(self, question: Question, means: Means) -> None:
        self._question = question
        self._means = means
        self._scope: Scope | None = None
        self._vector: NDArray[np.float32] | None = None
        names = [each for each in question.models if isinstance(each, str)]
        settings = question.settings
        # Nothing tells one model object from another of the same name.
        if not settings.cache or not means.records or len(names) < len(question.models):
            return
        try:
            self._scope = scope_of(
                means.store,
                where=question.where,
                history=question.history,
                notes=question.notes,
                models=names,
                base_url=question.base_url,
                settings=[
                    settings.mode,
                    settings.verify,
                    str(settings.context_tokens),
                    repr(settings.budget),
                ],
            )
        except RagkitError as error:
            means.listener(Notice(f"the cache could not be read: {error}"))

    def find(self) -> Kept | None:
        scope, text = self._scope, self._question.text
        if scope is None:
            return None
        with span("cache", "cache") as step:
            kept = self._recalled(scope, text)
            step.set(hit=kept is not None)
            if kept is None and is_repeated(text, scope):
                with span("route", "chain", rule="repeated question"):
                    kept = self._recalled(scope.before_last_turn(), scope.history[-2][1])
                step.set(hit=kept is not None, repeated=True)
            if kept is None and self._question.settings.similar is not None:
                kept = self._similar(scope, text)
                step.set(hit=kept is not None, similar=kept is not None)
            if kept is not None:
                step.set(outputs={"question": kept.question, "trace": kept.answer.trace})
        return kept

    def keep(self, answer: Answer, hits: Sequence[Hit]) -> None:
        # What went wrong this time may go right the next.
        if self._scope is None or answer.degraded or self._means.store.read_only:
            return
        text, store = self._question.text, self._means.store
        # Documents may have changed while the answer was being made.
        if store.answer_state() != self._scope.state:
            return
        try:
            keep(store, self._scope, answer, hits, text, self._vector)
        except RagkitError as error:
            self._means.listener(Notice(f"the answer could not be kept: {error}"))

    def _recalled(self, scope: Scope, text: str) -> Kept | None:
        try:
            return recall(self._means.store, scope.question_key(text))
        except RagkitError as error:
            self._means.listener(Notice(f"the cache could not be read: {error}"))
            return None

    def _similar(self, scope: Scope, text: str) -> Kept | None:
        least = self._question.settings.similar
        try:
            self._vector = self._means.embedder().embed([text], kind="query")[0]
        except EmbeddingError:
            return None  # the answer will say so
        found = recall_similar(self._means.store, scope, text, self._vector, least or 1.0)
        if found is None:
            return None
        kept, likeness = found
        note = (
            f"this is the answer to an earlier question like it ({likeness:.2f}): {kept.question!r}"
        )
        return replace(kept, answer=replace(kept.answer, degraded=(*kept.answer.degraded, note)))
