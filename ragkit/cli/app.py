"""The ``ragkit`` command itself: which commands there are, and how every run ends.

Only click is imported here, so that ``ragkit --help`` and shell completion answer at once.
"""

from __future__ import annotations

import errno
import importlib
import io
import itertools
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, NoReturn

import click

from ragkit.errors import RagkitError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

EXIT_FAILURES = 1
EXIT_UNUSABLE = 3
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141


class Entry(NamedTuple):
    """Where a command lives, and its help in the list of commands."""

    module: str
    short_help: str


COMMANDS = {
    "ingest": Entry("ragkit.cli.ingest", "Read folders and files into the knowledge base."),
    "ask": Entry("ragkit.cli.ask", "Answer a question, citing the exact places."),
    "search": Entry("ragkit.cli.search", "Find the passages that fit a question."),
    "shell": Entry("ragkit.cli.shell", "Ask questions in an interactive shell."),
    "agent": Entry("ragkit.cli.agent", "Let a model work on a task with tools."),
    "serve": Entry(
        "ragkit.cli.serve", "Serve it over HTTP: a page in the browser, and OpenAI's API."
    ),
    "mcp": Entry("ragkit.cli.mcp", "Serve the knowledge base to assistants that speak MCP."),
    "status": Entry("ragkit.cli.status", "Show what the knowledge base holds."),
    "ls": Entry("ragkit.cli.ls", "List the documents."),
    "rm": Entry("ragkit.cli.rm", "Remove documents from the knowledge base."),
    "doctor": Entry("ragkit.cli.doctor", "Check the knowledge base, with a remedy for each fault."),
    "rebuild": Entry("ragkit.cli.rebuild", "Make all passages and vectors anew."),
    "export": Entry("ragkit.cli.export", "Write the whole knowledge base to one file."),
    "import": Entry("ragkit.cli.import_base", "Make a knowledge base from an exported file."),
    "trace": Entry("ragkit.cli.trace", "Show what happened for a question, step by step."),
    "session": Entry("ragkit.cli.session", "List, show, export or delete conversations."),
    "eval": Entry("ragkit.cli.eval", "Measure what is found, answered and refused."),
    "completion": Entry("ragkit.cli.completion", "Print the script for completion in a shell."),
}


class _Wishes(NamedTuple):
    """How errors are to be told."""

    as_json: bool
    traceback: bool


class Interrupted(click.ClickException):
    """The user stopped the command; the message says what is kept."""

    exit_code = EXIT_INTERRUPTED

    def show(self, file: IO[Any] | None = None) -> None:
        """Say it on stderr; to stop is no error."""
        click.echo(self.message, file=file, err=file is None)


class ReaderGoneError(Exception):
    """The program that was reading the output went away, as ``head`` does."""


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command is used.

    A command's callback returns its exit code, or ``None`` for 0.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name the commands, in the order of their use rather than of the alphabet."""
        return list(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        cmd_name: str,
    ) -> click.Command | None:
        """Import a command's module and return the command."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command = importlib.import_module(entry.module).command
        assert isinstance(command, click.Command)  # noqa: S101 - tells the type checker
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or suggest the nearest one."""
        name = args[0]
        if name in COMMANDS or ctx.resilient_parsing or name.startswith("-"):
            return super().resolve_command(ctx, args)
        raise click.exceptions.NoSuchCommand(name, possibilities=list(COMMANDS), ctx=ctx)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a broken pipe passes by click, which would make it an error."""
        try:
            return super().invoke(ctx)
        except OSError as error:
            if _is_broken_pipe(error):
                raise ReaderGoneError from error
            raise

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.short_help) for name, entry in COMMANDS.items()])

    def format_epilog(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """Say how to begin."""
        with formatter.section("Start with"):
            for example in ("ragkit ingest FOLDER", 'ragkit ask "your question"'):
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Complete command names without importing any command."""
        from click.shell_completion import CompletionItem

        names = [
            CompletionItem(name, help=entry.short_help)
            for name, entry in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line and exit, whatever happens, with a sentence and the right code."""
        arguments = list(sys.argv[1:] if args is None else args)
        if not standalone_mode:
            return super().main(arguments, prog_name, complete_var, standalone_mode=False, **extra)
        wishes = _read_wishes(arguments)
        _prepare_streams(wishes.as_json)
        try:
            code = _run(super().main, arguments, prog_name, complete_var, extra, wishes)
            sys.stdout.flush()
        except (ReaderGoneError, OSError) as error:
            if isinstance(error, OSError) and not _is_broken_pipe(error):
                raise
            _silence_stdout()
            code = EXIT_BROKEN_PIPE
        sys.exit(code)


def _run(
    click_main: Any,
    arguments: list[str],
    prog_name: str | None,
    complete_var: str | None,
    extra: dict[str, Any],
    wishes: _Wishes,
) -> int:
    """Run click's own main and turn whatever it raises into a message and an exit code."""
    try:
        code = click_main(
            arguments, prog_name or "ragkit", complete_var, standalone_mode=False, **extra
        )
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()  # only the help
        return error.exit_code
    except click.ClickException as error:
        if wishes.as_json:
            _print_json_error(_type_name(error), error.format_message())
        shown = io.StringIO()
        error.show(file=shown)
        _say(shown.getvalue(), newline=False)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _fail("Interrupted", "Stopped.", EXIT_INTERRUPTED, wishes)
    except RagkitError as error:
        return _fail(type(error).__name__, str(error), error.exit_code, wishes)
    except OSError as error:
        if _is_broken_pipe(error):
            raise
        return _fail(type(error).__name__, _describe(error), EXIT_UNUSABLE, wishes)
    except MemoryError:
        return _fail("MemoryError", "there is not enough memory", EXIT_UNUSABLE, wishes)
    except ReaderGoneError:
        raise
    except Exception as error:  # the last line of defence: users never see a bare traceback
        if (fault := _in_base(arguments)) is not None:
            return _fail("CorruptError", fault, EXIT_UNUSABLE, wishes)
        message = (
            f"ragkit met an error it did not expect: {type(error).__name__}: {error}\n"
            "This is a bug: please report it, with what the same command prints when given -v."
        )
        return _fail(type(error).__name__, message, EXIT_UNUSABLE, wishes)
    return code if isinstance(code, int) else 0


def _in_base(arguments: Sequence[str]) -> str | None:
    """Say so if a knowledge base that was not written by ragkit may be what went wrong."""
    from ragkit.cli.common import DEFAULT_DIRECTORY
    from ragkit.store.soundness import unsound

    named = os.environ.get("RAGKIT_KB") or DEFAULT_DIRECTORY
    for option, value in itertools.pairwise([*arguments, ""]):
        if option == "--kb":
            named = value
        elif option.startswith("--kb="):
            named = option.removeprefix("--kb=")
    return unsound(Path(named).expanduser())


def _fail(kind: str, message: str, code: int, wishes: _Wishes) -> int:
    """Say what went wrong (with the traceback if asked for) and return the exit code."""
    if wishes.traceback and sys.exc_info()[0] not in (KeyboardInterrupt, click.Abort):
        import traceback

        _say(traceback.format_exc(), newline=False)
    if wishes.as_json:
        _print_json_error(kind, message)
    prefix = "" if code == EXIT_INTERRUPTED else "Error: "
    _say(prefix + message)
    return code


def _say(message: str, *, newline: bool = True) -> None:
    """Write to stderr without what could drive the terminal, such as what the user pasted."""
    from ragkit.cli.output import printable

    click.echo(printable(message), err=True, nl=newline)


def _print_json_error(kind: str, message: str) -> None:
    from ragkit.cli.output import print_json

    print_json({"error": {"type": kind, "message": message}})


def _type_name(error: click.ClickException) -> str:
    return "UsageError" if isinstance(error, click.UsageError) else type(error).__name__


def _read_wishes(arguments: Sequence[str]) -> _Wishes:
    """Look for ``--json`` and ``-v``, which hold for errors in reading the options as well."""
    options = list(itertools.takewhile(lambda argument: argument != "--", arguments))
    debug = os.environ.get("RAGKIT_DEBUG", "") not in ("", "0")
    return _Wishes("--json" in options, debug or "-v" in options or "--verbose" in options)


def _describe(error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"{reason}: {error.filename!r}" if error.filename else reason


def _is_broken_pipe(error: OSError) -> bool:
    # Windows reports a reader that went away as EINVAL.
    return isinstance(error, BrokenPipeError) or (
        os.name == "nt" and error.errno == errno.EINVAL and error.filename is None
    )


def _silence_stdout() -> None:
    """Send what is still buffered nowhere, so that the interpreter's last flush is quiet."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(devnull, sys.stdout.fileno())
    except (OSError, ValueError):  # not a real file: nothing will be flushed to a closed pipe
        pass
    finally:
        os.close(devnull)


def _prepare_streams(as_json: bool) -> None:
    """Make sure that no character can fail to be written.

    JSON is UTF-8 wherever it goes, as is everything on Windows, whose pipes would otherwise get
    a legacy code page. What an encoding cannot hold, such as the stray bytes of a file name, is
    written as a backslash escape, which JSON readers understand.
    """
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is None:
            continue
        if os.name == "nt" or (as_json and stream is sys.stdout):
            reconfigure(encoding="utf-8", errors="backslashreplace")
        else:
            reconfigure(errors="backslashreplace")


def _print_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from ragkit.results import __version__

    click.echo(f"ragkit {__version__}")
    ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """Ask a folder of PDF, HTML and text; get answers that link to the exact page and passage.

    Everything stays on this machine unless you name a remote model.
    """


def main() -> NoReturn:
    """Run the command line (the entry point of the ``ragkit`` script)."""
    cli.main(prog_name="ragkit")
    raise AssertionError("the command line always exits")
