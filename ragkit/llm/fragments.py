"""Putting tool calls together from the fragments that servers stream them in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ragkit.llm.chat_model import ToolCall


@dataclass(frozen=True, slots=True)
class CallFragment:
    """A piece of a tool call; what a server leaves out is empty.

    ``returned`` is what the server wants to be sent back with the call.
    """

    index: int | None = None
    id: str = ""
    name: str = ""
    arguments: str = ""
    returned: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _Call:
    order: int
    id: str = ""
    name: str = ""
    arguments: str = ""
    returned: dict[str, Any] = field(default_factory=dict)

    def goes_on(self, fragment: CallFragment) -> bool:
        """Whether a fragment belongs to this call, or begins another under the same number.

        Some servers number all calls alike, or not at all; some repeat the name with each
        fragment, send it letter by letter, or give each fragment an id of its own.
        """
        if not fragment.name:
            return not (fragment.id and self.id and fragment.id != self.id and self.is_whole)
        if not self.name or fragment.id == self.id != "":
            return True
        if fragment.id and self.id:
            return False
        if fragment.name == self.name and not fragment.arguments:
            return True
        return not self.is_whole

    @property
    def is_whole(self) -> bool:
        try:
            return isinstance(json.loads(self.arguments), dict)
        except (ValueError, RecursionError):
            return False

    def take(self, fragment: CallFragment) -> None:
        self.id = fragment.id or self.id
        name = fragment.name
        self.name = name if name.startswith(self.name) else self.name + name
        if not (fragment.arguments == self.arguments and self.is_whole):  # said a second time
            self.arguments += fragment.arguments
        self.returned |= fragment.returned


class ToolCallFragments:
    """Collects fragments; servers differ in what they repeat and what they leave out."""

    def __init__(self) -> None:
        """Begin a reply."""
        self._calls: list[_Call] = []
        self._open: dict[int, _Call] = {}

    def feed(self, fragments: Iterable[CallFragment]) -> None:
        """Take the fragments of one chunk."""
        for fragment in fragments:
            call = self._open_call(fragment)
            if call is None or not call.goes_on(fragment):
                order = len(self._calls) if fragment.index is None else fragment.index
                call = _Call(order)
                self._calls.append(call)
                self._open[order] = call
            call.take(fragment)

    def whole(self) -> tuple[ToolCall, ...]:
        """Return the calls, in the order the server numbered them."""
        ordered = sorted(self._calls, key=lambda call: call.order)
        return tuple(
            ToolCall(call.id or f"call_{place}", call.name, call.arguments, call.returned)
            for place, call in enumerate(ordered)
        )

    def _open_call(self, fragment: CallFragment) -> _Call | None:
        if fragment.index is not None:
            return self._open.get(fragment.index)
        if fragment.id:
            for call in self._calls:
                if call.id == fragment.id:
                    return call
        return self._calls[-1] if self._calls else None
