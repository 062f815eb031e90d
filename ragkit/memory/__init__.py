"""What was said before, brought back when it matters."""

from ragkit.memory.protocol import Memory, Note, Recall

__all__ = ["Memory", "Note", "Recall"]
