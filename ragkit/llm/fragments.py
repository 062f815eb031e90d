"""Putting tool calls together from the fragments that servers stream them in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragkit.llm.chat_model import ToolCall

if TYPE_CHECKING:
    from openai.types.chat.chat_completion_chunk import ChoiceDeltaToolCall


@dataclass(slots=True)
class _Call:
    id: str = ""
    name: str = ""
    arguments: str = ""


class ToolCallFragments:
    """Collects fragments; servers differ in what they repeat and what they leave out."""

    def __init__(self) -> None:
        """Begin a reply."""
        self._calls: dict[int, _Call] = {}
        self._latest = -1

    def feed(self, fragments: Sequence[ChoiceDeltaToolCall]) -> None:
        """Take the fragments of one chunk."""
        for fragment in fragments:
            call = self._calls.setdefault(self._place(fragment), _Call())
            call.id = fragment.id or call.id
            if fragment.function is None:
                continue
            name = fragment.function.name or ""
            # Most send the name once, some with every fragment, some letter by letter.
            call.name = name if name.startswith(call.name) else call.name + name
            # The protocol wants text; some servers send the object itself.
            given: Any = fragment.function.arguments
            if isinstance(given, dict | list):
                given = json.dumps(given, ensure_ascii=False)
            call.arguments += given or ""

    def whole(self) -> tuple[ToolCall, ...]:
        """Return the calls, in the order the server numbered them."""
        return tuple(
            ToolCall(call.id or f"call_{index}", call.name, call.arguments)
            for index, call in sorted(self._calls.items())
        )

    def _place(self, fragment: ChoiceDeltaToolCall) -> int:
        index: int | None = fragment.index
        if index is None:
            latest = self._calls.get(self._latest)
            begins = latest is None or bool(fragment.id and fragment.id != latest.id)
            index = self._latest + 1 if begins else self._latest
        self._latest = index
        return index
