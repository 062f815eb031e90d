"""A code interpreter for models: Python in a process that can reach nothing but a scratch folder."""

from __future__ import annotations

import ast
import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from ragkit.agent.sandbox.run import Run, SandboxLimits, isolation_here, run_confined
from ragkit.agent.tool import ToolError, tool
from ragkit.errors import UsageError

if TYPE_CHECKING:
    from ragkit.agent.tool import Tool


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
        folder: A folder of yours whose plain files the code finds in its working folder; what it
            makes or changes there is copied back after each call, what it removes is removed.
            Default: none, and its files are gone when it ends.
        packages: Whether it may import what is installed beside ragkit, such as numpy.
        limits: Time, memory, files and output; by default 10 seconds and 512 MiB.

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
        sent = _read(place, chosen) if place else {}
        run = run_confined(
            show_last(code),
            files=sent,
            limits=chosen,
            packages=packages,
            return_files=place is not None,
        )
        if place is not None and run.stopped is None:
            _write(place, run, sent)
        return _told(run)

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


def _told(run: Run) -> str:
    parts = [run.output.rstrip("\n")]
    if run.errors.strip():
        parts.append(f"[standard error]\n{run.errors.rstrip()}")
    if run.left_out:
        parts.append(f"[not kept, no plain files or too large: {', '.join(run.left_out[:10])}]")
    text = "\n".join(part for part in parts if part)
    if run.stopped:
        raise ToolError(f"the program was stopped: {run.stopped}\n{text}".strip())
    if run.exit_code:
        raise ToolError(f"the program failed with exit code {run.exit_code}\n{text}".strip())
    return text or "[the program printed nothing]"


def _read(folder: Path, limits: SandboxLimits) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    size = 0
    for parent, _, names in os.walk(folder):
        for name in sorted(names):
            path = Path(parent, name)
            if path.is_symlink() or not path.is_file():
                continue
            size += path.stat().st_size
            if size > limits.scratch or len(files) >= limits.files - 1:
                raise ToolError(
                    f"the folder of the code holds more than the {limits.scratch} bytes or "
                    f"{limits.files} files that it may"
                )
            files[path.relative_to(folder).as_posix()] = path.read_bytes()
    return files


def _write(folder: Path, run: Run, sent: Collection[str]) -> None:
    root = folder.resolve()
    for name, data in run.files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.parent.resolve() != path.parent or path.is_symlink():
            raise ToolError(f"{name!r} is behind a link, where nothing is written")
        if not path.is_file() or path.read_bytes() != data:
            path.write_bytes(data)
    for name in sent:
        if name not in run.files and name not in run.left_out:
            (root / name).unlink(missing_ok=True)
