"""Making a memory of a session from the names of its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragkit.errors import UsageError
from ragkit.memory.combined import CombinedMemory, View, combine
from ragkit.memory.entities import EntityMemory
from ragkit.memory.graph import GraphMemory
from ragkit.memory.log import SessionLog
from ragkit.memory.summary import SummaryMemory
from ragkit.memory.vector import VectorMemory
from ragkit.memory.window import WindowMemory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ragkit.embed.embedder import Embedder
    from ragkit.llm.chat_model import ChatModel
    from ragkit.store import Store

KINDS = ("window", "summary", "entities", "graph", "turns")


def make_memory(
    store: Store,
    session: str,
    *,
    kinds: Sequence[str],
    embedder: Callable[[], Embedder],
    model: ChatModel | None = None,
) -> CombinedMemory:
    """Make a memory of a session from parts.

    Args:
        store: Where the session is kept.
        session: Its name.
        kinds: Any of ``"window"`` (the last turns as they were), ``"summary"``, ``"entities"``,
            ``"graph"`` (relations) and ``"turns"`` (old turns that are like the question).
        embedder: Gives the embedding model, for ``"turns"``.
        model: Writes summaries and notes; without one, rules do.

    Raises:
        UsageError: an unknown kind, or none, or a session without a name.
    """
    log = SessionLog(store, session)
    made: dict[str, Callable[[], View]] = {
        "window": lambda: WindowMemory(log),
        "summary": lambda: SummaryMemory(log, model=model),
        "entities": lambda: EntityMemory(log, model=model),
        "graph": lambda: GraphMemory(log, model=model),
        "turns": lambda: VectorMemory(log, embedder),
    }
    unknown = [kind for kind in kinds if kind not in made]
    if unknown:
        raise UsageError(f"there is no memory {unknown[0]!r}; there are {', '.join(KINDS)}")
    return combine(*(made[kind]() for kind in dict.fromkeys(kinds)))
