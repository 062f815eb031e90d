"""What a shell talks to: a session of a knowledge base, answered by it or by an agent."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from ragkit.cli.render import print_answer, print_text, stream_answer
from ragkit.results import Answer, answer_document

if TYPE_CHECKING:
    from rich.console import Console

    from ragkit.agent import Agent, Limits, Tool
    from ragkit.cli.agents import AgentDesk
    from ragkit.kb import KnowledgeBase

Where = dict[str, list[str]]


class AgentMode(NamedTuple):
    """What answers in the place of the knowledge base: an agent with tools."""

    desk: AgentDesk
    names: tuple[str, ...]
    tools: Sequence[Tool]
    limits: Limits | None = None
    instructions: str | None = None


class Conversation:
    """A conversation with a knowledge base, and what it is answered by.

    Attributes:
        records: The JSON form of each question's outcome, in order.
        errors: How many lines ended in an error.
    """

    def __init__(
        self,
        kb: KnowledgeBase,
        out: Console,
        *,
        session: str,
        model: str,
        memory: tuple[str, ...] = ("window",),
        escalate: Sequence[str] = (),
        base_url: str | None = None,
        where: Where | None = None,
        verbose: bool = False,
        interactive: bool = False,
    ) -> None:
        self.kb = kb
        self.out = out
        self.model = model
        self.escalate = tuple(escalate)
        self.base_url = base_url
        self.where = where
        self.verbose = verbose
        self.interactive = interactive
        self.remembers = memory
        self.chat = kb.chat(session, model=self.models, memory=memory)
        self.last: Answer | None = None
        self.last_trace: str | None = None
        self.records: list[dict[str, Any]] = []
        self.errors = 0
        self.agent: AgentMode | None = None
        self.leaving = False
        self.opened = ExitStack()

    @property
    def models(self) -> str | list[str]:
        """What answers: one model, or several, the cheapest first."""
        return [self.model, *self.escalate] if self.escalate else self.model

    def close(self) -> None:
        """Disconnect from what agents were given."""
        self.opened.close()

    def summary(self) -> str:
        """Say what is being talked to: session, model and filter."""
        parts = [
            f"session {self.chat.session}",
            f"model {' → '.join([self.model, *self.escalate])}",
        ]
        if self.agent is not None:
            parts.append(f"agent with {', '.join(self.agent.names)}")
        if self.where:
            parts.append(f"where {show_where(self.where)}")
        return "  ·  ".join(parts)

    def begin_agent(
        self,
        desk: AgentDesk,
        names: Sequence[str],
        *,
        limits: Limits | None = None,
        instructions: str | None = None,
    ) -> None:
        """Have questions answered by an agent with the tools of these names from now on."""
        agent = AgentMode(desk, tuple(names), desk.tools(names), limits, instructions)
        self._make_agent(agent)  # a model that cannot be one says so now
        self.agent = agent

    def _make_agent(self, mode: AgentMode) -> Agent:
        return mode.desk.agent(
            self.model,
            mode.tools,
            base_url=self.base_url,
            instructions=mode.instructions,
            memory=self.chat.memory,
            limits=mode.limits,
        )

    def _ask_agent(self, mode: AgentMode, question: str) -> None:
        from ragkit.cli import agents

        agent = self._make_agent(mode)
        with self.kb.recording("agent", inputs={"question": question}):
            result = agents.show_run(self.out, agent.stream(question), verbose=self.verbose)
        self.last, self.last_trace = None, result.trace
        self.kb.note_usage(result.model, result.usage, calls=len(result.steps), trace=result.trace)
        self.records.append({"question": question, **agents.run_document(result)})
        self.out.print(f"({agents.run_facts(result)})", style="faint")
        self.out.print()

    def ask(self, question: str) -> None:
        if self.agent is not None:
            self._ask_agent(self.agent, question)
            return
        events = self.chat.stream(question, where=self.where)
        if self.out.is_terminal:
            answer = stream_answer(self.out, events, waiting=self.model != "extractive")
        else:
            answer = next(event for event in events if isinstance(event, Answer))
            print_text(self.out, answer.text)
        self.last, self.last_trace = answer, answer.trace
        print_answer(self.out, self.kb, answer, verbose=self.verbose)
        self.records.append({"question": question, **answer_document(answer)})
        self.out.print()


def show_where(where: Where) -> str:
    """Return a filter as it is typed."""
    return " ".join(
        f"{key}{value}" if value[:1] in "<>" else f"{key}={value}"
        for key, values in where.items()
        for value in values
    )
