"""Walk a folder and compare it with what is already known: which files to load, move, drop.

Nothing here opens a file except to hash one that may have moved or been touched.
"""

from __future__ import annotations

import hashlib
import heapq
import os
import stat
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ingest.ignore import IGNORE_FILE, Rules, is_ignored, read_rules

_COARSE_CLOCK_NS = 2_000_000_000
_FINE_CLOCK_NS = 50_000_000


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A regular file in a folder. ``relative_path`` uses "/" on every system."""

    relative_path: str
    folder: Path
    size: int
    mtime_ns: int

    @property
    def path(self) -> Path:
        """Where it is; made anew each time, for of many files it would fill the memory."""
        return self.folder / self.relative_path


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something in a folder that could not be looked at, and why."""

    relative_path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a folder in path order, and what could not be listed.

    ``unseen`` holds the files, and the folders with a final "/", that are there but could not be
    looked at, for want of rights or because of a failing disk.
    """

    files: tuple[FoundFile, ...]
    troubles: tuple[Trouble, ...] = ()
    unseen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file as it was when last looked at. ``failed`` means it could not be loaded then."""

    relative_path: str
    size: int
    mtime_ns: int
    sha256: str | None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """A known file that now stands at another path, its content unchanged."""

    source: str
    target: FoundFile


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do so that the known files equal the found ones; each file is in one list only.

    ``touched`` files have a new time stamp but the same content. ``still_failing`` have not
    changed since they could not be loaded. ``unseen`` are known and may or may not have changed.
    """

    add: tuple[FoundFile, ...] = ()
    change: tuple[FoundFile, ...] = ()
    move: tuple[Move, ...] = ()
    touched: tuple[FoundFile, ...] = ()
    same: tuple[FoundFile, ...] = ()
    still_failing: tuple[FoundFile, ...] = ()
    remove: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()


def list_folder(folder: Path, *, skip: Sequence[Path] = ()) -> Listing:
    """List the files below ``folder``, in path order.

    Hidden files and folders, editors' lock files, ``__pycache__`` and ``node_modules`` are left
    out, as is what a ``.ragkitignore`` file (the syntax of ``.gitignore``) in any folder
    excludes, and the folders in ``skip``. Names may hold bytes that are no Unicode; they are lone
    surrogates here, as everywhere in Python. Symbolic links are followed, but no folder is listed
    twice: a link to one that is listed already, or to one around it, is reported instead.

    Raises:
        OSError: ``folder`` itself cannot be listed.
    """
    walk = _Walk(folder, skipped={_identity(path) for path in skip if path.exists()})
    walk.visit(_Folder("", folder, _identity(folder), ()))
    while walk.folders or walk.links:
        # What stands somewhere in its own right comes before links to it.
        walk.visit(walk.folders.pop() if walk.folders else heapq.heappop(walk.links))
    walk.files.sort(key=lambda file: file.relative_path)
    walk.troubles.sort(key=lambda trouble: trouble.relative_path)
    return Listing(tuple(walk.files), tuple(walk.troubles), tuple(walk.unseen))


@dataclass(frozen=True, slots=True, order=True)
class _Folder:
    prefix: str
    path: Path
    identity: tuple[int, int]
    rules: tuple[Rules, ...] = field(compare=False)


@dataclass(slots=True)
class _Walk:
    root: Path
    skipped: set[tuple[int, int]]
    seen: set[tuple[int, int]] = field(default_factory=set)
    folders: list[_Folder] = field(default_factory=list)
    links: list[_Folder] = field(default_factory=list)
    files: list[FoundFile] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)

    def visit(self, folder: _Folder) -> None:
        if folder.identity in self.seen:
            reason = "a link to a folder that is listed already, or that it lies in; not followed"
            self.troubles.append(Trouble(folder.prefix.rstrip("/"), reason))
            return
        self.seen.add(folder.identity)
        rules = folder.rules
        try:
            with os.scandir(folder.path) as entries:
                found = list(entries)
            if any(entry.name == IGNORE_FILE for entry in found):
                rules = (*rules, read_rules(folder.path / IGNORE_FILE, folder.prefix))
        except OSError as error:
            if not folder.prefix:
                raise
            self.unseen.append(folder.prefix)
            reason = f"cannot be listed: {_os_reason(error)}"
            self.troubles.append(Trouble(folder.prefix.rstrip("/"), reason))
            return
        for entry in found:
            self._take(entry, folder.prefix + entry.name, rules)

    def _take(self, entry: os.DirEntry[str], relative: str, rules: tuple[Rules, ...]) -> None:
        if not rules and is_ignored(relative, (), is_folder=False):
            return
        try:
            status = entry.stat()
        except OSError as error:
            if is_ignored(relative, rules, is_folder=False):
                return
            if not isinstance(error, FileNotFoundError):
                self.unseen.append(relative)
            self.troubles.append(Trouble(relative, _os_reason(error)))
            return
        is_folder = stat.S_ISDIR(status.st_mode)
        if is_ignored(relative, rules, is_folder=is_folder):
            return
        if not is_folder and not stat.S_ISREG(status.st_mode):
            reason = "a pipe, a socket or a device, not a regular file; left out"
            self.troubles.append(Trouble(relative, reason))
            return
        if not is_folder:
            self.files.append(FoundFile(relative, self.root, status.st_size, status.st_mtime_ns))
            return
        path = Path(entry.path)
        # Windows fills in the numbers only when it is asked for the file itself.
        identity = _identity(path) if os.name == "nt" else (status.st_dev, status.st_ino)
        if identity in self.skipped:
            return
        below = _Folder(relative + "/", path, identity, rules)
        if entry.is_symlink():
            heapq.heappush(self.links, below)
        else:
            self.folders.append(below)


def find_file(path: Path) -> FoundFile:
    """Describe one file, named by itself rather than found in a folder, relative to its parent.

    Raises:
        OSError: it cannot be looked at.
    """
    found = path.stat()
    return FoundFile(path.name, path.parent, found.st_size, found.st_mtime_ns)


def make_plan(
    found: Iterable[FoundFile],
    known: Mapping[str, KnownFile],
    *,
    hash_file: Callable[[Path], str] | None = None,
    keep_missing: bool = False,
    unseen: Sequence[str] = (),
    retry_failed: bool = False,
) -> Plan:
    """Compare found files with known ones (by relative path).

    A file whose size and time stamp are as known is taken as unchanged without being opened. A
    new file of the same size as one that is gone is hashed: equal content means it has moved.

    Args:
        found: The files that are there now.
        known: The files that were there before, by relative path.
        hash_file: Gives a file's SHA-256 in hexadecimal; default: :func:`hash_file`.
        keep_missing: Known files that were not found stay (for ingesting single files).
        unseen: Files, and folders with a final "/", that could not be looked at: what is known
            of them stays.
        retry_failed: Load files that failed before again, though they have not changed.
    """
    digest = hash_file or _hash_file
    files = sorted(found, key=lambda file: file.relative_path)
    present = {file.relative_path for file in files}
    missing = [] if keep_missing else [path for path in known if path not in present]
    hidden = {path for path in missing if _is_below(path, unseen)}
    gone = [known[path] for path in missing if path not in hidden]
    gone_by_size: dict[int, list[KnownFile]] = {}
    for lost in gone:
        if lost.sha256 and not lost.failed:
            gone_by_size.setdefault(lost.size, []).append(lost)

    add: list[FoundFile] = []
    change: list[FoundFile] = []
    moves: list[Move] = []
    touched: list[FoundFile] = []
    same: list[FoundFile] = []
    still_failing: list[FoundFile] = []
    moved_from: set[str] = set()
    for file in files:
        before = known.get(file.relative_path)
        if before is not None:
            if (file.size, file.mtime_ns) == (before.size, before.mtime_ns):
                if before.failed:
                    (change if retry_failed else still_failing).append(file)
                else:
                    same.append(file)
            elif before.failed or not _same_content(file, before.size, before.sha256, digest):
                change.append(file)
            else:
                touched.append(file)
            continue
        source = _moved_from(file, gone_by_size.get(file.size, ()), moved_from, digest)
        if source is None:
            add.append(file)
        else:
            moved_from.add(source)
            moves.append(Move(source, file))
    return Plan(
        add=tuple(add),
        change=tuple(change),
        move=tuple(moves),
        touched=tuple(touched),
        same=tuple(same),
        still_failing=tuple(still_failing),
        remove=tuple(
            sorted(file.relative_path for file in gone if file.relative_path not in moved_from)
        ),
        unseen=tuple(sorted(hidden)),
    )


def _is_below(path: str, places: Sequence[str]) -> bool:
    return any(path == place or (place[-1:] == "/" and path.startswith(place)) for place in places)


def trusted_mtime_ns(mtime_ns: int, *, now_ns: int | None = None) -> int:
    """Return the time stamp to remember for a file that was just read, if it proves anything.

    A file written in the same tick of the file system's clock in which it was read could change
    again without a new time stamp. Such a file is remembered as :func:`doubted`, so the next run
    hashes it once more. A time stamp in whole seconds comes from a coarse clock.
    """
    now = time.time_ns() if now_ns is None else now_ns
    tick = _FINE_CLOCK_NS if mtime_ns % 1_000_000_000 else _COARSE_CLOCK_NS
    return mtime_ns if now - mtime_ns > tick else doubted(mtime_ns)


def doubted(mtime_ns: int) -> int:
    """Return a time stamp that is not the file's, but near enough to tell its date."""
    return mtime_ns - 1


def _hash_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _same_content(
    file: FoundFile, size: int, sha256: str | None, digest: Callable[[Path], str]
) -> bool:
    if file.size != size or sha256 is None:
        return False
    try:
        return digest(file.path) == sha256
    except OSError:
        return False  # loading it will say why


def _moved_from(
    file: FoundFile,
    candidates: Sequence[KnownFile],
    taken: set[str],
    digest: Callable[[Path], str],
) -> str | None:
    free = [known for known in candidates if known.relative_path not in taken]
    if not free:
        return None
    try:
        sha256 = digest(file.path)
    except OSError:
        return None
    return next((known.relative_path for known in free if known.sha256 == sha256), None)


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _os_reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
