"""Making the calls of one step: checked, allowed, not the same again and again, several at once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from ragkit.agent import workers
from ragkit.agent.outcome import (
    AgentEvent,
    AgentResult,
    CallRecord,
    PendingCall,
    RunState,
    ToolFinished,
    ToolStarted,
)
from ragkit.agent.signature import InvalidArgumentsError
from ragkit.agent.tool import Tool, ToolResult, awaited, parse_arguments

if TYPE_CHECKING:
    from ragkit.llm.chat_model import ToolCall

# True lets a call go ahead; False, or a reason, does not.
Decision = bool | str
Approve = Callable[[PendingCall], Decision]

MAX_PARALLEL = 8
MAX_SAME_CALLS = 3
_SHORT_CHARACTERS = 500

# Where an agent that is used as a tool goes on, instead of beginning anew.
RESUMING: ContextVar[tuple[RunState, Mapping[str, Decision]] | None] = ContextVar(
    "ragkit_resuming", default=None
)


@dataclass(slots=True)
class Ledger:
    """Which calls were made in a run, to notice when a model goes in circles.

    ``repeated`` names the tools that the latest step called only to repeat itself.
    """

    counts: dict[str, int] = field(default_factory=dict)
    latest: set[str] = field(default_factory=set)
    repeats: int = 0
    repeated: set[str] = field(default_factory=set)
    results: dict[str, str] = field(default_factory=dict)

    def is_repeat(self, key: str) -> bool:
        """Whether the call was just made and went well, or was made often enough."""
        return key in self.latest or self.counts.get(key, 0) >= MAX_SAME_CALLS

    def mistake(self, key: str) -> None:
        """Count a call that could not be made; the same one again is a circle as well."""
        self.repeats += key in self.counts
        self.counts[key] = self.counts.get(key, 0) + 1

    def note(self, records: Sequence[CallRecord]) -> None:
        """Count the calls of a step that were made."""
        made = [record for record in records if not record.refused]
        if made:
            self.latest = {_key(r.tool, r.arguments) for r in made if not r.error}
        for record in made:
            key = _key(record.tool, record.arguments)
            self.counts[key] = self.counts.get(key, 0) + 1
            self.results[key] = record.result


@dataclass(slots=True)
class Made:
    """What came of a step's calls: records in their order, and what waits for a person.

    ``waited`` is how many seconds a person took to decide.
    """

    records: list[CallRecord] = field(default_factory=list)
    pending: list[PendingCall] = field(default_factory=list)
    inside: dict[str, RunState] = field(default_factory=dict)
    results: list[AgentResult] = field(default_factory=list)
    waited: float = 0.0


def make_calls(
    calls: Sequence[ToolCall],
    *,
    agent: str,
    tools: Mapping[str, Tool],
    ledger: Ledger,
    approve: Approve | None,
    decisions: Mapping[str, Decision],
    done: Sequence[CallRecord] = (),
    inside: Mapping[str, RunState] | None = None,
    seconds: float | None = None,
) -> Generator[AgentEvent, None, Made]:
    """Make the calls of one step, in parallel where there are several.

    Args:
        calls: What the model wants.
        agent: Whose step it is.
        tools: By name.
        ledger: Calls made so far; calls that only repeat are not made.
        approve: Decides on calls that need a person; without it they become pending.
        decisions: What a person decided already, by the ids of pending calls.
        done: Calls of this step that were made before a pause.
        inside: Paused runs of agents used as tools, by call.
        seconds: Time left for all of them.
    """
    made = Made()
    ledger.repeated.clear()
    records = {record.id: record for record in done}
    ready: list[tuple[ToolCall, Tool]] = []
    paused = inside or {}
    same: dict[str, str] = {}
    for call in calls:
        if call.id in records:
            continue
        resuming = call.id in paused and call.name in tools
        refusal = None if resuming else _refusal(call, tools, ledger)
        if refusal is None and not resuming:
            key = _key(call.name, call.arguments)
            if key in same:
                refusal = _refused(f"it is the same call as {same[key]}, which see")
            else:
                same[key] = call.id
                refusal = _decide(call, tools[call.name], agent, approve, decisions, made)
                if refusal is _WAITING:
                    continue
        if refusal is not None:
            records[call.id] = _record(call, refusal, refused=True)
            yield ToolFinished(call.id, call.name, refusal, refused=True)
        else:
            ready.append((call, tools[call.name]))
            yield ToolStarted(call.id, call.name, call.arguments)
    for call, result, taken in _run(ready, paused, decisions, seconds):
        inner = result.value if isinstance(result.value, AgentResult) else None
        if inner is not None:
            made.results.append(inner)
            if inner.stopped == "approval":
                made.inside[call.id] = inner.state
                made.pending += [_within_call(call.id, waiting) for waiting in inner.pending]
                continue
        records[call.id] = _record(call, result, seconds=taken)
        yield ToolFinished(call.id, call.name, result, taken)
    made.records = [records[call.id] for call in calls if call.id in records]
    return made


def _refusal(call: ToolCall, tools: Mapping[str, Tool], ledger: Ledger) -> ToolResult | None:
    key = _key(call.name, call.arguments)
    if call.name not in tools:
        ledger.mistake(key)
        known = ", ".join(tools) or "none"
        return _refused(f"there is no tool {call.name!r}; there are: {known}")
    fault = tools[call.name].fault(call.arguments)
    if fault is not None:
        ledger.mistake(key)
        return _refused(f"{call.name} was not called, its arguments are wrong: {fault}")
    if ledger.is_repeat(key):
        ledger.repeats += 1
        ledger.repeated.add(call.name)
        return _refused(
            f"{call.name} was called with these arguments before, and is not called again; "
            f"{_returned(ledger.results.get(key, ''))}"
        )
    return None


def _returned(result: str) -> str:
    """Repeat a short result, which a small model may have lost sight of."""
    if result and len(result) <= _SHORT_CHARACTERS:
        return f"it returned: {result}"
    return "use what it returned, or do something else"


_WAITING = ToolResult("", error=True)


def _decide(
    call: ToolCall,
    tool: Tool,
    agent: str,
    approve: Approve | None,
    decisions: Mapping[str, Decision],
    made: Made,
) -> ToolResult | None:
    """Return why the call may not be made, or ``None`` if it may."""
    arguments = parse_arguments(call.arguments)
    if not tool.needs_approval(arguments):
        return None
    decision: Any = decisions.get(call.id)
    request = PendingCall(call.id, agent, tool.name, arguments)
    if decision is None:
        if approve is None:
            made.pending.append(request)
            return _WAITING
        asked = time.monotonic()
        decision = approve(request)
        if hasattr(decision, "__await__"):
            decision = awaited(decision, None)
        made.waited += time.monotonic() - asked
    if decision is True:
        return None
    reason = f": {decision}" if isinstance(decision, str) and decision else ""
    return _refused(f"the user did not allow this call{reason}")


def _run(
    ready: Sequence[tuple[ToolCall, Tool]],
    paused: Mapping[str, RunState],
    decisions: Mapping[str, Decision],
    seconds: float | None,
) -> Generator[tuple[ToolCall, ToolResult, float], None, None]:
    """Yield the results as they come."""

    def perform(call: ToolCall, tool: Tool) -> tuple[ToolCall, ToolResult, float]:
        started = time.perf_counter()
        token = RESUMING.set(
            (paused[call.id], _of_call(call.id, decisions)) if call.id in paused else None
        )
        try:
            result = tool.call(call.arguments, seconds=seconds)
        finally:
            RESUMING.reset(token)
        return call, result, time.perf_counter() - started

    if len(ready) == 1:
        yield perform(*ready[0])
        return
    waiting = list(ready)
    running: set[Future[tuple[ToolCall, ToolResult, float]]] = set()
    while waiting or running:
        while waiting and len(running) < MAX_PARALLEL:
            running.add(workers.start(partial(perform, *waiting.pop(0))))
        done, running = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            yield future.result()


def _record(
    call: ToolCall, result: ToolResult, *, refused: bool = False, seconds: float = 0.0
) -> CallRecord:
    return CallRecord(
        call.id, call.name, call.arguments, result.text, result.error, refused, seconds
    )


def _refused(reason: str) -> ToolResult:
    return ToolResult(reason, error=True)


def _within_call(call_id: str, waiting: PendingCall) -> PendingCall:
    return PendingCall(f"{call_id}/{waiting.id}", waiting.agent, waiting.tool, waiting.arguments)


def _of_call(call_id: str, decisions: Mapping[str, Decision]) -> dict[str, Decision]:
    start = f"{call_id}/"
    return {key.removeprefix(start): d for key, d in decisions.items() if key.startswith(start)}


def _key(tool: str, arguments: str) -> str:
    try:
        arguments = json.dumps(dict(parse_arguments(arguments)), sort_keys=True)
    except (InvalidArgumentsError, TypeError, ValueError):
        pass
    return f"{tool}({arguments})"
