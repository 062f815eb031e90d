"""Steps of a chain: plain callables of one value, put together into larger ones.

A step is any function of one argument. What the functions here return is a step again, so that
they nest; each step that runs is a span of kind ``chain``.
"""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar, overload

from ragkit.errors import ModelError, RagkitError, UsageError
from ragkit.events import carried, span

Step = Callable[[Any], Any]
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
Value = TypeVar("Value")
Result = TypeVar("Result")
Errors = type[Exception] | tuple[type[Exception], ...]

_MAX_WORKERS = 32


def name_of(step: Callable[..., Any]) -> str:
    """Return what a step is called in traces: its ``__name__``, or the name of its class."""
    if isinstance(step, functools.partial):
        return name_of(step.func)
    return str(getattr(step, "__name__", None) or type(step).__name__)


def run_step(step: Callable[[Value], Result], value: Value, *, name: str | None = None) -> Result:
    """Run one step as a span of kind ``chain``, with what went in and what came out."""
    with span(name or name_of(step), "chain", inputs=recordable(value)) as recorded:
        result = step(value)
        if inspect.iscoroutine(result):
            result.close()
            raise UsageError(
                f"the step {name_of(step)!r} is async; chains call plain functions, so wrap it in "
                "one that calls asyncio.run"
            )
        recorded.set(outputs=recordable(result))
        return result


def recordable(value: Any, depth: int = 4) -> Any:
    """Return ``value`` as JSON-ready data for a span, what has no such form as its ``repr``."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if depth and isinstance(value, Mapping):
        return {str(key): recordable(item, depth - 1) for key, item in value.items()}
    if depth and isinstance(value, list | tuple | set | frozenset):
        return [recordable(item, depth - 1) for item in value]
    if depth and hasattr(value, "model_dump"):
        return recordable(value.model_dump(), depth - 1)
    text = repr(value)
    return text if len(text) <= 2_000 else f"{text[:1_999]}…"


def _named(step: Step, name: str, shape: str) -> Step:
    step.__name__ = name
    step.__qualname__ = name
    step.__doc__ = shape
    return step


def _checked(steps: Sequence[Step], function: str) -> None:
    for step in steps:
        if not callable(step):
            raise UsageError(f"{function} takes steps that can be called, not {step!r}")
    if not steps:
        raise UsageError(f"{function} needs at least one step")


@overload
def sequence(first: Callable[[A], B], /, *, name: str = ...) -> Callable[[A], B]: ...
@overload
def sequence(
    first: Callable[[A], B], second: Callable[[B], C], /, *, name: str = ...
) -> Callable[[A], C]: ...
@overload
def sequence(
    first: Callable[[A], B],
    second: Callable[[B], C],
    third: Callable[[C], D],
    /,
    *,
    name: str = ...,
) -> Callable[[A], D]: ...
@overload
def sequence(*steps: Step, name: str = ...) -> Step: ...
def sequence(*steps: Step, name: str = "sequence") -> Step:
    """Return a step that runs ``steps`` one after another, each on the result of the last.

        chain = sequence(template, ask(model), str.strip)
        chain({"topic": "lamps"})

    Args:
        *steps: Functions of one value.
        name: What it is called in traces.

    Raises:
        UsageError: there is no step, or one cannot be called.
    """
    _checked(steps, "sequence")

    def run(value: Any) -> Any:
        for step in steps:
            value = run_step(step, value)
        return value

    return _named(run, name, f"Run {len(steps)} steps one after another.")


def branch(
    choose: Callable[[Any], Hashable],
    steps: Mapping[Any, Step],
    *,
    otherwise: Step | None = None,
    name: str = "branch",
) -> Step:
    """Return a step that runs one of several, as ``choose`` says.

        branch(lambda text: len(text) > 4_000, {True: summarise, False: str.strip})
        branch(classify, {"invoice": read_invoice, "letter": read_letter}, otherwise=refuse)

    Args:
        choose: Takes the value and returns a key of ``steps``.
        steps: The steps to choose from.
        otherwise: The step for every other key; without one such a key is an error.
        name: What it is called in traces.

    Raises:
        UsageError: there is no step, or one cannot be called; or, when it runs, ``choose``
            returned a key that has none.
    """
    _checked([choose, *steps.values(), *([otherwise] if otherwise else [])], "branch")
    if not steps:
        raise UsageError("branch needs at least one step")

    def run(value: Any) -> Any:
        key = run_step(choose, value, name=f"{name}: choose")
        step = steps.get(key, otherwise)
        if step is None:
            raise UsageError(
                f"{name} has no step for {key!r}; it has {', '.join(map(repr, steps))}, and no "
                "otherwise"
            )
        return run_step(step, value)

    return _named(run, name, f"Run one of {len(steps)} steps.")


@overload
def parallel(steps: Mapping[str, Step], *, workers: int = ..., name: str = ...) -> Step: ...


@overload
def parallel(steps: Sequence[Step], *, workers: int = ..., name: str = ...) -> Step: ...


def parallel(
    steps: Mapping[str, Step] | Sequence[Step], *, workers: int = 8, name: str = "parallel"
) -> Step:
    """Return a step that runs several at the same time, in threads, on the same value.

        parallel({"summary": summarise, "keywords": keywords})(text)   # {"summary": …, …}

    The first step that fails makes the whole fail; those that have not begun are not run.

    Args:
        steps: A mapping, which yields a dictionary of results, or a sequence, which yields a list
            in its order.
        workers: How many run at the same time, at most.
        name: What it is called in traces.

    Raises:
        UsageError: there is no step, one cannot be called, or ``workers`` is not 1 to 32.
    """
    _check_workers(workers)
    if isinstance(steps, Mapping):
        names = list(steps)
        together = [steps[key] for key in names]
        _checked(together, "parallel")

        def run_named(value: Any) -> dict[str, Any]:
            calls = [functools.partial(run_step, step, value) for step in together]
            return dict(zip(names, run_all(calls, workers=workers), strict=True))

        return _named(run_named, name, f"Run {len(names)} steps at the same time.")
    _checked(steps, "parallel")

    def run(value: Any) -> list[Any]:
        calls = [functools.partial(run_step, step, value) for step in steps]
        return run_all(calls, workers=workers)

    return _named(run, name, f"Run {len(steps)} steps at the same time.")


def each(step: Step, *, workers: int = 8, name: str = "each") -> Step:
    """Return a step that runs ``step`` on every item of a sequence, and returns a list.

    Args:
        step: A function of one item.
        workers: How many items are worked on at the same time, in threads; 1 for one by one.
        name: What it is called in traces.

    Raises:
        UsageError: ``step`` cannot be called, or ``workers`` is not 1 to 32.
    """
    _check_workers(workers)
    _checked([step], "each")

    def run(values: Sequence[Any]) -> list[Any]:
        calls = [functools.partial(run_step, step, value) for value in values]
        return run_all(calls, workers=workers)

    return _named(run, name, f"Run {name_of(step)} on every item.")


def run_all(calls: Sequence[Callable[[], Result]], *, workers: int) -> list[Result]:
    """Call every function, at most ``workers`` at a time, and return the results in order.

    Raises:
        Exception: what the first of them (in order) raised; calls not begun by then are not made.
    """
    if len(calls) < 2 or workers == 1:
        return [call() for call in calls]
    with ThreadPoolExecutor(min(workers, len(calls)), thread_name_prefix="ragkit-chain") as pool:
        futures: list[Future[Result]] = [pool.submit(carried(call)) for call in calls]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:  # also when interrupted
            for future in futures:
                future.cancel()
    for future in futures:
        if not future.cancelled() and (error := future.exception()) is not None:
            raise error
    return [future.result() for future in futures]


def _check_workers(workers: int) -> None:
    if not 1 <= workers <= _MAX_WORKERS:
        raise UsageError(f"workers must be 1 to {_MAX_WORKERS}, not {workers!r}")


def retry(
    step: Step,
    *,
    attempts: int = 3,
    on: Errors = ModelError,
    delay: float = 0.5,
    max_delay: float = 30.0,
    name: str | None = None,
) -> Step:
    """Return a step that tries ``step`` again when it fails, waiting twice as long each time.

    Args:
        step: A function of one value.
        attempts: How often it is tried, at most.
        on: Kinds of error that are worth another attempt; any other is raised at once.
        delay: Seconds before the second attempt.
        max_delay: Seconds between two attempts, at most.
        name: What it is called in traces; default: ``retry`` and the step's name.

    Raises:
        UsageError: ``step`` cannot be called, or ``attempts`` or a delay is out of range.
        Exception: when it runs, what the last attempt raised.
    """
    _checked([step], "retry")
    if attempts < 1 or delay < 0 or max_delay < 0:
        raise UsageError(
            f"attempts must be positive and delays not negative, not {attempts!r}, {delay!r} and "
            f"{max_delay!r}"
        )

    def run(value: Any) -> Any:
        pause = delay
        for attempt in range(1, attempts + 1):
            try:
                return run_step(step, value, name=f"{name_of(step)} (attempt {attempt})")
            except on:
                if attempt == attempts:
                    raise
            time.sleep(min(pause, max_delay))
            pause *= 2
        raise AssertionError  # the last attempt returned or raised

    return _named(
        run, name or f"retry {name_of(step)}", f"Try {name_of(step)} up to {attempts} times."
    )


def fallback(*steps: Step, on: Errors = RagkitError, name: str = "fallback") -> Step:
    """Return a step that tries ``steps`` in order, until one does not fail.

    Args:
        *steps: Functions of one value, the preferred one first.
        on: Kinds of error at which the next one is tried; any other is raised at once.
        name: What it is called in traces.

    Raises:
        UsageError: there is no step, or one cannot be called.
        Exception: when it runs, what the last step raised.
    """
    _checked(steps, "fallback")

    def run(value: Any) -> Any:
        for step in steps[:-1]:
            try:
                return run_step(step, value)
            except on:  # recorded as the error of its span
                continue
        return run_step(steps[-1], value)

    return _named(run, name, f"Try {len(steps)} steps in order.")
