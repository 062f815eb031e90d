"""From a question to passages: stages that look, merge, rank and read."""

from ragkit.retrieve.expansion import Expander
from ragkit.retrieve.rerank import Reranker

__all__ = ["Expander", "Reranker"]
