"""Whether every row of a base is one that ragkit could have written.

A base that came from elsewhere may hold anything: SQLite only promises that numbers are numbers.
What is looked at here is what the rest of ragkit takes for granted of it.
"""

from __future__ import annotations

import contextlib
import json
import math
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from ingest.document import Block, Page, Section
from ragkit.events.spans import Span
from ragkit.store import schema, vectors
from ragkit.store.check import bad_vectors, is_whole
from ragkit.store.database import FILE_NAME
from ragkit.store.layout import load_layout
from ragkit.store.paths import from_stored

# Characters and numbers beyond which nothing that ragkit writes goes, by a wide margin.
_TEXT = 256_000_000
_PASSAGE = 400_000
_BODY = 50_000_000
_LINE = 20_000
_ROWS = 2**28
_WIDEST = 65_536
_TIME = "BETWEEN 0 AND 253402214400"  # seconds since 1970; up to the year 9999
_COUNT = f"BETWEEN 0 AND {2**53}"
_ID = f"BETWEEN 1 AND {_ROWS}"

_LENGTHS: dict[str, dict[str, int]] = {
    "settings": {"key": _LINE, "value": 1_000_000},
    "roots": {"folder": _LINE},
    "documents": {
        "relative_path": _LINE, "path": _LINE, "sha256": 64, "format": 200, "title": _LINE,
        "encoding": 200, "metadata": _BODY, "warnings": _BODY,
    },
    "contents": {"text": _TEXT, "layout": _TEXT},
    "failures": {"relative_path": _LINE, "path": _LINE, "sha256": 64, "reason": 1_000_000},
    "embeddings": {"key": 16},
    "vectors": {"vector": 2 * _WIDEST},
    "chunks": {"key": _LINE, "heading": _BODY, "prefix": _PASSAGE, "text": _PASSAGE},
    "changes": {"kind": 20},
    "sessions": {"name": 100_000},
    "turns": {"role": 20, "content": _BODY, "trace": 200, "citations": _BODY},
    "traces": {"id": 200, "kind": 200, "body": _BODY},
    "trace_sessions": {"trace": 200, "session": 100_000},
    "memory_views": {"kind": 200, "body": _BODY},
    "memory_facts": {
        "kind": 200, "subject": _LINE, "relation": _LINE, "object": _LINE, "text": _BODY,
    },
    "memory_vectors": {"model": _LINE, "alone": 2 * _WIDEST, "following": 2 * _WIDEST},
    "cached_answers": {
        "key": 32, "scope": 32, "question": 200_000, "vector": 2 * _WIDEST, "body": _BODY,
        "trace": 200,
    },
    "question_vectors": {"key": 32, "vector": 4 * _WIDEST},
    "spending": {"trace": 200, "model": _LINE},
    "headings": {"plain": _PASSAGE},
}  # fmt: skip

_RULES: dict[str, tuple[str, ...]] = {
    "state": (
        f"sequence {_COUNT}", "pruned BETWEEN 0 AND sequence", f"last_chunk BETWEEN 0 AND {_ROWS}",
        "last_chunk >= (SELECT coalesce(max(id), 0) FROM chunks)",
        "sequence >= (SELECT coalesce(max(sequence), 0) FROM changes)",
        "documents = (SELECT count(*) FROM documents)",
        "failures = (SELECT count(*) FROM failures)",
        "chunks = (SELECT count(*) FROM chunks)",
        "vectors = (SELECT count(*) FROM chunks) - (SELECT count(*) FROM pending)",
        "characters = (SELECT coalesce(sum(characters), 0) FROM documents)",
    ),
    "roots": (f"id {_ID}", "instr(folder, char(0)) = 0"),
    "documents": (
        f"id {_ID}", f"size {_COUNT}", "length(sha256) IN (0, 64)", f"pages {_COUNT}",
        f"chunks BETWEEN 0 AND {_ROWS}", f"first_chunk BETWEEN 0 AND {_ROWS}",
        f"characters {_COUNT}", f"added_at {_TIME}", "path <> ''",
        "id IN (SELECT document_id FROM contents)",
    ),
    "failures": (f"size {_COUNT}", f"failed_at {_TIME}"),
    "embeddings": (f"id {_ID}", "length(key) = 16"),
    "chunks": (
        f"id {_ID}", f"tokens {_COUNT}", f"page IS NULL OR page {_ID}",
        "embedding_id IN (SELECT embedding_id FROM vectors) OR id IN (SELECT chunk_id FROM pending)",
    ),
    "changes": (
        f"sequence {_ID}", "first_chunk >= 1", "first_chunk <= last_chunk",
        "last_chunk <= (SELECT max(last_chunk, 1) FROM state)",
    ),
    "heading_spans": (
        "first_chunk >= 1", "first_chunk <= last_chunk",
        "last_chunk <= (SELECT last_chunk FROM state)",
    ),
    "sessions": (f"id {_COUNT}", f"created_at {_TIME}", f"updated_at {_TIME}", "name <> ''"),
    "turns": (f"id {_COUNT}", "role IN ('user', 'assistant')", f"created_at {_TIME}"),
    "traces": (f"started_at {_TIME}", "seconds BETWEEN 0 AND 1e9"),
    "memory_views": (f"last_turn {_COUNT}",),
    "memory_vectors": (
        "length(alone) > 0", "length(alone) % 2 = 0", "length(alone) = length(following)",
    ),
    "cached_answers": (
        f"used_at {_TIME}", "length(key) = 32", "length(scope) = 32",
        "vector IS NULL OR (length(vector) > 0 AND length(vector) % 2 = 0)",
    ),
    "question_vectors": (f"used_at {_TIME}", "length(vector) > 0", "length(vector) % 4 = 0"),
    "spending": (
        f"at {_TIME}", f"calls {_COUNT}", f"input_tokens {_COUNT}", f"output_tokens {_COUNT}",
        "cost IS NULL OR cost BETWEEN 0 AND 1e12",
    ),
}  # fmt: skip


class _Embedding(TypedDict):
    model: str
    dimension: int


class _Chunking(TypedDict):
    version: int | str


class _Fingerprint(TypedDict):
    embedding: _Embedding
    chunking: _Chunking


class _Trace(TypedDict):
    question: str
    spans: list[Span]
    dropped: int


class _Layout(TypedDict):
    pages: list[tuple[int, int, int]]
    sections: list[tuple[int, int, int, list[str]]]
    blocks: list[tuple[str, int, int, int | None]]


_OBJECT: TypeAdapter[Any] = TypeAdapter(dict[str, Any])
_JSON: dict[tuple[str, str], TypeAdapter[Any]] = {
    ("documents", "metadata"): TypeAdapter(dict[str, str]),
    ("documents", "warnings"): TypeAdapter(list[str]),
    ("contents", "layout"): TypeAdapter(_Layout),
    ("chunks", "heading"): TypeAdapter(list[str]),
    ("turns", "citations"): TypeAdapter(list[dict[str, Any]]),
    ("traces", "body"): TypeAdapter(_Trace),
    ("cached_answers", "body"): _OBJECT,
}


def faults(connection: sqlite3.Connection) -> Iterator[str]:
    """Say what in the base ragkit did not write, each as the end of "the base is not sound: …".

    Reads everything once. A database of which SQLite itself finds no damage is taken for granted.
    """
    parts = (_lengths, _encodings, _numbers, _settings, _documents, _json, _floats, _paths)
    for part in parts:
        try:
            found = list(part(connection))
        except (sqlite3.Error, ValueError, TypeError, KeyError, OverflowError, RecursionError) as e:
            found = [f"it cannot be read as ragkit writes it ({_line(e)})"]
        if found:  # what comes later takes this for granted
            yield from found
            return


def unsound(directory: Path) -> str | None:
    """Return a sentence on what in the base of a directory ragkit did not write, if there is any.

    To be asked when something went wrong that should not: it reads all of the base.
    """
    path = (directory / FILE_NAME).absolute()
    if not path.is_file():
        return None
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as base:
            if base.execute("PRAGMA user_version").fetchone() != (schema.VERSION,):
                return None
            fault = next(faults(base), None)
    except sqlite3.Error as error:
        fault = _line(error)
    if fault is None:
        return None
    return (
        f"the knowledge base {str(directory)!r} holds what ragkit did not write: {fault}; use the"
        " export or the backup that it came from, or ingest the documents into a new directory"
    )


def _lengths(connection: sqlite3.Connection) -> Iterator[str]:
    for table, columns in _LENGTHS.items():
        for column, most in columns.items():
            # In bytes: up to four for a character, and found without reading the text.
            query = f"SELECT max(octet_length({column})) FROM {table}"  # noqa: S608 - our own
            if sqlite3.sqlite_version_info < (3, 43, 0):
                query = f"SELECT max(length(CAST({column} AS BLOB))) FROM {table}"  # noqa: S608
            (longest,) = connection.execute(query).fetchone()
            if (longest or 0) > 4 * most:
                yield f"a {column!r} in {table!r} is {longest:,} bytes long"


def _encodings(connection: sqlite3.Connection) -> Iterator[str]:
    for table, columns in _LENGTHS.items():
        names = ", ".join(columns)
        for _ in connection.execute(f"SELECT {names} FROM {table}"):  # noqa: S608 - our own
            pass  # what is no Unicode is an error
    yield from ()


def _numbers(connection: sqlite3.Connection) -> Iterator[str]:
    for table, rules in _RULES.items():
        for rule in rules:
            query = f"SELECT 1 FROM {table} WHERE NOT ({rule}) LIMIT 1"  # noqa: S608 - our own
            if connection.execute(query).fetchone():
                yield f"in {table!r} it does not hold everywhere that {rule}"
    if connection.execute("SELECT count(*) FROM state").fetchone() != (1,):
        yield "'state' has not one row"
    twice = "SELECT 1 FROM documents GROUP BY path HAVING count(*) > 1"
    if connection.execute(twice).fetchone():
        yield "two documents have one path"


def _settings(connection: sqlite3.Connection) -> Iterator[str]:
    kept = dict(connection.execute("SELECT key, value FROM settings"))
    if not kept.get("base"):
        yield "the setting 'base' is missing"
    width = kept.get("dimension")
    if width is not None and not (_is_count(width) and 1 <= int(width) <= _WIDEST):
        yield f"the setting 'dimension' is {_line(width)}"
        return
    rate = kept.get("passages_per_second")
    if rate is not None and not (_is_number(rate) and 0 < float(rate) < 1e9):
        yield f"the setting 'passages_per_second' is {_line(rate)}"
    if text := kept.get("fingerprint"):
        found = TypeAdapter(_Fingerprint).validate_python(json.loads(text), strict=True)
        built = found["embedding"]["dimension"]
        if not 1 <= built <= _WIDEST or (width is not None and built != int(width)):
            yield f"the fingerprint speaks of {built} dimensions, the vectors have {width}"
    if (
        vectors.dimension(connection) == 0
        and connection.execute("SELECT 1 FROM vectors").fetchone()
    ):
        yield "there are vectors, but the setting 'dimension' is missing"


def _documents(connection: sqlite3.Connection) -> Iterator[str]:
    for (document_id,) in connection.execute("SELECT id FROM documents").fetchall():
        if not is_whole(connection, document_id):
            yield f"document {document_id} does not match its chunks"
            return
    if connection.execute("SELECT 1 FROM vectors").fetchone() and bad_vectors(connection):
        yield "a vector has a wrong length or is not finite"


def _json(connection: sqlite3.Connection) -> Iterator[str]:
    for (table, column), kind in _JSON.items():
        rows = connection.execute(f"SELECT DISTINCT {column} FROM {table}")  # noqa: S608 - our own
        for (text,) in rows:
            try:
                kind.validate_json(text, strict=column not in ("layout", "body"))
                read = json.loads(text)  # as the rest of ragkit reads it
            except (ValidationError, ValueError, RecursionError):
                yield f"a {column!r} in {table!r} is not JSON of its form"
                break
            if table == "traces" and (fault := _in_trace(read)):
                yield fault
                break
    rows = connection.execute(
        "SELECT layout, characters FROM contents JOIN documents ON documents.id = document_id"
    )
    for layout, characters in rows:
        pages, sections, blocks = load_layout(layout)
        parts: tuple[Page | Section | Block, ...] = (*pages, *sections, *blocks)
        if not all(_is_within(part, characters) for part in parts):
            yield "a page, section or block reaches beyond its document's text"
            return


def _is_within(part: Page | Section | Block, characters: int) -> bool:
    inside = 0 <= part.start <= part.end <= characters
    if isinstance(part, Page):
        return inside and 1 <= part.number <= _ROWS
    if isinstance(part, Section):
        return inside and 0 <= part.level <= 1_000
    return inside and (part.header_end is None or part.start <= part.header_end <= part.end)


def _in_trace(body: dict[str, Any]) -> str:
    known = {field.name for field in fields(Span)}
    for span in body["spans"]:
        if not set(span) <= known:
            return "a span of a trace has fields that are unknown"
        if not 0 <= span["started_at"] < 253_402_214_400 or not 0 <= span["seconds"] < 1e9:
            return "a span of a trace has a time that cannot be"
        for name in ("cost", "input_tokens", "output_tokens"):
            value = span["attributes"].get(name, 0)
            if value is not None and not (isinstance(value, int | float) and 0 <= value < 1e15):
                return f"a span of a trace has a {name!r} that is no number"
    return ""


def _floats(connection: sqlite3.Connection) -> Iterator[str]:
    import numpy as np

    for table, column, kind in (
        ("memory_vectors", "alone", "<f2"),
        ("memory_vectors", "following", "<f2"),
        ("cached_answers", "vector", "<f2"),
        ("question_vectors", "vector", "<f4"),
    ):
        query = f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL"  # noqa: S608 - our own
        for (blob,) in connection.execute(query):
            if not np.isfinite(np.frombuffer(blob, dtype=kind)).all():
                yield f"a {column!r} in {table!r} holds what is no number"
                break


def _paths(connection: sqlite3.Connection) -> Iterator[str]:
    for (folder,) in connection.execute("SELECT folder FROM roots WHERE folder <> ''"):
        path = from_stored(folder)
        if not (PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute()):
            yield f"the folder {_line(folder)} is not absolute"
    both = "SELECT relative_path FROM documents UNION SELECT relative_path FROM failures"
    for (relative,) in connection.execute(both):
        path = from_stored(relative)
        leaves = ".." in path.split("/") or PurePosixPath(path).is_absolute() or "\0" in path
        if leaves or not path:
            yield f"the path {_line(relative)} leads out of its folder"


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _is_number(text: str) -> bool:
    read: Callable[[str], float] = float
    try:
        return len(text) < 40 and math.isfinite(read(text))
    except ValueError:
        return False


def _line(what: object) -> str:
    text = " ".join(str(what).split())
    return repr(text if len(text) <= 120 else f"{text[:120]}…")
