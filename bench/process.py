"""Run a command and know how long it took and how much memory all its processes held."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SAMPLE_SECONDS = 0.05


class CommandError(Exception):
    """A command failed; the text ends with what it wrote last."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command answered. ``peak_bytes`` is ``None`` where ``/proc`` does not exist."""

    answer: Any
    seconds: float
    peak_bytes: int | None


def run(
    command: Sequence[str | Path], *, environment: Mapping[str, str], timeout: float
) -> Outcome:
    """Run to the end; the last line of standard output is the answer, as JSON.

    Raises:
        CommandError: it exited with an error, answered nothing, or ran out of time.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        begin = time.perf_counter()
        process = subprocess.Popen(
            list(map(str, command)),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=errors,
            env=dict(environment),
        )
        peak = 0
        try:
            while process.poll() is None:
                if time.perf_counter() - begin > timeout:
                    raise CommandError(f"still running after {timeout:,.0f} s")
                peak = max(peak, tree_bytes(process.pid))
                try:
                    process.wait(SAMPLE_SECONDS)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        seconds = time.perf_counter() - begin
        out.seek(0)
        errors.seek(0)
        lines = out.read().decode(errors="replace").strip().splitlines()
        said = errors.read().decode(errors="replace").strip()[-2000:]
    if process.returncode != 0:
        raise CommandError(f"exit code {process.returncode}: {said}")
    try:
        answer = json.loads(lines[-1])
    except (IndexError, ValueError) as error:
        raise CommandError(f"no JSON in the last line of its output: {said}") from error
    return Outcome(answer, seconds, peak or None)


def wall_seconds(command: Sequence[str | Path], *, environment: Mapping[str, str]) -> float:
    """Time a command whose output does not matter.

    Raises:
        CommandError: it exited with an error.
    """
    begin = time.perf_counter()
    done = subprocess.run(
        list(map(str, command)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=dict(environment),
        check=False,
    )
    seconds = time.perf_counter() - begin
    if done.returncode != 0:
        raise CommandError(f"exit code {done.returncode}: {done.stderr.decode(errors='replace')}")
    return seconds


def tree_bytes(pid: int) -> int:
    """Resident memory of a process and its descendants, shared pages counted for each."""
    total = 0
    waiting = [pid]
    while waiting:
        current = waiting.pop()
        folder = Path("/proc") / str(current)
        try:
            total += int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            for children in folder.glob("task/*/children"):
                waiting.extend(map(int, children.read_text().split()))
        except (OSError, IndexError):
            continue  # it has just ended, or there is no /proc here
    return total
