"""From a question to a checked answer: retrieve, decide, say, verify."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ragkit.answer.abstain import Verdict, judge
from ragkit.answer.calibration import BUILT_IN, Calibration
from ragkit.answer.candidates import DocumentOf, candidates_of
from ragkit.answer.citations import CitedText
from ragkit.answer.extractive import extract
from ragkit.answer.prompt import build_prompt
from ragkit.answer.ranking import rank
from ragkit.answer.reply import Reply
from ragkit.answer.support import Evidence
from ragkit.errors import ModelError
from ragkit.results import Answer, Citation, RefusalCode, SearchResult, Sources, TextDelta, Usage

if TYPE_CHECKING:
    from ragkit.embed.protocol import Embedder
    from ragkit.llm.protocol import ChatModel

EXTRACTIVE = "extractive"
REFUSAL = "The documents do not answer this question."

StreamEvent = Sources | TextDelta | Answer


def answer_stream(
    question: str,
    *,
    retrieve: Callable[[str], SearchResult],
    embedder: Callable[[], Embedder],
    model: ChatModel | None = None,
    history: Sequence[Mapping[str, str]] = (),
    notes: Sequence[str] = (),
    document_of: DocumentOf | None = None,
    calibration: Calibration = BUILT_IN,
    degraded: Sequence[str] = (),
    trace: str = "",
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[StreamEvent]:
    """Answer a question: first its sources, then text, then the whole :class:`Answer`.

    The pieces of text add up to the answer's text, except when a model fails half-way: then the
    answer's text takes the place of what was streamed.

    Args:
        question: What to answer.
        retrieve: Finds passages for it; its errors are the caller's.
        embedder: Gives the embedding model; where that fails, words alone decide, and the answer
            says so.
        model: The language model, or ``None`` for extractive answers. Where it fails, the answer
            is extractive, and says so.
        history: Earlier turns, oldest first.
        notes: What is remembered of the conversation beside them, for a model to know.
        document_of: Gives the document at a path, whose structure tells sentences from headings
            and table rows, or ``None`` where it is gone or too large to read for an answer.
        calibration: What makes a confidence of how well the passages fit, and its threshold.
        degraded: What went less than well before, one sentence each.
        trace: Identifier to put into the answer.
        clock: Seconds, for the answer's time.
    """
    draft = _Draft(model.name if model is not None else EXTRACTIVE, trace, clock)
    result = retrieve(question)
    hits = result.hits
    yield Sources(hits)
    draft.degraded += [*degraded, *result.degraded]
    candidates = candidates_of(hits, document_of)
    ranking = rank(question, hits, candidates, embedder=embedder, history=history)
    verdict = draft.verdict = judge(hits, ranking, calibration)
    draft.degraded += ranking.degraded
    streamed = False
    if model is not None and not verdict.hopeless:
        evidence = Evidence(question, hits, candidates, embedder=embedder)
        try:
            prompt = build_prompt(
                question,
                hits,
                context_window=model.context_window,
                history=history,
                notes=notes,
                tokenizer_of=model.name.removeprefix("openai:"),
            )
            cited = CitedText(evidence, sources=prompt.sources)
            reply = Reply(model, prompt, cited)
            for piece in reply:
                streamed = True
                yield TextDelta(piece)
        except ModelError as error:
            draft.degraded.append(
                f"{error}; the answer was taken from the documents' own sentences instead"
            )
            draft.model = EXTRACTIVE
        else:
            draft.degraded += [*reply.notes, *evidence.degraded]
            draft.usage = reply.usage
            if reply.refused:
                reason = f"{model.name} found no answer in the passages"
                yield from draft.refuse(reason, "model", streamed=streamed)
            else:
                yield draft.answer(reply.text, cited.citations, cited.unsupported)
            return
    if not verdict.answerable:
        yield from draft.refuse(verdict.reason, verdict.code, streamed=streamed)
        return
    found = extract(ranking)
    if not streamed:
        yield TextDelta(found.text)
    yield draft.answer(found.text, found.citations)


class _Draft:
    """What is known of an answer so far."""

    def __init__(self, model: str, trace: str, clock: Callable[[], float]) -> None:
        self.model = model
        self.degraded: list[str] = []
        self.usage = Usage()
        self.verdict: Verdict | None = None
        self._trace = trace
        self._clock = clock
        self._started = clock()

    def answer(
        self,
        text: str,
        citations: Sequence[Citation],
        unsupported: Sequence[str] = (),
        *,
        refusal: str | None = None,
        code: RefusalCode | None = None,
    ) -> Answer:
        return Answer(
            text=text,
            refused=refusal is not None,
            reason=refusal,
            citations=tuple(citations),
            unsupported=tuple(unsupported),
            degraded=tuple(dict.fromkeys(self.degraded)),
            model=self.model,
            usage=self.usage,
            seconds=self._clock() - self._started,
            trace=self._trace,
            confidence=self.verdict.confidence if self.verdict is not None else None,
            reason_code=code,
        )

    def refuse(
        self, reason: str, code: RefusalCode | None, *, streamed: bool
    ) -> Iterator[StreamEvent]:
        if not streamed:
            yield TextDelta(REFUSAL)
        yield self.answer(REFUSAL, (), refusal=reason, code=code)
