"""The rich console that people see: colour where there is a terminal, plain text elsewhere."""

from __future__ import annotations

import sys
from typing import IO

from rich.console import Console
from rich.theme import Theme

_THEME = Theme(
    {
        "cite": "bold cyan",
        "path": "cyan",
        "quote": "dim",
        "faint": "dim",
        "match": "bold yellow",
        "good": "green",
        "warn": "yellow",
        "bad": "bold red",
        # rich would otherwise colour numbers and paths by its own rules
        "repr.number": "none",
    },
    inherit=True,
)


class TerminalConsole(Console):
    """A console that leaves a broken pipe to the caller, who ends quietly."""

    def on_broken_pipe(self) -> None:
        """Raise the error again instead of exiting."""
        raise BrokenPipeError


def console(stream: IO[str] | None = None) -> TerminalConsole:
    """Return a console on ``stream``, or on stdout as it is now.

    Away from a terminal lines are neither wrapped nor cut, so that other programs can read them.
    ``NO_COLOR``, ``FORCE_COLOR`` and ``TERM=dumb`` are respected.
    """
    stream = stream or sys.stdout
    return TerminalConsole(
        file=stream,
        theme=_THEME,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=not stream.isatty(),
    )
