"""The shell's state and commands, whatever the lines come from."""

from __future__ import annotations

import difflib
import errno
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.text import Text

from ragkit.cli.answer_json import answer_document
from ragkit.cli.common import clean_question, memory_kinds, parse_where
from ragkit.cli.explained import print_trace
from ragkit.cli.ls import print_documents
from ragkit.cli.output import note, plural, printable, printable_path
from ragkit.cli.render import print_answer, print_citation, print_text, stream_answer
from ragkit.cli.typed_lines import forget_questions
from ragkit.errors import RagkitError, UsageError
from ragkit.results import Answer

if TYPE_CHECKING:
    from rich.console import Console

    from ragkit.agent import Agent, Limits, Tool
    from ragkit.cli.agents import AgentDesk
    from ragkit.kb import KnowledgeBase

Where = dict[str, list[str]]


class SlashCommand(NamedTuple):
    """A command of the shell: how it is written, what it does, and what runs it."""

    usage: str
    help: str
    run: Callable[[Shell, str], None]


class AgentMode(NamedTuple):
    """What answers in the place of the knowledge base: an agent with tools."""

    desk: AgentDesk
    names: tuple[str, ...]
    tools: Sequence[Tool]
    limits: Limits | None = None
    instructions: str | None = None


class Shell:
    """A conversation with a knowledge base, line by line.

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
        self._leaving = False
        self._opened = ExitStack()

    def handle(self, line: str) -> bool:
        """Answer a question or run a command; return whether the shell goes on.

        Errors are shown, never raised: the shell outlives them. Ctrl-C ends the answer, and in a
        shell that is not interactive everything.
        """
        if not line.strip():
            return True
        is_command = line.startswith("/")
        try:
            if is_command:
                self._run_command(line)
            else:
                self._ask(clean_question(line))
        except KeyboardInterrupt:
            if not self.interactive:
                raise
            self.out.print("(stopped)", style="faint")
        except RagkitError as error:
            self._show_error(line, type(error).__name__, str(error), is_command)
        except Exception as error:  # a fault in one answer must not end the conversation
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise
            if self.verbose:
                import traceback

                note(traceback.format_exc())
            kind = type(error).__name__
            self._show_error(line, kind, f"unexpected error: {kind}: {error}", is_command)
        return not self._leaving

    @property
    def models(self) -> str | list[str]:
        """What answers: one model, or several, the cheapest first."""
        return [self.model, *self.escalate] if self.escalate else self.model

    def close(self) -> None:
        """Disconnect from what agents were given."""
        self._opened.close()

    def leave(self, _argument: str = "") -> None:
        """End the shell."""
        self._leaving = True

    def summary(self) -> str:
        """Say what is being talked to: session, model and filter."""
        parts = [
            f"session {self.chat.session}",
            f"model {' → '.join([self.model, *self.escalate])}",
        ]
        if self.agent is not None:
            parts.append(f"agent with {', '.join(self.agent.names)}")
        if self.where:
            parts.append(f"where {_show_where(self.where)}")
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

    def _ask(self, question: str) -> None:
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

    def _run_command(self, line: str) -> None:
        name, _, argument = line.strip().partition(" ")
        entry = COMMANDS.get(name.lower())
        if entry is None:
            typed = name.lower()
            nearest = [known for known in COMMANDS if known.startswith(typed)]
            nearest = nearest or difflib.get_close_matches(typed, COMMANDS, n=1, cutoff=0.5)
            hint = f"did you mean {nearest[0]}?" if nearest else "/help lists the commands"
            raise UsageError(
                f"there is no command {name!r}; {hint} (A space in front makes it a question.)"
            )
        entry.run(self, argument.strip())

    def _show_error(self, line: str, kind: str, message: str, is_command: bool) -> None:
        self.errors += 1
        if not is_command:
            record = {"question": line, "error": {"type": kind, "message": message}}
            self.records.append(record)
        if self.out.is_terminal:
            self.out.print(Text(f"Error: {printable(message)}", style="bad"))
        else:
            note(f"Error: {printable(message)}")

    # -- the slash commands -------------------------------------------------------------------

    def show_help(self, _argument: str) -> None:
        """Print what there is."""
        width = max(len(entry.usage) for entry in COMMANDS.values()) + 2
        for entry in COMMANDS.values():
            line = Text(f"  {entry.usage:{width}}", style="cite")
            line.append(entry.help)
            self.out.print(line)
        self.out.print(
            "Anything else is a question. Alt-Enter or a final \\ begins a new line; Ctrl-C stops"
            " an answer; Ctrl-D leaves.",
            style="faint",
        )

    def show_sources(self, argument: str) -> None:
        """Print the quotes of the last answer, whole."""
        answer = self._last_answer()
        if not answer.citations:
            self.out.print("The last answer has no sources.")
            return
        chosen = answer.citations
        if argument:
            numbers = {str(citation.n): citation for citation in answer.citations}
            if argument not in numbers:
                raise UsageError(f"there is no source {argument!r}; there are 1 to {len(numbers)}")
            chosen = (numbers[argument],)
        for citation in chosen:
            print_citation(self.out, self.kb, citation, longest=None)

    def show_why(self, _argument: str) -> None:
        """Print how the last answer came about."""
        self.show_trace("")

    def set_model(self, argument: str) -> None:
        """Change the model, or say which it is."""
        if argument:
            if argument != "extractive":
                from ragkit.llm import load_model

                load_model(argument, base_url=self.base_url)  # a name that is wrong says so now
            self.model, self.escalate = argument, ()
            self.chat = self.kb.chat(self.chat.session, model=argument, memory=self.remembers)
        self.out.print(f"Answers by {printable(self.model)}.")

    def set_agent(self, argument: str) -> None:
        """Have questions answered by an agent, or no more; or say which tools it has."""
        from ragkit.cli import agents

        if argument.lower() in ("off", "none"):
            self.agent = None
        elif argument:
            names = agents.DEFAULT_TOOLS if argument.lower() == "on" else _words(argument)
            if self.agent is not None:
                desk = self.agent.desk
                settings = (self.agent.limits, self.agent.instructions)
            else:
                desk = self._opened.enter_context(
                    agents.AgentDesk(self.kb, interactive=self.interactive)
                )
                settings = (None, None)
            self.begin_agent(desk, names, limits=settings[0], instructions=settings[1])
        if self.agent is None:
            self.out.print("No agent: questions are answered from the documents. /agent on")
        else:
            self.out.print(f"An agent answers, with {', '.join(self.agent.names)}.")

    def show_trace(self, argument: str) -> None:
        """Print what happened for the last question, or for a trace by its id."""
        wanted = argument or self.last_trace
        if not wanted:
            raise UsageError("nothing was asked yet")
        print_trace(self.out, self.kb.trace(wanted), verbose=self.verbose)

    def show_cost(self, _argument: str) -> None:
        """Print what language models read, wrote and cost: in this conversation, and in all."""
        in_all = self.kb.usage()
        if not in_all:
            self.out.print("No language model was used yet.")
            return
        for title, spent in (
            (f"session {self.chat.session}", self.kb.usage(self.chat.session)),
            ("in all", in_all),
        ):
            self.out.print(printable(title), style="faint")
            for model, part in spent.items():
                cost = "price unknown" if part.cost is None else f"${part.cost:.4f}"
                self.out.print(
                    f"  {printable(model)}: {plural(part.answers, 'answer')}, "
                    f"{plural(part.calls, 'call')}, {part.input_tokens:,} tokens read, "
                    f"{part.output_tokens:,} written, {cost}"
                )

    def set_session(self, argument: str) -> None:
        """Change the conversation, or list them."""
        if not argument:
            lengths = {info.name: info.turns for info in self.kb.sessions()}
            lengths.setdefault(self.chat.session, 0)  # it is kept from its first question on
            for name, count in lengths.items():
                mark = "*" if name == self.chat.session else " "
                self.out.print(f"{mark} {printable_path(name)}  {plural(count, 'turn')}")
            return
        self.chat = self.kb.chat(argument, model=self.models, memory=self.remembers)
        self.last = self.last_trace = None
        turns = len(self.chat.history)
        past = f"goes on, {plural(turns, 'turn')} so far" if turns else "begins"
        self.out.print(f"Conversation {printable_path(argument)!r} {past}.")

    def set_memory(self, argument: str) -> None:
        """Change what is remembered of the conversation, or show what was recalled, and why."""
        if argument:
            kinds = memory_kinds(argument)
            self.chat = self.kb.chat(self.chat.session, model=self.models, memory=kinds)
            self.remembers = kinds
        from ragkit.memory import KINDS

        others = ", ".join(kind for kind in KINDS if kind not in self.remembers)
        self.out.print(
            f"Remembers {', '.join(self.remembers)}"
            + (f" (there is also {others})." if others else ".")
        )
        recalled = self.chat.memory.recalled
        if recalled is None or argument:
            return
        self.out.print(
            f"For the last question: {plural(len(recalled.turns), 'turn')} as they were."
        )
        for item in recalled.notes:
            line = Text(f"  {printable(' '.join(item.text.split()))}")
            line.append(f"  ({item.kind}: {printable(item.why)})", style="faint")
            self.out.print(line)

    def set_where(self, argument: str) -> None:
        """Change the filter, or say what it is."""
        if argument.lower() in ("off", "none"):
            self.where = None
        elif argument:
            where = parse_where(_words(argument))
            matching = len(self.kb.documents(where))
            self.where = where
            self.out.print(
                f"{plural(matching, 'document')} match." if matching != 1 else "1 document matches."
            )
        shown = f"Only where {_show_where(self.where)}." if self.where else "All documents."
        self.out.print(printable(shown))

    def list_documents(self, argument: str) -> None:
        """List documents, all or those that match a glob."""
        where: Where | None = {"path": [argument]} if argument else self.where
        documents = self.kb.documents(where)
        if documents:
            print_documents(documents, self.out.file)
        else:
            self.out.print("No document matches." if where else "The knowledge base is empty.")

    def clear(self, _argument: str) -> None:
        """Forget the conversation."""
        history = self.chat.history
        turns = len(history)
        if turns:
            self.chat.delete()
        asked = [turn["content"] for turn in history if turn["role"] == "user"]
        forget_questions(self.kb.directory, asked)
        self.last = self.last_trace = None
        self.out.print(f"Forgot {plural(turns, 'turn')} of {self.chat.session!r}.")

    def _last_answer(self) -> Answer:
        if self.last is None and self.last_trace is not None:
            raise UsageError("an agent gave the last answer; /trace shows what it looked up")
        if self.last is None:
            raise UsageError("nothing was asked yet")
        return self.last


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"cannot read {text!r}: {error}") from error


COMMANDS = {
    "/help": SlashCommand("/help", "Show this help.", Shell.show_help),
    "/sources": SlashCommand(
        "/sources [N]", "Show the quotes of the last answer in full.", Shell.show_sources
    ),
    "/why": SlashCommand(
        "/why", "Show how the last answer was found: ranks, scores, times.", Shell.show_why
    ),
    "/model": SlashCommand("/model [NAME]", "Change what writes the answers.", Shell.set_model),
    "/agent": SlashCommand(
        "/agent [on|off|TOOL ...]", "Let an agent with tools answer, or no more.", Shell.set_agent
    ),
    "/trace": SlashCommand(
        "/trace [ID]", "Show what happened for the last question, step by step.", Shell.show_trace
    ),
    "/cost": SlashCommand("/cost", "Show what language models used.", Shell.show_cost),
    "/session": SlashCommand(
        "/session [NAME]", "Change the conversation, or list them.", Shell.set_session
    ),
    "/memory": SlashCommand(
        "/memory [KIND ...]",
        "Show what was remembered, and why; or choose what is.",
        Shell.set_memory,
    ),
    "/where": SlashCommand(
        "/where [KEY=VALUE|off]", "Ask only some documents, as in path=*.pdf.", Shell.set_where
    ),
    "/ls": SlashCommand("/ls [GLOB]", "List documents.", Shell.list_documents),
    "/clear": SlashCommand("/clear", "Forget this conversation.", Shell.clear),
    "/quit": SlashCommand("/quit", "Leave (as does Ctrl-D).", Shell.leave),
}


def questions_from(lines: Iterable[bytes]) -> Iterator[str]:
    """Read questions, one a line; a backslash at the end of a line joins the next one to it."""
    pending = ""
    for number, raw in enumerate(lines):
        line = raw.decode("utf-8-sig" if number == 0 else "utf-8", errors="replace").rstrip("\r\n")
        if line.endswith("\\"):
            pending += line[:-1] + "\n"
            continue
        yield pending + line
        pending = ""
    if pending:
        yield pending


def _show_where(where: Where) -> str:
    return " ".join(
        f"{key}{value}" if value[:1] in "<>" else f"{key}={value}"
        for key, values in where.items()
        for value in values
    )
