"""Landlock: a process gives up access to files for good. Source: linux/landlock.h, landlock(7)."""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1

_WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = 1 << 1, 1 << 2, 1 << 3, 1 << 14
_OF_FILES = (1 << 0) | _WRITE_FILE | _READ_FILE | _TRUNCATE | (1 << 15)
_MAKE_DEVICES_AND_SOCKETS = (1 << 6) | (1 << 9) | (1 << 11)
# How many rights each version of the interface knows.
_RIGHTS_OF_VERSION = {1: 13, 2: 14, 3: 15, 4: 15}
_NEWEST_RIGHTS = 16
_TCP = 0b11
_SCOPES = 0b11  # abstract sockets and signals


def version() -> int:
    """Return the version of the interface, 0 where the kernel has none."""
    library = ctypes.CDLL(None, use_errno=True)
    found = library.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(_VERSION_FLAG))
    return max(0, int(found))


def restrict(
    readable: Sequence[str], writable: Sequence[str], check: Callable[[int, str], None]
) -> None:
    """Leave this thread, and all it starts, nothing but these files and folders; no execution.

    Args:
        readable: Files and folders that may be read.
        writable: Folders in which files may also be made, changed and removed.
        check: Raises if the number it is given, a C call's result, is negative.
    """
    known = version()
    rights = (1 << _RIGHTS_OF_VERSION.get(known, _NEWEST_RIGHTS)) - 1
    library = ctypes.CDLL(None, use_errno=True)

    class Ruleset(ctypes.Structure):
        _fields_ = (
            ("files", ctypes.c_uint64),
            ("network", ctypes.c_uint64),
            ("scopes", ctypes.c_uint64),
        )

    class PathBeneath(ctypes.Structure):
        _pack_ = 1
        _layout_ = "ms"
        _fields_ = (("rights", ctypes.c_uint64), ("parent", ctypes.c_int32))

    attributes = Ruleset(rights, _TCP if known >= 4 else 0, _SCOPES if known >= 6 else 0)
    size = 24 if known >= 6 else 16 if known >= 4 else 8
    ruleset = library.syscall(_CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), 0)
    check(ruleset, "make a Landlock ruleset")
    try:
        for paths, wanted in (
            (readable, _READ_FILE | _READ_DIR),
            (writable, rights & ~_MAKE_DEVICES_AND_SOCKETS & ~1),
        ):
            for path in paths:
                parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
                try:
                    folder = stat.S_ISDIR(os.fstat(parent).st_mode)
                    rule = PathBeneath(wanted & rights & (-1 if folder else _OF_FILES), parent)
                    done = library.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
                    check(done, f"allow {Path(path).name!r} by Landlock")
                finally:
                    os.close(parent)
        check(library.syscall(_RESTRICT_SELF, ruleset, 0), "restrict files by Landlock")
    finally:
        os.close(ruleset)
