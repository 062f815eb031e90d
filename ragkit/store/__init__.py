"""The store: SQLite holds the truth; FAISS and tantivy are views of it.

Nothing heavy is loaded until something is searched or embedded.
"""

from ragkit.store.records import (
    CachedAnswer,
    Check,
    Counts,
    FileState,
    MemoryFact,
    MemoryView,
    NumberedTurn,
    PendingChunk,
    Root,
    Scored,
    SessionInfo,
    Spent,
    StoredChunk,
    StoredDocument,
    StoredFailure,
    StoredFile,
    Turn,
    TurnVectors,
    ViewLag,
)
from ragkit.store.store import Store
from ragkit.store.where import Where

__all__ = [
    "CachedAnswer",
    "Check",
    "Counts",
    "FileState",
    "MemoryFact",
    "MemoryView",
    "NumberedTurn",
    "PendingChunk",
    "Root",
    "Scored",
    "SessionInfo",
    "Spent",
    "Store",
    "StoredChunk",
    "StoredDocument",
    "StoredFailure",
    "StoredFile",
    "Turn",
    "TurnVectors",
    "ViewLag",
    "Where",
]
