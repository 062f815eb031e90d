"""The indexes that a base is opened with: by name, as what makes one, or one itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ragkit.errors import UsageError
from ragkit.events.plug_ins import plug_in, plug_in_names

if TYPE_CHECKING:
    from ragkit.index.protocols import (
        VectorIndex,
        VectorIndexFactory,
        WordIndex,
        WordIndexFactory,
    )

    VectorEngine: TypeAlias = str | VectorIndex | VectorIndexFactory
    WordEngine: TypeAlias = str | WordIndex | WordIndexFactory


def make_faiss(directory: Path, base: str) -> VectorIndex:
    """The vector index that a base has unless another is named."""
    from ragkit.index.faiss_index import FaissIndex

    return FaissIndex(directory, base)


def make_tantivy(directory: Path | None, base: str) -> WordIndex:
    """The word index that a base has unless another is named."""
    from ragkit.index.tantivy_index import TantivyIndex

    return TantivyIndex(directory, base)


def vector_engine(call: str, given: VectorEngine) -> VectorIndexFactory:
    """Return what makes the vector index of a base; nothing is opened yet.

    Args:
        call: Who was given it, for the message: ``"KnowledgeBase"``.
        given: ``"faiss"``, ``"qdrant:http://host:6333"``, the name of an entry point of ``ragkit.vector_indexes``, or what makes
            a :class:`ragkit.index.protocols.VectorIndex` of a directory and a base. An index itself
            will do in place of what makes one, where no process is forked.

    Raises:
        UsageError: a name is not known, or an object is no index.
    """
    if isinstance(given, str) and given.startswith("qdrant:"):
        from ragkit.index.qdrant_index import qdrant_at

        return qdrant_at(given.removeprefix("qdrant:"))
    factory: VectorIndexFactory = _engine(call, "vector_index", given, {"faiss": make_faiss})
    return factory


def word_engine(call: str, given: WordEngine) -> WordIndexFactory:
    """Return what makes the word index of a base, as :func:`vector_engine` does.

    ``given`` is ``"tantivy"``, the name of an entry point of ``ragkit.word_indexes``, or what makes
    a :class:`ragkit.index.protocols.WordIndex`, or one itself.
    """
    factory: WordIndexFactory = _engine(call, "word_index", given, {"tantivy": make_tantivy})
    return factory


def _engine(call: str, option: str, given: Any, built_in: dict[str, Any]) -> Callable[..., Any]:
    if isinstance(given, str):
        group = f"ragkit.{option}es"
        found = built_in.get(given) or plug_in(group, given)
        if found is None:
            known = ", ".join(map(repr, [*built_in, *plug_in_names(group)]))
            raise UsageError(
                f"{call}() got {option}={given!r}; it must be one of {known}, or an object"
            )
        given = found
    if not isinstance(given, type) and hasattr(given, "apply"):
        return lambda *_place: given
    if not callable(given):
        raise UsageError(
            f"{call}() got {option}={given!r}; it must be a name, an index or what makes one"
        )

    def make(directory: Path | None, base: str) -> Any:
        made = given(directory, base)
        if not hasattr(made, "apply"):
            raise UsageError(f"{call}() got {option}={given!r}, which made no index but {made!r}")
        return made

    return make
