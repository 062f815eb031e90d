"""The shell's slash commands: each is a function of the conversation and of what stands after it."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text

from ragkit import llm
from ragkit.cli.common import DEFAULT_TOOLS, memory_kinds, parse_where
from ragkit.cli.conversation import Conversation, show_where
from ragkit.cli.explained import print_trace
from ragkit.cli.ls import print_documents
from ragkit.cli.output import plural, printable, printable_path
from ragkit.cli.render import print_citation
from ragkit.cli.typed_lines import forget_questions
from ragkit.errors import UsageError
from ragkit.memory import KINDS

if TYPE_CHECKING:
    from ragkit.results import Answer

Run = Callable[[Conversation, str], None]


class SlashCommand(NamedTuple):
    """A command of the shell: how it is written, what it does, and what runs it."""

    usage: str
    help: str
    run: Run


COMMANDS: dict[str, SlashCommand] = {}


def slash(usage: str) -> Callable[[Run], Run]:
    """Make a function a command of the shell; its docstring is the help."""

    def add(run: Run) -> Run:
        COMMANDS[usage.split()[0]] = SlashCommand(usage, run.__doc__ or "", run)
        return run

    return add


@slash("/help")
def show_help(shell: Conversation, _argument: str) -> None:
    """Show this help."""
    width = max(len(entry.usage) for entry in COMMANDS.values()) + 2
    for entry in COMMANDS.values():
        line = Text(f"  {entry.usage:{width}}", style="cite")
        line.append(entry.help)
        shell.out.print(line)
    shell.out.print(
        "Anything else is a question. Alt-Enter or a final \\ begins a new line; Ctrl-C stops"
        " an answer; Ctrl-D leaves.",
        style="faint",
    )


@slash("/sources [N]")
def show_sources(shell: Conversation, argument: str) -> None:
    """Show the quotes of the last answer in full."""
    answer = _last_answer(shell)
    if not answer.citations:
        shell.out.print("The last answer has no sources.")
        return
    chosen = answer.citations
    if argument:
        numbers = {str(citation.n): citation for citation in answer.citations}
        if argument not in numbers:
            raise UsageError(f"there is no source {argument!r}; there are 1 to {len(numbers)}")
        chosen = (numbers[argument],)
    for citation in chosen:
        print_citation(shell.out, shell.kb, citation, longest=None)


@slash("/why")
def show_why(shell: Conversation, _argument: str) -> None:
    """Show how the last answer was found: ranks, scores, times."""
    show_trace(shell, "")


@slash("/model [NAME]")
def set_model(shell: Conversation, argument: str) -> None:
    """Change what writes the answers."""
    if argument:
        if argument != "extractive":
            llm.load_model(argument, base_url=shell.base_url)  # a name that is wrong says so now
        shell.model, shell.escalate = argument, ()
        shell.chat = shell.kb.chat(shell.chat.session, model=argument, memory=shell.remembers)
    shell.out.print(f"Answers by {printable(shell.model)}.")


@slash("/agent [on|off|TOOL ...]")
def set_agent(shell: Conversation, argument: str) -> None:
    """Let an agent with tools answer, or no more."""
    if argument.lower() in ("off", "none"):
        shell.agent = None
    elif argument:
        names = DEFAULT_TOOLS if argument.lower() == "on" else _words(argument)
        if shell.agent is not None:
            desk = shell.agent.desk
            settings = (shell.agent.limits, shell.agent.instructions)
        else:
            from ragkit.cli.agents import AgentDesk

            desk = shell.opened.enter_context(AgentDesk(shell.kb, interactive=shell.interactive))
            settings = (None, None)
        shell.begin_agent(desk, names, limits=settings[0], instructions=settings[1])
    if shell.agent is None:
        shell.out.print("No agent: questions are answered from the documents. /agent on")
    else:
        shell.out.print(f"An agent answers, with {', '.join(shell.agent.names)}.")


@slash("/trace [ID]")
def show_trace(shell: Conversation, argument: str) -> None:
    """Show what happened for the last question, step by step."""
    wanted = argument or shell.last_trace
    if not wanted:
        raise UsageError("nothing was asked yet")
    trace = shell.kb.trace(wanted)
    if trace is None:
        raise UsageError(f"there is no trace {wanted!r}; ragkit trace lists them")
    print_trace(shell.out, trace, verbose=shell.verbose)


@slash("/cost")
def show_cost(shell: Conversation, _argument: str) -> None:
    """Show what language models used."""
    in_all = shell.kb.usage()
    if not in_all:
        shell.out.print("No language model was used yet.")
        return
    for title, spent in (
        (f"session {shell.chat.session}", shell.kb.usage(shell.chat.session)),
        ("in all", in_all),
    ):
        shell.out.print(printable(title), style="faint")
        for model, part in spent.items():
            cost = "price unknown" if part.cost is None else f"${part.cost:.4f}"
            shell.out.print(
                f"  {printable(model)}: {plural(part.answers, 'answer')}, "
                f"{plural(part.calls, 'call')}, {part.input_tokens:,} tokens read, "
                f"{part.output_tokens:,} written, {cost}"
            )


@slash("/session [NAME]")
def set_session(shell: Conversation, argument: str) -> None:
    """Change the conversation, or list them."""
    if not argument:
        lengths = {info.name: info.turns for info in shell.kb.sessions()}
        lengths.setdefault(shell.chat.session, 0)  # it is kept from its first question on
        for name, count in lengths.items():
            mark = "*" if name == shell.chat.session else " "
            shell.out.print(f"{mark} {printable_path(name)}  {plural(count, 'turn')}")
        return
    shell.chat = shell.kb.chat(argument, model=shell.models, memory=shell.remembers)
    shell.last = shell.last_trace = None
    turns = len(shell.chat.history)
    past = f"goes on, {plural(turns, 'turn')} so far" if turns else "begins"
    shell.out.print(f"Conversation {printable_path(argument)!r} {past}.")


@slash("/memory [KIND ...]")
def set_memory(shell: Conversation, argument: str) -> None:
    """Show what was remembered, and why; or choose what is."""
    if argument:
        kinds = memory_kinds(argument)
        shell.chat = shell.kb.chat(shell.chat.session, model=shell.models, memory=kinds)
        shell.remembers = kinds
    others = ", ".join(kind for kind in KINDS if kind not in shell.remembers)
    shell.out.print(
        f"Remembers {', '.join(shell.remembers)}"
        + (f" (there is also {others})." if others else ".")
    )
    recalled = shell.chat.memory.recalled
    if recalled is None or argument:
        return
    shell.out.print(f"For the last question: {plural(len(recalled.turns), 'turn')} as they were.")
    for item in recalled.notes:
        line = Text(f"  {printable(' '.join(item.text.split()))}")
        line.append(f"  ({item.kind}: {printable(item.why)})", style="faint")
        shell.out.print(line)


@slash("/where [KEY=VALUE|off]")
def set_where(shell: Conversation, argument: str) -> None:
    """Ask only some documents, as in path=*.pdf."""
    if argument.lower() in ("off", "none"):
        shell.where = None
    elif argument:
        where = parse_where(_words(argument))
        matching = len(shell.kb.documents(where))
        shell.where = where
        shell.out.print(
            f"{plural(matching, 'document')} match." if matching != 1 else "1 document matches."
        )
    shown = f"Only where {show_where(shell.where)}." if shell.where else "All documents."
    shell.out.print(printable(shown))


@slash("/ls [GLOB]")
def list_documents(shell: Conversation, argument: str) -> None:
    """List documents."""
    where = {"path": [argument]} if argument else shell.where
    documents = shell.kb.documents(where)
    if documents:
        print_documents(documents, shell.out.file)
    else:
        shell.out.print("No document matches." if where else "The knowledge base is empty.")


@slash("/clear")
def clear(shell: Conversation, _argument: str) -> None:
    """Forget this conversation."""
    history = shell.chat.history
    turns = len(history)
    if turns:
        shell.chat.delete()
    asked = [turn["content"] for turn in history if turn["role"] == "user"]
    forget_questions(shell.kb.directory, asked)
    shell.last = shell.last_trace = None
    shell.out.print(f"Forgot {plural(turns, 'turn')} of {shell.chat.session!r}.")


@slash("/quit")
def leave(shell: Conversation, _argument: str) -> None:
    """Leave (as do exit, quit and Ctrl-D)."""
    shell.leaving = True


def _last_answer(shell: Conversation) -> Answer:
    if shell.last is None and shell.last_trace is not None:
        raise UsageError("an agent gave the last answer; /trace shows what it looked up")
    if shell.last is None:
        raise UsageError("nothing was asked yet")
    return shell.last


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"cannot read {text!r}: {error}") from error
