"""Which change of a base the word index has reached, in a note beside it.

The note is no entry of the index, for BM25 counts all entries there are or were: the scores would
depend on how often something was committed.

It is written before the commit that it announces. It says what the commit before had reached and
what the next one will have, and tantivy's stamp of a commit, which only grows, tells which of the
two holds. So an index is always exactly at one change, whenever the process dies.
"""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import astuple, dataclass
from pathlib import Path

from ragkit.store.database import sync_folder

NOTE = "reached.json"
_META = "meta.json"


@dataclass(frozen=True, slots=True)
class Reached:
    """The number of a change, and the largest id of a chunk so far."""

    sequence: int
    last_chunk: int


def stamp(folder: Path) -> int:
    """Return the stamp of the last commit of the index in a folder.

    Raises:
        OSError: there is no index.
        ValueError: its list of files is damaged.
    """
    try:
        return int(json.loads((folder / _META).read_text(encoding="utf-8"))["opstamp"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"{str(folder / _META)!r} does not say what was committed") from error


def announce(folder: Path, label: str, before: Reached | None, coming: Reached) -> None:
    """Say what the next commit will have reached.

    Args:
        folder: The index's.
        label: What the index is of, and in which format.
        before: What the last commit has reached; ``None``: it is of no use.
        coming: What the next one will have reached.
    """
    _write(folder, [label, stamp(folder), before and astuple(before), astuple(coming)])


def confirm(folder: Path, label: str, reached: Reached) -> None:
    """Say what the commit that was announced has reached, where its stamp does not.

    A commit without any change to the entries may get the stamp of the one before.
    """
    if read(folder, label, stamp(folder)) != reached:
        announce(folder, label, reached, reached)


def _write(folder: Path, content: list[object]) -> None:
    text = json.dumps(content)
    new = folder / f"{NOTE}.new"
    with new.open("w", encoding="utf-8") as file:
        json.dump({"note": text, "crc32": zlib.crc32(text.encode())}, file)
        file.flush()
        os.fsync(file.fileno())
    new.replace(folder / NOTE)
    sync_folder(folder)


def read(folder: Path, label: str, committed: int) -> Reached | None:
    """Return what a commit has reached; ``None`` if the note is missing, damaged or another's."""
    try:
        written = json.loads((folder / NOTE).read_text(encoding="utf-8"))
        if zlib.crc32(written["note"].encode()) != written["crc32"]:
            return None
        of, last, before, coming = json.loads(written["note"])
        reached = before if committed == last else coming
        if of != label or committed < last or reached is None:
            return None
        return Reached(*map(int, reached))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
