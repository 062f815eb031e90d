"""The lexical view: a tantivy index of words, searched by BM25.

Its folder holds chunks (text, headings, title and file name, codes) and one more entry that says
which base it is of and which change it has reached. That entry is committed together with the
chunks, so the index is always exactly at one change, whenever the process dies.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ragkit.errors import KnowledgeBaseError
from ragkit.store import analysis, changes, ranking
from ragkit.store.paths import from_stored, shown, storable
from ragkit.store.records import Scored

if TYPE_CHECKING:
    from ragkit.store.changes import Range
    from ragkit.store.database import Database

LEXICAL_FOLDER = "lexical"
FORMAT = f"2-{analysis.ANALYSIS_VERSION}-{analysis.LANGUAGE}"
FIELD_WEIGHTS = {"body": 1.0, "heading": 0.6, "name": 0.4}
CODE_WEIGHT = 1.0
MAX_TERMS = 64  # of a question; the rarest
_MAX_CANDIDATES = 4096  # terms of a question whose rarity is looked up
_WRITER_BYTES = 50_000_000
_IN_MEMORY_LIMIT = 20_000
_DIGITS = 5
_WORD_BREAK = re.compile(r"(?<=[a-z])(?=[A-Z])|[_\W]+")


@dataclass(frozen=True, slots=True)
class Opened:
    """An index and the change it has reached; ``last_chunk``: no id in it is larger."""

    index: Any
    sequence: int
    last_chunk: int
    in_memory: bool = False


class LexicalView:
    """Searches words; see the module's description."""

    def __init__(self, directory: Path, database: Database) -> None:
        self.folder = directory / LEXICAL_FOLDER
        self._database = database
        self._lock = threading.RLock()
        self._opened: Opened | None = None
        self._writer: Any = None

    def search(
        self, query: str, k: int, *, document_ids: Sequence[int] | None = None
    ) -> list[Scored]:
        """Return the ``k`` chunks of highest BM25 score, best first, equal ones by chunk id.

        Any text is a valid query: its words are looked up, there is no syntax.
        """
        import tantivy

        opened = self._open()
        if opened is None or k <= 0 or (document_ids is not None and not len(document_ids)):
            return []
        searcher = opened.index.searcher()
        question = _question(opened.index, searcher, query)
        if question is None:
            return []
        if document_ids is not None:
            allowed = tantivy.Query.term_set_query(
                opened.index.schema, "document", [int(number) for number in document_ids]
            )
            question = tantivy.Query.boolean_query(
                [
                    (tantivy.Occur.Must, question),
                    (tantivy.Occur.Must, tantivy.Query.const_score_query(allowed, 0.0)),
                ]
            )

        def nearest(count: int) -> list[Scored]:
            hits = searcher.search(question, count, count=False).hits
            ids = searcher.fast_field_values("chunk", [address for _score, address in hits])
            return [
                Scored(int(chunk_id), round(score, _DIGITS))
                for (score, _address), chunk_id in zip(hits, ids, strict=True)
            ]

        return ranking.in_order(ranking.best(nearest, k, searcher.num_docs), k)

    def behind(self) -> int:
        """How many changed chunks the index does not show as they are now."""
        opened = self._open()
        with self._database.snapshot() as connection:
            sequence = changes.current(connection)
            if opened is not None and opened.sequence == sequence:
                return 0
            past = (
                changes.since(connection, opened.sequence, ("chunks", "words")) if opened else None
            )
            if past is not None:
                return past.chunks
            return int(connection.execute("SELECT chunks FROM state").fetchone()[0])

    def sync(self) -> int:
        """Apply and commit all changes; return the number reached. Needs the writer lock.

        A folder that is missing, damaged, of another base or too old is built anew.
        """
        with self._lock, self._database.snapshot() as connection:
            opened = self._open()
            if opened is not None and opened.in_memory:
                opened = None
            past = (
                changes.since(connection, opened.sequence, ("chunks", "words")) if opened else None
            )
            if opened is None or past is None:
                opened, past = self._start_over(), _everything(connection)
            if past.sequence == opened.sequence:
                return opened.sequence
            try:
                with _tantivy_errors(self.folder):
                    if self._writer is None:
                        self._writer = opened.index.writer(_WRITER_BYTES, 1)
                    base = self._database.base
                    self._opened = _apply(opened, self._writer, base, connection, past)
            except KnowledgeBaseError:
                self._opened = self._writer = None  # look at the folder afresh the next time
                raise
            return past.sequence

    def rebuild(self) -> None:
        """Build the folder anew from the truth. Needs the writer lock."""
        with self._lock:
            self.close()
            self._wipe()
            self.sync()

    def build_in_memory(self) -> None:
        """Without a usable folder or the right to write one: index a small base in memory."""
        with self._lock, self._database.snapshot() as connection:
            (chunks,) = connection.execute("SELECT chunks FROM state").fetchone()
            if chunks > _IN_MEMORY_LIMIT:
                return
            with _tantivy_errors(self.folder):
                opened = Opened(_new_index(None), 0, 0, in_memory=True)
                writer = opened.index.writer(_WRITER_BYTES, 1)
                past = _everything(connection)
                self._opened = _apply(opened, writer, self._database.base, connection, past)
                writer.wait_merging_threads()

    def close_writer(self) -> None:
        """Let merges finish and give up tantivy's own lock."""
        with self._lock:
            if self._writer is not None:
                writer, self._writer = self._writer, None
                with _tantivy_errors(self.folder):
                    writer.wait_merging_threads()

    def close(self) -> None:
        """Give up everything; the next use opens it again."""
        with self._lock:
            self.close_writer()
            self._opened = None

    def after_fork(self) -> None:
        """Start over in a child process, where tantivy's threads and locks do not exist."""
        self._lock = threading.RLock()
        _INHERITED.extend((self._opened, self._writer))
        self._opened = self._writer = None

    def _open(self) -> Opened | None:
        """Open the folder, or look again at what others committed to it."""
        # A search need not wait for a writing thread of this process while it has an index.
        if not self._lock.acquire(blocking=self._opened is None):
            return self._opened
        try:
            opened = self._opened
            with self._database.reading() as connection:
                if opened is not None and opened.sequence == changes.current(connection):
                    return opened
            if opened is not None and not opened.in_memory and self._writer is None:
                with contextlib.suppress(ValueError, OSError):
                    opened.index.reload()
                    fresh = _read_state(opened.index, self._database.base)
                    if fresh is not None and self.folder.is_dir():
                        self._opened = fresh
                        return fresh
                self._opened = opened = None
            if opened is None or opened.in_memory:
                fresh = open_folder(self.folder, self._database.base)
                if fresh is not None:
                    self._opened = fresh
            return self._opened
        finally:
            self._lock.release()

    def usable(self) -> bool:
        """Whether there is an index on disk to search, if perhaps an old one."""
        opened = self._open()
        return opened is not None and not opened.in_memory

    def _start_over(self) -> Opened:
        self.close()
        self._wipe()
        with _tantivy_errors(self.folder):
            self.folder.mkdir(parents=True)
            return Opened(_new_index(self.folder), 0, 0)

    def _wipe(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            if self.folder.is_dir():
                with _tantivy_errors(self.folder):
                    shutil.rmtree(self.folder)
            else:
                self.folder.unlink()


# Dropping these in a forked child would wait for threads that are not there.
_INHERITED: list[Any] = []


@contextlib.contextmanager
def _tantivy_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, OSError) as error:  # tantivy reports its failures as ValueError
        raise KnowledgeBaseError(
            f"the word index in {str(folder)!r} cannot be written ({error}); check the disk and "
            "your rights; nothing is lost, and the folder may be deleted: it is built anew"
        ) from error


def _schema() -> Any:
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("chunk", indexed=True, fast=True)
    builder.add_unsigned_field("document", indexed=True)
    for field in FIELD_WEIGHTS:
        builder.add_text_field(field, tokenizer_name="words", index_option="freq")
    builder.add_text_field("codes", tokenizer_name="codes", index_option="freq")
    builder.add_text_field("state", stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("kind", tokenizer_name="raw", index_option="basic")
    return builder.build()


def _new_index(folder: Path | None) -> Any:
    import tantivy

    index = tantivy.Index(_schema(), str(folder) if folder else None, reuse=False)
    return _prepared(index)


def _prepared(index: Any) -> Any:
    index.register_tokenizer("words", analysis.word_analyzer())
    index.register_tokenizer("codes", analysis.code_analyzer())
    index.config_reader("manual")
    return index


def open_folder(folder: Path, base: str) -> Opened | None:
    """Open the index in a folder, or ``None`` if there is no usable one of this base."""
    import tantivy

    if not folder.is_dir():
        return None
    try:
        return _read_state(_prepared(tantivy.Index.open(str(folder))), base)
    except (ValueError, OSError):  # missing or damaged: it will be built anew
        return None


def _read_state(index: Any, base: str) -> Opened | None:
    """Read how far an index is, or ``None`` if it is not a usable one of this base."""
    import tantivy

    searcher = index.searcher()
    query = tantivy.Query.term_query(index.schema, "kind", "state")
    hits = searcher.search(query, 1, count=False).hits
    if not hits:
        return None
    state = json.loads(searcher.doc(hits[0][1]).get_first("state"))
    if state["base"] != base or state["format"] != FORMAT:
        return None
    return Opened(index, int(state["sequence"]), int(state["last_chunk"]))


def _everything(connection: sqlite3.Connection) -> changes.Changes:
    (last_chunk,) = connection.execute("SELECT last_chunk FROM state").fetchone()
    return changes.Changes(changes.current(connection), ((1, last_chunk),) if last_chunk else ())


def _apply(
    opened: Opened,
    writer: Any,
    base: str,
    connection: sqlite3.Connection,
    past: changes.Changes,
) -> Opened:
    """Look at ranges of chunks again and commit, together with the number reached."""
    import tantivy

    schema = opened.index.schema
    last_chunk = max([opened.last_chunk, *(last for _first, last in past.ranges)])
    try:
        for first, last in past.ranges:
            if first <= opened.last_chunk:
                writer.delete_documents_by_query(
                    tantivy.Query.range_query(
                        schema,
                        "chunk",
                        tantivy.FieldType.Unsigned,
                        first,
                        last,
                        use_inverted_index=True,
                    )
                )
            for document in _entries(connection, (first, last)):
                writer.add_document(document)
        writer.delete_documents_by_term("kind", "state")
        state = {
            "base": base,
            "format": FORMAT,
            "sequence": past.sequence,
            "last_chunk": last_chunk,
        }
        entry = tantivy.Document()
        entry.add_text("kind", "state")
        entry.add_text("state", json.dumps(state))
        writer.add_document(entry)
        writer.commit()
    except BaseException:
        with contextlib.suppress(ValueError):
            writer.rollback()
        raise
    opened.index.reload()
    return Opened(opened.index, past.sequence, last_chunk, opened.in_memory)


def _entries(connection: sqlite3.Connection, span: Range) -> Iterator[Any]:
    import tantivy

    rows = connection.execute(
        "SELECT chunks.id, document_id, text, prefix, heading, title, relative_path"
        " FROM chunks JOIN documents ON documents.id = document_id"
        " WHERE chunks.id BETWEEN ? AND ?",
        span,
    )
    for chunk_id, document_id, text, prefix, heading, title, path in rows:
        entry = tantivy.Document()
        entry.add_unsigned("chunk", chunk_id)
        entry.add_unsigned("document", document_id)
        body = analysis.normalise(text)
        entry.add_text("body", body)
        # The prefix repeats the headings, and adds the header row of a table that goes on.
        lines = dict.fromkeys([*json.loads(heading), *prefix.splitlines()])
        headings = analysis.normalise("\n".join(lines))
        entry.add_text("heading", headings)
        entry.add_text("name", analysis.normalise(f"{title or ''}\n{_name_words(path)}"))
        found = analysis.codes(f"{body}\n{headings}")
        if found:
            entry.add_text("codes", " ".join(found))
        yield entry


def _name_words(stored_path: str) -> str:
    stem = PurePosixPath(shown(from_stored(stored_path))).stem
    return " ".join(_WORD_BREAK.split(stem))


def _question(index: Any, searcher: Any, text: str) -> Any:
    """Build the query: any of the words, in any of the fields; ``None`` without words."""
    import tantivy

    normal = analysis.normalise(storable(text))
    words = dict.fromkeys(analysis.word_analyzer().analyze(normal))
    terms = [
        (field, word, weight)
        for word in _rarest(searcher, ("body", "heading", "name"), list(words))
        for field, weight in FIELD_WEIGHTS.items()
    ]
    code_words = list(dict.fromkeys(analysis.codes(normal)))
    terms += [("codes", code, CODE_WEIGHT) for code in _rarest(searcher, ("codes",), code_words)]
    if not terms:
        return None
    return tantivy.Query.boolean_query(
        [
            (
                tantivy.Occur.Should,
                tantivy.Query.boost_query(
                    tantivy.Query.term_query(index.schema, field, term, "freq"), weight
                ),
            )
            for field, term, weight in terms
        ]
    )


def _rarest(searcher: Any, fields: Sequence[str], words: list[str]) -> list[str]:
    """Those words that occur; of too many, the ones in the fewest chunks."""
    if len(words) > _MAX_CANDIDATES:
        words = words[:_MAX_CANDIDATES]
    seen = [(max(searcher.doc_freq(field, word) for field in fields), word) for word in words]
    there = [(frequency, word) for frequency, word in seen if frequency]
    if len(there) <= MAX_TERMS:
        return [word for _frequency, word in there]
    return [word for _frequency, word in sorted(there)[:MAX_TERMS]]
