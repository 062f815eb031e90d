"""What was said before, brought back when it matters.

Every memory is a view of the turns of a session, which are kept in a knowledge base: what it adds
is derived from them, made up for when missing, and deleted with them. All have the two methods of
:class:`Memory`; :func:`combine` makes one of several.

    memory = kb.memory("alice", kinds=("window", "entities", "turns"))
    for note in memory.recall("Where does Bo work?").notes:
        print(note.text, note.why)
"""

from __future__ import annotations

from ragkit.memory.combined import CombinedMemory, combine
from ragkit.memory.entities import EntityMemory
from ragkit.memory.graph import GraphMemory
from ragkit.memory.log import SessionLog, SessionView
from ragkit.memory.memory import Memory, Note, Recall
from ragkit.memory.of_session import KINDS, make_memory
from ragkit.memory.summary import SummaryMemory
from ragkit.memory.vector import VectorMemory
from ragkit.memory.window import WindowMemory

__all__ = [
    "KINDS",
    "CombinedMemory",
    "EntityMemory",
    "GraphMemory",
    "Memory",
    "Note",
    "Recall",
    "SessionLog",
    "SessionView",
    "SummaryMemory",
    "VectorMemory",
    "WindowMemory",
    "combine",
    "make_memory",
]
