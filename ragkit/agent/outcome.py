"""What a run of an agent tells while it goes on, returns in the end, and can be resumed from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal

from typing_extensions import TypeVar

from ragkit.errors import UsageError
from ragkit.events import Notice
from ragkit.llm.chat_model import Message, message_document, message_from_document
from ragkit.results import TextDelta, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ragkit.agent.tool import ToolResult

Stopped = Literal[
    "answer",
    "approval",
    "steps",
    "tokens",
    "seconds",
    "cost",
    "loop",
    "empty",
    "invalid_output",
    "error",
]


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A call of a tool, and what came of it.

    ``arguments`` is JSON as the model wrote it; ``result`` is what the model was told; ``refused``
    says that the call was not made, because a person or a rule did not allow it.
    """

    id: str
    tool: str
    arguments: str
    result: str
    error: bool = False
    refused: bool = False
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Step:
    """One reply of the model, with the calls it made. ``text`` is its thought or its answer."""

    number: int
    text: str
    calls: tuple[CallRecord, ...] = ()
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class PendingCall:
    """A call that waits for a person; ``id`` is what a decision on it is given for."""

    id: str
    agent: str
    tool: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunState:
    """All that is needed to go on with a run later, in another process too; JSON inside.

    Attributes:
        agent: Name of the agent.
        question: What it was asked.
        messages: The conversation, without the instructions.
        asked: Index of the question in it.
        steps: What was done.
        usage: Tokens used so far.
        cost: US dollars spent so far, as far as prices are known.
        seconds: Time taken so far, without the time it was paused.
        results: What came of the latest step's calls so far, by their ids.
        pending: Calls that wait for a decision.
        inside: Paused runs of agents used as tools, by the id of the call they answer.
    """

    agent: str
    question: str
    messages: tuple[Message, ...]
    asked: int
    steps: tuple[Step, ...] = ()
    usage: Usage = field(default_factory=Usage)
    cost: float = 0.0
    seconds: float = 0.0
    results: tuple[CallRecord, ...] = ()
    pending: tuple[PendingCall, ...] = ()
    inside: Mapping[str, RunState] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the state as text that :meth:`from_json` reads."""
        return json.dumps(self._document(), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> RunState:
        """Read a state that :meth:`to_json` wrote.

        Raises:
            UsageError: it is none.
        """
        try:
            return cls._read(json.loads(text))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UsageError(f"this is not the saved state of an agent: {error}") from error

    def _document(self) -> dict[str, Any]:
        return {
            "version": _STATE_VERSION,
            "agent": self.agent,
            "question": self.question,
            "messages": [message_document(message) for message in self.messages],
            "asked": self.asked,
            "steps": [asdict(step) for step in self.steps],
            "usage": asdict(self.usage),
            "cost": self.cost,
            "seconds": self.seconds,
            "results": [asdict(result) for result in self.results],
            "pending": [asdict(call) for call in self.pending],
            "inside": {call: state._document() for call, state in self.inside.items()},
        }

    @classmethod
    def _read(cls, document: Mapping[str, Any]) -> RunState:
        if document["version"] != _STATE_VERSION:
            raise ValueError(f"it has version {document['version']!r}, not {_STATE_VERSION!r}")
        return cls(
            agent=document["agent"],
            question=document["question"],
            messages=tuple(message_from_document(message) for message in document["messages"]),
            asked=document["asked"],
            steps=tuple(
                Step(
                    step["number"],
                    step["text"],
                    tuple(CallRecord(**call) for call in step["calls"]),
                    Usage(**step["usage"]),
                    step["seconds"],
                )
                for step in document["steps"]
            ),
            usage=Usage(**document["usage"]),
            cost=document["cost"],
            seconds=document["seconds"],
            results=tuple(CallRecord(**result) for result in document["results"]),
            pending=tuple(PendingCall(**call) for call in document["pending"]),
            inside={call: cls._read(state) for call, state in document["inside"].items()},
        )


_STATE_VERSION = 1


# What a run returns: text, unless the agent's ``output_type`` is another class.
Output = TypeVar("Output", default=str)


@dataclass(frozen=True, slots=True)
class AgentResult(Generic[Output]):
    """What came of a run.

    Attributes:
        output: The answer: text, or an object of the agent's ``output_type`` (``None`` where no
            reply of the model could be read as one, and while the run is paused).
        text: The answer as the model wrote it. Never empty, except while the run is paused.
        stopped: ``"answer"`` when the model was done; ``"approval"`` when calls wait for a
            person; else what ended the run: the limit that was reached, ``"loop"`` (the same
            calls again and again), ``"empty"`` (replies without content),
            ``"invalid_output"``, or ``"error"`` (the model failed after some steps).
        steps: The model's replies, each with its calls.
        usage: Tokens used, those of agents used as tools included.
        cost: US dollars, or ``None`` where the price is unknown.
        seconds: Wall time.
        degraded: One sentence for each thing that went less than well.
        repairs: How often the answer had to be mended, or asked for again, to fit
            ``output_type``.
        state: What :meth:`ragkit.Agent.resume` goes on from.
        model: Name of the model.
        trace: Identifier of the trace, where one was recorded.
    """

    output: Output | None
    text: str
    stopped: Stopped
    steps: tuple[Step, ...]
    usage: Usage
    cost: float | None
    seconds: float
    degraded: tuple[str, ...]
    repairs: int
    state: RunState
    model: str
    trace: str | None = None

    @property
    def pending(self) -> tuple[PendingCall, ...]:
        """Calls that wait for a person's decision."""
        return self.state.pending


@dataclass(frozen=True, slots=True)
class StepStarted:
    """The model is asked for its next reply; ``number`` counts from 1."""

    number: int


@dataclass(frozen=True, slots=True)
class Thought:
    """What the model said besides calling tools, whole. Plain text, not an answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """A tool is being called."""

    id: str
    tool: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A call came back, or was not made: then ``refused`` is true."""

    id: str
    tool: str
    result: ToolResult
    seconds: float = 0.0
    refused: bool = False


AgentEvent = (
    StepStarted | TextDelta | Thought | ToolStarted | ToolFinished | Notice | AgentResult[Any]
)
