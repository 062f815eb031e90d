"""Lets a model look at files below one folder, and at nothing else."""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.decode import decode
from ragkit.agent.tool import ToolError, tool
from ragkit.errors import UsageError

if TYPE_CHECKING:
    from ragkit.agent.tool import Tool

_MAX_LISTED = 500
_MAX_MATCHES = 100
_MAX_LINE = 300
_MAX_SEARCHED = 2_000_000  # bytes of one file
_MAX_VISITED = 20_000  # files in one search


def file_tools(root: str | Path, *, max_bytes: int = 1_000_000, hidden: bool = False) -> list[Tool]:
    """Make the tools ``list_files``, ``read_file`` and ``search_files``, for one folder.

    Paths are relative to ``root``. What lies outside it, also behind a symbolic link, is not
    there for the model; files that are no text are not shown.

    Args:
        root: The folder.
        max_bytes: Size up to which a file is read.
        hidden: Whether names that begin with a dot, such as ``.env`` and ``.git``, are there too.

    Raises:
        UsageError: ``root`` is not a folder.
    """
    base = Path(root)
    if not base.is_dir():
        raise UsageError(f"the root of the files must be a folder, unlike {str(root)!r}")
    folder = base.resolve()

    @tool
    def list_files(path: str = ".", pattern: str = "*", recursive: bool = False) -> dict[str, Any]:
        """List files and folders, folders with a final "/".

        Args:
            path: The folder, relative to the root.
            pattern: What the names look like, such as "*.md".
            recursive: Whether to list what is in folders below, too.
        """
        start = _within(folder, path, hidden)
        if not start.is_dir():
            raise ToolError(f"{path!r} is not a folder")
        found: list[str] = []
        for entry, relative in _walk(folder, start, hidden, recursive=recursive):
            if fnmatch.fnmatch(entry.name, pattern):
                found.append(f"{relative}/" if entry.is_dir() else relative)
            if len(found) > _MAX_LISTED:
                break
        result: dict[str, Any] = {"files": sorted(found[:_MAX_LISTED])}
        if len(found) > _MAX_LISTED:
            result["note"] = f"there are more; these are {_MAX_LISTED} of them"
        return result

    @tool
    def read_file(path: str, first_line: int = 1, lines: int = 500) -> str:
        """Read a text file, or some lines of it.

        Args:
            path: The file, relative to the root.
            first_line: The line to begin with, from 1.
            lines: How many lines to read.
        """
        if first_line < 1 or lines < 1:
            raise ToolError("first_line and lines are 1 or more")
        text = _text(_within(folder, path, hidden), path, max_bytes)
        whole = text.splitlines(keepends=True)
        if not whole:
            return "(the file is empty)"
        if first_line > len(whole):
            raise ToolError(f"{path!r} has {len(whole)} lines")
        chosen = whole[first_line - 1 : first_line - 1 + lines]
        left = len(whole) - (first_line - 1 + len(chosen))
        note = f"\n[{left} more lines; go on with first_line={first_line + len(chosen)}]"
        return "".join(chosen) + (note if left else "")

    @tool
    def search_files(text: str, path: str = ".", pattern: str = "*") -> dict[str, Any]:
        """Find lines that contain a text, whatever its case.

        Args:
            text: What to look for, as it is.
            path: The folder to look in, relative to the root.
            pattern: What the names of the files look like, such as "*.md".
        """
        if not text.strip():
            raise ToolError("there is no text to look for")
        start = _within(folder, path, hidden)
        wanted = re.compile(re.escape(text), re.IGNORECASE)
        matches: list[dict[str, Any]] = []
        visited = 0
        for entry, relative in _walk(folder, start, hidden, recursive=True):
            if entry.is_dir() or not fnmatch.fnmatch(entry.name, pattern):
                continue
            visited += 1
            if visited > _MAX_VISITED or len(matches) > _MAX_MATCHES:
                break
            matches += _matches(entry, relative, wanted)
        result: dict[str, Any] = {"matches": matches[:_MAX_MATCHES]}
        if len(matches) > _MAX_MATCHES or visited > _MAX_VISITED:
            result["note"] = "there may be more; look in fewer files, or for a longer text"
        return result

    return [list_files, read_file, search_files]


def _within(folder: Path, path: str, hidden: bool) -> Path:
    """Return where ``path`` really leads, which must be below ``folder``."""
    if "\0" in path:
        raise ToolError("a path has no null characters")
    shown = path if len(path) <= 200 else f"{path[:199]}…"
    place = _resolved(folder / path, strict=False)
    # Said before whether it exists, so that nothing can be learnt of what is outside.
    if place is not None and not place.is_relative_to(folder):
        raise ToolError(f"{shown!r} is outside the folder that may be read")
    place = _resolved(folder / path)
    if place is None or (not hidden and _is_hidden(place, folder)):
        raise ToolError(f"there is no {shown!r}")
    return place


def _resolved(path: Path, *, strict: bool = True) -> Path | None:
    """Return where a path really leads; ``None`` if nowhere."""
    try:
        return path.resolve(strict=strict)
    except (OSError, RuntimeError, ValueError):  # RuntimeError: a link in circles, before 3.13
        return None


def _is_hidden(place: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in place.relative_to(folder).parts)


def _walk(
    folder: Path, start: Path, hidden: bool, *, recursive: bool
) -> Iterator[tuple[Path, str]]:
    """Yield what is below ``start`` by name; links that lead out of ``folder`` are left out."""
    if start.is_file():
        yield start, start.relative_to(folder).as_posix()
        return
    for parent, folders, names in os.walk(start):  # follows no links to folders
        folders.sort()
        if not hidden:
            folders[:] = [name for name in folders if not name.startswith(".")]
        for name in sorted([*folders, *names]):
            entry = Path(parent, name)
            if not hidden and name.startswith("."):
                continue
            place = _resolved(entry) if entry.is_symlink() else entry
            if place is None or not place.is_relative_to(folder):
                continue
            if not hidden and _is_hidden(place, folder):
                continue
            yield entry, entry.relative_to(folder).as_posix()
        if not recursive:
            return


def _text(place: Path, path: str, max_bytes: int) -> str:
    try:
        # The path is free of links; should one have come in between, it is not followed.
        number = os.open(place, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | _NO_WAIT)
        with os.fdopen(number, "rb") as file:
            facts = os.fstat(number)
            if not stat.S_ISREG(facts.st_mode):
                raise ToolError(f"{path!r} is not a file")
            if facts.st_size > max_bytes:
                raise ToolError(
                    f"{path!r} has {facts.st_size:,} bytes, more than the {max_bytes:,} that are read"
                )
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise ToolError(f"{path!r} cannot be read: {error.strerror}") from None
    text = _decoded(data)
    if text is None:
        raise ToolError(f"{path!r} is not a text file")
    return text


_NO_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # a pipe must not block


def _decoded(data: bytes) -> str | None:
    """Decode a text; ``None`` for what is none."""
    marked = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    return decode(data).text if marked or b"\0" not in data else None


def _matches(entry: Path, relative: str, wanted: re.Pattern[str]) -> list[dict[str, Any]]:
    try:
        text = _text(entry.resolve(), relative, _MAX_SEARCHED)
    except ToolError:
        return []
    return [
        {"path": relative, "line": number, "text": line.strip()[:_MAX_LINE]}
        for number, line in enumerate(text.splitlines(), start=1)
        if wanted.search(line)
    ]
