"""The façade of the store: one directory, one truth, two views."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ragkit.errors import CorruptError, KnowledgeBaseError, NotFoundError, UsageError
from ragkit.index.faiss_index import DenseView
from ragkit.index.tantivy_index import DamagedIndexError, LexicalView
from ragkit.index.tantivy_query import ALONE, WordWeights
from ragkit.store import (
    changes,
    database,
    documents,
    filtering,
    queries,
    vectors,
)
from ragkit.store.answer_store import AnswerStore
from ragkit.store.conversation_store import ConversationStore
from ragkit.store.document_store import DocumentStore
from ragkit.store.lock import SHORT_WAIT_SECONDS, WriterLock
from ragkit.store.records import (
    Check,
    ChunkPlace,
    FileState,
    PendingChunk,
    Root,
    RootKind,
    Scored,
    ViewLag,
)
from ragkit.store.staging import Staging

if TYPE_CHECKING:
    import sqlite3

    import numpy as np
    from numpy.typing import NDArray

    from ingest.document import Chunk, Document
    from ragkit.store.allowed import Allowed
    from ragkit.store.transfer import Exported

_CREATION_SECONDS = 30.0
_OWN_SETTINGS = ("base", "dimension", "vectors_of")


class Store(DocumentStore, AnswerStore, ConversationStore):
    """Documents, chunks, vectors, sessions and traces in one directory, and two ways to search.

    A context manager; safe to use from several threads, and from several processes at a time, of
    which one writes. A forked child may go on using it. What a writing call stored when it
    returned is there after a crash or a power cut; what it had not is as if never begun.
    """

    def __init__(self, directory: Path, base: database.Database) -> None:
        """Use :meth:`open`."""
        self.directory = directory
        self._database = base
        self._lock = WriterLock(directory)
        self._dense = DenseView(directory, base)
        self._lexical = LexicalView(directory, base)
        self._pid = os.getpid()

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
        self._check_fork()
        self._lexical.close()
        self._dense.forget()
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
        self._check_fork()
        self.require_writable(purpose)
        with self._lock.hold(purpose, timeout) as outermost:
            try:
                yield
            finally:
                if outermost:
                    self._lexical.close_writer()

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
                self._require_writing("use_vectors_of")
                vectors.clear(connection)
            vectors.set_model(connection, model)

    def vectors_are_of(self, model: str) -> bool:
        """Whether the vectors are from ``model``, as :meth:`use_vectors_of` noted it."""
        with self._reading() as connection:
            return vectors.model(connection) == model

    @contextlib.contextmanager
    def staging(self, goal: str) -> Iterator[Staging]:
        """Make other chunks and vectors beside those there are; see :class:`Staging`."""
        self._require_writing("staging")
        stage = Staging(self._database, goal)
        try:
            yield stage
        finally:
            stage.close()

    def sync_views(self, *, final: bool = False) -> None:
        """Bring both views up to the truth and make them durable.

        Args:
            final: No more changes are expected soon, so that also a smaller lag of the dense file
                is worth writing it. Searches are complete either way.
        """
        self._require_writing("sync_views")
        reached = min(self._lexical.sync(), self._dense.sync(final=final))
        with self._transaction() as connection:
            changes.prune(connection, reached)

    def rebuild_views(self) -> None:
        """Build both views anew from the truth."""
        self._require_writing("rebuild_views")
        self._lexical.rebuild()
        self._dense.rebuild()

    # Searching

    def search_dense(
        self,
        vector: NDArray[np.float32],
        k: int,
        *,
        allowed: Allowed | None = None,
        document_ids: Sequence[int] | None = None,
    ) -> list[Scored]:
        """Return the ``k`` chunks of highest cosine, best first, equal ones by chunk id.

        Args:
            vector: Shape (dimension,).
            k: How many; fewer come back when there are no more.
            allowed: Only these chunks, as :meth:`allowed` gives them; ``None`` is no limit.
            document_ids: Only chunks of these documents, likewise, where ``allowed`` is not given.

        Raises:
            UsageError: the vector's shape does not fit those stored.
        """
        self._check_fork()
        return self._dense.search(vector, k, self._limit(allowed, document_ids))

    def search_lexical(
        self,
        query: str | Sequence[tuple[str, float]],
        k: int,
        *,
        weights: WordWeights = ALONE,
        allowed: Allowed | None = None,
        document_ids: Sequence[int] | None = None,
    ) -> list[Scored]:
        """Return the ``k`` chunks of highest BM25 score, best first, equal ones by chunk id.

        Any text is a valid query; several are given with their weights. Scores are from 0 to 1,
        as shares of what the question's words could reach, each by where it stands. Limits as in
        :meth:`search_dense`. An index that is behind the truth catches up first, if nobody else is
        writing; :meth:`view_lag` says what is missing otherwise.
        """
        self._check_fork()
        self._catch_up()
        parts = [(query, 1.0)] if isinstance(query, str) else query
        limit = self._limit(allowed, document_ids)
        try:
            return self._lexical.search(parts, k, limit, weights)
        except DamagedIndexError:
            self._lexical.discard()
            self._catch_up()
            return self._lexical.search(parts, k, limit, weights)

    def products(self, vector: NDArray[np.float32], chunk_ids: Sequence[int]) -> dict[int, float]:
        """Return the products of a vector with those of chunks; chunks without are left out.

        Args:
            vector: Shape (dimension,); there is none with vectors of another dimension.
            chunk_ids: Any number of ids.
        """
        self._check_fork()
        return self._dense.products(vector, chunk_ids)

    def _limit(self, allowed: Allowed | None, document_ids: Sequence[int] | None) -> Allowed | None:
        if allowed is not None or document_ids is None:
            return allowed
        with self._reading() as connection:
            return filtering.allowed_documents(connection, document_ids)

    def terms(self, prefix: str) -> list[tuple[str, int]]:
        """Return the stems of words that begin with ``prefix``, and how often they occur."""
        self._check_fork()
        return self._lexical.terms(prefix)

    def holds_stem(self, stem: str) -> bool:
        """Return whether any chunk's text, headings or name hold a stem, in any language."""
        self._check_fork()
        return self._lexical.holds(stem)

    def absent_words(
        self, words: Sequence[str], *, allowed: Allowed | None = None
    ) -> frozenset[str]:
        """Return those of the words that no chunk's text, headings or names hold.

        Limits as in :meth:`search_dense`. Words that say little are never among them.
        """
        self._check_fork()
        return self._lexical.absent(words, allowed)

    def languages(self) -> tuple[str, ...]:
        """Return the languages whose stems the word index holds, English first."""
        self._check_fork()
        return self._lexical.languages()

    def places(self, chunk_ids: Sequence[int]) -> dict[int, ChunkPlace]:
        """Return where chunks stand; those that are gone are left out."""
        with self._reading() as connection:
            return queries.places(connection, chunk_ids)

    def chunks_on_pages(self, document_ids: Sequence[int], pages: Sequence[int]) -> list[int]:
        """Return the ids of the chunks of some documents that begin on some pages, ascending."""
        with self._reading() as connection:
            return queries.chunks_on_pages(connection, document_ids, pages)

    def view_lag(self) -> ViewLag:
        """Return how many changed chunks a search would not show as they are now."""
        self._check_fork()
        return ViewLag(dense=0, lexical=self._lexical.behind())

    def _catch_up(self) -> None:
        if not self._lexical.behind():
            return
        try:
            with self.writing("catching up the search indexes", timeout=0.0):
                self.sync_views()
        except CorruptError:
            raise
        except KnowledgeBaseError:
            # Somebody else is writing, and will bring it up to date; or the directory cannot be
            # written to. An index that is only late is still used, and view_lag() says so. One
            # that has little of what there is now, as right after a rebuild, is no use.
            if not self._lexical.usable() or 2 * self._lexical.behind() > self.counts().chunks:
                self._lexical.build_in_memory()

    # Health

    def check(self) -> list[Check]:
        """Examine the whole base; reads much of it, changes nothing."""
        from ragkit.store.check import examine

        self._check_fork()
        return examine(self.directory, self._database)

    def repair(self) -> list[str]:
        """Repair what cannot lose anything; see :func:`ragkit.store.repair.repair`."""
        from ragkit.store.repair import repair

        self._require_writing("repair")
        return repair(self, self._database)

    def export(self, file: Path, *, overwrite: bool = False, sessions: bool = True) -> Exported:
        """Write the base to one file; see :func:`ragkit.store.transfer.export_base`."""
        from ragkit.store.transfer import export_base

        self._check_fork()
        return export_base(self._database, file, overwrite=overwrite, sessions=sessions)

    def _check_fork(self) -> None:
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._dense.after_fork()
            self._lexical.after_fork()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        self._check_fork()
        with self._database.reading() as connection:
            yield connection

    @contextlib.contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        self._check_fork()
        with self._database.snapshot() as connection:
            yield connection

    @contextlib.contextmanager
    def _transaction(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        self._check_fork()
        with self._database.transaction(durable=durable) as connection:
            yield connection

    @contextlib.contextmanager
    def _write(self, what: str) -> Iterator[sqlite3.Connection]:
        self._require_writing(what)
        with self._database.transaction() as connection:
            yield connection

    def _require_writing(self, what: str) -> None:
        self._check_fork()
        if not self._lock.held():
            raise UsageError(f"{what}() must be called inside `with store.writing(...):`")
