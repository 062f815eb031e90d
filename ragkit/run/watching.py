"""Follow folders: ingest again whenever something in them has changed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.ignore import IGNORED_NAMES
from ragkit.errors import EmbeddingError, EmptyFolderError, LockedError
from ragkit.events import Notice
from ragkit.run.ingestion import IngestOptions, ingest
from ragkit.run.options import Paths, check_keywords
from ragkit.run.targets import Target, find_targets

if TYPE_CHECKING:
    from threading import Event

    from ragkit.results import IngestReport
    from ragkit.run.opened import Opened

_QUIET_MS = 500  # a change is acted on when nothing else has changed for so long,
_PATIENCE_MS = 5_000  # or after this, when there is no end to it
_LOOK_MS = 1_000
_RETRY_SECONDS = 15.0


def watch(
    base: Opened, paths: Paths, options: IngestOptions, *, stop: Event | None
) -> Iterator[IngestReport]:
    """Ingest now, and again after each change, until ``stop`` is set; yield the reports.

    After the first, a report is yielded only if it tells of a change. A run that fails because
    another process is writing, because a model cannot be reached, or because a disk was unmounted
    meanwhile, is made known and tried again. A function for passwords is asked the first time only.
    """
    check_keywords("KnowledgeBase.watch", options, IngestOptions)
    base.require_open()
    return _watch(base, find_targets(paths), paths, options, stop)


def _watch(
    base: Opened,
    targets: Sequence[Target],
    paths: Paths,
    options: IngestOptions,
    stop: Event | None,
) -> Iterator[IngestReport]:
    import watchfiles

    listener = options.get("listener") or base.listener
    later = options.copy()
    if callable(options.get("password")):
        later["password"] = None
    files = {str(target.path) for target in targets if target.kind == "file"}
    folders = [target.path for target in targets if target.kind == "folder"]
    own = base.directory.resolve()

    def matters(_change: object, name: str) -> bool:
        path = Path(name)
        if path.is_relative_to(own) or IGNORED_NAMES & set(path.parts) or ".git" in path.parts:
            return False
        return name in files or any(path.is_relative_to(folder) for folder in folders)

    # A file that is replaced is another file by its number: only its folder can be watched.
    places = {*folders, *(target.path.parent for target in targets if target.kind == "file")}
    retry_at: float | None = None
    is_first = True

    def attempt() -> IngestReport | None:
        nonlocal retry_at, is_first
        try:
            report = ingest(base, paths, options if is_first else later)
        except (LockedError, EmbeddingError, EmptyFolderError) as error:
            if is_first and isinstance(error, EmptyFolderError):
                raise  # later on, a disk that was unmounted may come back
            listener(Notice(f"{error}. Trying again in {_RETRY_SECONDS:.0f} seconds"))
            retry_at = time.monotonic() + _RETRY_SECONDS
            return None
        retry_at, was_first, is_first = None, is_first, False
        return report if was_first or _tells(report) else None

    report = attempt()
    if report is not None:
        yield report
    is_due = True  # for what changed between the first look and now
    for changed in watchfiles.watch(
        *places,
        watch_filter=matters,
        step=_QUIET_MS,
        debounce=_PATIENCE_MS,
        rust_timeout=_LOOK_MS,
        yield_on_timeout=True,
        stop_event=stop,
        ignore_permission_denied=True,
    ):
        if not changed and not is_due and (retry_at is None or time.monotonic() < retry_at):
            continue
        is_due = False
        report = attempt()
        if report is not None:
            yield report


def _tells(report: IngestReport) -> bool:
    return bool(report.added or report.changed or report.moved or report.removed)
