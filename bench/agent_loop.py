"""What the agent loop itself costs: steps of a model that replies at once, with tracing on.

    python bench/agent_loop.py

Two figures for each case: the time on the clock (median over runs; another thread has to be woken
for each call of a tool, which takes longer on a busy machine) and the processor's time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from typing import Any

from ragkit import Agent, Limits, tool
from ragkit.events import Span, recording
from ragkit.llm import Delta, Message, ToolCall
from ragkit.results import Usage


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool(timeout=None)
def add_here(a: int, b: int) -> int:
    """Add two numbers, in the caller's thread."""
    return a + b


class InstantModel:
    """Calls ``tool`` in all replies but the last one of a run, without any delay."""

    name = "instant"
    context_window = 128_000
    native_tools = True

    def __init__(self, calls: int, tool_name: str = "") -> None:
        self.calls = calls
        self.tool_name = tool_name
        self.count = 0

    def stream(self, _messages: Sequence[Message], **_options: Any) -> Iterator[Delta]:
        position = self.count % (self.calls + 1)
        self.count += 1
        usage = Usage(10, 5)
        if position == self.calls:
            yield Delta("Done.", finish_reason="stop", usage=usage)
            return
        arguments = json.dumps({"a": self.count, "b": 1})
        call = ToolCall(f"c{self.count}", self.tool_name, arguments)
        yield Delta(finish_reason="tool_calls", usage=usage, tool_calls=(call,))


def measure(calls: int, tools: list[Any], runs: int) -> dict[str, float]:
    """Return milliseconds for one step: median and best on the clock, mean of processor time."""
    model = InstantModel(calls, tools[0].name if tools else "")
    agent = Agent(model, tools=tools, limits=Limits(steps=calls + 2))
    steps = calls + 1
    spans: list[Span] = []
    with recording(spans.append):
        agent.run("warm up")
        clock: list[float] = []
        cpu = time.process_time()
        for _ in range(runs):
            started = time.perf_counter()
            result = agent.run("go")
            clock.append((time.perf_counter() - started) / steps * 1000)
            if result.stopped != "answer" or len(result.steps) != steps:
                raise RuntimeError(f"the run ended at step {len(result.steps)}: {result.stopped}")
        cpu = (time.process_time() - cpu) / (runs * steps) * 1000
    if len(spans) != (runs + 1) * (1 + steps + calls):
        raise RuntimeError(f"{len(spans)} spans were recorded")
    return {
        "clock_median_ms": round(statistics.median(clock), 4),
        "clock_best_ms": round(min(clock), 4),
        "processor_ms": round(cpu, 4),
    }


def main() -> None:
    """Print a line of JSON for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    runs = parser.parse_args().runs
    cases: dict[str, tuple[int, list[Any]]] = {
        "no tools, 1 step": (0, []),
        "tool in its own thread, 5 steps": (4, [add]),
        "tool in its own thread, 20 steps": (19, [add]),
        "tool without time limit, 20 steps": (19, [add_here]),
    }
    for name, (calls, tools) in cases.items():
        figures = measure(calls, tools, max(20, runs // (calls + 1)))
        print(json.dumps({"case": name, **figures}))


if __name__ == "__main__":
    main()
