"""The knowledge base: ingest folders, search them, ask them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragkit.answering import AnsweringBase
from ragkit.errors import UsageError
from ragkit.retrieve.filters import WhereMapping, parse_where
from ragkit.store.tracing import (
    Trace,
    find_trace,
    read_trace,
)

if TYPE_CHECKING:
    from threading import Event

    from ingest.document import Document
    from ingest.isolate import LoadLimits
    from ragkit.answer.calibration import Calibration
    from ragkit.embed.embedder import Embedder
    from ragkit.events import (
        Listener,
    )
    from ragkit.opened import PathLike
    from ragkit.results import IngestReport
    from ragkit.run.ingestion import Password
    from ragkit.run.overview import Status
    from ragkit.store.records import Check, SessionInfo, StoredDocument, StoredFailure, Turn
    from ragkit.store.transfer import Exported


class KnowledgeBase(AnsweringBase):
    """A folder of documents that can be searched and asked.

    Use as a context manager, or call :meth:`close`. One process at a time may write; any number
    of processes and threads may read meanwhile.
    """

    # -- filling ------------------------------------------------------------------------------

    def ingest(
        self,
        paths: PathLike | Sequence[PathLike],
        *,
        dry_run: bool = False,
        retry_failed: bool = False,
        allow_empty: bool = False,
        password: Password = None,
        workers: int | None = None,
        limits: LoadLimits | None = None,
        ocr: bool = False,
        listener: Listener | None = None,
    ) -> IngestReport:
        """Make the base equal to a folder, or add or update single files.

        Documents of other folders are left alone. Files that have not changed are not read.

        Args:
            paths: A folder or file, or several.
            dry_run: Only say what would be done, and about how long it would take.
            retry_failed: Read files again that failed before, though they have not changed.
            allow_empty: Remove the documents of a folder that is empty now, however many; more than
                20 otherwise are refused, for a disk may just not be mounted.
            password: For encrypted files: one for all, or a function of the path.
            workers: Processes that load files; default: the processors at hand, up to 4.
            limits: Time, memory and size that one file may use.
            ocr: Recognise the text of scanned PDF pages (the extra ``ocr``).
            listener: Called with progress events; default: the one given on opening.

        Raises:
            UsageError: a path does not exist.
            EmptyFolderError: a folder is empty that many documents came from.
            LockedError: another process is writing.
            ReadOnlyError: the base may only be read.
            FingerprintError: the base was built with another embedding model or chunker.
            EmbeddingError: the model failed; everything is committed and can be found by words.
        """
        from ragkit.run import ingestion
        from ragkit.run.targets import find_targets

        listen = listener or self._listener
        names = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
        targets = find_targets(names)
        options = ingestion.IngestOptions(password, workers, limits, ocr, retry_failed, allow_empty)
        if dry_run:
            return ingestion.plan_only(self._opened, targets, listen, options=options)
        from ragkit.run.fingerprint import bind_chunker, chunking_for

        store = self._store()
        store.require_writable("ingest")
        embedder = self._embedder(listen)
        bind_chunker(store, embedder)
        report = ingestion.ingest(
            self._indexes(),
            targets,
            embedder=embedder,
            chunking=chunking_for(embedder),
            options=options,
            listener=listen,
        )
        store.set_setting("last_ingest", datetime.now(UTC).isoformat(timespec="seconds"))
        return report

    def watch(
        self,
        paths: PathLike | Sequence[PathLike],
        *,
        stop: Event | None = None,
        **options: Any,
    ) -> Iterator[IngestReport]:
        """Ingest now and after each change, until ``stop`` is set; yield what was done each time.

        Args:
            paths: As for :meth:`ingest`.
            stop: Ends it within a second; default: go on until the iteration is left.
            options: As for :meth:`ingest`. A function for passwords is asked the first time only.
        """
        from ragkit.run.targets import find_targets
        from ragkit.run.watching import watch

        names = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
        password = options.pop("password", None)

        def run(is_first: bool) -> IngestReport:
            given = None if callable(password) and not is_first else password
            return self.ingest(names, password=given, **options)

        yield from watch(
            find_targets(names),
            run,
            directory=self._directory,
            stop=stop,
            listener=options.get("listener") or self._listener,
        )

    def remove(self, paths: PathLike | Sequence[PathLike]) -> tuple[str, ...]:
        """Remove documents (by path or glob, as :meth:`documents` shows them) and failures.

        Returns:
            The paths that were removed, in order. The files themselves stay where they are.

        Raises:
            UsageError: a path matches nothing; nothing is removed then.
        """
        names = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
        store = self._store()
        with store.writing("rm"):
            doomed: dict[str, int] = {}
            for path in names:
                name = os.fspath(path)
                where = parse_where({"path": name})
                matches = store.documents(where)
                if not matches:
                    raise UsageError(f"no document matches {name!r}; ragkit ls shows their paths")
                doomed.update({document.path: document.id for document in matches})
            store.remove_documents(list(doomed.values()))
            self._indexes().sync(final=True)
        return tuple(sorted(doomed))

    def rebuild(
        self, *, embedder: str | Embedder | None = None, listener: Listener | None = None
    ) -> None:
        """Chunk and embed all documents anew from their stored text, without their files.

        The base is searched as it was until all is done, and then exchanged at once. Interrupted
        at any moment, it is as it was; rebuilding again goes on.

        Args:
            embedder: The embedding model to change to; default: the one that was asked for on
                opening, or the one the base has.
            listener: Called with progress events; default: the one given on opening.
        """
        from ragkit.run.rebuilding import rebuild

        listen = listener or self._listener
        store = self._store()
        store.require_writable("rebuild")
        wanted = embedder or self._wanted_embedder
        loaded = self._load_embedder(wanted, listen)
        rebuild(self._indexes(), loaded, listen)
        with self._lock:
            self._wanted_embedder, self._loaded_embedder = wanted, loaded
            self._bound_to = store.get_setting("fingerprint")

    # -- looking at what is there -------------------------------------------------------------

    def documents(self, where: WhereMapping | None = None) -> list[StoredDocument]:
        """List the documents, by path."""
        return self._store().documents(parse_where(where))

    def failures(self) -> list[StoredFailure]:
        """List the files that could not be loaded, and why."""
        return self._store().failures()

    def text(self, path: str) -> str:
        """Return a document's whole text, which all offsets refer to.

        Raises:
            UsageError: there is no document at ``path``.
        """
        return self.document(path).text

    def document(self, path: str) -> Document:
        """Return a document as it was loaded: text, pages, sections, metadata.

        Raises:
            UsageError: there is no document at ``path``.
        """
        found = self._store().document_by_path(path)
        if found is None:
            raise UsageError(f"there is no document {path!r}; ragkit ls shows their paths")
        return found[1]

    def calibrate(self, calibration: Calibration | None) -> None:
        """Keep what makes a confidence of how well passages fit; ``None``: the built-in one."""
        from ragkit.answer.calibration import save_calibration

        save_calibration(self._store(), calibration)
        self._store().clear_answer_cache()

    def calibration(self) -> Calibration:
        """Return the calibration that answers are given with."""
        from ragkit.answer.calibration import load_calibration

        return load_calibration(self._store())[0]

    def locate(self, path: str) -> Path | None:
        """Return the file that the document at ``path`` was read from; it may be gone by now.

        Returns:
            Its absolute path, or ``None`` if there is no such document.
        """
        store = self._store()
        document = store.stored_document(path)
        if document is None:
            return None
        folders = {root.id: root.folder for root in store.roots()}
        return folders[document.root_id] / document.relative_path

    def sessions(self) -> list[SessionInfo]:
        """List the conversations that are kept in the base."""
        return self._store().sessions()

    def turns(self, session: str) -> list[Turn]:
        """Return the turns of a conversation, oldest first; none if there is no such session."""
        return self._store().turns(session)

    def trace(self, trace_id: str) -> Trace | None:
        """Return what happened for a question, by the trace's id or the beginning of it.

        Raises:
            UsageError: several traces begin like that.
        """
        return find_trace(self._store(), trace_id)

    def traces(self, limit: int = 20) -> list[Trace]:
        """List the latest traces, newest first."""
        return [read_trace(stored) for stored in self._store().traces(limit)]

    def delete_traces(self, trace_ids: Sequence[str] | None = None) -> int:
        """Delete traces by their whole ids, by default all; return how many there were.

        Their text is overwritten in the database. Answers that are kept in conversations stay.
        """
        return self._store().delete_traces(trace_ids)

    def check(self) -> list[Check]:
        """Check the whole base: the database, the indexes against it, the disk, the model."""
        from ragkit.run.checkup import examine

        loaded = self._loaded_embedder or self._wanted_embedder
        return examine(self._indexes(), lambda: self._load_embedder(loaded, self._listener))

    def repair(self) -> list[str]:
        """Repair what cannot lose anything; return what was done, one sentence each.

        Raises:
            LockedError: another process is writing.
            CorruptError: the database itself is damaged; nothing was touched.
        """
        store = self._store()
        with store.writing("doctor --repair"):
            return store.repair() + self._indexes().repair()

    def export(self, file: PathLike, *, overwrite: bool = False, sessions: bool = True) -> Exported:
        """Write the base to one file, which :func:`ragkit.import_base` reads elsewhere.

        Args:
            file: Where to.
            overwrite: Whether to replace a file that exists.
            sessions: Whether to export also what people asked and were told: conversations,
                memories, traces, cached answers, vectors of questions, spending.

        Raises:
            UsageError: ``file`` exists, and ``overwrite`` is false.
        """
        place = Path(file).expanduser().absolute()
        return self._store().export(place, overwrite=overwrite, sessions=sessions)

    def status(self) -> Status:
        """Say what the base holds, without loading any model."""
        from ragkit.answer.answering import model_names, models_of
        from ragkit.run.overview import status_of

        return status_of(self._store(), model=model_names(models_of(self._model)))
