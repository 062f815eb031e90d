"""Follow folders: ingest again whenever something in them has changed."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.ignore import IGNORED_NAMES
from ragkit.errors import EmbeddingError, EmptyFolderError, LockedError, UsageError
from ragkit.events import Notice
from ragkit.run.ingestion import IngestOptions, ingest
from ragkit.run.options import Paths, check_keywords
from ragkit.run.targets import Target, find_targets

if TYPE_CHECKING:
    from ragkit.results import IngestReport
    from ragkit.run.opened import Opened

_QUIET_MS = 500  # a change is acted on when nothing else has changed for so long,
_PATIENCE_MS = 5_000  # or after this, when there is no end to it
_LOOK_MS = 1_000
_RETRY_SECONDS = 15.0


def watch(
    base: Opened, paths: Paths, options: IngestOptions, *, stop: threading.Event | None
) -> Iterator[IngestReport]:
    """Ingest now, and again after each change, until ``stop`` is set; yield the reports.

    After the first, a report is yielded only if it tells of a change. A run that fails because
    another process is writing, because a model cannot be reached, or because a folder is away, is
    made known and tried again. A function for passwords is asked the first time only.
    """
    check_keywords("KnowledgeBase.watch", options, IngestOptions)
    base.require_open()
    return _watch(base, find_targets(paths), paths, options, stop)


def _watch(
    base: Opened,
    targets: Sequence[Target],
    paths: Paths,
    options: IngestOptions,
    stop: threading.Event | None,
) -> Iterator[IngestReport]:
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
        except UsageError:
            away = [str(target.path) for target in targets if not target.path.exists()]
            if is_first or not away:
                raise
            names = " and ".join(map(repr, away))
            kept = "what the knowledge base holds of it is kept until it is back"
            listener(Notice(f"{names} is away; {kept}"))
            retry_at = None
            return None
        retry_at, was_first, is_first = None, is_first, False
        return report if was_first or _tells(report) else None

    report = attempt()
    if report is not None:
        yield report
    for changed in _changes(places, matters, stop):
        if not changed and (retry_at is None or time.monotonic() < retry_at):
            continue
        report = attempt()
        if report is not None:
            yield report


def _changes(
    places: Collection[Path], matters: Callable[[object, str], bool], stop: threading.Event | None
) -> Iterator[bool]:
    """Yield about every second whether something has changed, until ``stop`` is set.

    A place that goes away is watched no more by the system; when it is back, that is a change, and
    it is watched anew.
    """
    import watchfiles

    stop = stop or threading.Event()
    watched = _there(places)
    if not watched:  # they went away since the first look
        yield True
    while not stop.is_set():
        is_new = True  # what has changed until it is watched is told with the first look
        if watched:
            # One that went away just now makes it end at once.
            with contextlib.suppress(FileNotFoundError):
                for changed in watchfiles.watch(
                    *watched,
                    watch_filter=matters,
                    step=_QUIET_MS,
                    debounce=_PATIENCE_MS,
                    rust_timeout=_LOOK_MS,
                    yield_on_timeout=True,
                    stop_event=stop,
                    ignore_permission_denied=True,
                ):
                    yield bool(changed) or is_new
                    is_new = False
                    if _there(places) != watched:
                        break
        stop.wait(0.1 if watched else _LOOK_MS / 1000)
        now = _there(places)
        yield now != watched
        watched = now


def _there(places: Collection[Path]) -> dict[Path, int]:
    """The places that exist, each with the number of its folder, which a new one has not."""
    found = {}
    for place in places:
        with contextlib.suppress(OSError):
            found[place] = place.stat().st_ino
    return found


def _tells(report: IngestReport) -> bool:
    return bool(report.added or report.changed or report.moved or report.removed)
