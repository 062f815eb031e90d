"""Steps as they happen, on stderr: what ``-v`` adds to commands that ask something."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragkit.cli.common import Common
    from ragkit.events import Sink, Span


def step_sinks(common: Common) -> Sequence[Sink] | None:
    """Return the sinks to open a base with: with ``-v`` each step becomes a line on stderr."""
    if not common.verbose:
        return None
    from ragkit.cli.render import end_line
    from ragkit.events import ConsoleLines

    return [_after(end_line, ConsoleLines())]


def _after(first: Callable[[], None], sink: Sink) -> Sink:
    def told(span: Span) -> None:
        first()  # an answer may be under way on the terminal
        sink(span)

    return told
