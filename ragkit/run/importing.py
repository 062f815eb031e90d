"""Bring in a base that was exported elsewhere, ready to be searched."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ragkit.index.engines import vector_engine, word_engine
from ragkit.index.indexes import Indexes
from ragkit.store import Store
from ragkit.store.transfer import Exported, discard_base, unpack_base

if TYPE_CHECKING:
    from ragkit.index.engines import VectorEngine, WordEngine


def import_base(
    file: str | os.PathLike[str],
    directory: str | os.PathLike[str],
    *,
    folders: Mapping[str, str | os.PathLike[str]] | None = None,
    vector_index: VectorEngine = "faiss",
    word_index: WordEngine = "tantivy",
) -> Exported:
    """Make the base in ``directory`` from a file that :meth:`KnowledgeBase.export` wrote.

    The file may come from anywhere: it is checked as a whole before anything of it is kept, and no
    path in it is ever used.

    Args:
        file: The exported file.
        directory: Where there is no base yet; made if needed.
        folders: Where ingested folders of the other machine are on this one, old to new, so that
            the next ingest knows their files.
        vector_index: What is built to search the base by meaning, as for :class:`OpenOptions`; it
            was not exported, for it can be made of what was.
        word_index: Likewise by words.

    Raises:
        UsageError: there is a base already, a folder is not one of those that were ingested, or
            there is no such index.
        VersionError: a newer ragkit exported it.
        CorruptError: it is no export, or a damaged or manipulated one; nothing is imported.
        KnowledgeBaseError: there is no room, or no right to write.
    """
    make_vectors = vector_engine("import_base", vector_index)
    make_words = word_engine("import_base", word_index)
    place = Path(directory).expanduser().absolute()
    moved = {old: Path(new).expanduser().absolute() for old, new in (folders or {}).items()}
    imported = unpack_base(Path(file).expanduser().absolute(), place, folders=moved)
    try:
        with Store.open(place) as store, store.writing("importing a knowledge base"):
            Indexes(store, vector_index=make_vectors, word_index=make_words).sync(final=True)
    except BaseException:
        discard_base(place)
        raise
    return imported
