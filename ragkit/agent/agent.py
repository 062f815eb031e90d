"""The agent: a model with tools, instructions and a memory, asked one thing at a time."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from dataclasses import replace
from types import UnionType
from typing import TYPE_CHECKING, Any, Generic, Literal, _SpecialForm

from ragkit.agent import workers
from ragkit.agent.calls import RESUMING, Approve, Decision
from ragkit.agent.limits import Limits
from ragkit.agent.loop import Run
from ragkit.agent.model_turn import Calling, CancelledError, Setup
from ragkit.agent.outcome import AgentEvent, AgentResult, Output, RunState
from ragkit.agent.remembering import keep_turn, recall_messages
from ragkit.agent.tool import CALLERS_LOOP, Tool, ToolResult, tool
from ragkit.errors import UsageError
from ragkit.events import Notice, isolated, span
from ragkit.llm import load_model
from ragkit.llm.chat_model import ChatModel, Message
from ragkit.llm.json_text import object_schema
from ragkit.llm.typed_output import OutputType

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Iterator, Mapping, Sequence

    from ragkit.memory.memory import Memory

_DEFAULT_REPLY_TOKENS = 4_096
_MAX_DEPTH = 10

_ACTIVE: ContextVar[tuple[Agent[Any], ...]] = ContextVar("ragkit_active_agents", default=())
_APPROVE: ContextVar[Approve | None] = ContextVar("ragkit_approve", default=None)


class Agent(Generic[Output]):
    """A model that reaches its answer in steps, calling tools on the way.

        agent = Agent(model="openai:gpt-5-mini", tools=[kb.as_tool(), calculator])
        result = agent.run("How much is the CV-300 with 12 % discount?")
        print(result.output)

    Tools are called natively where the model can, else described in plain text (ReAct). What
    tools return is quoted to the model as data; it never stands in a message of the user or the
    system. An agent keeps nothing between runs but what its memory keeps, and may be used from
    several threads.
    """

    def __init__(
        self,
        model: str | ChatModel,
        *,
        tools: Sequence[Tool] = (),
        instructions: str = "",
        memory: Memory | None = None,
        output_type: type[Output] | _SpecialForm | UnionType | None = None,
        limits: Limits | None = None,
        approve: Approve | None = None,
        name: str = "agent",
        calling: Literal["auto", "native", "react", "json"] = "auto",
        max_reply_tokens: int = _DEFAULT_REPLY_TOKENS,
        temperature: float = 0.0,
        base_url: str | None = None,
        api_key: str | None = None,
    ) -> None:
        """Set the agent up; nothing is sent or loaded yet.

        Args:
            model: A name, as :func:`ragkit.llm.load_model` takes it, or an object.
            tools: What it may call. Plain typed functions are made tools.
            instructions: What it is for, and how it should go about it.
            memory: Recalls what was said before, and keeps what is said.
            output_type: What the answer is read as: a pydantic model, a dataclass, an enum,
                ``list[str]``…; default: text. Type checkers know the answer's type of classes; for
                a union, say it: ``agent: Agent[Cat | Dog] = Agent(…)``.
            limits: Where a run ends; default: 20 steps and ten minutes.
            approve: Asked before each call that needs a person; returns ``True`` to let it go
                ahead, ``False`` or a reason not to. Without it, the run pauses: see
                :meth:`resume`.
            name: What traces, and agents above it, call it.
            calling: How tools are called: ``"native"``, ``"react"`` (in plain text), ``"json"``
                (each reply held to a schema by the server), or by what the model can do.
            max_reply_tokens: Length of one reply at most.
            temperature: 0 for the likeliest replies; higher for more variety.
            base_url: Where an OpenAI-compatible ``model`` is served.
            api_key: Its key.

        Raises:
            UsageError: two tools have the same name, or an option is wrong.
        """
        self._model = (
            load_model(model, base_url=base_url, api_key=api_key)
            if isinstance(model, str)
            else model
        )
        made = [item if isinstance(item, Tool) else tool(item) for item in tools]
        self._tools = {item.name: item for item in made}
        if len(self._tools) < len(made):
            names = [item.name for item in made]
            twice = next(name for name in names if names.count(name) > 1)
            raise UsageError(f"two tools are named {twice!r}; give one of them another name")
        if calling not in ("auto", "native", "react", "json"):
            raise UsageError(
                f"calling must be 'auto', 'native', 'react' or 'json', not {calling!r}"
            )
        if max_reply_tokens < 1:
            raise UsageError(f"max_reply_tokens must be positive, not {max_reply_tokens!r}")
        self._instructions = instructions.strip()
        self._memory = memory
        self._output = None if output_type in (None, str) else OutputType(output_type)
        self._limits = limits or Limits()
        self._price = self._limits.price_for(self._model.name)
        self._approve = approve
        self._name = name
        self._calling = calling
        self._max_reply_tokens = max_reply_tokens
        self._temperature = temperature
        self._without_native_tools = False

    def __repr__(self) -> str:
        return f"Agent({self._model.name!r}, tools={list(self._tools)!r}, name={self._name!r})"

    @property
    def name(self) -> str:
        """What traces, and agents above it, call it."""
        return self._name

    @property
    def model(self) -> ChatModel:
        """The model that it asks."""
        return self._model

    @property
    def tools(self) -> tuple[Tool, ...]:
        """What it may call."""
        return tuple(self._tools.values())

    def run(
        self, question: str, *, history: Sequence[Message | Mapping[str, str]] = ()
    ) -> AgentResult[Output]:
        """Work on ``question`` until there is an answer, a limit is reached or a person is needed.

        Args:
            question: What to do or answer.
            history: Earlier turns, oldest first: ``[{"role": "user", "content": "…"}, …]``.

        Raises:
            UsageError: an empty question, or an agent that is asked by itself.
            PromptTooLongError: instructions and question do not fit the model's window.
            ModelError: the model failed before anything was done.
        """
        return _last(self.stream(question, history=history))

    def stream(
        self, question: str, *, history: Sequence[Message | Mapping[str, str]] = ()
    ) -> Iterator[AgentEvent]:
        """Like :meth:`run`, telling each step as it happens; the last event is the result.

        Closing the iterator cancels the run.
        """
        return self._stream(question, history, threading.Event())

    def resume(
        self, state: RunState | str, decisions: Mapping[str, Decision] | None = None
    ) -> AgentResult[Output]:
        """Go on with a run that paused for approval, or that a failing model ended.

        Args:
            state: Its ``result.state``, or the text of it.
            decisions: For each pending call's id ``True``, ``False``, or the reason why not.
                Calls without a decision go to ``approve``, or keep the run paused.

        Raises:
            UsageError: the state is another agent's, no state, or of a run that is finished; or a
                decision is on no pending call.
        """
        return _last(self.resume_stream(state, decisions))

    def resume_stream(
        self, state: RunState | str, decisions: Mapping[str, Decision] | None = None
    ) -> Iterator[AgentEvent]:
        """Like :meth:`resume`, telling each step as it happens; the last event is the result."""
        return self._resume(state, decisions or {}, threading.Event())

    async def arun(
        self, question: str, *, history: Sequence[Message | Mapping[str, str]] = ()
    ) -> AgentResult[Output]:
        """Like :meth:`run`, in a worker thread; async tools run on the caller's event loop."""
        result: AgentResult[Output] | None = None
        async for event in self.astream(question, history=history):
            if isinstance(event, AgentResult):
                result = event
        assert result is not None  # noqa: S101 - a stream ends with its result or raises
        return result

    async def astream(
        self, question: str, *, history: Sequence[Message | Mapping[str, str]] = ()
    ) -> AsyncIterator[AgentEvent]:
        """Like :meth:`stream`, from a worker thread. Cancelling it cancels the run."""
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[AgentEvent | None] = asyncio.Queue()
        cancelled = threading.Event()

        def work() -> None:
            CALLERS_LOOP.set(loop)
            events = self._stream(question, history, cancelled)
            try:
                for event in events:
                    loop.call_soon_threadsafe(arrived.put_nowait, event)
                    if cancelled.is_set():
                        break
            finally:
                events.close()
                loop.call_soon_threadsafe(arrived.put_nowait, None)

        done = workers.start(work)
        try:
            while (event := await arrived.get()) is not None:
                yield event
            done.result()
        finally:
            cancelled.set()

    def as_tool(self, *, name: str | None = None, description: str | None = None) -> Tool:
        """Make the agent a tool of another one; it is given a task and returns its answer.

        It works with its own tools, memory and limits. Calls that need a person go to its own
        ``approve``, or to that of the agent above it, which pauses if it has none.

        Args:
            name: What the other agent calls it by; default: the agent's own name.
            description: What it is good for; default: its instructions.
        """

        def ask(task: str) -> ToolResult:
            paused = RESUMING.get()
            token = RESUMING.set(None)
            try:
                result = self.run(task) if paused is None else self.resume(*paused)
            finally:
                RESUMING.reset(token)
            return ToolResult(result.text, error=result.stopped == "error", value=result)

        return Tool.from_schema(
            ask,
            name=name or self._name,
            description=description or self._instructions or f"Give a task to {self._name}.",
            parameters=object_schema(
                task={
                    "type": "string",
                    "description": "What to do, with all that is needed to know for it.",
                }
            ),
            timeout=self._limits.seconds and self._limits.seconds + 60.0,
        )

    # -- inside -------------------------------------------------------------------------------

    def _stream(
        self,
        question: str,
        history: Sequence[Message | Mapping[str, str]],
        cancelled: threading.Event,
    ) -> Generator[AgentEvent, None, None]:
        question = question.strip()
        if not question:
            raise UsageError("the question is empty")
        turns = [_message(turn) for turn in history]
        return isolated(self._events(question, turns, None, {}, cancelled))

    def _resume(
        self,
        state: RunState | str,
        decisions: Mapping[str, Decision],
        cancelled: threading.Event,
    ) -> Generator[AgentEvent, None, None]:
        if isinstance(state, str):
            state = RunState.from_json(state)
        if state.agent != self._name:
            raise UsageError(f"this is a run of {state.agent!r}, not of {self._name!r}")
        last = state.messages[-1]
        if last.role == "assistant" and not last.tool_calls:
            raise UsageError("this run is finished; pass its messages as history to ask on")
        return isolated(self._events(state.question, [], state, decisions, cancelled))

    def _events(
        self,
        question: str,
        turns: list[Message],
        state: RunState | None,
        decisions: Mapping[str, Decision],
        cancelled: threading.Event,
    ) -> Generator[AgentEvent, None, None]:
        active = _ACTIVE.get()
        if self in active or len(active) >= _MAX_DEPTH:
            chain = " → ".join(agent.name for agent in (*active, self))
            raise UsageError(f"agents ask each other in a circle: {chain}")
        approve = self._approve or _APPROVE.get()
        # Nothing is reset: this runs in a context of its own.
        _ACTIVE.set((*active, self))
        _APPROVE.set(approve)
        with span(
            self._name,
            "agent",
            inputs={"question": question},
            agent=self._name,
            model=self._model.name,
            resumed=state is not None,
        ) as step:
            notices: list[str] = []
            if state is None:
                recalled, asked = recall_messages(self._memory, self._model, question, notices)
                for notice in notices:
                    yield Notice(notice)
                messages = (*turns, *recalled)
                state = RunState(self._name, question, messages, len(turns) + asked)
            run = Run(self._setup(approve, cancelled), state)
            result: AgentResult[Any] | None = None
            try:
                for event in run.events(decisions):
                    if isinstance(event, AgentResult):
                        if event.stopped != "approval":
                            keep_turn(self._memory, question, event, notices)
                        result = replace(event, degraded=(*notices, *event.degraded))
                        step.set(
                            outputs={"text": result.text},
                            stopped=result.stopped,
                            steps=len(result.steps),
                            input_tokens=result.usage.input_tokens,
                            output_tokens=result.usage.output_tokens,
                            **({} if result.cost is None else {"cost": result.cost}),
                        )
                    else:
                        yield event
            except CancelledError:
                step.status = "cancelled"
        if result is not None:  # the step is over: its reader may stop here
            yield result

    def _setup(self, approve: Approve | None, cancelled: threading.Event) -> Setup:
        return Setup(
            name=self._name,
            model=self._model,
            tools=self._tools,
            instructions=self._instructions,
            limits=self._limits,
            price=self._price,
            approve=approve,
            output=self._output,
            calling=self._chosen_calling(),
            max_reply_tokens=self._max_reply_tokens,
            temperature=self._temperature,
            without_native_tools=self._learn,
            cancelled=cancelled,
        )

    def _chosen_calling(self) -> Calling:
        if self._calling != "auto":
            return self._calling
        if self._model.native_tools and not self._without_native_tools:
            return "native"
        return "json" if getattr(self._model, "follows_schemas", False) else "react"

    def _learn(self) -> None:
        self._without_native_tools = True


def _last(events: Iterator[AgentEvent]) -> AgentResult[Any]:
    for event in events:
        if isinstance(event, AgentResult):
            return event
    raise AssertionError("the run ended without a result")


def _message(turn: Message | Mapping[str, str]) -> Message:
    if isinstance(turn, Message):
        return turn
    role, content = turn.get("role"), turn.get("content")
    if role not in ("user", "assistant") or not isinstance(content, str):
        raise UsageError(
            f"a turn is {{'role': 'user' or 'assistant', 'content': text}}, not {dict(turn)!r}"
        )
    return Message("user" if role == "user" else "assistant", content)
