"""What the commands share: options, opening the knowledge base, reading the question."""

from __future__ import annotations

import functools
import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ragkit.cli.output import note
from ragkit.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from ragkit.events import Listener
    from ragkit.kb import KnowledgeBase

DEFAULT_DIRECTORY = ".ragkit"


class Command(click.Command):
    """A command whose help ends in examples."""

    def __init__(self, name: str | None, *, examples: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(name, **settings)
        self.examples = tuple(examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, one a line, never wrapped."""
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{example}\n")
        super().format_epilog(ctx, formatter)


_Function = TypeVar("_Function", bound=Callable[..., Any])
_SURROGATES = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Common:
    """The options that every command takes."""

    directory: Path
    as_json: bool
    verbose: bool

    def hint(self, command: str) -> str:
        """Return a command line to suggest, with ``--kb`` when it is not the default."""
        from subprocess import list2cmdline

        name, _, rest = command.partition(" ")
        directory = str(self.directory)
        quoted = list2cmdline([directory]) if os.name == "nt" else shlex.quote(directory)
        where = "" if directory == DEFAULT_DIRECTORY else f" --kb {quoted}"
        return f"ragkit {name}{where}{' ' + rest if rest else ''}"


def common_options(function: _Function) -> _Function:
    """Add ``--kb``, ``--json`` and ``-v``, handed to the command as one :class:`Common`."""

    @click.option(
        "--kb",
        "directory",
        metavar="DIR",
        type=click.Path(path_type=Path, file_okay=False),
        default=DEFAULT_DIRECTORY,
        show_default=True,
        envvar="RAGKIT_KB",
        show_envvar=True,
        help="Folder of the knowledge base.",
    )
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
    @click.option("-v", "--verbose", is_flag=True, help="Say more; show the traceback of an error.")
    @functools.wraps(function)
    def wrapper(*args: Any, directory: Path, as_json: bool, verbose: bool, **options: Any) -> Any:
        common = Common(directory.expanduser(), as_json, verbose)
        return function(common, *args, **options)

    return wrapper  # type: ignore[return-value]  # click calls it with the options' names


def model_options(function: _Function) -> _Function:
    """Add ``--model`` and ``--base-url``."""
    base_url = click.option(
        "--base-url",
        metavar="URL",
        envvar="RAGKIT_BASE_URL",
        show_envvar=True,
        help="Address of an OpenAI-compatible server, such as http://localhost:8080/v1.",
    )
    model = click.option(
        "--model",
        metavar="NAME",
        default="extractive",
        show_default=True,
        envvar="RAGKIT_MODEL",
        show_envvar=True,
        help="What writes the answer: extractive (no language model: the best sentences as they"
        " stand), openai:NAME, azure:DEPLOYMENT, ollama:NAME or gguf:PATH.",
    )
    return model(base_url(function))


def embedder_options(function: _Function) -> _Function:
    """Add ``--embedder`` and ``--embedder-base-url``."""
    base_url = click.option(
        "--embedder-base-url",
        metavar="URL",
        envvar="RAGKIT_EMBEDDER_BASE_URL",
        show_envvar=True,
        help="Address of the OpenAI-compatible server of --embedder.",
    )
    embedder = click.option(
        "--embedder",
        metavar="NAME",
        envvar="RAGKIT_EMBEDDER",
        show_envvar=True,
        help="Model that turns text into vectors: any sentence-transformers model or folder,"
        " openai:NAME or ollama:NAME. Default: the one the knowledge base has; for a new one"
        " all-MiniLM-L6-v2, which comes with ragkit.",
    )
    return embedder(base_url(function))


def where_option(function: _Function) -> _Function:
    """Add ``--where``, handed on as the list of conditions."""
    return click.option(
        "--where",
        "conditions",
        metavar="KEY=VALUE",
        multiple=True,
        help="Only what this holds for: path=GLOB, type=pdf (html, markdown, text), the file's date"
        " as in 'date>=2024-01-01' or date=2024-05..2024-07, heading=GLOB (passages under it), or any"
        " of the documents' metadata, as in author=GLOB; 'path!=GLOB' for all others. Give it again"
        " to narrow further; the same key twice means either, dates excepted.",
    )(function)


def session_option(*, default: str | None, help_text: str) -> Callable[[_Function], _Function]:
    """Add ``--session``, completed from the sessions there are."""
    return click.option(
        "--session",
        metavar="NAME",
        default=default,
        show_default=default is not None,
        shell_complete=complete_sessions,
        help=help_text,
    )


def memory_option(*, default: str) -> Callable[[_Function], _Function]:
    """Add ``--memory``, handed on as the kinds of memory, ``None`` where it was not given."""

    def kinds(_ctx: click.Context, _param: click.Parameter, value: str | None) -> Any:
        return memory_kinds(value) if value is not None else None

    return click.option(
        "--memory",
        metavar="KIND[,KIND]",
        callback=kinds,
        shell_complete=complete_memory,
        help="What is brought back of the conversation: window (the last turns), summary, entities,"
        " graph (relations), turns (old turns like the question); several with commas between."
        f"  [default: {default}]",
    )


def memory_kinds(text: str) -> tuple[str, ...]:
    """Read kinds of memory with commas or blanks between them.

    Raises:
        UsageError: one is not known, or there is none.
    """
    from ragkit.memory.of_session import KINDS, installed_kind

    kinds = tuple(dict.fromkeys(text.replace(",", " ").lower().split()))
    if not kinds:
        raise UsageError(f"there is no memory without a name; there are {', '.join(KINDS)}")
    for kind in kinds:
        if kind not in KINDS:
            installed_kind(kind)
    return kinds


def open_kb(
    common: Common,
    *,
    create: bool = False,
    listener: Listener | None = None,
    **settings: Any,
) -> KnowledgeBase:
    """Open the knowledge base; settings that are ``None`` keep their defaults.

    Raises:
        ragkit.errors.KnowledgeBaseError: it is missing, locked, newer, damaged or does not fit.
    """
    from ragkit.kb import KnowledgeBase

    given: dict[str, Any] = {key: value for key, value in settings.items() if value is not None}
    if listener is not None:
        given["listener"] = listener
    try:
        return KnowledgeBase(common.directory, create=create, **given)
    except NotFoundError:
        raise NotFoundError(
            f"there is no knowledge base in {str(common.directory.absolute())!r}; make one with: "
            + common.hint("ingest FOLDER")
        ) from None


def note_read_only(kb: KnowledgeBase) -> None:
    """Say what is not kept where the knowledge base may only be read."""
    if kb.read_only:
        from ragkit.store.read_only import notice

        note(f"Note: {notice(kb.directory)}.")


def parse_where(conditions: Sequence[str]) -> dict[str, list[str]] | None:
    """Turn ``--where`` conditions into the mapping that :class:`KnowledgeBase` takes.

    Raises:
        UsageError: a condition cannot be read.
    """
    if not conditions:
        return None
    from ragkit.retrieve.filters import parse_conditions

    return parse_conditions(conditions)


def read_question(words: Sequence[str]) -> str:
    """Join the words of a question, or read it from stdin when it is ``-``.

    Raises:
        UsageError: it is empty.
    """
    if tuple(words) == ("-",):
        question = sys.stdin.buffer.read().decode("utf-8-sig", errors="replace")
    else:
        question = " ".join(words)
    question = clean_question(question)
    if not question:
        raise UsageError("the question is empty; ask something, or pass - to read it from stdin")
    return question


def clean_question(text: str) -> str:
    """Trim a question and replace bytes in it that are not text."""
    return _SURROGATES.sub("\ufffd", text).strip()


def complete_documents(
    ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """Complete the paths of documents in the knowledge base."""
    return _complete(ctx, incomplete, lambda kb: [item.path for item in kb.documents()])


def complete_sessions(
    ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """Complete the names of conversations in the knowledge base."""
    return _complete(ctx, incomplete, lambda kb: [item.name for item in kb.sessions()])


def complete_memory(
    _ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """Complete the last of several kinds of memory."""
    from click.shell_completion import CompletionItem

    from ragkit.memory import KINDS

    before, comma, word = incomplete.rpartition(",")
    return [CompletionItem(f"{before}{comma}{kind}") for kind in KINDS if kind.startswith(word)]


def _complete(
    ctx: click.Context, incomplete: str, names: Callable[[KnowledgeBase], list[str]]
) -> list[CompletionItem[str]]:
    from click.shell_completion import CompletionItem

    directory = ctx.params.get("directory") or DEFAULT_DIRECTORY
    try:
        with open_kb(Common(Path(directory).expanduser(), False, False)) as kb:
            found = names(kb)
    except Exception:  # a message here would land in the middle of what the user is typing
        return []
    return [CompletionItem(name) for name in found if name.startswith(incomplete)]
