"""The loop: model, calls, results, model, until there is an answer or a limit is reached.

There is one conversation, kept as messages with native tool calls. For a model without them it is
written as text (:mod:`ragkit.agent.react`), which is all that differs.
"""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ragkit.agent.calls import Decision, Ledger, Made, make_calls
from ragkit.agent.model_turn import Asking, CancelledError, Setup, TimeUpError
from ragkit.agent.outcome import (
    AgentEvent,
    AgentResult,
    CallRecord,
    PendingCall,
    RunState,
    Step,
    StepStarted,
    Stopped,
    Thought,
)
from ragkit.agent.react import Turn
from ragkit.errors import ModelError, UsageError
from ragkit.events import Notice, current_trace
from ragkit.llm.chat_model import Message, Reply, ToolCall
from ragkit.llm.context_window import reply_room
from ragkit.llm.typed_output import OutputError
from ragkit.results import TextDelta, Usage

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence


MAX_REPEATS = 3
_MAX_FAULTS = 2
_MAX_REPAIRS = 2
# What the last reply may take where the time is up already.
_GRACE_SECONDS = 30.0
_FOUND_CHARACTERS = 600

_LAST = (
    "No more tools can be used: {reason}. Answer the question now from what you have; say so "
    "if it is not enough."
)
_REASONS: dict[str, str] = {
    "steps": "the limit of {limits.steps:,} steps is reached",
    "tokens": "the limit of {limits.tokens:,} tokens is reached",
    "seconds": "the limit of {limits.seconds:g} seconds is reached",
    "cost": "the limit of ${limits.cost:g} is reached",
    "loop": "the same calls were made again and again",
    "empty": "replies had no content",
}


class Run:
    """One run of an agent, from a state that is new or was paused."""

    def __init__(self, setup: Setup, state: RunState) -> None:
        """Take up ``state``."""
        self._setup = setup
        self._question = state.question
        self._asked = state.asked
        self._messages = list(state.messages)
        self._steps = list(state.steps)
        self._usage = state.usage
        self._cost = state.cost
        self._before = state.seconds
        self._results = list(state.results)
        self._pending = list(state.pending)
        self._inside = dict(state.inside)
        self._started = time.monotonic()
        self._ledger = Ledger()
        for step in state.steps:
            self._ledger.note(step.calls)
        self._degraded: list[str] = []
        self._repairs = 0
        self._faults = 0
        self._refusal = ""
        self._asking = Asking(setup, self._tell)

    def events(self, decisions: Mapping[str, Decision]) -> Generator[AgentEvent, None, None]:
        """Go on until the run ends or pauses; the last event is the :class:`AgentResult`.

        Raises:
            ModelError: the model failed before anything was done.
        """
        try:
            if self._pending or self._inside:
                yield from self._finish_step(decisions)
            while not self._pending:
                stopped = self._limit()
                if stopped is not None:
                    yield from self._last_answer(stopped)
                    return
                turn = yield from self._step()
                if turn.calls:
                    yield from self._finish_step({})
                elif turn.fault is not None:
                    self._faults += 1
                    if self._faults > _MAX_FAULTS:
                        yield from self._give_up(turn)
                        return
                    self._messages.append(Message("user", turn.fault))
                else:
                    yield from self._answer(turn.text, "answer")
                    return
        except TimeUpError:
            yield from self._last_answer("seconds")
            return
        except ModelError as error:
            if not self._steps:
                raise
            yield from self._tell(f"{error}; the run ended there")
            yield self._result(self._found(str(error)), None, "error")
            return
        yield self._result("", None, "approval")

    # -- one step -----------------------------------------------------------------------------

    def _step(self) -> Generator[AgentEvent, None, Turn]:
        """Ask the model, and note its reply."""
        number = len(self._steps) + 1
        yield StepStarted(number)
        started = time.perf_counter()
        turn, reply = yield from self._ask(call_id=f"call_{number}")
        turn = replace(turn, calls=self._with_own_ids(turn.calls))
        if reply.finish_reason == "content_filter" and not turn.calls:
            raise ModelError(f"{self._setup.model.name} was stopped by its content filter")
        if reply.finish_reason == "length" and not turn.calls:
            limit = reply_room(self._setup.model, self._setup.max_reply_tokens)
            yield from self._tell(
                f"{self._setup.model.name} was cut off at the limit of {limit:,} tokens"
            )
        if reply.refusal and not turn.calls:
            self._refusal = reply.refusal
            yield from self._tell(f"{self._setup.model.name} refused to answer")
        if turn.calls and turn.text:
            yield Thought(turn.text)
        if turn.fault is None:
            said = Message("assistant", turn.text, turn.calls, returned=reply.returned)
            self._messages.append(said)
        seconds = time.perf_counter() - started
        self._steps.append(Step(number, turn.text, (), reply.usage, seconds))
        return turn

    def _finish_step(self, decisions: Mapping[str, Decision]) -> Generator[AgentEvent, None, None]:
        """Make the calls of the latest reply, those that were waiting for a decision included."""
        known = {call.id for call in self._pending}
        unknown = [call for call in decisions if call not in known]
        if unknown:
            raise UsageError(f"no call {unknown[0]!r} waits for a decision")
        calls = next(message for message in reversed(self._messages) if message.tool_calls)
        made: Made = yield from make_calls(
            calls.tool_calls,
            agent=self._setup.name,
            tools=self._setup.tools,
            ledger=self._ledger,
            approve=self._setup.approve,
            decisions=decisions,
            done=self._results,
            inside=self._inside,
            seconds=self._seconds_left(),
        )
        self._started += made.waited  # a person's time is not the run's
        for result in made.results:
            if result.stopped != "approval":
                self._spend(result.usage, result.cost)
        self._results, self._pending, self._inside = made.records, made.pending, made.inside
        if self._pending:
            return
        self._ledger.note(made.records)
        step = self._steps[-1]
        taken = step.seconds + max((record.seconds for record in made.records), default=0.0)
        self._steps[-1] = replace(step, calls=tuple(made.records), seconds=taken)
        self._messages += [
            Message("tool", record.result, tool_call_id=record.id) for record in made.records
        ]
        self._results = []

    def _ask(
        self, *, call_id: str = "call", with_tools: bool = True, only_output: bool = False
    ) -> Generator[AgentEvent, None, tuple[Turn, Reply]]:
        turn, reply = yield from self._asking.ask(
            self._messages,
            asked=self._asked,
            call_id=call_id,
            with_tools=with_tools,
            without=self._ledger.repeated,
            only_output=only_output,
            seconds=self._seconds_left(grace=not with_tools),
        )
        price = self._setup.price
        cost = reply.usage.cost
        if cost is None and price is not None:
            cost = price.of(reply.usage)
        self._spend(reply.usage, cost)
        return turn, reply

    # -- endings ------------------------------------------------------------------------------

    def _last_answer(self, stopped: Stopped) -> Generator[AgentEvent, None, None]:
        """Ask once more, without tools; where that fails, say what was found."""
        reason = _REASONS[stopped].format(limits=self._setup.limits)
        yield from self._tell(f"{reason}; the answer rests on what was found until then")
        last = _LAST.format(reason=reason)
        if self._asking.calling == "react":
            last += " Begin with 'Final Answer:'."
        self._messages.append(Message("user", last))
        try:
            turn, _ = yield from self._ask(with_tools=False)
        except ModelError as error:
            yield from self._tell(str(error))
            turn = Turn("", fault=str(error))
        if turn.fault is None and turn.text.strip():
            self._messages.append(Message("assistant", turn.text))
            yield from self._answer(turn.text, stopped)
        else:
            yield self._result(self._found(reason), None, stopped)

    def _give_up(self, turn: Turn) -> Generator[AgentEvent, None, None]:
        """Take what a model wrote for its answer, where it will not keep to the form."""
        if turn.text.strip():
            yield from self._tell(f"{self._setup.model.name} did not keep to the form asked for")
            yield TextDelta(turn.text)
            yield from self._answer(turn.text, "answer")
        else:
            yield from self._last_answer("empty")

    def _answer(self, text: str, stopped: Stopped) -> Generator[AgentEvent, None, None]:
        """Read the answer as the output type, asking again where that fails."""
        output = self._setup.output
        if output is None:
            yield self._result(text, text, stopped)
            return
        if self._refusal:  # it would be refused again
            yield self._result(text, None, "invalid_output" if stopped == "answer" else stopped)
            return
        for attempt in range(_MAX_REPAIRS + 1):
            try:
                typed = output.read(text)
            except OutputError as error:
                fault = str(error)
            else:
                self._repairs += bool(typed.repairs)
                yield self._result(text, typed.value, stopped)
                return
            if attempt == _MAX_REPAIRS:
                break
            self._repairs += 1
            self._messages.append(
                Message("user", f"This does not fit: {fault}.\n\n{output.instructions}")
            )
            try:
                turn, _ = yield from self._ask(with_tools=False, only_output=True)
            except ModelError as error:
                fault = str(error)
                break
            text = turn.text or text
            self._messages.append(Message("assistant", text))
        name = self._setup.model.name
        yield from self._tell(f"{name} gave no answer of the type asked for: {fault}")
        ended: Stopped = "invalid_output" if stopped == "answer" else stopped
        yield self._result(text, None, ended)

    def _found(self, reason: str) -> str:
        """Say without the model what the tools returned."""
        lines = [f"No answer was reached: {reason}."]
        calls = [call for step in self._steps for call in step.calls if not call.error]
        if calls:
            lines.append("What the tools returned so far:")
        for call in calls:
            said = " ".join(call.result.split())
            if len(said) > _FOUND_CHARACTERS:
                said = said[: _FOUND_CHARACTERS - 1] + "…"
            lines.append(f"- {call.tool} {call.arguments}: {said}")
        return "\n".join(lines)

    def _result(self, text: str, output: Any, stopped: Stopped) -> AgentResult[Any]:
        setup = self._setup
        if output is None and setup.output is None and stopped != "approval":
            output = text
        priced = setup.price is not None
        return AgentResult(
            output=output,
            text=text,
            stopped=stopped,
            steps=tuple(self._steps),
            usage=replace(self._usage, cost=self._cost if priced else None),
            cost=self._cost if priced else None,
            seconds=self._taken(),
            degraded=tuple(dict.fromkeys(self._degraded)),
            repairs=self._repairs,
            state=self._state(),
            model=setup.model.name,
            trace=current_trace(),
        )

    def _state(self) -> RunState:
        pending: tuple[PendingCall, ...] = tuple(self._pending)
        results: tuple[CallRecord, ...] = tuple(self._results)
        return RunState(
            agent=self._setup.name,
            question=self._question,
            messages=tuple(self._messages),
            asked=self._asked,
            steps=tuple(self._steps),
            usage=self._usage,
            cost=self._cost,
            seconds=self._taken(),
            results=results,
            pending=pending,
            inside=dict(self._inside),
        )

    # -- limits -------------------------------------------------------------------------------

    def _limit(self) -> Stopped | None:
        limits = self._setup.limits
        if self._setup.cancelled.is_set():
            raise CancelledError
        if self._ledger.repeats >= MAX_REPEATS:
            return "loop"
        if len(self._steps) >= limits.steps:
            return "steps"
        used = self._usage.input_tokens + self._usage.output_tokens
        if limits.tokens is not None and used >= limits.tokens:
            return "tokens"
        if limits.cost is not None and self._cost >= limits.cost:
            return "cost"
        if limits.seconds is not None and self._taken() >= limits.seconds:
            return "seconds"
        return None

    def _taken(self) -> float:
        return self._before + time.monotonic() - self._started

    def _seconds_left(self, *, grace: bool = False) -> float | None:
        seconds = self._setup.limits.seconds
        if seconds is None:
            return None
        left = max(0.0, seconds - self._taken())
        return max(left, min(_GRACE_SECONDS, seconds)) if grace else left

    def _spend(self, usage: Usage, cost: float | None) -> None:
        self._usage = Usage(
            self._usage.input_tokens + usage.input_tokens,
            self._usage.output_tokens + usage.output_tokens,
        )
        self._cost += cost or 0.0

    # -- small things -------------------------------------------------------------------------

    def _with_own_ids(self, calls: Sequence[ToolCall]) -> tuple[ToolCall, ...]:
        """Make ids unique in the run; some servers number the calls of each reply anew."""
        used = {call.id for message in self._messages for call in message.tool_calls}
        own: list[ToolCall] = []
        for call in calls:
            name = re.sub(r"/", "_", call.id) or "call"
            unique, number = name, 2
            while unique in used:
                unique, number = f"{name}_{number}", number + 1
            used.add(unique)
            own.append(replace(call, id=unique))
        return tuple(own)

    def _tell(self, sentence: str) -> Iterator[Notice]:
        if sentence not in self._degraded:
            self._degraded.append(sentence)
            yield Notice(sentence)
