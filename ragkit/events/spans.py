"""What ragkit does, as a tree of spans: each step with its parent, times, inputs and outputs.

    with recording(print):                        # a sink is any function of a finished span
        with span("retrieve", "retrieval", inputs={"question": question}) as step:
            step.set(outputs={"hits": 3}, candidates=200)

The current span travels in a context variable, so that nothing has to pass it on; where nobody
records, a span costs one look at that variable. Generators that hold a span open while their
consumer runs are wrapped in :func:`isolated`, and work handed to threads in :func:`carried`.
The terms are OpenTelemetry's.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any, Literal, ParamSpec, TypeVar

SpanKind = Literal[
    "answer",
    "chain",
    "agent",
    "model",
    "tool",
    "retrieval",
    "embedding",
    "memory",
    "cache",
    "guard",
]
Status = Literal["ok", "error", "cancelled"]

Item = TypeVar("Item")
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Span:
    """A finished step.

    Attributes:
        id: 16 hexadecimal digits.
        trace: The trace it belongs to, 32 hexadecimal digits; the same for a whole tree.
        parent: ``id`` of the step it was part of, ``None`` for the root of a trace.
        name: What was done, such as ``"search_dense"``.
        kind: What sort of step it is.
        started_at: Seconds since 1970.
        seconds: Wall time.
        status: ``"cancelled"`` when the consumer of a stream went away.
        error: What went wrong, for ``"error"``.
        attributes: Facts that are not content: numbers, names, settings; ready for JSON.
        inputs: Content that went in, ready for JSON; ``None`` where content is not recorded.
        outputs: Content that came out, likewise.
    """

    id: str
    trace: str
    parent: str | None
    name: str
    kind: SpanKind
    started_at: float
    seconds: float
    status: Status = "ok"
    error: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    inputs: Any = None
    outputs: Any = None


Sink = Callable[[Span], None]


@dataclass(frozen=True, slots=True)
class _Recorder:
    sinks: tuple[Sink, ...]
    content: bool


_RECORDER: ContextVar[_Recorder | None] = ContextVar("ragkit_recorder", default=None)
_CURRENT: ContextVar[OpenSpan | None] = ContextVar("ragkit_span", default=None)


class OpenSpan:
    """A step under way; :meth:`set` adds what is learnt of it."""

    __slots__ = ("attributes", "error", "id", "inputs", "outputs", "status", "trace")

    def __init__(self, trace: str, inputs: Any) -> None:
        """Begin with a new id."""
        self.id = os.urandom(8).hex()
        self.trace = trace
        self.inputs = inputs
        self.outputs: Any = None
        self.status: Status = "ok"
        self.error: str | None = None
        self.attributes: dict[str, Any] = {}

    def set(self, *, inputs: Any = None, outputs: Any = None, **attributes: Any) -> None:
        """Note inputs and outputs (content) and attributes (facts); all must be ready for JSON."""
        if inputs is not None:
            self.inputs = inputs
        if outputs is not None:
            self.outputs = outputs
        self.attributes.update(attributes)

    def fail(self, error: str) -> None:
        """Mark the step as failed, where no exception is going to say so."""
        self.status = "error"
        self.error = error


class _Unrecorded(OpenSpan):
    """Takes everything and keeps nothing."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("", None)

    def set(self, *, inputs: Any = None, outputs: Any = None, **attributes: Any) -> None:
        pass

    def fail(self, error: str) -> None:
        pass


_UNRECORDED = _Unrecorded()


@contextmanager
def span(
    name: str,
    kind: SpanKind,
    *,
    trace: str | None = None,
    inputs: Any = None,
    **attributes: Any,
) -> Iterator[OpenSpan]:
    """Record a step, with what happens inside it as its children.

    Args:
        name: What is done.
        kind: What sort of step it is.
        trace: Identifier for the trace, where this is its root; default: a new one.
        inputs: Content that goes in, ready for JSON.
        **attributes: Facts known at the start.
    """
    recorder = _RECORDER.get()
    if recorder is None:
        yield _UNRECORDED
        return
    parent = _CURRENT.get()
    step = OpenSpan(parent.trace if parent else trace or new_trace_id(), inputs)
    step.attributes.update(attributes)
    token = _CURRENT.set(step)
    started_at, started = time.time(), time.perf_counter()
    try:
        yield step
    except GeneratorExit:
        step.status = "cancelled"
        raise
    except BaseException as error:
        step.status = "error"
        step.error = f"{type(error).__name__}: {error}"
        raise
    finally:
        _CURRENT.reset(token)
        finished = Span(
            id=step.id,
            trace=step.trace,
            parent=parent.id if parent else None,
            name=name,
            kind=kind,
            started_at=started_at,
            seconds=time.perf_counter() - started,
            status=step.status,
            error=step.error,
            attributes=step.attributes,
            inputs=step.inputs if recorder.content else None,
            outputs=step.outputs if recorder.content else None,
        )
        _tell(recorder.sinks, finished)


def _tell(sinks: Iterable[Sink], finished: Span) -> None:
    for sink in sinks:
        try:
            sink(finished)
        except Exception as error:  # looking on must not stop the work
            warnings.warn(
                f"the sink {sink!r} failed, and lacks a step: {type(error).__name__}: {error}",
                RuntimeWarning,
                stacklevel=2,
            )


def stages_done(kind: SpanKind, milliseconds: Mapping[str, float]) -> None:
    """Record stages that ran one after another until just now, as children of the current span.

    Args:
        kind: What sort of steps they are.
        milliseconds: Each stage's name and wall time, in their order.
    """
    recorder, parent = _RECORDER.get(), _CURRENT.get()
    if recorder is None or parent is None:
        return
    started_at = time.time() - sum(milliseconds.values()) / 1000
    for name, duration in milliseconds.items():
        stage = Span(
            id=os.urandom(8).hex(),
            trace=parent.trace,
            parent=parent.id,
            name=name,
            kind=kind,
            started_at=started_at,
            seconds=duration / 1000,
        )
        started_at += stage.seconds
        _tell(recorder.sinks, stage)


@contextmanager
def recording(*sinks: Sink, content: bool = True) -> Iterator[None]:
    """Hand every span that finishes inside to ``sinks``, children before their parents.

    A sink that raises is warned about, and stops nothing. Recordings nest: the inner one adds its sinks to the outer one's. Content is recorded only
    where both allow it.
    """
    outer = _RECORDER.get()
    if outer is not None:
        added = tuple(sink for sink in sinks if sink not in outer.sinks)
        recorder = _Recorder((*outer.sinks, *added), content and outer.content)
    elif sinks:
        recorder = _Recorder(sinks, content)
    else:
        yield
        return
    token = _RECORDER.set(recorder)
    try:
        yield
    finally:
        _RECORDER.reset(token)


def new_trace_id() -> str:
    """Return 32 random hexadecimal digits."""
    return os.urandom(16).hex()


def current_trace() -> str | None:
    """Return the identifier of the trace that is being recorded here, if any."""
    step = _CURRENT.get()
    return step.trace if step is not None else None


def isolated(source: Generator[Item, None, None]) -> Generator[Item, None, None]:
    """Run a generator in a context of its own, whoever asks for its next item, in any thread.

    Without it, a span that a generator holds open would become the parent of what its consumer
    does between two items, and could not be closed from another thread.
    """
    return _in_context(copy_context(), source)


def _in_context(
    context: Context, source: Generator[Item, None, None]
) -> Generator[Item, None, None]:
    try:
        while True:
            try:
                item = context.run(next, source)
            except StopIteration:
                return
            yield item
    finally:
        context.run(source.close)


def carried(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Return ``function`` bound to the current context, to be called once in another thread."""
    context = copy_context()

    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        return context.run(function, *args, **kwargs)

    return call


def tree(spans: Iterable[Span]) -> list[tuple[int, Span]]:
    """Order spans as a tree: each with its depth from 0, parents first, siblings by time."""
    known = sorted(spans, key=lambda item: item.started_at)
    ids = {item.id for item in known}
    children: dict[str | None, list[Span]] = {}
    for item in known:
        children.setdefault(item.parent if item.parent in ids else None, []).append(item)
    ordered: list[tuple[int, Span]] = []
    waiting = [(0, item) for item in reversed(children.get(None, []))]
    while waiting:
        depth, item = waiting.pop()
        ordered.append((depth, item))
        waiting += [(depth + 1, child) for child in reversed(children.get(item.id, []))]
    return ordered
