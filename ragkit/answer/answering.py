"""From a question to an answer, with all that saves time and money on the way.

Rules answer what needs no documents, the cache what was asked before; the rest goes to the answer
chain, whose tokens and costs are counted, kept, and held within the user's limits.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ragkit.answer.answer_cache import AnswerCache, Scope, file_state
from ragkit.answer.calibration import load_calibration
from ragkit.answer.chain import Resources, answer_stream
from ragkit.answer.draft import EXTRACTIVE, Draft
from ragkit.answer.routes import Routed, route
from ragkit.errors import RagkitError, UsageError
from ragkit.events import Listener, Notice, span
from ragkit.events.awaiting import worked
from ragkit.llm import asking
from ragkit.llm.meter import Limit, Meter
from ragkit.question.reading import read_question
from ragkit.results import Answer, Hit, Sources, StreamEvent, TextDelta, Usage
from ragkit.store.records import Spent

if TYPE_CHECKING:
    from ragkit.answer.candidates import DocumentOf
    from ragkit.answer.found import Retrieve
    from ragkit.answer.settings import AnswerSettings
    from ragkit.embed.embedder import Embedder
    from ragkit.llm.chat_model import ChatModel
    from ragkit.llm.meter import Budget
    from ragkit.question.question import Question
    from ragkit.retrieve.presence import Presence
    from ragkit.store import Store

RULES = "rules"


@dataclass(frozen=True, slots=True)
class Request:
    """A question and how it is to be answered.

    Attributes:
        where: The filter, as it was given.
        models: What answers, the cheapest first: names, or objects. ``("extractive",)`` is none.
        session: The conversation it belongs to, whose budget counts.
        notes: What is remembered of that conversation besides its turns.
    """

    question: Question
    where: Mapping[str, Any] | None
    models: tuple[str | ChatModel, ...]
    settings: AnswerSettings
    base_url: str | None = None
    session: str | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Means:
    """What answering needs: the base and its parts, each made when first needed.

    Attributes:
        retrieve: Finds passages for a question.
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


def ask(request: Request, means: Means, *, trace: str) -> Iterator[StreamEvent]:
    """Answer a question: first its sources, then text, then the whole answer."""
    started = time.perf_counter()
    clock = _clock_from(started)
    routed = _route(request, means)
    if routed is not None:
        draft = Draft(RULES, trace, clock)
        yield Sources(())
        yield TextDelta(routed.text)
        yield draft.answer(routed.text, (), sure=True)
        return
    cache = _cache(request, means)
    kept = worked(cache.find)(request.settings.similar) if cache is not None else None
    if kept is not None:
        yield Sources(kept.hits)
        yield TextDelta(kept.answer.text)
        seconds = time.perf_counter() - started
        yield replace(kept.answer, cached=True, usage=Usage(cost=0.0), seconds=seconds, trace=trace)
        return
    resources = _resources(request, means)
    hits: tuple[Hit, ...] = ()
    try:
        question = _rewritten(request.question, resources.models)
        for event in answer_stream(question, resources, trace=trace, clock=clock):
            if isinstance(event, Sources):
                hits = event.hits
            elif isinstance(event, Answer) and cache is not None:
                worked(cache.keep)(event, hits)
            yield event
    finally:
        _note_spending(resources.meter, trace, means)


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


def _route(request: Request, means: Means) -> Routed | None:
    if not request.settings.route:
        return None
    found = route(request.question.text, means.documents)
    if found is not None:
        with span("route", "chain", rule=found.rule):
            pass
    return found


@worked
def _cache(request: Request, means: Means) -> AnswerCache | None:
    """The answers that may be given to this question again, if any may."""
    settings, question = request.settings, request.question
    names = [each for each in request.models if isinstance(each, str)]
    # Nothing tells one model object from another of the same name.
    if not settings.cache or not means.records or len(names) < len(request.models):
        return None
    try:
        scope = Scope(
            base=means.store.base,
            state=means.store.answer_state(),
            where=json.dumps(request.where, sort_keys=True, default=str) if request.where else "",
            history=tuple((turn["role"], turn["content"]) for turn in question.history),
            notes=tuple(request.notes),
            models=tuple(file_state(name) for name in names),
            base_url=request.base_url or "",
            settings=(
                settings.mode,
                settings.verify,
                str(settings.context_tokens),
                repr(settings.budget),
            ),
        )
    except RagkitError as error:
        means.listener(Notice(f"the cache could not be read: {error}"))
        return None
    return AnswerCache(
        question, scope, store=means.store, embedder=means.embedder, listener=means.listener
    )


def _resources(request: Request, means: Means) -> Resources:
    calibration, outdated = load_calibration(means.store)
    degraded = [outdated] if outdated else []
    meter = Meter(request.settings.prices, _limits(request, means.store, degraded))
    models = [means.chat_model(each) for each in request.models]
    return Resources(
        retrieve=means.retrieve,
        embedder=means.embedder,
        models=[meter.metered(m, base_url=request.base_url) for m in models if m is not None],
        meter=meter,
        notes=request.notes,
        document_of=means.document_of,
        presence=means.presence,
        calibration=calibration,
        settings=request.settings,
        degraded=degraded,
    )


def _rewritten(question: Question, models: Sequence[ChatModel]) -> Question:
    """Let the first model say a question that refers back so that it stands alone."""
    if not models or not question.history or not question.refers_back:
        return question
    return read_question(question.text, question.history, ask=asking(models[0]))


def _limits(request: Request, store: Store, notes: list[str]) -> list[Limit]:
    settings = request.settings
    limits = [Limit(settings.budget)] if settings.budget is not None else []
    owners: list[tuple[Budget | None, str, str | None]] = [
        (settings.base_budget, "the knowledge base", None)
    ]
    if request.session is not None:
        owners.append((settings.session_budget, f"session {request.session!r}", request.session))
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
