"""The file in which the shell keeps what was typed, as prompt_toolkit's ``FileHistory`` writes it."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from ragkit.cli.common import clean_question
from ragkit.cli.output import note

_NAME = "shell-history."


def history_file(directory: Path) -> Path:
    """Return where this user's history of a knowledge base is kept."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a user id without a name, as in containers
        user = str(getattr(os, "getuid", lambda: "user")())
    return directory / f"{_NAME}{re.sub(r'[^A-Za-z0-9_.-]', '_', user)}"


def forget_questions(directory: Path, questions: Iterable[str]) -> None:
    """Remove questions from all histories of a knowledge base, overwriting them in the files.

    A history that cannot be changed, as another user's, is said on stderr.
    """
    doomed = {clean_question(question) for question in questions}
    for path in sorted(directory.glob(f"{_NAME}*")):
        try:
            before = path.read_bytes()
            kept = b"".join(
                lines for text, lines in _entries(before) if clean_question(text) not in doomed
            )
            if kept != before:
                _overwrite(path, kept, len(before))
        except OSError as error:
            note(f"Note: {str(path)!r} may still hold its questions ({error.strerror}).")


def _entries(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield each entry's text, and its lines as they stand with the comment before them."""
    lines: list[bytes] = []
    said: list[str] = []
    for line in re.findall(rb"[^\n]*\n|[^\n]+", content):
        if said and not line.startswith(b"+"):
            yield "".join(said).removesuffix("\n"), b"".join(lines)
            lines, said = [], []
        lines.append(line)
        if line.startswith(b"+"):
            said.append(line[1:].decode("utf-8", errors="replace"))
    if lines:
        yield "".join(said).removesuffix("\n"), b"".join(lines)


def _overwrite(path: Path, content: bytes, size: int) -> None:
    with path.open("r+b") as file:
        file.write(content.ljust(size, b"\0"))
        file.flush()
        os.fsync(file.fileno())
        file.truncate(len(content))
