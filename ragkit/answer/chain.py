"""From a question to a checked answer: resolve, retrieve, decide, say, verify."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING

from ragkit.answer.abstain import Verdict, judge
from ragkit.answer.calibration import BUILT_IN, Calibration
from ragkit.answer.candidates import DocumentOf, candidates_of
from ragkit.answer.cascade import Cascade
from ragkit.answer.draft import EXTRACTIVE, Draft
from ragkit.answer.extractive import Extract, extract
from ragkit.answer.found import Found, Retrieve, find
from ragkit.answer.grouped import best_verdict, extract_each, extract_parts, rank_groups
from ragkit.answer.sentence_ranking import rank
from ragkit.answer.settings import AnswerSettings
from ragkit.answer.support import Evidence
from ragkit.answer.verify import verify_with_model
from ragkit.answer.writing import Writing
from ragkit.errors import ModelError
from ragkit.events import span
from ragkit.language import words
from ragkit.language.naming_languages import language_name
from ragkit.llm.meter import Meter
from ragkit.llm.token_counts import count_tokens
from ragkit.question.history import resolve
from ragkit.results import Sources, StreamEvent, TextDelta
from ragkit.retrieve.context import widen
from ragkit.retrieve.search import NOTHING_ALLOWED

if TYPE_CHECKING:
    from ragkit.answer.agentic import Searched
    from ragkit.embed.embedder import Embedder
    from ragkit.llm.chat_model import ChatModel
    from ragkit.retrieve.presence import Presence


_ONLY_COMMON_WORDS = "the question has only words that say nothing of what it is about"


def answer_stream(
    question: str,
    *,
    retrieve: Retrieve,
    search: Retrieve | None = None,
    embedder: Callable[[], Embedder],
    model: ChatModel | Sequence[ChatModel] | None = None,
    history: Sequence[Mapping[str, str]] = (),
    notes: Sequence[str] = (),
    document_of: DocumentOf | None = None,
    calibration: Calibration = BUILT_IN,
    presence: Presence | None = None,
    settings: AnswerSettings | None = None,
    meter: Meter | None = None,
    base_url: str | None = None,
    degraded: Sequence[str] = (),
    trace: str = "",
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[StreamEvent]:
    """Answer a question: first its sources, then text, then the whole :class:`Answer`.

    The pieces of text add up to the answer's text, except when a model fails half-way: then the
    answer's text takes the place of what was streamed.

    Args:
        question: What to answer.
        retrieve: Finds passages for a text, with ``k=`` as many as that; its errors are the
            caller's.
        search: The same for an agent, whose questions stand alone; default: ``retrieve``.
        embedder: Gives the embedding model; where that fails, words alone decide, and the answer
            says so.
        model: The language model, or several, the cheapest first: one whose answer is not sure
            gives way to the next. ``None`` is for extractive answers. Where all fail, the answer
            is extractive, and says so.
        history: Earlier turns, oldest first.
        notes: What is remembered of the conversation beside them, for a model to know.
        document_of: Gives the document at a path, whose structure tells sentences from headings
            and table rows, or ``None`` where it is gone or too large to read for an answer.
        calibration: What makes a confidence of how well the passages fit, and its threshold.
        presence: Looks words up in all documents that may be searched, for what to refuse.
        settings: Mode and checks; caches and routes are the caller's.
        meter: Counts tokens and costs, and keeps them within limits.
        base_url: Where the models are asked, for their prices; ``None`` for their providers' own.
        degraded: What went less than well before, one sentence each.
        trace: Identifier to put into the answer.
        clock: Seconds, for the answer's time.
    """
    settings = settings or AnswerSettings()
    meter = meter or Meter(settings.prices)
    models = [meter.metered(each, base_url=base_url) for each in _models(model)]
    draft = Draft(models[-1].name if models else EXTRACTIVE, trace, clock)
    draft.degraded += degraded
    mode = settings.mode
    searched: Searched | None = None
    if mode == "agent":
        mode = "single"
        if models:
            searched = _search(question, models[-1], search or retrieve, history, draft)
        else:
            draft.degraded.append("extractive answers are made in a single pass, without an agent")
    if history:
        with span("resolve", "retrieval", inputs={"question": question}) as step:
            step.set(outputs={"carried": resolve(question, history).carried})
    if searched is None:
        with span("retrieve", "retrieval", mode=mode) as step:
            found = find(question, mode, retrieve, history)
            step.set(passages=len(found.hits), groups=len(found.groups))
    else:
        found = Found(tuple(searched.hits), (), tuple(searched.degraded))
    yield Sources(found.hits)
    draft.degraded += found.degraded
    with span("decide", "guard") as step:
        candidates = candidates_of(found.hits, document_of)
        rank_all = partial(
            rank_groups, embedder=embedder, calibration=calibration, presence=presence
        )
        parts = rank_all(found.parts, found, candidates)
        ranked = rank_all(found.groups, found, candidates)
        if parts:
            ranking, verdict = parts[0].ranking, best_verdict(parts)
        else:
            ranking = rank(question, found.hits, candidates, embedder=embedder, history=history)
            verdict = (
                best_verdict(ranked)
                if ranked
                else judge(found.hits, ranking, calibration, presence)
            )
        if found.nothing_allowed:
            verdict = replace(verdict, reason=NOTHING_ALLOWED)
        elif verdict.answerable and not history and not words.terms(question):
            verdict = Verdict(False, verdict.confidence, _ONLY_COMMON_WORDS, "low_confidence")
        draft.verdict = verdict
        step.set(confidence=round(verdict.confidence, 4), answerable=verdict.answerable)
    draft.degraded += ranking.degraded
    streamed = False
    # An agent may have searched in other words: what it found need not look like the question.
    if models and (not verdict.hopeless or (searched is not None and searched.hits)):
        shown = found if searched else _widened(found, models, settings.context_tokens, document_of)
        if shown.hits != found.hits:
            candidates = candidates_of(shown.hits, document_of)
        evidence = Evidence(question, shown.hits, candidates, embedder=embedder)

        def write(each: ChatModel) -> Writing:
            said = None if searched is None else searched.text
            return Writing(
                each,
                question,
                shown,
                evidence,
                mode=mode,
                history=history,
                remembered=notes,
                said=said,
            )

        cascade = Cascade(models if searched is None else models[-1:], write, verdict)
        for piece in cascade:
            streamed = True
            yield TextDelta(piece)
        draft.degraded += cascade.notes
        if cascade.writing is not None:
            checked = _check(cascade.writing, shown, settings, draft)
            draft.degraded += evidence.degraded
            draft.usage = meter.usage
            yield from _conclude(cascade.writing, checked, draft, streamed=streamed)
            return
        draft.usage = meter.usage
    draft.model = EXTRACTIVE
    if not verdict.answerable:
        yield from draft.refuse(verdict.reason, verdict.code, streamed=streamed)
        return
    if parts:
        taken = extract_parts(parts[0], parts[1:])
    else:
        taken = extract_each(ranked, named=mode == "compare") if ranked else extract(ranking)
    draft.degraded += _language_note(question, taken)
    if not streamed:
        yield TextDelta(taken.text)
    yield draft.answer(taken.text, taken.citations)


def _widened(
    found: Found, models: Sequence[ChatModel], tokens: int, document_of: DocumentOf | None
) -> Found:
    """Widen passages to what a model is shown of the documents."""
    if not tokens or found.groups or document_of is None:
        return found
    with span("widen", "retrieval") as step:
        room = min(tokens, min(model.context_window for model in models) // 3)
        tokenizer = models[0].name.removeprefix("openai:")
        hits = widen(
            found.hits,
            document_of,
            tokens=max(room, 1),
            count=lambda text: count_tokens(text, tokenizer),
        )
        step.set(outputs={"hits": [asdict(hit) for hit in hits]}, passages=len(hits), tokens=room)
    return replace(found, hits=hits, parts=())


def _search(
    question: str,
    model: ChatModel,
    retrieve: Retrieve,
    history: Sequence[Mapping[str, str]],
    draft: Draft,
) -> Searched | None:
    """Let the model search; ``None``, and a word about it, where it failed or did not search."""
    from ragkit.answer.agentic import search_and_answer  # imports much that others do not need

    with span("agent", "chain") as step:
        try:
            searched = search_and_answer(question, model=model, retrieve=retrieve, history=history)
        except ModelError as error:
            step.fail(str(error))
            draft.degraded.append(f"{error}; a single pass was made instead of searching")
            return None
        step.set(searches=len(searched.queries), passages=len(searched.hits))
    if not searched.queries:
        draft.degraded.append(f"{model.name} did not search; a single pass was made instead")
        return None
    return searched


def _models(model: ChatModel | Sequence[ChatModel] | None) -> Sequence[ChatModel]:
    if model is None:
        return ()
    return model if isinstance(model, Sequence) else (model,)


def _check(
    writing: Writing, found: Found, settings: AnswerSettings, draft: Draft
) -> tuple[str, ...]:
    """Return the sentences that the sources do not support, as rules or the model judge."""
    claims = writing.cited.claims
    unsupported = writing.cited.unsupported
    with span("verify", "guard", by=settings.verify) as step:
        if settings.verify == "model" and claims and not writing.refused:
            try:
                verdicts = verify_with_model(writing.model, claims, found.hits)
            except ModelError as error:
                draft.degraded.append(f"the citations were checked by words only: {error}")
                step.fail(str(error))
            else:
                pairs = zip(claims, verdicts, strict=True)
                unsupported = [claim.text for claim, verdict in pairs if not verdict]
        step.set(
            outputs={"unsupported": unsupported},
            claims=len(claims),
            unsupported=len(unsupported),
            invented=len(writing.cited.invented),
        )
    return tuple(unsupported)


def _conclude(
    writing: Writing, unsupported: Sequence[str], draft: Draft, *, streamed: bool
) -> Iterator[StreamEvent]:
    draft.degraded += writing.notes
    draft.model = writing.model.name
    if writing.refused:
        reason = f"{writing.model.name} found no answer in the passages"
        yield from draft.refuse(reason, "model", streamed=streamed)
    else:
        yield draft.answer(writing.text, writing.citations, unsupported)


def _language_note(question: str, taken: Extract) -> list[str]:
    """Say so where verbatim sentences are in another language than the question."""
    asked = language_name(question)
    answered = language_name(" ".join(citation.quote for citation in taken.citations))
    if asked is None or answered is None or asked == answered:
        return []
    return [f"the question is in {asked}; the sentences quoted are in {answered}, as they stand"]
