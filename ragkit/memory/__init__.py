"""What was said before, brought back when it matters.

Every memory is a view of the turns of a session, which are kept in a knowledge base: what it adds
is derived from them, made up for when missing, and deleted with them. All have the two methods of
:class:`Memory`; :func:`combine` makes one of several.

    memory = kb.memory("alice", kinds=("window", "entities", "turns"))
    for note in memory.recall("Where does Bo work?").notes:
        print(note.text, note.why)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ragkit.memory.memory import Memory, Note, Recall

if TYPE_CHECKING:
    from ragkit.memory.combined import CombinedMemory, combine
    from ragkit.memory.entities import EntityMemory
    from ragkit.memory.graph import GraphMemory
    from ragkit.memory.log import SessionLog
    from ragkit.memory.of_session import KINDS, make_memory
    from ragkit.memory.summary import SummaryMemory
    from ragkit.memory.vector import VectorMemory
    from ragkit.memory.window import WindowMemory

_HOMES = {
    "CombinedMemory": "combined",
    "combine": "combined",
    "EntityMemory": "entities",
    "GraphMemory": "graph",
    "KINDS": "of_session",
    "SessionLog": "log",
    "SummaryMemory": "summary",
    "VectorMemory": "vector",
    "WindowMemory": "window",
    "make_memory": "of_session",
}

__all__ = [
    "KINDS",
    "CombinedMemory",
    "EntityMemory",
    "GraphMemory",
    "Memory",
    "Note",
    "Recall",
    "SessionLog",
    "SummaryMemory",
    "VectorMemory",
    "WindowMemory",
    "combine",
    "make_memory",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"ragkit.memory.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
