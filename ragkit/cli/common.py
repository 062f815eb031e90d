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
from subprocess import list2cmdline
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from ragkit.cli.output import note, print_json
from ragkit.errors import NotFoundError, UsageError
from ragkit.retrieve.filters import parse_conditions

if TYPE_CHECKING:
    from ragkit.kb import KnowledgeBase

DEFAULT_DIRECTORY = ".ragkit"
DEFAULT_TOOLS = ("search_kb", "calculator")


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
    vector_index: str = "faiss"

    def hint(self, command: str) -> str:
        """Return a command line to suggest, with ``--kb`` when it is not the default."""
        name, _, rest = command.partition(" ")
        directory = str(self.directory)
        quoted = list2cmdline([directory]) if os.name == "nt" else shlex.quote(directory)
        where = "" if directory == DEFAULT_DIRECTORY else f" --kb {quoted}"
        return f"ragkit {name}{where}{' ' + rest if rest else ''}"

    def tell(self, document: Any, message: str, *, err: bool = True) -> None:
        """Say what was done: as JSON on stdout where that is asked for, else in words."""
        if self.as_json:
            print_json(document)
        else:
            click.echo(message, err=err)


def common_options(function: _Function) -> _Function:
    """Add the options of every command, handed to it as one :class:`Common`."""

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
    @click.option(
        "--vector-index",
        metavar="NAME",
        default="faiss",
        show_default=True,
        envvar="RAGKIT_VECTOR_INDEX",
        show_envvar=True,
        help="What searches by meaning: faiss, qdrant:http://HOST:6333, or one that a package adds.",
    )
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
    @click.option("-v", "--verbose", is_flag=True, help="Say more; show the traceback of an error.")
    @functools.wraps(function)
    def wrapper(
        *args: Any,
        directory: Path,
        as_json: bool,
        verbose: bool,
        vector_index: str,
        **options: Any,
    ) -> Any:
        common = Common(directory.expanduser(), as_json, verbose, vector_index)
        return function(common, *args, **options)

    return wrapper  # type: ignore[return-value]  # click calls it with the options' names


def gathered(name: str, *options: Callable[[_Function], _Function]) -> Callable[..., Any]:
    """Add options that are handed to the command as one mapping, ``name``, by their own names."""

    def decorate(function: _Function) -> _Function:
        @functools.wraps(function)
        def wrapper(*args: Any, **values: Any) -> Any:
            own = {key: values.pop(key) for key in keys}
            return function(*args, **{name: {**own, **values.pop(name, {})}}, **values)

        named = getattr(wrapper, "__click_params__", [])
        before = len(named)
        for option in reversed(options):
            option(wrapper)
        keys = [parameter.name for parameter in wrapper.__click_params__[before:]]  # type: ignore[attr-defined]
        return wrapper  # type: ignore[return-value]  # click calls it with the options' names

    return decorate


model_options = gathered(
    "opening",
    click.option(
        "--model",
        metavar="NAME",
        default="extractive",
        show_default=True,
        envvar="RAGKIT_MODEL",
        show_envvar=True,
        help="What writes the answer: extractive (no language model: the best sentences as they"
        " stand), openai:NAME, azure:DEPLOYMENT, ollama:NAME or gguf:PATH.",
    ),
    click.option(
        "--base-url",
        metavar="URL",
        envvar="RAGKIT_BASE_URL",
        show_envvar=True,
        help="Address of an OpenAI-compatible server, such as http://localhost:8080/v1.",
    ),
)
embedder_options = gathered(
    "opening",
    click.option(
        "--embedder",
        metavar="NAME",
        envvar="RAGKIT_EMBEDDER",
        show_envvar=True,
        help="Model that turns text into vectors: any sentence-transformers model or folder,"
        " openai:NAME or ollama:NAME. Default: the one the knowledge base has; for a new one"
        " all-MiniLM-L6-v2, which comes with ragkit.",
    ),
    click.option(
        "--embedder-base-url",
        metavar="URL",
        envvar="RAGKIT_EMBEDDER_BASE_URL",
        show_envvar=True,
        help="Address of the OpenAI-compatible server of --embedder.",
    ),
)


def _where(_ctx: click.Context, _param: click.Parameter, conditions: tuple[str, ...]) -> Any:
    return parse_where(conditions)


where_option = click.option(
    "--where",
    metavar="KEY=VALUE",
    multiple=True,
    callback=_where,
    help="Only what this holds for: path=GLOB, type=pdf (html, markdown, text), the file's date"
    " as in 'date>=2024-01-01' or date=2024-05..2024-07, heading=GLOB (passages under it), or any"
    " of the documents' metadata, as in author=GLOB; 'path!=GLOB' for all others. Give it again"
    " to narrow further; the same key twice means either, dates excepted.",
)
limit_option = functools.partial(
    click.option,
    "-k",
    "limit",
    metavar="N",
    show_default=True,
)


def search_mode_option(help_text: str) -> Callable[[_Function], _Function]:
    """Add ``--mode``, the way to search."""
    return click.option(
        "--mode",
        type=click.Choice(["hybrid", "dense", "lexical"]),
        default="hybrid",
        show_default=True,
        help=f"Search by meaning (dense), by words (lexical), or by both.{help_text}",
    )


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


def open_kb(common: Common, *, create: bool = False, **settings: Any) -> KnowledgeBase:
    """Open the knowledge base; settings that are ``None`` keep their defaults.

    Raises:
        ragkit.errors.KnowledgeBaseError: it is missing, locked, newer, damaged or does not fit.
    """
    from ragkit.kb import KnowledgeBase

    given = {key: value for key, value in settings.items() if value is not None}
    given.setdefault("vector_index", common.vector_index)
    try:
        return KnowledgeBase(common.directory, create=create, **given)
    except NotFoundError:
        raise NotFoundError(
            f"there is no knowledge base in {str(common.directory.absolute())!r}; make one with: "
            + common.hint("ingest FOLDER")
        ) from None


def write_text(target: Path, text: str) -> None:
    """Write a file that the user named.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {str(target)!r}: {error.strerror or error}") from error


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
    from ragkit.memory import KINDS

    before, comma, word = incomplete.rpartition(",")
    return [CompletionItem(f"{before}{comma}{kind}") for kind in KINDS if kind.startswith(word)]


def _complete(
    ctx: click.Context, incomplete: str, names: Callable[[KnowledgeBase], list[str]]
) -> list[CompletionItem[str]]:
    directory = ctx.params.get("directory") or DEFAULT_DIRECTORY
    try:
        with open_kb(Common(Path(directory).expanduser(), False, False)) as kb:
            found = names(kb)
    except Exception:  # a message here would land in the middle of what the user is typing
        return []
    return [CompletionItem(name) for name in found if name.startswith(incomplete)]
