"""The façade of the store: one directory, one truth."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ragkit.errors import KnowledgeBaseError, NotFoundError, UsageError
from ragkit.store import (
    answer_rows,
    changes,
    conversations,
    database,
    documents,
    feed,
    filtering,
    lending,
    memories,
    queries,
    vectors,
)
from ragkit.store.lock import SHORT_WAIT_SECONDS, WriterLock
from ragkit.store.staging import Staging

if TYPE_CHECKING:
    import sqlite3

    from ragkit.store.feed import VectorChanges, WordChanges
    from ragkit.store.records import Check
    from ragkit.store.transfer import Exported

_CREATION_SECONDS = 30.0
_OWN_SETTINGS = ("base", "dimension", "vectors_of")


class Store:
    """Documents, chunks, vectors, sessions and traces in one directory.

    A context manager; safe to use from several threads, and from several processes at a time, of
    which one writes. A forked child may go on using it. What a writing call stored when it
    returned is there after a crash or a power cut; what it had not is as if never begun.
    """

    def __init__(self, directory: Path, base: database.Database) -> None:
        """Use :meth:`open`."""
        self.directory = directory
        self._database = base
        self._lock = WriterLock(directory)
        self._released: list[Callable[[], None]] = []

    @classmethod
    def open(cls, directory: Path, *, create: bool = False) -> Store:
        """Open the base in ``directory``; with ``create``, make one where there is none.

        Raises:
            NotFoundError: there is none.
            VersionError: a newer ragkit wrote it.
            CorruptError: it is damaged, or something else.
            KnowledgeBaseError: it cannot be read or made, for want of rights or room.
        """
        directory = Path(os.path.abspath(directory))  # noqa: PTH100 - resolve() follows links
        path = directory / database.FILE_NAME
        try:
            return cls(directory, database.Database(path))
        except NotFoundError:
            if not create:
                raise
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise KnowledgeBaseError(
                f"cannot make a knowledge base in {str(directory)!r}: {error.strerror}"
            ) from error
        with WriterLock(directory).hold("making the knowledge base", _CREATION_SECONDS):
            if not path.exists():
                database.create(path)
        return cls(directory, database.Database(path))

    def close(self) -> None:
        """Close all files. Closing twice does no harm; any other use afterwards raises."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    @property
    def base(self) -> str:
        """What tells this base from all others."""
        return self._database.base

    @property
    def read_only(self) -> bool:
        """Whether the base may be read, but not written to."""
        return self._database.read_only

    def require_writable(self, purpose: str) -> None:
        """Raise :class:`ReadOnlyError` where only reading is possible.

        Args:
            purpose: What would write, as the beginning of a sentence.
        """
        self._database.require_writable(purpose)

    # Settings

    def get_setting(self, key: str) -> str | None:
        """Return a setting, or ``None`` if it was never set."""
        with self._reading() as connection:
            row = connection.execute("SELECT value FROM settings WHERE key = ?", (key,)).fetchone()
            return None if row is None else str(row[0])

    def set_setting(self, key: str, value: str) -> None:
        """Set a setting; a few names are the store's own."""
        if key in _OWN_SETTINGS:
            raise UsageError(f"the setting {key!r} is the store's own")
        with self._transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)", (key, value)
            )

    # Writing: one writer at a time

    @contextlib.contextmanager
    def writing(self, purpose: str, *, timeout: float = SHORT_WAIT_SECONDS) -> Iterator[None]:
        """Be the one writer; re-entrant in one thread, freed by the system if the process dies.

        Args:
            purpose: What for, in a few words, as told to others who want to write.
            timeout: Seconds to wait for another writer; negative waits for ever. The default
                outwaits a search that brings the indexes up to date.

        Raises:
            LockedError: another process or thread is writing; the message names it.
            ReadOnlyError: the base may only be read.
        """
        self.require_writable(purpose)
        with self._lock.hold(purpose, timeout) as outermost:
            try:
                yield
            finally:
                if outermost:
                    for call in self._released:
                        call()

    def when_released(self, call: Callable[[], None]) -> None:
        """Have ``call`` called each time that :meth:`writing` ends, while it still keeps others out."""
        self._released.append(call)

    def require_writing(self, what: str) -> None:
        """Raise :class:`UsageError` where the calling thread is not the writer; ``what`` it calls."""
        if not self._lock.held():
            raise UsageError(f"{what}() must be called inside `with store.writing(...):`")

    root = lending.writing(documents.root)
    added_root = lending.writing(documents.added_root)
    put_document = lending.writing(documents.put_document)
    put_failure = lending.writing(documents.put_failure)
    move_document = lending.writing(documents.move_document)
    touch_document = lending.writing(documents.touch_document)
    remove_documents = lending.writing(documents.remove_documents)
    remove_failures = lending.writing(documents.remove_failures)
    put_vectors = lending.writing(vectors.put_vectors)

    def use_vectors_of(self, model: str) -> None:
        """Note which model the vectors are from; those of another model are forgotten.

        All chunks are then pending, and vectors of any dimension are welcome.

        Args:
            model: Whatever tells models apart whose vectors cannot be compared.
        """
        with self._transaction() as connection:
            if vectors.model(connection) == model:
                return
            if queries.counts(connection).vectors:
                self.require_writing("use_vectors_of")
                vectors.clear(connection)
            vectors.set_model(connection, model)

    def vectors_are_of(self, model: str) -> bool:
        """Whether the vectors are from ``model``, as :meth:`use_vectors_of` noted it."""
        with self._reading() as connection:
            return vectors.model(connection) == model

    @contextlib.contextmanager
    def staging(self, goal: str) -> Iterator[Staging]:
        """Make other chunks and vectors beside those there are; see :class:`Staging`."""
        self.require_writing("staging")
        stage = Staging(self._database, goal)
        try:
            yield stage
        finally:
            stage.close()

    # What the indexes are fed from; see ragkit.store.feed

    sequence = lending.reading(changes.current)

    @contextlib.contextmanager
    def vector_changes(self, after: int | None) -> Iterator[VectorChanges]:
        """Lend what happened to vectors after a change, as of one moment; ``None``: from nothing."""
        with self._snapshot() as connection:
            yield feed.vector_changes(connection, after)

    @contextlib.contextmanager
    def word_changes(self, after: int | None) -> Iterator[WordChanges]:
        """Lend what happened to passages after a change, as of one moment; ``None``: from nothing."""
        with self._snapshot() as connection:
            yield feed.word_changes(connection, after)

    def prune_changes(self, reached: int) -> None:
        """Forget the log up to a change that all indexes in use have reached."""
        self.require_writing("prune_changes")
        with self._transaction() as connection:
            changes.prune(connection, reached)

    # What there is

    roots = lending.reading(queries.roots)
    files = lending.reading(queries.files)
    failures = lending.reading(queries.failures)
    counts = lending.reading(queries.counts)
    yield_by_format = lending.reading(queries.yield_by_format)
    unusual_paths = lending.at_once(queries.unusual_paths)
    documents = lending.at_once(queries.documents)
    document_names = lending.reading(queries.document_names)
    document = lending.reading(queries.document)
    document_by_path = lending.at_once(queries.document_by_path)
    stored_document = lending.reading(queries.stored_document)
    page_counts = lending.at_once(queries.page_counts)
    chunks = lending.reading(queries.chunks)
    chunks_of = lending.reading(queries.chunks_of)
    chunks_on_pages = lending.reading(queries.chunks_on_pages)
    places = lending.reading(queries.places)
    in_order_of_place = lending.reading(queries.in_order_of_place)
    texts_with = lending.reading(queries.texts_with)
    pending = lending.reading(vectors.pending)
    vectors_of = lending.at_once(vectors.of_chunks)

    # What a filter allows

    document_ids = lending.at_once(filtering.document_ids)
    allowed = lending.at_once(filtering.allowed)
    allowed_documents = lending.reading(filtering.allowed_documents)

    # Answers given before, vectors of questions, spending: rows that any process may add

    answer_state = lending.at_once(answer_rows.state)
    cached_answer = lending.reading(answer_rows.cached)
    cached_answers = lending.reading(answer_rows.cached_in)
    put_cached_answer = lending.changing(answer_rows.put, durable=False)
    touch_cached_answer = lending.changing(answer_rows.touch, durable=False)
    clear_answer_cache = lending.changing(answer_rows.clear)
    question_vectors = lending.reading(answer_rows.question_vectors)
    put_question_vectors = lending.changing(answer_rows.put_question_vectors, durable=False)
    put_spending = lending.changing(answer_rows.put_spending)
    spending = lending.reading(answer_rows.spending)

    # Sessions, what memories keep of them, and traces, likewise

    add_turns = lending.changing(conversations.add_turns)
    turns = lending.reading(conversations.turns)
    sessions = lending.reading(conversations.sessions)
    numbered_turns = lending.at_once(memories.numbered_turns)
    memory_view = lending.reading(memories.view)
    put_memory_view = lending.changing(memories.put_view)
    memory_facts = lending.reading(memories.facts)
    turn_vectors = lending.reading(memories.vectors)
    put_turn_vectors = lending.changing(memories.put_vectors, durable=False)
    rename_session = lending.changing(conversations.rename_session)
    put_trace = lending.changing(conversations.put_trace, durable=False)
    trace = lending.reading(conversations.trace)
    traces_beginning = lending.reading(conversations.traces_beginning)
    traces = lending.reading(conversations.traces)

    def delete_session(self, session: str) -> bool:
        """Delete a session with all that was made of it; say whether there was one.

        Its text is overwritten in the file, and in the write-ahead log as soon as no other process
        is reading.
        """
        with self._transaction() as connection:
            deleted = conversations.delete_session(connection, session)
        if deleted:
            self._empty_log()
        return deleted

    def delete_traces(self, trace_ids: Sequence[str] | None = None) -> int:
        """Delete traces, by default all, as :meth:`delete_session` deletes; return how many."""
        with self._transaction() as connection:
            deleted = conversations.delete_traces(connection, trace_ids)
        if deleted:
            self._empty_log()
        return deleted

    def _empty_log(self) -> None:
        with self._reading() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    # Health

    def check(self) -> list[Check]:
        """Examine the whole base; reads much of it, changes nothing."""
        from ragkit.store.check import examine

        return examine(self.directory, self._database)

    def repair(self) -> list[str]:
        """Repair what cannot lose anything; see :func:`ragkit.store.repair.repair`."""
        from ragkit.store.repair import repair

        self.require_writing("repair")
        return repair(self.directory, self._database)

    def export(self, file: Path, *, overwrite: bool = False, sessions: bool = True) -> Exported:
        """Write the base to one file; see :func:`ragkit.store.transfer.export_base`."""
        from ragkit.store.transfer import export_base

        return export_base(self._database, file, overwrite=overwrite, sessions=sessions)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._database.reading() as connection:
            yield connection

    @contextlib.contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        with self._database.snapshot() as connection:
            yield connection

    @contextlib.contextmanager
    def _transaction(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        with self._database.transaction(durable=durable) as connection:
            yield connection
