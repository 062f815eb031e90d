"""Traces: what happened for one question or run, kept in the knowledge base."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

from ragkit.errors import NotInBaseError, RagkitError, UsageError
from ragkit.events import (
    Listener,
    Notice,
    OpenSpan,
    Sink,
    Span,
    SpanKind,
    current_trace,
    recording,
    span,
    stages_done,
)
from ragkit.events.span_documents import plain, span_document, span_from_document

if TYPE_CHECKING:
    from pathlib import Path

    from ragkit.results import Answer, SearchResult

TraceLevel = Literal["full", "facts", "off"]
MAX_SPANS = 5_000

_COLLECTING: ContextVar[frozenset[str]] = ContextVar("ragkit_collecting", default=frozenset())


@dataclass(frozen=True, slots=True)
class Tracing:
    """How much is recorded, and who is told besides the knowledge base.

    Attributes:
        level: ``"full"`` keeps questions, passages, prompts and answers; ``"facts"`` keeps times,
            numbers and names only; ``"off"`` keeps no trace in the base.
        sinks: Functions of a finished span, called as things happen.
    """

    level: TraceLevel = "full"
    sinks: tuple[Sink, ...] = ()

    def __post_init__(self) -> None:
        """Check the level."""
        if self.level not in get_args(TraceLevel):
            raise UsageError(
                f"traces must be one of {', '.join(get_args(TraceLevel))}, not {self.level!r}"
            )

    @property
    def records_content(self) -> bool:
        """Whether content, and not only facts, is told to sinks and kept in traces."""
        return self.level != "facts"


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace as it was kept: its root's name, kind and times, and all its spans.

    ``question`` is empty where content was not recorded.
    """

    id: str
    kind: str
    started_at: float
    seconds: float
    question: str
    spans: tuple[Span, ...]
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class StoredTrace:
    """What one question or run did. ``body_json`` is a JSON document; ``seconds`` wall time."""

    id: str
    kind: str
    started_at: float
    seconds: float
    body_json: str


class TraceKeeper(Protocol):
    """What keeps traces: the store of a knowledge base."""

    directory: Path

    @property
    def read_only(self) -> bool:
        """Whether nothing can be kept."""
        ...

    def put_trace(
        self,
        trace_id: str,
        kind: str,
        started_at: float,
        seconds: float,
        body_json: str,
        *,
        sessions: Iterable[str] = (),
    ) -> None:
        """Keep a trace, which goes when one of its ``sessions`` is deleted."""
        ...

    def trace(self, trace_id: str) -> StoredTrace | None:
        """Return a trace by its whole id."""
        ...

    def traces_beginning(self, beginning: str) -> list[StoredTrace]:
        """Return the traces whose id begins with ``beginning``, at most two of them."""
        ...


@dataclass(slots=True)
class _Collected:
    """A sink that keeps the first spans, and always the last one, which is the root."""

    spans: list[Span] = field(default_factory=list)
    sessions: set[str] = field(default_factory=set)
    dropped: int = 0

    def __call__(self, finished: Span) -> None:
        if "session" in finished.attributes:
            self.sessions.add(str(finished.attributes["session"]))
        if len(self.spans) == MAX_SPANS:
            self.dropped += 1
            self.spans.pop()
        self.spans.append(finished)


@contextmanager
def traced(
    keeper: TraceKeeper,
    name: str,
    kind: SpanKind,
    *,
    tracing: Tracing,
    trace: str,
    listener: Listener,
    inputs: dict[str, Any],
    **attributes: Any,
) -> Iterator[OpenSpan]:
    """Record what happens inside as a span, and keep it in the base as a trace.

    Inside another trace of the same base it is only a span of that one.
    """
    base = str(keeper.directory)
    collecting = _COLLECTING.get()
    keeps = tracing.level != "off" and base not in collecting and not keeper.read_only
    collected = _Collected() if keeps else None
    sinks: tuple[Sink, ...] = tracing.sinks if collected is None else (collected, *tracing.sinks)
    token = _COLLECTING.set(collecting | {base})
    try:
        with (
            recording(*sinks, content=tracing.records_content),
            span(name, kind, trace=trace, inputs=inputs, **attributes) as step,
        ):
            yield step
    finally:
        _COLLECTING.reset(token)
        if collected is not None:
            try:
                _keep(keeper, collected)
            except RagkitError as error:
                listener(Notice(f"the trace could not be kept: {error}"))


def _keep(keeper: TraceKeeper, collected: _Collected) -> None:
    root = collected.spans[-1]
    question = root.inputs.get("question", "") if isinstance(root.inputs, dict) else ""
    body = {
        "question": plain(question),
        "spans": [span_document(item) for item in collected.spans],
        "dropped": collected.dropped,
    }
    text = json.dumps(body, ensure_ascii=False)
    sessions = sorted(collected.sessions)
    keeper.put_trace(root.trace, root.name, root.started_at, root.seconds, text, sessions=sessions)


def read_trace(stored: StoredTrace) -> Trace:
    """Return the trace that is kept as ``stored``."""
    body = json.loads(stored.body_json)
    return Trace(
        id=stored.id,
        kind=stored.kind,
        started_at=stored.started_at,
        seconds=stored.seconds,
        question=str(body.get("question", "")),
        spans=tuple(span_from_document(item) for item in body.get("spans", ())),
        dropped=int(body.get("dropped", 0)),
    )


def find_trace(keeper: TraceKeeper, trace_id: str) -> Trace:
    """Return a trace by its id or an unambiguous beginning of it of at least 4 digits.

    Raises:
        NotInBaseError: there is none.
        UsageError: several traces begin like that.
    """
    found = keeper.trace(trace_id)
    if found is None and len(trace_id) >= 4:
        matching = keeper.traces_beginning(trace_id)
        if len(matching) > 1:
            raise UsageError(f"several traces begin with {trace_id!r}; give more of its digits")
        found = matching[0] if matching else None
    if found is None:
        raise NotInBaseError(f"there is no trace {trace_id!r}; ragkit trace lists them")
    return read_trace(found)


def note_search(step: OpenSpan, result: SearchResult) -> None:
    """Put what a search found into its span, and each of its stages into one of its own."""
    if current_trace() is None:  # nobody records: spare the copying
        return
    stages_done("retrieval", result.milliseconds)
    step.set(
        outputs={"hits": [asdict(hit) for hit in result.hits]},
        hits=len(result.hits),
        degraded=list(result.degraded),
        notes=list(result.notes),
    )


def note_answer(step: OpenSpan, answer: Answer) -> None:
    """Put an answer into the span in which it was made."""
    step.set(
        outputs={"answer": asdict(answer)},
        model=answer.model,
        refused=answer.refused,
        sure=answer.sure,
        citations=len(answer.citations),
        unsupported=len(answer.unsupported),
        degraded=list(answer.degraded),
    )


def total_usage(spans: Sequence[Span]) -> dict[str, Any]:
    """Add up the tokens and costs of the model calls among ``spans``; unknown costs are None.

    Calls that failed without a word are counted, and cost nothing.
    """
    calls = [item for item in spans if item.kind == "model" and "model" in item.attributes]
    billed = [item for item in calls if item.status != "error" or "cost" in item.attributes]
    costs = [item.attributes.get("cost") for item in billed]
    known = [cost for cost in costs if cost is not None]
    return {
        "calls": len(calls),
        "input_tokens": sum(item.attributes.get("input_tokens", 0) for item in calls),
        "output_tokens": sum(item.attributes.get("output_tokens", 0) for item in calls),
        "cost": sum(known) if len(known) == len(costs) else None,
    }
