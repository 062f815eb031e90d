"""Views of the truth to search in: by meaning and by words. What an index of one's own needs."""

from ragkit.index.ordering import ordered
from ragkit.index.protocols import (
    DamagedIndexError,
    IndexState,
    UnreachableIndexError,
    VectorIndex,
    VectorIndexFactory,
    VectorReader,
    WordIndex,
    WordIndexFactory,
    WordReader,
    WordWeights,
)
from ragkit.store.allowed import Allowed
from ragkit.store.feed import Passage, VectorChanges, WordChanges
from ragkit.store.records import Scored

__all__ = [
    "Allowed",
    "DamagedIndexError",
    "IndexState",
    "Passage",
    "Scored",
    "UnreachableIndexError",
    "VectorChanges",
    "VectorIndex",
    "VectorIndexFactory",
    "VectorReader",
    "WordChanges",
    "WordIndex",
    "WordIndexFactory",
    "WordReader",
    "WordWeights",
    "ordered",
]
