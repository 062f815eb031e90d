"""Writing to the terminal: JSON, plain text, counts and sizes. Nothing heavy is imported here."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ragkit.cli.terminal import TerminalConsole

# C0 and C1 controls but tab and newline: written raw, a document could drive the terminal.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_C1 = re.compile(r"[\x7f-\x9f]")
# Marks that reorder what is shown: harmless in running text, misleading in a file name.
_REORDERING = re.compile(r"[\u202a-\u202e\u2066-\u2069]")


def print_json(document: Any) -> None:
    """Write one JSON document to stdout; dataclasses become objects, mappings keep their order."""
    click.echo(as_json(document, indent=2))


def as_json(document: Any, *, indent: int | None = None) -> str:
    """Return JSON in which every control character is escaped, C1 and DEL as well."""
    text = json.dumps(document, ensure_ascii=False, indent=indent, default=_to_plain)
    return _C1.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def console(stream: IO[str] | None = None) -> TerminalConsole:
    """Return the rich console on ``stream``, or on stdout; rich is imported by then only."""
    from ragkit.cli import terminal

    return terminal.console(stream)


def note(message: str) -> None:
    """Say something on stderr."""
    click.echo(printable(message), err=True)


def printable(text: str) -> str:
    """Return ``text`` with control characters made visible, so that it cannot drive a terminal."""
    return _CONTROLS.sub("\ufffd", text)


def printable_path(path: str) -> str:
    """Return ``path`` on one line, with every character that could mislead made visible."""
    text = _CONTROLS.sub("\ufffd", path).replace("\n", "\ufffd").replace("\t", "\ufffd")
    return _REORDERING.sub("\ufffd", text)


def is_terminal(stream: IO[str] | None = None) -> bool:
    """Whether what is written to ``stream`` (default: stdout) is read at a terminal."""
    try:
        return (stream or sys.stdout).isatty()
    except ValueError:  # closed
        return False


def can_prompt() -> bool:
    """Whether there is somebody to ask: both input and messages are on a terminal."""
    try:
        return sys.stdin.isatty() and is_terminal(sys.stderr)
    except (AttributeError, ValueError):  # no stdin, or closed
        return False


def plural(number: int, singular: str, many: str | None = None) -> str:
    """Return ``"1 file"`` or ``"1,234 files"``."""
    return f"{number:,} {singular if number == 1 else many or singular + 's'}"


def human_size(size: float) -> str:
    """Return a size in bytes as ``"8.5 MB"`` (1 MB = 1,000,000 bytes)."""
    if size < 1000:
        return f"{size:.0f} B"
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        if size < 999.95:
            return f"{size:.1f} {unit}"
    return f"{size / 1000:.1f} TB"


def human_seconds(seconds: float) -> str:
    """Return a duration as ``"12 ms"``, ``"1.2 s"`` or ``"2 min 5 s"``."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _to_plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
