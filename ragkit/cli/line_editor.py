"""The shell at a terminal: line editing, history, completion."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from ragkit.cli.common import DEFAULT_TOOLS
from ragkit.cli.output import note, plural
from ragkit.cli.repl import COMMANDS, Shell
from ragkit.cli.typed_lines import history_file
from ragkit.errors import RagkitError
from ragkit.memory import KINDS

if TYPE_CHECKING:
    from prompt_toolkit.document import Document
    from prompt_toolkit.input import Input
    from prompt_toolkit.output import Output

_PROMPT = "ragkit> "
_WORD = re.compile(r"\S+\Z")


def run(shell: Shell, *, source: Input | None = None, output: Output | None = None) -> None:
    """Read lines and hand them to ``shell`` until the user leaves.

    ``source`` and ``output`` stand in for the terminal.
    """
    session = make_session(shell, source=source, output=output)
    _greet(shell)
    while True:
        try:
            line = session.prompt()
            if not shell.handle(line):
                return
        except KeyboardInterrupt:
            # At the prompt it clears the line; between two steps it must not end the shell.
            shell.out.print("(Ctrl-D or /quit leaves)", style="faint")
        except EOFError:
            return


def make_session(
    shell: Shell, *, source: Input | None = None, output: Output | None = None
) -> PromptSession[str]:
    """Return the prompt with its history, completion and keys."""
    return PromptSession(
        _PROMPT,
        multiline=True,
        prompt_continuation=lambda width, _line, _wrapped: " " * (width - 2) + ". ",
        history=_open_history(shell.kb.directory),
        completer=ShellCompleter(shell),
        complete_while_typing=False,
        key_bindings=_key_bindings(),
        bottom_toolbar=lambda: shell.summary(),
        enable_open_in_editor=False,
        input=source,
        output=output,
    )


class ShellCompleter(Completer):
    """Completes commands, their arguments, and the paths of documents anywhere in a question."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def get_completions(
        self, document: Document, _complete_event: CompleteEvent
    ) -> Iterator[Completion]:
        """Yield what the word before the cursor may become."""
        text = document.text_before_cursor
        match = _WORD.search(text)
        word = match[0] if match else ""
        if text.startswith("/") and " " not in text:
            for name, entry in COMMANDS.items():
                if name.startswith(text.lower()):
                    yield Completion(name, -len(text), display_meta=entry.help)
            return
        for candidate in self._candidates(text, word):
            yield Completion(candidate, -len(word))

    def _candidates(self, text: str, word: str) -> Iterable[str]:
        command = text.partition(" ")[0].lower()
        kb = self._shell.kb
        if command == "/session":
            return _starting(word, lambda: [info.name for info in kb.sessions()])
        if command == "/where":
            key, equals, value = word.partition("=")
            if not equals:
                return _starting(word, lambda: ["path=", "type=", "date>=", "off"])
            if key == "type":
                found = _starting(value, lambda: sorted({d.format for d in kb.documents()}))
            elif key == "path":
                found = _starting(value, lambda: [d.path for d in kb.documents()])
            else:
                return []
            return [f"{key}={item}" for item in found]
        if command == "/model":
            return _starting(word, lambda: ["extractive", "openai:", "ollama:", "gguf:"])
        if command == "/agent":
            more = ["python", "files:", "sql:", "http:", "web_search:", "openapi:", "mcp:"]
            return _starting(word, lambda: ["on", "off", *DEFAULT_TOOLS, *more])
        if command == "/memory":
            return _starting(word, lambda: list(KINDS))
        if command == "/sources":
            last = self._shell.last
            return _starting(word, lambda: [str(c.n) for c in last.citations] if last else [])
        if command == "/ls" or (word and not command.startswith("/")):
            return _starting(word, lambda: [d.path for d in kb.documents()])
        return []


def _starting(word: str, names: Callable[[], list[str]]) -> list[str]:
    try:
        return [name for name in names() if name.startswith(word)]
    except RagkitError:  # an error message has no place in the middle of typing
        return []


def _key_bindings() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def _enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.complete_state and buffer.complete_state.current_completion:
            buffer.complete_state = None
        elif (
            buffer.document.text_before_cursor.endswith("\\")
            and buffer.document.is_cursor_at_the_end
        ):
            buffer.delete_before_cursor()
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def _newline(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys


class _SafeHistory(FileHistory):
    """A history that a full disk or a vanished folder cannot turn into an error."""

    def store_string(self, string: str) -> None:
        with contextlib.suppress(OSError):  # the question itself still works
            super().store_string(string)


def _open_history(directory: Path) -> History:
    """Open this user's history of questions, which nobody else may read."""
    path = history_file(directory)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        note(f"Note: questions are not remembered between shells ({error.strerror}).")
        return InMemoryHistory()
    return _SafeHistory(path)


def _greet(shell: Shell) -> None:
    status = shell.kb.status()
    shell.out.print(
        f"{plural(status.documents, 'document')}, {plural(status.chunks, 'passage')}."
        " Ask a question, or /help.",
        style="faint",
    )
    turns = len(shell.chat.history)
    if turns:
        shell.out.print(
            f"Conversation {shell.chat.session!r} goes on, {plural(turns, 'turn')} so far;"
            " /clear forgets them.",
            style="faint",
        )
