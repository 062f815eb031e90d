"""The ingest run: plan, load, chunk, commit, and then embed what has no vector yet.

The first half makes every passage searchable by words within seconds; the second may be stopped
at any time and goes on at the next run, for "has no vector" is its queue.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ingest.errors import (
    EncryptedError,
    LoadError,
    MissingExtraError,
    NoTextError,
    UnreadableError,
    UnsupportedFormatError,
)
from ingest.folder import FoundFile, trusted_mtime_ns
from ragkit.events import Listener, Progress
from ragkit.results import FileNote, IngestReport
from ragkit.targets import Survey, Target, survey

if TYPE_CHECKING:
    from ingest.chunker import ChunkerOptions
    from ingest.isolate import Loaded, LoaderPool, LoadLimits, LoadRequest
    from ragkit.embed.protocol import Embedder
    from ragkit.store import Store
    from ragkit.store.records import FileState

Password = str | Callable[[str], str | None] | None

_SYNC_SECONDS = 1.0
_EMBED_BATCH = 256
_SKIPPED = "skipped: "


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """How to ingest.

    Attributes:
        password: Opens encrypted files, or is asked for one by path.
        workers: Processes that load files; default: the processors at hand, up to 4.
        limits: What one file may use; see :class:`ingest.isolate.LoadLimits`.
        ocr: Recognise the text of scanned PDF pages.
    """

    password: Password = None
    workers: int | None = None
    limits: LoadLimits | None = None
    ocr: bool = False


@dataclass(slots=True)
class _Tally:
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    failed: list[FileNote] = field(default_factory=list)
    warnings: list[FileNote] = field(default_factory=list)
    same: int = 0

    def count_unchanged(self, look: Survey) -> None:
        self.warnings += look.notes
        self.same += len(look.plan.same) + len(look.plan.touched)
        for file in look.plan.still_failing:
            self.count_failure(file.relative_path, look.known[file.relative_path].failure or "")

    def count_failure(self, path: str, reason: str) -> None:
        skipped = reason.startswith(_SKIPPED)
        (self.warnings if skipped else self.failed).append(FileNote(path, reason))

    def report(self, store: Store | None, started: float) -> IngestReport:
        counts = store.counts() if store is not None else None
        return IngestReport(
            added=tuple(sorted(self.added)),
            changed=tuple(sorted(self.changed)),
            moved=tuple(sorted(self.moved)),
            removed=tuple(sorted(self.removed)),
            same=self.same,
            failed=tuple(sorted(self.failed, key=lambda note: note.path)),
            warnings=tuple(sorted(self.warnings, key=lambda note: note.path)),
            chunks=counts.chunks if counts else 0,
            vectors=counts.vectors if counts else 0,
            seconds=round(time.perf_counter() - started, 3),
        )


def plan_only(store: Store | None, targets: Sequence[Target], listener: Listener) -> IngestReport:
    """Say what an ingest would do, changing nothing; ``store`` is None where no base exists yet.

    ``failed`` holds only the files that failed before and have not changed since.
    """
    started = time.perf_counter()
    tally = _Tally()
    for target in targets:
        look = _look(store, target, listener)
        tally.count_unchanged(look)
        tally.added += [file.relative_path for file in look.plan.add]
        tally.changed += [file.relative_path for file in look.plan.change]
        tally.moved += [move.target.relative_path for move in look.plan.move]
        tally.removed += look.plan.remove
    return tally.report(store, started)


def ingest(
    store: Store,
    targets: Sequence[Target],
    *,
    embedder: Embedder,
    chunking: ChunkerOptions,
    options: IngestOptions,
    listener: Listener,
) -> IngestReport:
    """Make the base equal to the targets and give every passage its vector.

    Each document is committed by itself; stopping at any moment loses nothing that was committed.

    Raises:
        LockedError: another process is writing.
        EmbeddingError: the model failed; all passages are committed and found by words, and the
            next run embeds those that are left.
    """
    started = time.perf_counter()
    tally = _Tally()
    with store.writing("ingest"):
        for target in targets:
            look = _look(store, target, listener)
            look = _tried_again(look, options)
            tally.count_unchanged(look)
            root_id = store.root(look.folder, kind=look.kind).id
            _apply_cheap_changes(store, root_id, look, tally)
            _load_files(store, root_id, look, embedder, chunking, options, listener, tally)
        store.sync_views()
        embed_pending(store, embedder, listener)
        store.sync_views(final=True)
        return tally.report(store, started)


def embed_pending(store: Store, embedder: Embedder, listener: Listener) -> None:
    """Embed every passage that has no vector, committing batch by batch."""
    counts = store.counts()
    total = counts.chunks - counts.vectors
    if total <= 0:
        return
    done = 0
    listener(Progress("embed", 0, total, "passages"))
    last_sync = time.monotonic()
    while batch := store.pending(_EMBED_BATCH):
        vectors = embedder.embed([chunk.embedded_text for chunk in batch], kind="passage")
        store.put_vectors([chunk.chunk_id for chunk in batch], vectors)
        done = min(total, done + len(batch))
        listener(Progress("embed", done, total, "passages"))
        if time.monotonic() - last_sync > 10 * _SYNC_SECONDS:
            store.sync_views()
            last_sync = time.monotonic()
    if done < total:  # passages with the same text share one vector
        listener(Progress("embed", total, total, "passages"))


def _look(store: Store | None, target: Target, listener: Listener) -> Survey:
    listener(Progress("scan", 0, None, "files", str(target.path)))
    look = survey(store, target)
    listener(Progress("scan", look.found, look.found, "files", str(target.path)))
    return look


def _tried_again(look: Survey, options: IngestOptions) -> Survey:
    """Plan to load again what failed for want of something that may be at hand now."""
    wants = [MissingExtraError.PREFIX]
    wants += [EncryptedError.PREFIX] if options.password is not None else []
    wants += [NoTextError.SCANNED] if options.ocr else []
    again = [
        file
        for file in look.plan.still_failing
        if (look.known[file.relative_path].failure or "").startswith(tuple(wants))
    ]
    failing = tuple(file for file in look.plan.still_failing if file not in again)
    plan = replace(look.plan, change=(*look.plan.change, *again), still_failing=failing)
    return replace(look, plan=plan)


def _apply_cheap_changes(store: Store, root_id: int, look: Survey, tally: _Tally) -> None:
    """Do what needs no loading: take over, remove, move, and note new time stamps."""
    from ragkit.store.records import FileState

    for path, file in look.absorbed.items():
        if file.document_id is not None:
            state = FileState(file.size, file.mtime_ns, file.sha256)
            store.move_document(file.document_id, root_id, path, state)
    known = {**look.absorbed, **look.known}
    removed = [known[path] for path in look.plan.remove]
    store.remove_documents([file.document_id for file in removed if file.document_id is not None])
    store.remove_failures(
        root_id, [file.relative_path for file in removed if file.document_id is None]
    )
    tally.removed += [file.relative_path for file in removed if file.document_id is not None]
    for move in look.plan.move:
        before = known[move.source]
        if before.document_id is not None:
            path = move.target.relative_path
            store.move_document(
                before.document_id, root_id, path, _state(move.target, before.sha256)
            )
            tally.moved.append(path)
    for touched in look.plan.touched:
        before = known[touched.relative_path]
        if before.document_id is not None:
            store.touch_document(before.document_id, _state(touched, before.sha256))


def _load_files(
    store: Store,
    root_id: int,
    look: Survey,
    embedder: Embedder,
    chunking: ChunkerOptions,
    options: IngestOptions,
    listener: Listener,
    tally: _Tally,
) -> None:
    from ingest.chunker import chunk_document
    from ingest.isolate import LoaderPool

    files = [*look.plan.add, *look.plan.change]
    if not files:
        return
    changed = {file.relative_path for file in look.plan.change}
    listener(Progress("load", 0, len(files), "files"))
    last_sync = 0.0
    with LoaderPool(workers=options.workers, limits=options.limits, ocr=options.ocr) as pool:
        for done, (file, outcome) in enumerate(_load(pool, files, options.password), start=1):
            path = file.relative_path
            had_document = path in changed and look.known[path].document_id is not None
            if isinstance(outcome, LoadError):
                _record_failure(store, root_id, file, outcome, had_document, tally)
            else:
                chunks = chunk_document(
                    outcome.document, tokenizer=embedder.tokenizer, options=chunking, name=path
                )
                read = FoundFile(path, file.path, outcome.size, outcome.mtime_ns)
                state = _state(read, outcome.sha256)
                store.put_document(root_id, path, state, outcome.document, chunks)
                (tally.changed if had_document else tally.added).append(path)
                tally.warnings += [FileNote(path, text) for text in outcome.document.warnings]
            listener(Progress("load", done, len(files), "files", path))
            if time.monotonic() - last_sync > _SYNC_SECONDS:
                store.sync_views()
                last_sync = time.monotonic()


def _record_failure(
    store: Store,
    root_id: int,
    file: FoundFile,
    error: LoadError,
    had_document: bool,
    tally: _Tally,
) -> None:
    path = file.relative_path
    if isinstance(error, UnreadableError) and had_document:
        # It may be readable again tomorrow: what it said when last read stays.
        tally.failed.append(FileNote(path, f"{error}; its last version is kept"))
        return
    skipped = isinstance(error, UnsupportedFormatError)
    reason = f"{_SKIPPED if skipped else ''}{error}"
    store.put_failure(root_id, path, _state(file, None), reason)
    tally.count_failure(path, reason)


def _load(
    pool: LoaderPool, files: Sequence[FoundFile], password: Password
) -> Iterator[tuple[FoundFile, Loaded | LoadError]]:
    from ingest.isolate import LoadRequest

    by_path = {file.path: file for file in files}
    fixed = password if isinstance(password, str) else None
    encrypted: list[LoadRequest] = []
    for request, outcome in pool.load_all(LoadRequest(file.path, fixed) for file in files):
        if isinstance(outcome, EncryptedError) and callable(password):
            encrypted.append(request)
        else:
            yield by_path[request.path], outcome
    # Asked for at the end, so that nobody has to sit through the run to be there for the prompt.
    for request in encrypted:
        file = by_path[request.path]
        yield file, _ask_and_load(pool, file, password)


def _ask_and_load(pool: LoaderPool, file: FoundFile, password: Password) -> Loaded | LoadError:
    from ingest.isolate import LoadRequest

    outcome: Loaded | LoadError = EncryptedError("encrypted, and no password was given")
    for _attempt in range(3):
        given = password(file.relative_path) if callable(password) else None
        if not given:
            break
        [(_, outcome)] = pool.load_all([LoadRequest(file.path, given)])
        if not isinstance(outcome, EncryptedError):
            break
    return outcome


def _state(file: FoundFile, sha256: str | None) -> FileState:
    from ragkit.store.records import FileState

    return FileState(file.size, trusted_mtime_ns(file.mtime_ns), sha256)
