"""Which chunks stand under which headings, so that a filter need not read any document's layout.

A heading is kept once, as filters compare it: :func:`ragkit.store.where.plain_text`. Its spans are
ranges of the chunks that hold text under it, at any level. A chunk may hold several small
sections, and is then in the spans of each.
"""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from ragkit.store import changes
from ragkit.store.layout import load_layout
from ragkit.store.where import exact_texts, plain_text, text_matcher

if TYPE_CHECKING:
    from ingest.document import Section
    from ragkit.store.changes import Range


def put(
    connection: sqlite3.Connection,
    first_chunk: int,
    offsets: Sequence[tuple[int, int]],
    sections: Iterable[Section],
) -> None:
    """Note what headings a document's chunks stand under.

    Args:
        connection: In the transaction that stores them.
        first_chunk: Id of the first of them.
        offsets: Start and end of each in the document's text, in order.
        sections: The document's.
    """
    starts = [start for start, _ in offsets]
    ends = list(accumulate((end for _, end in offsets), max))
    under: dict[str, set[int]] = {}
    for section in sections:
        first, last = bisect_right(ends, section.start), bisect_left(starts, section.end)
        chunks = [
            first_chunk + place for place in range(first, last) if offsets[place][1] > section.start
        ]
        for heading in section.path if chunks else ():
            under.setdefault(plain_text(heading), set()).update(chunks)
    if not under:
        return
    connection.executemany(
        "INSERT OR IGNORE INTO headings (plain) VALUES (?)", [(plain,) for plain in under]
    )
    connection.executemany(
        "INSERT INTO heading_spans (heading_id, first_chunk, last_chunk)"
        " SELECT id, ?, ? FROM headings WHERE plain = ?",
        [
            (first, last, plain)
            for plain, chunks in under.items()
            for first, last in changes.ranges_of(chunks)
        ],
    )


def forget(connection: sqlite3.Connection, first_chunk: int, last_chunk: int) -> None:
    """Forget what is noted of a document's chunks, and the headings that nothing else has."""
    span = (first_chunk, last_chunk)
    freed = connection.execute(
        "SELECT DISTINCT heading_id FROM heading_spans WHERE first_chunk BETWEEN ? AND ?", span
    ).fetchall()
    connection.execute("DELETE FROM heading_spans WHERE first_chunk BETWEEN ? AND ?", span)
    connection.executemany(
        "DELETE FROM headings WHERE id = ?1"
        " AND NOT EXISTS (SELECT 1 FROM heading_spans WHERE heading_id = ?1)",
        freed,
    )


def fill(connection: sqlite3.Connection) -> None:
    """Note everything anew."""
    connection.execute("DELETE FROM heading_spans")
    connection.execute("DELETE FROM headings")
    documents = connection.execute(
        "SELECT id, first_chunk, layout FROM documents JOIN contents ON document_id = id"
    )
    for document_id, first_chunk, layout in documents:
        _pages, sections, _blocks = load_layout(layout)
        offsets = connection.execute(
            "SELECT start_offset, end_offset FROM chunks WHERE document_id = ? ORDER BY position",
            (document_id,),
        ).fetchall()
        put(connection, first_chunk, offsets, sections)


def ranges_under(connection: sqlite3.Connection, patterns: Sequence[str]) -> list[Range]:
    """Ranges of the chunks under a heading that any of some patterns fits, by their first chunk."""
    wanted = exact_texts(patterns)
    if wanted is None:
        fits = text_matcher(patterns)
        rows = connection.execute("SELECT id, plain FROM headings")
        found = [heading_id for heading_id, plain in rows if fits(plain)]
    else:
        rows = connection.execute(
            "SELECT id FROM headings WHERE plain IN (SELECT value FROM json_each(?))",
            (json.dumps(wanted),),
        )
        found = [row[0] for row in rows]
    return connection.execute(
        "SELECT first_chunk, last_chunk FROM heading_spans"
        " WHERE heading_id IN (SELECT value FROM json_each(?)) ORDER BY first_chunk",
        (json.dumps(found),),
    ).fetchall()
