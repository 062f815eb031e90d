"""Spans: the tree of what was done, whatever generators and threads do in between."""

import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ragkit.events import Span, carried, current_trace, isolated, recording, span, stages_done, tree


def outline(spans: list[Span]) -> list[tuple[int, str]]:
    return [(depth, item.name) for depth, item in tree(spans)]


def test_spans_form_a_tree_and_carry_what_was_learnt() -> None:
    spans: list[Span] = []
    with (
        recording(spans.append),
        span("ask", "answer", inputs={"question": "why?"}, model="none") as root,
    ):
        with span("search", "retrieval") as step:
            step.set(outputs={"hits": 2}, candidates=7)
        with span("say", "model"):
            pass
        root.set(outputs={"text": "because"})
    assert outline(spans) == [(0, "ask"), (1, "search"), (1, "say")]
    search, _, ask = spans
    assert search.parent == ask.id
    assert search.trace == ask.trace
    assert (search.outputs, search.attributes) == ({"hits": 2}, {"candidates": 7})
    assert (ask.inputs, ask.outputs) == ({"question": "why?"}, {"text": "because"})
    assert ask.seconds >= search.seconds >= 0


def test_nothing_is_recorded_where_nobody_listens() -> None:
    with span("quiet", "tool", inputs="secret") as step:
        step.set(outputs="secret")
        step.fail("no")
        assert current_trace() is None
    assert (step.outputs, step.error) == (None, None)


def test_content_can_be_switched_off() -> None:
    spans: list[Span] = []
    with (
        recording(spans.append, content=False),
        recording(spans.append),
        span("ask", "answer", inputs="secret", model="m") as step,
    ):
        step.set(outputs="secret", tokens=3)
    [only] = spans
    assert (only.inputs, only.outputs) == (None, None)
    assert only.attributes == {"model": "m", "tokens": 3}


def test_errors_are_recorded_and_raised() -> None:
    spans: list[Span] = []
    with recording(spans.append), pytest.raises(ValueError, match="broken"), span("x", "tool"):
        raise ValueError("broken")
    assert (spans[0].status, spans[0].error) == ("error", "ValueError: broken")


def stream() -> Generator[int, None, None]:
    with span("stream", "answer"):
        for number in range(3):
            with span(f"step {number}", "model"):
                pass
            yield number


def test_a_stream_is_no_parent_of_what_its_consumer_does() -> None:
    spans: list[Span] = []
    with recording(spans.append):
        for number in isolated(stream()):
            with span(f"consumer {number}", "chain"):
                pass
    assert outline(spans) == [
        (0, "stream"),
        *[(1, f"step {number}") for number in range(3)],
        *[(0, f"consumer {number}") for number in range(3)],
    ]


def test_a_stream_may_be_read_from_any_thread_and_given_up() -> None:
    spans: list[Span] = []
    with recording(spans.append):
        source = isolated(stream())
        for expected in range(2):
            with ThreadPoolExecutor(1) as pool:
                assert pool.submit(next, source).result() == expected
        source.close()
    assert [(item.name, item.status) for item in spans] == [
        ("step 0", "ok"),
        ("step 1", "ok"),
        ("stream", "cancelled"),
    ]


def test_work_in_threads_belongs_to_the_span_that_started_it() -> None:
    spans: list[Span] = []

    def work() -> None:
        with span("inside", "tool"):
            pass

    with recording(spans.append), span("outside", "agent"):
        thread = threading.Thread(target=carried(work))
        thread.start()
        thread.join()
    assert outline(spans) == [(0, "outside"), (1, "inside")]


def test_recordings_nest() -> None:
    outer: list[Span] = []
    inner: list[Span] = []
    with recording(outer.append), span("a", "agent"), recording(inner.append), span("b", "tool"):
        pass
    assert [item.name for item in outer] == ["b", "a"]
    assert [item.name for item in inner] == ["b"]


def test_a_span_of_many_children_is_ordered_without_recursion() -> None:
    def nest(depth: int) -> Iterator[Any]:
        if depth:
            with span(str(depth), "chain"):
                yield from nest(depth - 1)
        yield None

    spans: list[Span] = []
    with recording(spans.append):
        for _ in nest(50):
            pass
    assert [depth for depth, _ in tree(spans)] == list(range(50))


def test_a_sink_that_fails_stops_neither_the_work_nor_the_others() -> None:
    told: list[str] = []

    def full(_: Span) -> None:
        raise OSError("the disk is full")

    with (
        pytest.warns(RuntimeWarning, match="OSError: the disk is full"),
        recording(full, lambda step: told.append(step.name)),
        span("outer", "chain"),
    ):
        stages_done("retrieval", {"dense": 1.0})
    assert told == ["dense", "outer"]
