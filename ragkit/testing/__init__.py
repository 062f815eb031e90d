"""For tests of ragkit, and of what is built on it: no network, no weights.

Stand-ins for models, and a check for each seam that an object of one's own is put into: it raises
``AssertionError``, which says what the object does not do.
"""

from ragkit.testing.hash_embedder import HashEmbedder, WordTokenizer
from ragkit.testing.scripted_model import ScriptedModel
from ragkit.testing.seam_checks import (
    check_chat_model,
    check_embedder,
    check_expander,
    check_loader,
    check_memory,
    check_reranker,
    check_tool,
    check_trace_sink,
)
from ragkit.testing.vector_checks import check_vector_index
from ragkit.testing.word_checks import check_word_index

__all__ = [
    "HashEmbedder",
    "ScriptedModel",
    "WordTokenizer",
    "check_chat_model",
    "check_embedder",
    "check_expander",
    "check_loader",
    "check_memory",
    "check_reranker",
    "check_tool",
    "check_trace_sink",
    "check_vector_index",
    "check_word_index",
]
