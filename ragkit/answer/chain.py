"""From a question to a checked answer: resolve, find, decide, write or extract, verify."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from ragkit.answer.abstain import Verdict
from ragkit.answer.calibration import BUILT_IN, Calibration
from ragkit.answer.candidates import Candidate, DocumentOf, candidates_of
from ragkit.answer.cascade import Cascade
from ragkit.answer.draft import EXTRACTIVE, NOT_SURE, Draft
from ragkit.answer.found import Found, Retrieve, find, whole
from ragkit.answer.grouped import Ranked, best_verdict, extract_each, extract_parts, rank_groups
from ragkit.answer.settings import AnswerSettings
from ragkit.answer.support import Evidence
from ragkit.answer.verify import verify_with_model
from ragkit.answer.writing import Writing
from ragkit.errors import ModelError
from ragkit.events import span
from ragkit.events.awaiting import blocking, worked
from ragkit.language.languages import language_name
from ragkit.llm.meter import Meter
from ragkit.llm.token_counts import count_tokens
from ragkit.results import Sources, StreamEvent, TextDelta
from ragkit.retrieve.context import widen
from ragkit.retrieve.search import NOTHING_ALLOWED

if TYPE_CHECKING:
    from ragkit.answer.agentic import Searched
    from ragkit.embed.embedder import Embedder
    from ragkit.llm.chat_model import ChatModel
    from ragkit.question.question import Question
    from ragkit.retrieve.presence import Presence


_ONLY_COMMON_WORDS = "the question has only words that say nothing of what it is about"


@dataclass(frozen=True, slots=True)
class Resources:
    """What an answer is made with.

    Attributes:
        retrieve: Finds passages for a question; its errors are the caller's.
        embedder: Gives the embedding model; where that fails, words alone decide, and the answer
            says so.
        models: Language models, the cheapest first: one whose answer is not sure gives way to the
            next. None is for extractive answers. Where all fail, the answer is extractive, and
            says so.
        meter: What counts their tokens and costs; they are metered already.
        notes: What is remembered of the conversation beside its turns, for a model to know.
        document_of: Gives the document at a path, whose structure tells sentences from headings
            and table rows, or ``None`` where it is gone or too large to read for an answer.
        presence: Looks words up in all documents that may be searched, for what to refuse.
        calibration: What makes a confidence of how well the passages fit, and its threshold.
        settings: Mode and checks; caches and routes are the caller's.
        degraded: What went less than well before, one sentence each.
    """

    retrieve: Retrieve
    embedder: Callable[[], Embedder]
    models: Sequence[ChatModel] = ()
    meter: Meter = field(default_factory=Meter)
    notes: Sequence[str] = ()
    document_of: DocumentOf | None = None
    presence: Presence | None = None
    calibration: Calibration = BUILT_IN
    settings: AnswerSettings = field(default_factory=AnswerSettings)
    degraded: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Decided:
    """Whether passages answer a question, and by which of their sentences.

    Attributes:
        found: The passages.
        candidates: Their sentences, list items and table rows.
        ranked: These, ranked for each group of passages.
        verdict: Whether they answer.
        searched: What an agent searched for and said, if one did.
    """

    found: Found
    candidates: Sequence[Candidate]
    ranked: Sequence[Ranked]
    verdict: Verdict
    searched: Searched | None = None

    @property
    def worth_asking(self) -> bool:
        """Whether a language model may find an answer.

        An agent may have searched in other words: what it found need not look like the question.
        """
        return not self.verdict.hopeless or (self.searched is not None and bool(self.found.hits))


def answer_stream(
    question: Question,
    resources: Resources,
    *,
    trace: str = "",
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[StreamEvent]:
    """Answer a question: first its sources, then text, then the whole :class:`Answer`.

    The pieces of text add up to the answer's text, except when a model fails half-way: then the
    answer's text takes the place of what was streamed.

    Args:
        question: What to answer.
        resources: What to answer it with.
        trace: Identifier to put into the answer.
        clock: Seconds, for the answer's time.
    """
    models = resources.models
    draft = Draft(models[-1].name if models else EXTRACTIVE, trace, clock)
    draft.degraded += resources.degraded
    searched = _search(question, resources, draft) if resources.settings.mode == "agent" else None
    found = _find(question, resources, searched)
    yield Sources(found.hits)
    draft.degraded += found.degraded
    decided = _decide(question, found, searched, resources)
    draft.verdict = decided.verdict
    draft.degraded += [note for each in decided.ranked for note in each.ranking.degraded]
    writing: Writing | None = None
    streamed = False
    if models and decided.worth_asking:
        cascade = _cascade(question, decided, resources)
        for piece in cascade:
            streamed = True
            yield TextDelta(piece)
        draft.degraded += cascade.notes
        writing = cascade.writing
    if writing is not None:
        unsupported = _verify(writing, resources.settings, draft)
        draft.usage = resources.meter.usage
        yield from _conclude(writing, unsupported, draft, streamed=streamed)
    else:
        draft.usage = resources.meter.usage
        compared = resources.settings.mode == "compare"
        yield from _extract(question, decided, draft, compared=compared, streamed=streamed)


@blocking
def _search(question: Question, resources: Resources, draft: Draft) -> Searched | None:
    """Let the model search; ``None``, and a word about it, where it failed or did not search."""
    if not resources.models:
        draft.degraded.append("extractive answers are made in a single pass, without an agent")
        return None
    from ragkit.answer.agentic import search_and_answer  # imports much that others do not need

    model = resources.models[-1]
    with span("agent", "chain") as step:
        try:
            searched = search_and_answer(question, model=model, retrieve=resources.retrieve)
        except ModelError as error:
            step.fail(str(error))
            draft.degraded.append(f"{error}; a single pass was made instead of searching")
            return None
        step.set(searches=len(searched.queries), passages=len(searched.gathered.hits))
    if not searched.queries:
        draft.degraded.append(f"{model.name} did not search; a single pass was made instead")
        return None
    return searched


@worked
def _find(question: Question, resources: Resources, searched: Searched | None) -> Found:
    if question.history:
        with span("resolve", "retrieval", inputs={"question": question.text}) as step:
            step.set(outputs={"carried": question.carried})
    if searched is not None:
        return whole(question, searched.gathered)
    mode = resources.settings.mode
    with span("retrieve", "retrieval", mode="single" if mode == "agent" else mode) as step:
        found = find(question, mode, resources.retrieve)
        step.set(passages=len(found.hits), groups=len(found.groups))
    return found


@worked
def _decide(
    question: Question, found: Found, searched: Searched | None, resources: Resources
) -> Decided:
    with span("decide", "guard") as step:
        candidates = candidates_of(found.hits, resources.document_of)
        ranked = rank_groups(
            found,
            candidates,
            embedder=resources.embedder,
            calibration=resources.calibration,
            presence=resources.presence,
        )
        verdict = best_verdict(ranked)
        if found.nothing_allowed:
            verdict = replace(verdict, reason=NOTHING_ALLOWED)
        elif verdict.answerable and not question.history and not question.terms:
            verdict = Verdict(False, verdict.confidence, _ONLY_COMMON_WORDS, "low_confidence")
        step.set(confidence=round(verdict.confidence, 4), answerable=verdict.answerable)
    return Decided(found, candidates, ranked, verdict, searched)


@worked
def _cascade(question: Question, decided: Decided, resources: Resources) -> Cascade:
    """Prepare the models' writing; nothing is asked yet."""
    searched, models = decided.searched, resources.models
    shown, candidates = decided.found, decided.candidates
    if searched is None:
        shown = _widened(shown, resources)
        if shown.hits != decided.found.hits:
            candidates = candidates_of(shown.hits, resources.document_of)
    evidence = Evidence(question, shown.hits, candidates, embedder=resources.embedder)

    def write(model: ChatModel) -> Writing:
        return Writing(
            model,
            question,
            shown,
            evidence,
            mode=resources.settings.mode,
            remembered=resources.notes,
            said=None if searched is None else searched.text,
        )

    return Cascade(models if searched is None else models[-1:], write, decided.verdict)


def _widened(found: Found, resources: Resources) -> Found:
    """Widen passages to what a model is shown of the documents."""
    tokens, document_of = resources.settings.context_tokens, resources.document_of
    if not tokens or found.groups or document_of is None:
        return found
    with span("widen", "retrieval") as step:
        room = min(tokens, min(model.context_window for model in resources.models) // 3)
        tokenizer = resources.models[0].name.removeprefix("openai:")
        hits = widen(
            found.hits,
            document_of,
            tokens=max(room, 1),
            count=lambda text: count_tokens(text, tokenizer),
        )
        step.set(outputs={"hits": [asdict(hit) for hit in hits]}, passages=len(hits), tokens=room)
    return replace(found, hits=hits, parts=())


@blocking
def _verify(writing: Writing, settings: AnswerSettings, draft: Draft) -> Sequence[str]:
    """Return the sentences that the sources do not support, as rules or the model judge."""
    claims = writing.cited.claims
    unsupported = writing.cited.unsupported
    with span("verify", "guard", by=settings.verify) as step:
        if settings.verify == "model" and claims and not writing.refused:
            try:
                verdicts = verify_with_model(writing.model, claims, writing.found.hits)
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
    return unsupported


def _conclude(
    writing: Writing, unsupported: Sequence[str], draft: Draft, *, streamed: bool
) -> Iterator[StreamEvent]:
    draft.degraded += [*writing.evidence.degraded, *writing.notes]
    draft.model = writing.model.name
    if writing.refused:
        reason = f"{writing.model.name} found no answer in the passages"
        yield from draft.refuse(reason, "model", streamed=streamed)
    else:
        sure = writing.sure and not unsupported
        yield draft.answer(writing.text, writing.citations, unsupported, sure=sure)


def _extract(
    question: Question, decided: Decided, draft: Draft, *, compared: bool, streamed: bool
) -> Iterator[StreamEvent]:
    """Answer in the documents' own words, or refuse."""
    draft.model = EXTRACTIVE
    verdict = decided.verdict
    if not verdict.answerable:
        yield from draft.refuse(verdict.reason, verdict.code, streamed=streamed)
        return
    if decided.found.groups:
        taken = extract_each(decided.ranked, named=compared)
    else:
        taken = extract_parts(decided.ranked)
    answered = language_name(" ".join(citation.quote for citation in taken.citations))
    if None not in (question.language, answered) and question.language != answered:
        draft.degraded.append(
            f"the question is in {question.language}; the sentences quoted are in {answered}, "
            "as they stand"
        )
    text = taken.text if verdict.sure else f"{NOT_SURE}\n{taken.text}"
    if not streamed:
        yield TextDelta(text)
    yield draft.answer(
        text, taken.citations, sure=verdict.sure, reason=verdict.reason, code=verdict.code
    )
