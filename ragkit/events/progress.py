"""Progress of long work, as typed events handed to whoever listens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Stage = Literal["scan", "load", "index", "compile", "embed"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage is. ``done`` and ``total`` count ``unit``; ``total`` is None while unknown.

    ``detail`` is what is being worked on, such as a path. The last event of a stage has
    ``done == total``.
    """

    stage: Stage
    done: int
    total: int | None
    unit: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the user should know that is not an error, in one sentence."""

    message: str


Event = Progress | Notice
Listener = Callable[[Event], None]


def ignore(_event: Event) -> None:
    """Listen to nothing: the default listener."""
