"""Bring in a base that was exported elsewhere, ready to be searched."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ragkit.index.indexes import Indexes
from ragkit.store import Store
from ragkit.store.transfer import Exported, unpack_base


def import_base(
    file: str | os.PathLike[str],
    directory: str | os.PathLike[str],
    *,
    folders: Mapping[str, str | os.PathLike[str]] | None = None,
) -> Exported:
    """Make the base in ``directory`` from a file that :meth:`KnowledgeBase.export` wrote.

    The file may come from anywhere: it is checked as a whole before anything of it is kept, and no
    path in it is ever used.

    Args:
        file: The exported file.
        directory: Where there is no base yet; made if needed.
        folders: Where ingested folders of the other machine are on this one, old to new, so that
            the next ingest knows their files.

    Raises:
        UsageError: there is a base already, or a folder is not one of those that were ingested.
        VersionError: a newer ragkit exported it.
        CorruptError: it is no export, or a damaged or manipulated one; nothing is imported.
        KnowledgeBaseError: there is no room, or no right to write.
    """
    place = Path(directory).expanduser().absolute()
    moved = {old: Path(new).expanduser().absolute() for old, new in (folders or {}).items()}
    imported = unpack_base(Path(file).expanduser().absolute(), place, folders=moved)
    with Store.open(place) as store, store.writing("importing a knowledge base"):
        Indexes(store).sync(final=True)
    return imported
