"""Sinks by name, for whoever opens a base."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ragkit.errors import UsageError
from ragkit.events.console import ConsoleLines
from ragkit.events.plug_ins import plug_in

if TYPE_CHECKING:
    from ragkit.events.spans import Sink


def sink_of(sink: Sink | str) -> Sink:
    """Return the sink that a name stands for; a sink itself is returned as it is.

    Args:
        sink: ``"console"`` (lines on standard error), or ``"NAME"`` or ``"NAME:REST"`` for an
            entry point in the group ``ragkit.trace_sinks``, a function of what stands after the
            colon that returns a sink.

    Raises:
        UsageError: there is no such sink, or it is none.
    """
    if callable(sink):
        return sink
    if not isinstance(sink, str):
        raise UsageError(f"a sink must be a function of a span, or a name, not {sink!r}")
    if sink == "console":
        return ConsoleLines()
    kind, _, rest = sink.partition(":")
    make: Callable[[str], Sink] | None = plug_in("ragkit.trace_sinks", kind)
    if make is None:
        raise UsageError(
            f"there is no trace sink {sink!r}; there are 'console' and those that installed "
            "packages name, or give a function"
        )
    return make(rest)
