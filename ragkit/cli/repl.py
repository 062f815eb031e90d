"""The shell: lines become questions or commands, whatever they come from."""

from __future__ import annotations

import difflib
import errno
import traceback
from collections.abc import Iterable, Iterator

from rich.text import Text

from ragkit.cli.common import clean_question
from ragkit.cli.conversation import Conversation
from ragkit.cli.output import note, printable
from ragkit.cli.slash import COMMANDS
from ragkit.errors import RagkitError, UsageError

__all__ = ["COMMANDS", "Shell", "questions_from"]

_LEAVING = ("exit", "quit")


class Shell(Conversation):
    """A conversation, line by line."""

    def handle(self, line: str) -> bool:
        """Answer a question or run a command; return whether the shell goes on.

        Errors are shown, never raised: the shell outlives them. Ctrl-C ends the answer, and in a
        shell that is not interactive everything.
        """
        if not line.strip():
            return True
        if line.rstrip().lower() in _LEAVING:  # as in any other shell; a space in front asks it
            line = "/quit"
        is_command = line.startswith("/")
        try:
            if is_command:
                self._run_command(line)
            else:
                self.ask(clean_question(line))
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
                note(traceback.format_exc())
            kind = type(error).__name__
            self._show_error(line, kind, f"unexpected error: {kind}: {error}", is_command)
        return not self.leaving

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
