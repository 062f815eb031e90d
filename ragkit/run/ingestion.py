"""The ingest run: plan, load, chunk, commit, and then embed what has no vector yet.

The first half makes every passage searchable by words within seconds; the second may be stopped
at any time and goes on at the next run, for "has no vector" is its queue.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ingest.errors import (
    EncryptedError,
    LoadError,
    MissingExtraError,
    NoTextError,
    UnreadableError,
    UnsupportedFormatError,
)
from ingest.folder import FoundFile, doubted, trusted_mtime_ns
from ragkit.errors import EmbeddingError, EmptyFolderError, UsageError
from ragkit.events import Listener, Progress
from ragkit.run.estimate import expected_seconds, note_embedding_speed
from ragkit.run.tally import SKIPPED, Tally
from ragkit.run.targets import Survey, Target, survey, vanished
from ragkit.store.paths import shown

if TYPE_CHECKING:
    from pathlib import Path

    from ingest.chunker import ChunkerOptions
    from ingest.isolate import Loaded, LoaderPool, LoadLimits, LoadRequest
    from ragkit.embed.embedder import Embedder
    from ragkit.index.indexes import Indexes
    from ragkit.results import IngestReport
    from ragkit.store import Store
    from ragkit.store.records import FileState

Password = str | Callable[[str], str | None] | None

_SYNC_SECONDS = 1.0
_EMBED_BATCH = 128  # as many as go into one request to a server: what is paid for is kept


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """How to ingest.

    Attributes:
        password: Opens encrypted files, or is asked for one by path.
        workers: Processes that load files; default: the processors at hand, up to 4.
        limits: What one file may use; see :class:`ingest.isolate.LoadLimits`.
        ocr: Recognise the text of scanned PDF pages.
        retry_failed: Load files again that failed before, though they have not changed.
        allow_empty: Remove all documents of a folder that is empty now, however many they are.
    """

    password: Password = None
    workers: int | None = None
    limits: LoadLimits | None = None
    ocr: bool = False
    retry_failed: bool = False
    allow_empty: bool = False

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise UsageError(f"workers must be 1 or more: {self.workers!r}")
        if self.ocr and find_spec("rapidocr") is None:
            raise UsageError("text recognition (ocr) needs: pip install 'ragkit[ocr]'")


def plan_only(
    store: Store | None,
    targets: Sequence[Target],
    listener: Listener,
    *,
    options: IngestOptions,
) -> IngestReport:
    """Say what an ingest would do, changing nothing; ``store`` is None where no base exists yet.

    ``failed`` holds only the files that failed before and have not changed since.
    """
    started = time.perf_counter()
    tally = Tally()
    files: list[FoundFile] = []
    for target in targets:
        look = _look(store, target, listener, options)
        tally.begin(look)
        if store is not None and not options.allow_empty and (reason := vanished(store, target)):
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


def ingest(
    indexes: Indexes,
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
        EmptyFolderError: a folder is empty that many documents came from; nothing is done.
        EmbeddingError: the model failed; all passages are committed and found by words, and the
            next run embeds those that are left.
    """
    started = time.perf_counter()
    tally = Tally()
    store = indexes.store
    with store.writing("ingest"):
        if not options.allow_empty:
            for target in targets:
                if (reason := vanished(store, target)) is not None:
                    raise EmptyFolderError(reason)
        for target in targets:
            look = _look(store, target, listener, options)
            tally.begin(look)
            root_id = tally.root_id = store.root(look.folder, kind=look.kind).id
            _apply_cheap_changes(store, root_id, look, tally)
            _load_files(indexes, root_id, look, embedder, chunking, options, listener, tally)
        indexes.sync()
        embed_pending(indexes, embedder, listener)
        indexes.sync(final=True)
        return tally.report(store, started)


def embed_pending(indexes: Indexes, embedder: Embedder, listener: Listener) -> None:
    """Embed every passage that has no vector, committing batch by batch.

    Raises:
        EmbeddingError: the model failed; the message says how many passages are left.
    """
    store = indexes.store
    counts = store.counts()
    total = counts.chunks - counts.vectors
    if total <= 0:
        return
    done = 0
    listener(Progress("embed", 0, total, "passages"))
    started = last_sync = time.monotonic()
    try:
        while batch := store.pending(_EMBED_BATCH):
            vectors = embedder.embed([chunk.embedded_text for chunk in batch], kind="passage")
            store.put_vectors([chunk.chunk_id for chunk in batch], vectors)
            done = min(total, done + len(batch))
            listener(Progress("embed", done, total, "passages"))
            if time.monotonic() - last_sync > 10 * _SYNC_SECONDS:
                indexes.sync()
                last_sync = time.monotonic()
    except EmbeddingError as error:
        counts = store.counts()
        left = counts.chunks - counts.vectors
        raise EmbeddingError(
            f"{error}; {left:,} of {counts.chunks:,} passages have no vector yet and are found by "
            "their words only; everything done is kept, run the same command again to go on"
        ) from error
    note_embedding_speed(store, done, time.monotonic() - started)
    if done < total:  # passages with the same text share one vector
        listener(Progress("embed", total, total, "passages"))


def _look(
    store: Store | None, target: Target, listener: Listener, options: IngestOptions
) -> Survey:
    listener(Progress("scan", 0, None, "files", str(target.path)))
    look = survey(store, target, retry_failed=options.retry_failed)
    listener(Progress("scan", look.found, look.found, "files", str(target.path)))
    return _tried_again(look, options)


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


def _apply_cheap_changes(store: Store, root_id: int, look: Survey, tally: Tally) -> None:
    """Do what needs no loading: take over, remove, move, and note new time stamps."""
    from ragkit.store.records import FileState

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
    tally.removed += [tally.place(path) for path, number in removed.items() if number is not None]
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


def _load_files(
    indexes: Indexes,
    root_id: int,
    look: Survey,
    embedder: Embedder,
    chunking: ChunkerOptions,
    options: IngestOptions,
    listener: Listener,
    tally: Tally,
) -> None:
    from ingest.chunker import chunk_document
    from ingest.isolate import LoaderPool

    files = [*look.plan.add, *look.plan.change]
    if not files:
        return
    store = indexes.store
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
                    outcome.document,
                    tokenizer=embedder.tokenizer,
                    options=chunking,
                    name=shown(path),
                )
                read = replace(file, size=outcome.size, mtime_ns=outcome.mtime_ns)
                state = _state(read, outcome.sha256)
                store.put_document(root_id, path, state, outcome.document, chunks)
                (tally.changed if had_document else tally.added).append(tally.place(path))
                for text in outcome.document.warnings:
                    tally.warn(path, text)
            listener(Progress("load", done, len(files), "files", path))
            if time.monotonic() - last_sync > _SYNC_SECONDS:
                indexes.sync()
                last_sync = time.monotonic()


def _record_failure(
    store: Store,
    root_id: int,
    file: FoundFile,
    error: LoadError,
    had_document: bool,
    tally: Tally,
) -> None:
    path = file.relative_path
    state = _state(file, None)
    if isinstance(error, UnreadableError):
        if had_document:
            # It may be readable again tomorrow: what it said when last read stays.
            tally.fail(path, f"{error}; its last version is kept")
            return
        state = replace(state, mtime_ns=doubted(file.mtime_ns))
    skipped = isinstance(error, UnsupportedFormatError)
    reason = f"{SKIPPED if skipped else ''}{error}"
    store.put_failure(root_id, path, state, reason)
    tally.fail(path, reason)


def _load(
    pool: LoaderPool, files: Sequence[FoundFile], password: Password
) -> Iterator[tuple[FoundFile, Loaded | LoadError]]:
    from ingest.isolate import LoadRequest

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
    from ingest.isolate import LoadRequest

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
    from ragkit.store.records import FileState

    return FileState(file.size, trusted_mtime_ns(file.mtime_ns), sha256)
