"""The façade of the store: one directory, one truth."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ragkit.errors import KnowledgeBaseError, NotFoundError, UsageError
from ragkit.store import changes, database, documents, feed, queries, vectors
from ragkit.store.answer_store import AnswerStore
from ragkit.store.conversation_store import ConversationStore
from ragkit.store.document_store import DocumentStore
from ragkit.store.lock import SHORT_WAIT_SECONDS, WriterLock
from ragkit.store.staging import Staging

if TYPE_CHECKING:
    import sqlite3

    import numpy as np
    from numpy.typing import NDArray

    from ingest.document import Chunk, Document
    from ragkit.store.feed import VectorChanges, WordChanges
    from ragkit.store.records import (
        Check,
        ChunkPlace,
        FileState,
        PendingChunk,
        Root,
        RootKind,
    )
    from ragkit.store.transfer import Exported

_CREATION_SECONDS = 30.0
_OWN_SETTINGS = ("base", "dimension", "vectors_of")


class Store(DocumentStore, AnswerStore, ConversationStore):
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

    def root(self, folder: Path, *, kind: RootKind) -> Root:
        """Return the root of a folder, made if needed; a ``"file"`` root may become ``"folder"``.

        A folder has one root: asking for ``"file"`` where there is a ``"folder"`` returns that.
        """
        if not folder.is_absolute():
            raise UsageError(f"the folder of a root must be absolute, not {str(folder)!r}")
        with self._write("root") as connection:
            return documents.get_root(connection, folder, kind)

    def added_root(self) -> Root:
        """Return the root of documents that are added without a file, made if needed."""
        with self._write("added_root") as connection:
            return documents.added_root(connection)

    def put_document(
        self,
        root_id: int,
        relative_path: str,
        state: FileState,
        document: Document,
        chunks: Sequence[Chunk],
        *,
        vectors_: NDArray[np.float32] | None = None,
    ) -> int:
        """Store a document in place of whatever was at that path; return its id.

        One transaction. A replaced document keeps its id; its chunks get new ones, and vectors of
        chunks whose embedded text did not change are kept. Others are pending, unless ``vectors_``
        are given for all chunks, as for :meth:`put_vectors`.
        """
        with self._write("put_document") as connection:
            document_id = documents.put_document(
                connection, root_id, relative_path, state, document, chunks
            )
            if vectors_ is not None:
                rows = connection.execute(
                    "SELECT id FROM chunks WHERE document_id = ? ORDER BY position", (document_id,)
                )
                vectors.put(connection, [row[0] for row in rows], vectors_)
            return document_id

    def put_failure(self, root_id: int, relative_path: str, state: FileState, reason: str) -> None:
        """Store that a file could not be loaded, in place of whatever was at that path."""
        with self._write("put_failure") as connection:
            documents.put_failure(connection, root_id, relative_path, state, reason)

    def move_document(
        self, document_id: int, root_id: int, relative_path: str, state: FileState
    ) -> None:
        """Give a document another path, replacing what was there; its vectors stay."""
        with self._write("move_document") as connection:
            documents.move_document(connection, document_id, root_id, relative_path, state)

    def touch_document(self, document_id: int, state: FileState) -> None:
        """Note a new time of a file whose content is the same."""
        with self._write("touch_document") as connection:
            documents.touch_document(connection, document_id, state)

    def remove_documents(self, document_ids: Sequence[int]) -> None:
        """Remove documents with their chunks and vectors; ids that are gone are ignored."""
        with self._write("remove_documents") as connection:
            documents.remove_documents(connection, document_ids)

    def remove_failures(self, root_id: int, relative_paths: Sequence[str]) -> None:
        """Forget failures; paths that are none are ignored."""
        with self._write("remove_failures") as connection:
            documents.remove_failures(connection, root_id, relative_paths)

    def pending(self, limit: int, *, after: int = 0) -> list[PendingChunk]:
        """Return chunks that have no vector, by id, above ``after``.

        Chunks with the same embedded text share a vector, so only the first of them is listed.
        """
        with self._reading() as connection:
            return vectors.pending(connection, limit, after)

    def put_vectors(self, chunk_ids: Sequence[int], vectors_: NDArray[np.float32]) -> None:
        """Store vectors, shape (len(chunk_ids), dimension); chunks that are gone are ignored.

        They are made unit length and kept as float16. The first vectors fix the dimension.

        Raises:
            UsageError: the shape does not fit.
            EmbeddingError: a number is not finite.
        """
        with self._write("put_vectors") as connection:
            vectors.put(connection, chunk_ids, vectors_)

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

    def sequence(self) -> int:
        """Return the number of the newest change."""
        with self._reading() as connection:
            return changes.current(connection)

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

    def places(self, chunk_ids: Sequence[int]) -> dict[int, ChunkPlace]:
        """Return where chunks stand; those that are gone are left out."""
        with self._reading() as connection:
            return queries.places(connection, chunk_ids)

    def in_order_of_place(self, chunk_ids: Sequence[int]) -> list[int]:
        """Return chunks by the path of their document and their position; those that are there."""
        with self._reading() as connection:
            return queries.in_order_of_place(connection, chunk_ids)

    def chunks_on_pages(self, document_ids: Sequence[int], pages: Sequence[int]) -> list[int]:
        """Return the ids of the chunks of some documents that begin on some pages, ascending."""
        with self._reading() as connection:
            return queries.chunks_on_pages(connection, document_ids, pages)

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

    @contextlib.contextmanager
    def _write(self, what: str) -> Iterator[sqlite3.Connection]:
        self.require_writing(what)
        with self._database.transaction() as connection:
            yield connection
