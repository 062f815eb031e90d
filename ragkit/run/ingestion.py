"""The ingest run: plan, load, chunk, commit, and then embed what has no vector yet.

The first half makes every passage searchable by words within seconds; the second may be stopped
at any time and goes on at the next run, for "has no vector" is its queue.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from ingest.chunker import chunk_document
from ingest.errors import (
    EncryptedError,
    LoadError,
    MissingExtraError,
    NoTextError,
    UnreadableError,
    UnsupportedFormatError,
)
from ingest.folder import FoundFile, doubted, trusted_mtime_ns
from ingest.isolate import Loaded, LoaderPool, LoadLimits, LoadRequest
from ragkit.errors import EmptyFolderError, UsageError
from ragkit.events import Listener, Progress
from ragkit.run.embedding import embed_waiting
from ragkit.run.estimate import expected_seconds, note_embedding_speed
from ragkit.run.fingerprint import bind_chunker, chunking_for
from ragkit.run.options import Paths, check_keywords
from ragkit.run.tally import SKIPPED, Tally
from ragkit.run.targets import Survey, Target, find_targets, survey, vanished
from ragkit.store.paths import shown
from ragkit.store.records import FileState

if TYPE_CHECKING:
    from ragkit.embed.embedder import Embedder
    from ragkit.index.indexes import Indexes
    from ragkit.results import IngestReport
    from ragkit.run.opened import Opened
    from ragkit.store import Store

Password = str | Callable[[str], str | None] | None

_SYNC_SECONDS = 1.0


class IngestOptions(TypedDict, total=False):
    """How to ingest.

    Attributes:
        password: For encrypted files: one for all, or a function of the path.
        workers: Processes that load files; default: the processors at hand, up to 4.
        limits: Time, memory and size that one file may use.
        ocr: Recognise the text of scanned PDF pages (the extra ``ocr``).
        retry_failed: Load files again that failed before, though they have not changed.
        allow_empty: Remove the documents of a folder that is empty now, however many; more than 20
            otherwise are refused, for a disk may just not be mounted.
        listener: Called with progress events; default: the one given on opening.
    """

    password: Password
    workers: int | None
    limits: LoadLimits | None
    ocr: bool
    retry_failed: bool
    allow_empty: bool
    listener: Listener | None


def ingest(
    base: Opened, paths: Paths, options: IngestOptions, *, dry_run: bool = False
) -> IngestReport:
    """Make the base equal to what is at ``paths``, and give every passage its vector.

    Each document is committed by itself; stopping at any moment loses nothing that was committed.
    See :meth:`ragkit.KnowledgeBase.ingest` for what is raised.
    """
    check_keywords("KnowledgeBase.ingest", options, IngestOptions)
    base.require_open()
    if (workers := options.get("workers")) is not None and workers < 1:
        raise UsageError(f"workers must be 1 or more: {workers!r}")
    # Before anything is made or changed, for it may be refused; it starts nothing yet.
    pool = loader_pool(workers, options.get("limits"), ocr=options.get("ocr", False))
    targets = find_targets(paths)
    listener = options.get("listener") or base.listener
    if dry_run:
        return _plan_only(base.found(), targets, options, listener)
    embedder = base.embedder(listener, make=True)
    store = base.store()
    store.require_writable("ingest")
    bind_chunker(store, embedder)
    report = _Run(store, base.indexes(), embedder, options, listener).over(targets, pool)
    store.set_setting("last_ingest", datetime.now(UTC).isoformat(timespec="seconds"))
    return report


def loader_pool(workers: int | None, limits: LoadLimits | None, *, ocr: bool) -> LoaderPool:
    """Make the processes that load files, which start when they are needed.

    Raises:
        UsageError: text recognition is wanted and not installed, or a loader cannot be handed on.
    """
    if ocr and find_spec("rapidocr") is None:
        raise UsageError("text recognition (ocr) needs: pip install 'ragkit[ocr]'")
    try:
        return LoaderPool(workers=workers, limits=limits, ocr=ocr)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _plan_only(
    store: Store | None, targets: Sequence[Target], options: IngestOptions, listener: Listener
) -> IngestReport:
    """Say what an ingest would do, changing nothing; ``store`` is None where no base exists yet.

    ``failed`` holds only the files that failed before and have not changed since.
    """
    started = time.perf_counter()
    tally = Tally()
    files: list[FoundFile] = []
    for target in targets:
        look = _look(store, target, options, listener)
        tally.begin(look)
        allowed = store is None or options.get("allow_empty", False)
        if store is not None and not allowed and (reason := vanished(store, target)):
            tally.warn(str(target.path), f"an ingest would be refused: {reason}")
        for file in look.plan.change:
            known = look.known.get(file.relative_path)
            was_document = known is not None and known.document_id is not None
            (tally.changed if was_document else tally.added).append(tally.place(file.relative_path))
        tally.added += [tally.place(file.relative_path) for file in look.plan.add]
        tally.moved += [tally.place(move.target.relative_path) for move in look.plan.move]
        for path in look.plan.remove:
            if {**look.absorbed, **look.known}[path].document_id is not None:
                tally.removed.append(tally.place(path))
        files += [*look.plan.add, *look.plan.change]
    return tally.report(store, started, expected_seconds(store, files))


def _look(
    store: Store | None, target: Target, options: IngestOptions, listener: Listener
) -> Survey:
    """Look at a target; also to be loaded again is what failed for want of what is at hand now."""
    listener(Progress("scan", 0, None, "files", str(target.path)))
    look = survey(store, target, retry_failed=options.get("retry_failed", False))
    listener(Progress("scan", look.found, look.found, "files", str(target.path)))
    wants = [MissingExtraError.PREFIX]
    wants += [EncryptedError.PREFIX] if options.get("password") is not None else []
    wants += [NoTextError.SCANNED] if options.get("ocr") else []
    again = [
        file
        for file in look.plan.still_failing
        if (look.known[file.relative_path].failure or "").startswith(tuple(wants))
    ]
    failing = tuple(file for file in look.plan.still_failing if file not in again)
    plan = replace(look.plan, change=(*look.plan.change, *again), still_failing=failing)
    return replace(look, plan=plan)


@dataclass(slots=True)
class _Run:
    """One ingest: what it works with, and what it did so far."""

    store: Store
    indexes: Indexes
    embedder: Embedder
    options: IngestOptions
    listener: Listener
    tally: Tally = field(default_factory=Tally)

    def over(self, targets: Sequence[Target], pool: LoaderPool) -> IngestReport:
        started = time.perf_counter()
        with self.store.writing("ingest"), pool:
            for target in () if self.options.get("allow_empty") else targets:
                if (reason := vanished(self.store, target)) is not None:
                    raise EmptyFolderError(reason)
            for target in targets:
                look = _look(self.store, target, self.options, self.listener)
                self.tally.begin(look)
                root_id = self.tally.root_id = self.store.root(look.folder, kind=look.kind).id
                self._apply_cheap_changes(root_id, look)
                self._load_files(root_id, look, pool)
            self.indexes.sync()
            self._embed()
            self.indexes.sync(final=True)
            return self.tally.report(self.store, started)

    def _apply_cheap_changes(self, root_id: int, look: Survey) -> None:
        """Do what needs no loading: take over, remove, move, and note new time stamps."""
        store, tally = self.store, self.tally
        for path, file in look.absorbed.items():
            if file.document_id is not None:
                state = FileState(file.size, file.mtime_ns, file.sha256)
                store.move_document(file.document_id, root_id, path, state)
        for file in look.outdated:
            store.remove_failures(file.root_id, [file.relative_path])
        known = {**look.absorbed, **look.known}
        removed = {path: known[path].document_id for path in look.plan.remove}
        store.remove_documents([number for number in removed.values() if number is not None])
        store.remove_failures(root_id, [path for path, number in removed.items() if number is None])
        tally.removed += [
            tally.place(path) for path, number in removed.items() if number is not None
        ]
        for move in look.plan.move:
            before = known[move.source]
            if before.document_id is not None:
                path = move.target.relative_path
                store.move_document(
                    before.document_id, root_id, path, _state(move.target, before.sha256)
                )
                tally.moved.append(tally.place(path))
        for touched in look.plan.touched:
            before = known[touched.relative_path]
            if before.document_id is not None:
                store.touch_document(before.document_id, _state(touched, before.sha256))

    def _load_files(self, root_id: int, look: Survey, pool: LoaderPool) -> None:
        files = [*look.plan.add, *look.plan.change]
        if not files:
            return
        changed = {file.relative_path for file in look.plan.change}
        self.listener(Progress("load", 0, len(files), "files"))
        last_sync = 0.0
        loading = _load(pool, files, self.options.get("password"))
        for done, (file, outcome) in enumerate(loading, start=1):
            path = file.relative_path
            had_document = path in changed and look.known[path].document_id is not None
            error = outcome if isinstance(outcome, LoadError) else None
            if isinstance(outcome, Loaded):
                error = self._store_document(root_id, file, outcome, pool.seconds)
            if error is not None:
                self._record_failure(root_id, file, error, had_document)
            else:
                (self.tally.changed if had_document else self.tally.added).append(
                    self.tally.place(path)
                )
            self.listener(Progress("load", done, len(files), "files", path))
            if time.monotonic() - last_sync > _SYNC_SECONDS:
                self.indexes.sync()
                last_sync = time.monotonic()

    def _store_document(
        self, root_id: int, file: FoundFile, loaded: Loaded, seconds: float
    ) -> LoadError | None:
        """Cut a document into passages, in no more time than loading has, and store both."""
        path = file.relative_path
        try:
            chunks = chunk_document(
                loaded.document,
                tokenizer=self.embedder.tokenizer,
                options=chunking_for(self.embedder),
                name=shown(path),
                seconds=seconds,
            )
        except LoadError as error:
            return error
        read = replace(file, size=loaded.size, mtime_ns=loaded.mtime_ns)
        state = _state(read, loaded.sha256)
        self.store.put_document(root_id, path, state, loaded.document, chunks)
        for text in loaded.document.warnings:
            self.tally.warn(path, text)
        return None

    def _record_failure(
        self, root_id: int, file: FoundFile, error: LoadError, had_document: bool
    ) -> None:
        path = file.relative_path
        state = _state(file, None)
        if isinstance(error, UnreadableError):
            if had_document:
                # It may be readable again tomorrow: what it said when last read stays.
                self.tally.fail(path, f"{error}; its last version is kept")
                return
            state = replace(state, mtime_ns=doubted(file.mtime_ns))
        skipped = isinstance(error, UnsupportedFormatError)
        reason = f"{SKIPPED if skipped else ''}{error}"
        self.store.put_failure(root_id, path, state, reason)
        self.tally.fail(path, reason)

    def _embed(self) -> None:
        """Embed every passage that has no vector, committing batch by batch."""
        started = last_sync = time.monotonic()

        def sync() -> None:
            nonlocal last_sync
            if time.monotonic() - last_sync > 10 * _SYNC_SECONDS:
                self.indexes.sync()
                last_sync = time.monotonic()

        def left(_done: int) -> str:
            counts = self.store.counts()
            return (
                f"{counts.chunks - counts.vectors:,} of {counts.chunks:,} passages have no vector yet"
                " and are found by their words only; everything done is kept"
            )

        counts = self.store.counts()
        done = embed_waiting(
            self.embedder,
            self.listener,
            total=counts.chunks - counts.vectors,
            waiting=lambda limit: {
                chunk.chunk_id: chunk.embedded_text for chunk in self.store.pending(limit)
            },
            put=self.store.put_vectors,
            after_each=sync,
            left=left,
        )
        note_embedding_speed(self.store, done, time.monotonic() - started)


def _load(
    pool: LoaderPool, files: Sequence[FoundFile], password: Password
) -> Iterator[tuple[FoundFile, Loaded | LoadError]]:
    under_way: dict[Path, FoundFile] = {}
    fixed = password if isinstance(password, str) else None
    encrypted: list[FoundFile] = []

    def requests() -> Iterator[LoadRequest]:
        for file in files:
            request = LoadRequest(file.path, fixed)
            under_way[request.path] = file
            yield request

    for request, outcome in pool.load_all(requests()):
        file = under_way.pop(request.path)
        if isinstance(outcome, EncryptedError) and callable(password):
            encrypted.append(file)
        else:
            yield file, outcome
    # Asked for at the end, so that nobody has to sit through the run to be there for the prompt.
    for file in encrypted:
        yield file, _ask_and_load(pool, file, password)


def _ask_and_load(pool: LoaderPool, file: FoundFile, password: Password) -> Loaded | LoadError:
    outcome: Loaded | LoadError = EncryptedError("encrypted, and no password was given")
    for _attempt in range(3):
        given = password(shown(file.relative_path)) if callable(password) else None
        if not given:
            break
        [(_, outcome)] = pool.load_all([LoadRequest(file.path, given)])
        if not isinstance(outcome, EncryptedError):
            break
    return outcome


def _state(file: FoundFile, sha256: str | None) -> FileState:
    return FileState(file.size, trusted_mtime_ns(file.mtime_ns), sha256)
