"""A code interpreter for models: Python in a process that can reach nothing but a scratch folder."""

from __future__ import annotations

import ast
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ragkit.agent.sandbox.run import Run, SandboxLimits, isolation_here, run_confined
from ragkit.agent.tool import ToolError, tool
from ragkit.errors import UsageError

if TYPE_CHECKING:
    from ragkit.agent.tool import Tool

# Files take whole pages of the memory that they are kept in.
_PAGE = 4096


def python_tool(
    *,
    folder: str | Path | None = None,
    packages: bool = False,
    limits: SandboxLimits | None = None,
) -> Tool:
    """Make the tool ``python``: runs the code a model writes, confined by the kernel.

    The code sees no network, can start no process, and has no file but Python's own, read-only,
    and its scratch folder. Each call starts anew; with ``folder``, its files stay from call to
    call.

    Args:
        folder: A folder of yours whose plain files the code finds in its working folder, as many
            as ``limits`` leave room for; what it makes or changes there is copied back after each
            call, what it removes is removed.
            Default: none, and its files are gone when it ends.
        packages: Whether it may import what is installed beside ragkit, such as numpy.
        limits: Time, memory, files and output; by default 10 seconds and 512 MB.

    Raises:
        SandboxError: this machine cannot confine code (see :func:`isolation_here`).
        UsageError: ``folder`` is not a folder.
    """
    place = Path(folder) if folder is not None else None
    if place is not None and not place.is_dir():
        raise UsageError(f"the folder for code must exist, unlike {str(folder)!r}")
    chosen = limits or SandboxLimits()
    isolation_here()

    @tool(timeout=chosen.seconds + 30.0)
    def python(code: str) -> str:
        """Run a Python program and return what it prints; the value of a last line that is an
        expression is printed too. The standard library is there; network, processes and other
        files are not. Nothing stays from call to call but files in the working folder, if any.

        Args:
            code: The whole program.
        """
        given = _read(place, chosen) if place else _Given()
        try:
            run = run_confined(
                show_last(code),
                files=given.files,
                limits=chosen,
                packages=packages,
                return_files=place is not None,
            )
        except UsageError as error:
            raise ToolError(str(error)) from None
        if place is not None and run.stopped is None:
            _write(place, run, given.files)
        return _told(run, given.left_out)

    return python


def show_last(code: str) -> str:
    """Return ``code`` such that its last statement, if an expression, prints its value.

    As in the interactive interpreter, ``None`` is not printed. Line numbers stay as they were.
    """
    try:
        statements = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return code  # running it tells what is wrong
    last = statements[-1] if statements else None
    if not isinstance(last, ast.Expr) or last.end_lineno is None or last.end_col_offset is None:
        return code
    lines = code.encode().splitlines(keepends=True)
    end = sum(map(len, lines[: last.end_lineno - 1])) + last.end_col_offset
    begin = sum(map(len, lines[: last.lineno - 1])) + last.col_offset
    whole = b"".join(lines)
    shown = b"__import__('sys').displayhook((" + whole[begin:end] + b"))"
    return (whole[:begin] + shown + whole[end:]).decode()


@dataclass(slots=True)
class _Given:
    """What of a folder the code gets, and what not, because it has no room for it."""

    files: dict[str, bytes] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def _told(run: Run, not_given: Sequence[str]) -> str:
    parts = [run.output.rstrip("\n")]
    if run.errors.strip():
        parts.append(f"[standard error]\n{run.errors.rstrip()}")
    if run.left_out:
        parts.append(f"[not kept, no plain files or too large: {', '.join(run.left_out[:10])}]")
    if not_given:
        parts.append(
            f"[the working folder is full: {len(not_given):,} of its files were not given to the "
            f"program, such as {not_given[0]!r}; remove some of the others]"
        )
    text = "\n".join(part for part in parts if part)
    if run.stopped:
        raise ToolError(f"the program was stopped: {run.stopped}\n{text}".strip())
    if run.exit_code:
        raise ToolError(f"the program failed with exit code {run.exit_code}\n{text}".strip())
    return text or "[the program printed nothing]"


def _read(folder: Path, limits: SandboxLimits) -> _Given:
    """Read as many files as the code has room for; a full folder must not end all calls."""
    given = _Given()
    room, places = limits.scratch, limits.files - 1  # the scratch folder itself takes one
    known: set[Path] = set()
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(parent, name)
            if path.is_symlink() or not path.is_file():
                continue
            relative = path.relative_to(folder)
            above = {each for each in relative.parents if each.name} - known
            size = -(-path.stat().st_size // _PAGE) * _PAGE
            if size > room or 1 + len(above) > places:
                given.left_out.append(relative.as_posix())
                continue
            try:
                given.files[relative.as_posix()] = path.read_bytes()
            except OSError:
                given.left_out.append(relative.as_posix())
                continue
            known |= above
            room -= size
            places -= 1 + len(above)
    return given


def _write(folder: Path, run: Run, sent: Collection[str]) -> None:
    root = folder.resolve()
    for name in sent:
        if name not in run.files and name not in run.left_out:
            path = root / name
            path.unlink(missing_ok=True)
            # A file may have come in the place of a folder.
            for above in path.parents:
                if above == root or any(above.iterdir()):
                    break
                above.rmdir()
    for name, data in run.files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.parent.resolve() != path.parent or path.is_symlink():
            raise ToolError(f"{name!r} is behind a link, where nothing is written")
        if not path.is_file() or path.read_bytes() != data:
            path.write_bytes(data)
