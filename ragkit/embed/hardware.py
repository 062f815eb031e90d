"""What this computer has to offer, found out without importing torch."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from ragkit.errors import UsageError

_DEVICES = ("cpu", "cuda", "mps")


def choose_device(device: str | None = None) -> str:
    """Return ``"cpu"``, ``"cuda"`` or ``"mps"``: as asked, as ``RAGKIT_DEVICE`` says, or detected.

    Detection goes by signs that cost nothing to read, for asking torch itself takes seconds.

    Raises:
        UsageError: no such device.
    """
    wanted = device or os.environ.get("RAGKIT_DEVICE") or "auto"
    if wanted == "auto":
        return _detect_device()
    if wanted.split(":")[0] not in _DEVICES:
        known = ", ".join(repr(name) for name in (*_DEVICES, "auto"))
        raise UsageError(f"unknown device {wanted!r}; known are {known}")
    return wanted


def thread_count() -> int:
    """Return how many threads to compute with: ``RAGKIT_THREADS``, or the usable physical cores.

    Usable are those that this process may run on (affinity, and the quota of its container).

    Raises:
        UsageError: ``RAGKIT_THREADS`` is not a positive number.
    """
    wanted = os.environ.get("RAGKIT_THREADS", "")
    if wanted:
        if not wanted.isdecimal() or int(wanted) == 0:
            raise UsageError(f"RAGKIT_THREADS must be a positive number, not {wanted!r}")
        return int(wanted)
    cores = _physical_cores()
    quota = _container_quota()
    return max(1, cores if quota is None else min(cores, quota))


def _detect_device() -> str:
    if sys.platform == "darwin":
        import platform

        return "mps" if platform.machine() == "arm64" else "cpu"
    driver = Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi")
    if not driver:
        return "cpu"
    from importlib import metadata

    try:  # torch's wheels without CUDA say so in their version
        return "cpu" if metadata.version("torch").endswith("+cpu") else "cuda"
    except metadata.PackageNotFoundError:
        return "cpu"


def _physical_cores() -> int:
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    usable = os.sched_getaffinity(0)
    cores = set()
    for cpu in usable:
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            cores.add(siblings.read_text(encoding="ascii").strip())
        except OSError:  # not shown in some containers: count it as a core of its own
            cores.add(str(cpu))
    return len(cores)


def _container_quota() -> int | None:
    """Return the CPU quota of the cgroup in whole cores, rounded up; None where there is none."""
    try:
        text = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii")
        quota, period = text.split()
        return None if quota == "max" else max(1, -(-int(quota) // int(period)))
    except (OSError, ValueError):
        return None
