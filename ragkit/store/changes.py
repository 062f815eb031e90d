"""The log from which the views catch up: numbered ranges of chunk ids to look at again.

A view that has applied number *n* asks for the ranges after *n*, forgets all chunks in them, and
takes those that exist now from the truth. Doing so twice does no harm, whatever the order.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

ChangeKind = Literal["chunks", "vectors", "words"]
Range = tuple[int, int]  # first and last chunk id, both included


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened after some number, up to ``sequence``: ranges, ascending and disjoint."""

    sequence: int
    ranges: tuple[Range, ...]

    @property
    def chunks(self) -> int:
        """Upper bound of the number of chunks concerned."""
        return sum(last - first + 1 for first, last in self.ranges)


def log(connection: sqlite3.Connection, kind: ChangeKind, ranges: Iterable[Range]) -> None:
    """Add to the log, inside the transaction that makes the changes."""
    rows = [(kind, first, last) for first, last in ranges if first <= last]
    if not rows:
        return
    (sequence,) = connection.execute("SELECT sequence FROM state").fetchone()
    connection.executemany(
        "INSERT INTO changes (sequence, kind, first_chunk, last_chunk) VALUES (?, ?, ?, ?)",
        [(number, *row) for number, row in enumerate(rows, start=sequence + 1)],
    )
    connection.execute("UPDATE state SET sequence = ?", (sequence + len(rows),))


def note(connection: sqlite3.Connection) -> None:
    """Give a number to a change that concerns no chunk, such as a file's new date."""
    connection.execute("UPDATE state SET sequence = sequence + 1")


def current(connection: sqlite3.Connection) -> int:
    """Return the number of the newest change."""
    return int(connection.execute("SELECT sequence FROM state").fetchone()[0])


def since(
    connection: sqlite3.Connection, applied: int, kinds: Sequence[ChangeKind]
) -> Changes | None:
    """Return what happened after ``applied``, or ``None`` if the log no longer goes back so far."""
    sequence, pruned = connection.execute("SELECT sequence, pruned FROM state").fetchone()
    if applied < pruned or applied > sequence:
        return None
    if applied == sequence:
        return Changes(sequence, ())
    marks = ", ".join("?" * len(kinds))
    rows = connection.execute(
        "SELECT first_chunk, last_chunk FROM changes"  # noqa: S608 - only question marks
        f" WHERE sequence > ? AND kind IN ({marks})",
        (applied, *kinds),
    )
    return Changes(sequence, tuple(merge(rows)))


def prune(connection: sqlite3.Connection, applied: int) -> None:
    """Forget the log up to ``applied``, which both views have applied and made durable."""
    connection.execute("DELETE FROM changes WHERE sequence <= ?", (applied,))
    connection.execute("UPDATE state SET pruned = max(pruned, ?)", (applied,))


def merge(ranges: Iterable[Range]) -> list[Range]:
    """Sort ranges and join those that overlap or touch."""
    merged: list[Range] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


def ranges_of(ids: Iterable[int]) -> list[Range]:
    """Write ids as ranges."""
    return merge((number, number) for number in ids)
