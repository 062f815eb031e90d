"""Making a memory of a session from the names of its parts, or from objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragkit.errors import UsageError
from ragkit.events.plug_ins import misfit, plug_in
from ragkit.memory.combined import CombinedMemory, Told, combine
from ragkit.memory.entities import EntityMemory
from ragkit.memory.graph import GraphMemory
from ragkit.memory.log import SessionLog, SessionView
from ragkit.memory.memory import Memory
from ragkit.memory.summary import SummaryMemory
from ragkit.memory.vector import VectorMemory
from ragkit.memory.window import WindowMemory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ragkit.embed.embedder import Embedder
    from ragkit.llm.chat_model import ChatModel
    from ragkit.store import Store

KINDS = ("window", "summary", "entities", "graph", "turns")
PLUG_INS = "ragkit.memories"


def make_memory(
    store: Store,
    session: str,
    *,
    kinds: str | Memory | Sequence[str | Memory],
    embedder: Callable[[], Embedder],
    model: ChatModel | None = None,
) -> CombinedMemory:
    """Make a memory of a session from parts.

    Args:
        store: Where the session is kept.
        session: Its name.
        kinds: Any of ``"window"`` (the last turns as they were), ``"summary"``, ``"entities"``,
            ``"graph"`` (relations) and ``"turns"`` (old turns that are like the question); names
            of installed packages' memories (entry points in the group ``ragkit.memories``:
            functions of a :class:`SessionLog` that return a memory); or memories themselves. One
            that is no view of the session is told of each turn from now on.
        embedder: Gives the embedding model, for ``"turns"``.
        model: Writes summaries and notes; without one, rules do.

    Raises:
        UsageError: an unknown kind, or none, a session without a name, or a memory of another
            session.
    """
    parts = [kinds] if isinstance(kinds, str | Memory) else list(kinds)
    log = SessionLog(store, session)
    made: dict[str, Callable[[], SessionView]] = {
        "window": lambda: WindowMemory(log),
        "summary": lambda: SummaryMemory(log, model=model),
        "entities": lambda: EntityMemory(log, model=model),
        "graph": lambda: GraphMemory(log, model=model),
        "turns": lambda: VectorMemory(log, embedder),
    }

    def view(part: str | Memory) -> SessionView:
        if isinstance(part, str):
            if part in made:
                return made[part]()
            part = installed_kind(part)(log)
        if fault := misfit(part, "recall", "remember"):
            raise UsageError(f"{part!r} is no memory; {fault}")
        if not isinstance(part, SessionView):
            return Told(log, part)
        if part.log.session != session:
            raise UsageError(
                f"a memory of session {part.log.session!r} cannot be that of {session!r}"
            )
        return part

    views = [view(part) for place, part in enumerate(parts) if part not in parts[:place]]
    first = views[0] if views else None
    return first if len(views) == 1 and isinstance(first, CombinedMemory) else combine(*views)


def installed_kind(name: str) -> Callable[[SessionLog], Memory]:
    """Return what makes the memory that an installed package calls ``name``.

    Raises:
        UsageError: there is none.
    """
    make: Callable[[SessionLog], Memory] | None = plug_in(PLUG_INS, name)
    if make is None:
        raise UsageError(f"there is no memory {name!r}; there are {', '.join(KINDS)}")
    return make
