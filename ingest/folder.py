"""Walk a folder and compare it with what is already known: which files to load, move, drop.

Nothing here opens a file except to hash one that may have moved or been touched.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pathspec

IGNORE_FILE = ".ragkitignore"
IGNORED_FOLDERS = frozenset({"__pycache__", "node_modules"})
IGNORED_FILES = frozenset({"Thumbs.db", "desktop.ini"})
IGNORED_PREFIXES = (".", "~$")

_COARSE_CLOCK_NS = 2_000_000_000
_FINE_CLOCK_NS = 50_000_000


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A regular file in a folder. ``relative_path`` uses "/" on every system."""

    relative_path: str
    path: Path
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something in a folder that could not be looked at, and why."""

    relative_path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a folder in path order, and what could not be listed."""

    files: tuple[FoundFile, ...]
    troubles: tuple[Trouble, ...] = ()


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
    changed since they could not be loaded.
    """

    add: tuple[FoundFile, ...] = ()
    change: tuple[FoundFile, ...] = ()
    move: tuple[Move, ...] = ()
    touched: tuple[FoundFile, ...] = ()
    same: tuple[FoundFile, ...] = ()
    still_failing: tuple[FoundFile, ...] = ()
    remove: tuple[str, ...] = ()


def list_folder(folder: Path, *, skip: Sequence[Path] = ()) -> Listing:
    """List the files below ``folder``, in path order.

    Hidden files and folders, editors' lock files, ``__pycache__`` and ``node_modules`` are left
    out, as is what a ``.ragkitignore`` file (the syntax of ``.gitignore``) in any folder
    excludes, and the folders in ``skip``. Symbolic links are followed; a link back to a folder
    it lies in is reported and not followed.

    Raises:
        OSError: ``folder`` itself cannot be listed.
    """
    skipped = {_identity(path) for path in skip if path.exists()}
    files: list[FoundFile] = []
    troubles: list[Trouble] = []
    root_identity = _identity(folder)
    pending: list[tuple[Path, str, frozenset[tuple[int, int]], tuple[_Rules, ...]]] = [
        (folder, "", frozenset({root_identity}), ())
    ]
    while pending:
        directory, prefix, ancestors, rules = pending.pop()
        try:
            entries = list(os.scandir(directory))
        except OSError as error:
            if not prefix:
                raise
            troubles.append(Trouble(_printable(prefix.rstrip("/")), _os_reason(error)))
            continue
        if any(entry.name == IGNORE_FILE for entry in entries):
            rules = (*rules, _Rules(prefix, _read_rules(directory / IGNORE_FILE)))
        for entry in entries:
            name = entry.name
            if name.startswith(IGNORED_PREFIXES) or name in IGNORED_FILES:
                continue
            relative = prefix + name
            try:
                found = entry.stat()
            except OSError as error:
                if not _ignored(relative, rules, is_folder=False):
                    troubles.append(Trouble(_printable(relative), _os_reason(error)))
                continue
            if stat.S_ISDIR(found.st_mode):
                identity = (found.st_dev, found.st_ino)
                if os.name == "nt":
                    identity = _identity(Path(entry.path))
                if (
                    name in IGNORED_FOLDERS
                    or identity in skipped
                    or _ignored(relative, rules, is_folder=True)
                ):
                    continue
                if identity in ancestors:
                    reason = "a symbolic link to a folder it lies in; not followed"
                    troubles.append(Trouble(_printable(relative), reason))
                    continue
                pending.append((Path(entry.path), relative + "/", ancestors | {identity}, rules))
            elif stat.S_ISREG(found.st_mode) and not _ignored(relative, rules, is_folder=False):
                if _printable(relative) != relative:
                    reason = "its name is not valid Unicode; rename it"
                    troubles.append(Trouble(_printable(relative), reason))
                    continue
                files.append(
                    FoundFile(relative, Path(entry.path), found.st_size, found.st_mtime_ns)
                )
    files.sort(key=lambda file: file.relative_path)
    troubles.sort(key=lambda trouble: trouble.relative_path)
    return Listing(tuple(files), tuple(troubles))


def find_file(path: Path) -> FoundFile:
    """Describe one file, named by itself rather than found in a folder.

    Raises:
        OSError: it cannot be looked at.
    """
    found = path.stat()
    return FoundFile(path.name, path, found.st_size, found.st_mtime_ns)


def make_plan(
    found: Iterable[FoundFile],
    known: Mapping[str, KnownFile],
    *,
    hash_file: Callable[[Path], str] | None = None,
    keep_missing: bool = False,
) -> Plan:
    """Compare found files with known ones (by relative path).

    A file whose size and time stamp are as known is taken as unchanged without being opened. A
    new file of the same size as one that is gone is hashed: equal content means it has moved.

    Args:
        found: The files that are there now.
        known: The files that were there before, by relative path.
        hash_file: Gives a file's SHA-256 in hexadecimal; default: :func:`hash_file`.
        keep_missing: Known files that were not found stay (for ingesting single files).
    """
    digest = hash_file or _hash_file
    files = sorted(found, key=lambda file: file.relative_path)
    present = {file.relative_path for file in files}
    gone = [] if keep_missing else [file for path, file in known.items() if path not in present]
    gone_by_size: dict[int, list[KnownFile]] = {}
    for missing in gone:
        if missing.sha256 and not missing.failed:
            gone_by_size.setdefault(missing.size, []).append(missing)

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
                (still_failing if before.failed else same).append(file)
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
    )


def trusted_mtime_ns(mtime_ns: int, *, now_ns: int | None = None) -> int:
    """Return the time stamp to remember for a file that was just read; -1 if it proves nothing.

    A file written in the same tick of the file system's clock in which it was read could change
    again without a new time stamp. Such a file is remembered with -1, which no file has, so the
    next run hashes it once more. A time stamp in whole seconds comes from a coarse clock.
    """
    now = time.time_ns() if now_ns is None else now_ns
    tick = _FINE_CLOCK_NS if mtime_ns % 1_000_000_000 else _COARSE_CLOCK_NS
    return mtime_ns if now - mtime_ns > tick else -1


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


@dataclass(frozen=True, slots=True)
class _Rules:
    prefix: str
    patterns: pathspec.PathSpec[pathspec.Pattern]


def _read_rules(path: Path) -> pathspec.PathSpec[pathspec.Pattern]:
    import pathspec

    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    return pathspec.GitIgnoreSpec.from_lines(lines)


def _ignored(relative: str, rules: Sequence[_Rules], *, is_folder: bool) -> bool:
    ignored = False
    for rule in rules:
        below = relative[len(rule.prefix) :] + ("/" if is_folder else "")
        verdict = rule.patterns.check_file(below).include
        if verdict is not None:
            ignored = verdict
    return ignored


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _printable(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _os_reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
