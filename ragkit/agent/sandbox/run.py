"""Runs Python code in a confined process, and bounds what comes back from it."""

from __future__ import annotations

import base64
import binascii
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO, Any, Literal, cast

from ragkit.errors import SandboxError, UsageError

from . import seccomp

Isolation = Literal["namespaces", "landlock"]
_START = "import sys; sys.path.insert(0, sys.argv[1]); from sandbox.launcher import main; main()"
_START_SECONDS = 20.0
_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """What confined code may use.

    Attributes:
        seconds: Wall time, from its start.
        cpu_seconds: Processor time; ``None`` for as much as ``seconds``.
        memory: Bytes of address space.
        scratch: Bytes that its files may hold.
        files: How many files it may have.
        output: Characters kept of each of its two outputs; the rest is thrown away.
        threads: Threads and processes together; it can start no process at all.
    """

    seconds: float = 10.0
    cpu_seconds: int | None = None
    memory: int = 512 * _MEGABYTE
    scratch: int = 64 * _MEGABYTE
    files: int = 1_000
    output: int = 100_000
    threads: int = 32

    def __post_init__(self) -> None:
        """Refuse limits that allow nothing."""
        for name in ("seconds", "memory", "scratch", "files", "output", "threads"):
            if getattr(self, name) <= 0:
                raise UsageError(f"{name} must be positive, not {getattr(self, name)!r}")


@dataclass(frozen=True, slots=True)
class Run:
    """What came of running code.

    Attributes:
        output: What it printed, as much as was kept.
        errors: What it printed to standard error, a traceback for instance.
        exit_code: As a process reports it, negative for a signal; ``None`` if it was stopped.
        stopped: Why it was stopped, in words; ``None`` if it ended by itself.
        files: What its scratch folder held at the end, by relative path.
        left_out: Paths in the scratch folder that were not plain files, or too large.
        seconds: Wall time.
        isolation: How it was confined.
    """

    output: str
    errors: str
    exit_code: int | None
    stopped: str | None
    files: Mapping[str, bytes]
    left_out: tuple[str, ...]
    seconds: float
    isolation: Isolation


@dataclass(slots=True)
class _Kept:
    """The first part of a stream, read to its end so that its writer never waits."""

    stream: IO[bytes]
    limit: int
    data: bytearray = field(default_factory=bytearray)
    more: bool = False

    def read(self) -> None:
        while block := self.stream.read(65_536):
            room = self.limit - len(self.data)
            self.data += block[:room]
            self.more = self.more or len(block) > room

    def text(self) -> str:
        text = self.data.decode("utf-8", "replace")
        return f"{text}\n[output cut here]" if self.more else text


def run_confined(
    code: str,
    *,
    files: Mapping[str, bytes] | None = None,
    limits: SandboxLimits | None = None,
    packages: bool = False,
    return_files: bool = False,
    isolation: Isolation | None = None,
) -> Run:
    """Run Python code where it can reach no network, no process, and no file but its own.

    Args:
        code: A whole program.
        files: What its scratch folder, which is its working folder, holds at the start; by
            relative path.
        limits: What it may use.
        packages: Whether it may import what is installed beside ragkit.
        return_files: Whether to bring back what the scratch folder holds at the end.
        isolation: ``"namespaces"`` (its own file system, network and processes, and a filter of
            system calls, and Landlock where there is one) or ``"landlock"`` (Landlock and the
            filter alone, as in a container that allows no namespaces: the code can then see that
            a file is there, its size, owner and times, though not what is in it); default: the
            stronger one that works here.

    Raises:
        SandboxError: this machine cannot confine code.
        UsageError: a path of ``files`` is not a plain relative one, or ``code`` has characters
            that no file can hold.
    """
    try:
        code.encode()
    except UnicodeEncodeError as error:
        line = code.count("\n", 0, error.start) + 1
        raise UsageError(
            f"the code was not run: line {line} has half of a character, {code[error.start]!r}, "
            "which no file can hold; write it as an escape"
        ) from None
    chosen = isolation or isolation_here()
    limits = limits or SandboxLimits()
    for name in files or {}:
        if not is_plain_path(name):
            raise UsageError(f"a file's path must be relative, with no '..' in it, unlike {name!r}")
    problem, run = _start(code, files or {}, limits, packages, return_files, chosen)
    if problem is not None:
        raise SandboxError(f"the sandbox cannot be set up here, so no code was run: {problem}")
    return run


def is_plain_path(name: str) -> bool:
    """Whether ``name`` is a relative path that stays where it starts, with ``/`` between parts."""
    parts = PurePosixPath(name).parts
    plain = str(PurePosixPath(name)) == name and bool(parts)
    return plain and not name.startswith("/") and ".." not in parts and "\0" not in name


@lru_cache(maxsize=1)
def isolation_here() -> Isolation:
    """Return the strongest confinement that works on this machine, tried out once.

    Raises:
        SandboxError: none does.
    """
    problems: list[str] = []
    if platform.system() != "Linux":
        raise SandboxError(f"running code needs the sandbox of Linux; this is {platform.system()}")
    if not sys.executable:
        raise SandboxError("running code needs a Python interpreter, but where it is is not known")
    if (unknown := seccomp.problem()) is not None:
        raise SandboxError(f"running code needs a filter of system calls: {unknown}")
    kinds: tuple[Isolation, ...] = ("namespaces", "landlock")
    for kind in kinds:
        problem, run = _start("print(6 * 7)", {}, SandboxLimits(), False, False, kind)
        if problem is None and run.output == "42\n" and run.exit_code == 0:
            return kind
        problems.append(f"{kind}: {problem or run.errors or run.stopped or 'nothing came back'}")
    raise SandboxError(
        "this machine offers no way to confine code, so none is run: " + "; ".join(problems)
    )


def _start(
    code: str,
    files: Mapping[str, bytes],
    limits: SandboxLimits,
    packages: bool,
    return_files: bool,
    isolation: Isolation,
) -> tuple[str | None, Run]:
    base = tempfile.mkdtemp(prefix="ragkit-python-")
    try:
        orders = {
            "code": code,
            "files": {name: base64.b64encode(data).decode() for name, data in files.items()},
            "packages": _package_folders() if packages else [],
            "base": os.path.realpath(base),
            "isolation": isolation,
            "memory": limits.memory,
            "cpu_seconds": max(1, limits.cpu_seconds or round(limits.seconds + 0.5)),
            "scratch_size": limits.scratch,
            "scratch_files": limits.files,
            "threads": limits.threads,
            "return_files": return_files,
        }
        return _launch(json.dumps(orders).encode(), limits, isolation)
    finally:
        shutil.rmtree(base, ignore_errors=True)


def _launch(orders: bytes, limits: SandboxLimits, isolation: Isolation) -> tuple[str | None, Run]:
    read_end, write_end = os.pipe()
    home = str(Path(__file__).parents[1])
    flags = ["-I", "-S", "-B", "-X", "utf8"]
    began = time.monotonic()
    with os.fdopen(read_end, "rb") as results:
        try:
            process = subprocess.Popen(
                [sys.executable, *flags, "-c", _START, home, str(write_end)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={"HOME": "/scratch", "TMPDIR": "/scratch", "LANG": "C.UTF-8", "TZ": "UTC"}
                | {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP", "MKL")},
                cwd="/",
                pass_fds=(write_end,),
                start_new_session=True,
            )
        finally:
            os.close(write_end)
        output = _Kept(cast("IO[bytes]", process.stdout), limits.output)
        errors = _Kept(cast("IO[bytes]", process.stderr), limits.output)
        result = _Kept(results, 2 * limits.scratch + _MEGABYTE)
        readers = [
            threading.Thread(target=kept.read, daemon=True) for kept in (output, errors, result)
        ]
        for reader in readers:
            reader.start()
        stopped: str | None = None
        try:
            _send(process, orders)
            process.wait(limits.seconds)
        except subprocess.TimeoutExpired:
            stopped = f"it ran longer than {limits.seconds:g} seconds"
        finally:  # also when interrupted: nothing may stay behind
            _kill(process)
            for reader in readers:
                reader.join(_START_SECONDS)
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
    return _result(output, errors, result, stopped, time.monotonic() - began, isolation)


def _send(process: subprocess.Popen[bytes], orders: bytes) -> None:
    stdin = cast("IO[bytes]", process.stdin)
    try:
        stdin.write(orders)
        stdin.close()
    except BrokenPipeError:  # it ended early, and says why
        pass


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the whole group; the confined code cannot leave it."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()


def _result(
    output: _Kept,
    errors: _Kept,
    result: _Kept,
    stopped: str | None,
    seconds: float,
    isolation: Isolation,
) -> tuple[str | None, Run]:
    document = _document(bytes(result.data))
    problem = document.get("problem")
    exit_code = document.get("exit_code")
    if stopped is None and exit_code is None and problem is None:
        problem = errors.text().strip() or "the process ended without a word"
    if "stopped" in document:
        stopped = str(document["stopped"])
    elif exit_code in (-signal.SIGXCPU, -signal.SIGKILL):
        stopped = "it used more processor time than it may"
    elif exit_code == -signal.SIGSYS:
        stopped = "it made a system call that it may not make"
    received: dict[str, bytes] = {}
    left_out = [str(name) for name in document.get("left_out", [])]
    for name, data in document.get("files", {}).items():
        try:
            if not is_plain_path(name):
                raise ValueError(name)
            received[name] = base64.b64decode(data)
        except (ValueError, binascii.Error):
            left_out.append(name)
    run = Run(
        output=output.text(),
        errors=errors.text(),
        exit_code=None if stopped else exit_code,
        stopped=stopped,
        files=received,
        left_out=tuple(left_out),
        seconds=seconds,
        isolation=isolation,
    )
    return (str(problem) if problem else None), run


def _document(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data or b"{}")
    except ValueError:  # cut off, because it was stopped while it wrote
        return {}
    return document if isinstance(document, dict) else {}


def _package_folders() -> list[str]:
    return sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
