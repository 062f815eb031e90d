"""Steps by which a process leaves behind what it could do: each is one call to the kernel.

Sources: unshare(2), user_namespaces(7), mount(2), pivot_root(2), capabilities(7), prctl(2).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import stat
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

_NEW_MOUNTS, _NEW_CGROUPS, _NEW_HOST_NAME = 0x00020000, 0x02000000, 0x04000000
_NEW_IPC, _NEW_USER, _NEW_PIDS, _NEW_NETWORK = 0x08000000, 0x10000000, 0x20000000, 0x40000000
_NAMESPACES = _NEW_MOUNTS | _NEW_CGROUPS | _NEW_HOST_NAME | _NEW_IPC | _NEW_PIDS | _NEW_NETWORK

_READ_ONLY, _NO_SUID, _NO_DEVICES, _NO_EXECUTION, _REMOUNT = 1, 2, 4, 8, 32
_BIND, _RECURSIVE, _PRIVATE = 4096, 16384, 1 << 18
_DETACH = 2
_AT_RECURSIVE = 0x8000
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_MOUNT_SETATTR = 442
_KEEP_ON_REMOUNT = 1 | 2 | 4 | 8 | 1024 | 2048  # statvfs flags that are mount flags too

_PARENT_DEATH_SIGNAL, _DUMPABLE, _CAPABILITY_BOUND, _NO_NEW_PRIVILEGES = 1, 4, 24, 38
_AMBIENT, _CLEAR_ALL = 47, 4
_CAPABILITY_VERSION = 0x20080522

NOBODY = 65_534

_libc = ctypes.CDLL(None, use_errno=True)


class ConfinementError(Exception):
    """The kernel refused a step of the confinement."""


def check(result: int, doing: str) -> None:
    """Raise if ``result``, what a C call returned, is negative.

    Raises:
        ConfinementError: it is.
    """
    if result < 0:
        raise ConfinementError(f"cannot {doing}: {os.strerror(ctypes.get_errno())}")


def leave_namespaces() -> bool:
    """Enter new namespaces of every kind; processes started from now on live in them.

    Returns:
        Whether this needed a new user namespace too, in which there is but one user.
    """
    if os.geteuid() == 0 and _libc.unshare(_NAMESPACES) == 0:
        return False
    user, group = os.geteuid(), os.getegid()
    check(_libc.unshare(_NAMESPACES | _NEW_USER), "make namespaces")
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{NOBODY} {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{NOBODY} {group} 1", encoding="ascii")
    return True


def forget_host_name() -> None:
    """Take a name that says nothing; only inside a namespace of its own."""
    check(_libc.sethostname(b"sandbox", 7), "change the host name")


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends; end now if that already happened."""
    _libc.prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if parent and os.getppid() != parent:
        os._exit(1)


def enter_new_root(
    base: str,
    readable: Iterable[str],
    files: Mapping[str, bytes],
    *,
    scratch_size: int,
    scratch_files: int,
    owner: int,
) -> None:
    """Make a file system of nothing but what is named here the only one there is.

    Args:
        base: An empty folder to build it on.
        readable: Folders and files of the old one that stay, read only, at their places.
        files: Small read-only files to add, by absolute path.
        scratch_size: Bytes that ``/scratch``, the only place to write, may hold, in memory.
        scratch_files: How many files it may hold.
        owner: User and group of ``/scratch``.
    """
    _mount("none", "/", None, _RECURSIVE | _PRIVATE, None, "make mounts private")
    limits = _NO_SUID | _NO_DEVICES | _NO_EXECUTION
    _mount("tmpfs", base, "tmpfs", _NO_SUID | _NO_DEVICES, "mode=755,size=1m", "mount a root")
    for path in readable:
        place = base + path
        if os.path.islink(path):
            os.makedirs(os.path.dirname(place), exist_ok=True)
            os.symlink(os.readlink(path), place)
            continue
        if os.path.isdir(path):
            os.makedirs(place, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(place), exist_ok=True)
            Path(place).touch()
        _mount(path, place, None, _BIND | _RECURSIVE, None, f"show {path!r}")
        _set_read_only(place, devices=stat.S_ISCHR(os.stat(path).st_mode))
    for path, data in files.items():
        Path(base + path).write_bytes(data)
        os.chmod(base + path, 0o444)
    os.mkdir(base + "/scratch")
    options = f"mode=700,uid={owner},gid={owner},size={scratch_size},nr_inodes={scratch_files}"
    _mount("tmpfs", base + "/scratch", "tmpfs", limits, options, "mount a scratch folder")
    os.chdir(base)
    pivot_root = _PIVOT_ROOT[os.uname().machine]
    check(_libc.syscall(pivot_root, b".", b"."), "change the root folder")
    check(_libc.umount2(b".", _DETACH), "leave the old root folder")
    os.chdir("/")
    flags = _REMOUNT | _READ_ONLY | _NO_SUID | _NO_DEVICES
    _mount("tmpfs", "/", None, flags | _BIND, None, "make the root folder read-only")


def _mount(
    source: str, target: str, kind: str | None, flags: int, options: str | None, doing: str
) -> None:
    done = _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        kind.encode() if kind else None,
        ctypes.c_ulong(flags),
        options.encode() if options else None,
    )
    check(done, doing)


def _set_read_only(place: str, *, devices: bool) -> None:
    class Attributes(ctypes.Structure):
        _fields_ = (
            ("set", ctypes.c_uint64),
            ("clear", ctypes.c_uint64),
            ("propagation", ctypes.c_uint64),
            ("user", ctypes.c_uint64),
        )

    # A device that is mounted read-only can still be written to, and one without devices not opened
    flags = _READ_ONLY | _NO_SUID | (0 if devices else _NO_DEVICES)
    attributes = Attributes(flags, 0, 0, 0)
    encoded = os.fsencode(place)
    done = _libc.syscall(
        _MOUNT_SETATTR, -100, encoded, _AT_RECURSIVE, ctypes.byref(attributes), ctypes.c_size_t(32)
    )
    if done == 0:
        return
    kept = os.statvfs(place).f_flag & _KEEP_ON_REMOUNT
    _mount("none", place, None, _BIND | _REMOUNT | flags | kept, None, f"protect {place!r}")


def become(user: int) -> None:
    """Become a user that owns nothing, for good."""
    os.setgroups([])
    try:
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    except OSError:  # a container that maps only some users
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)


def give_up_privileges() -> None:
    """Drop every capability and the way back to them; keep others from looking into memory."""
    check(_libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0), "give up new privileges")
    for capability in range(64):
        if _libc.prctl(_CAPABILITY_BOUND, capability, 0, 0, 0) < 0:
            break
    _libc.prctl(_AMBIENT, _CLEAR_ALL, 0, 0, 0)

    class Header(ctypes.Structure):
        _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))

    nothing = (ctypes.c_uint32 * 6)()
    header = Header(_CAPABILITY_VERSION, 0)
    check(_libc.capset(ctypes.byref(header), nothing), "drop capabilities")
    check(_libc.prctl(_DUMPABLE, 0, 0, 0, 0), "forbid looking into memory")


def set_limits(*, memory: int, cpu_seconds: int, file_size: int, threads: int) -> None:
    """Set limits that cannot be raised again: bytes of memory and files, seconds, threads."""
    limits = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_FSIZE: file_size,
        resource.RLIMIT_NOFILE: 128,
        resource.RLIMIT_NPROC: threads,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    for which, value in limits.items():
        _, hard = resource.getrlimit(which)
        bounded = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (bounded, bounded))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))


def threads_of_user() -> int:
    """Count the threads of this user's processes, which the kernel's limit counts together."""
    count = 0
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == os.getuid():
                count += len(os.listdir(f"/proc/{name}/task"))
        except OSError:  # it has ended meanwhile, or is none of ours
            continue
    return count


def close_others(*keep: int) -> None:
    """Close every file that is open, but the standard streams and ``keep``."""
    first = 3
    for number in sorted(keep):
        os.closerange(first, number)
        first = number + 1
    os.closerange(first, max(first, min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 65_536)))


def library_folders(packages: Iterable[str]) -> list[str]:
    """Return the folders and files that Python needs to run: its own, the system's libraries.

    Args:
        packages: Further folders, such as one of installed packages.
    """
    wanted = [path for path in sys.path if path and os.path.exists(path)]
    wanted += [os.path.join(sys.base_prefix, "lib"), "/lib", "/lib64", "/usr/lib", "/usr/lib64"]
    wanted += ["/usr/share/zoneinfo", *packages, *_mapped_folders()]
    found: list[str] = []
    for path in sorted({os.path.normpath(path) for path in wanted}):
        inside = any(path.startswith(f"{folder}/") for folder in found)
        if os.path.exists(path) and not inside:
            found.append(path)
    resolved = {os.path.realpath(path) for path in found}
    for path in sorted(resolved):
        if not any(path == folder or path.startswith(f"{folder}/") for folder in found):
            found.append(path)
    return found


def _mapped_folders() -> set[str]:
    """Return the folders of the libraries this process has loaded, wherever a system keeps them."""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        paths = {line.split(maxsplit=5)[5].strip() for line in maps if "/" in line}
    folders = {os.path.dirname(path) for path in paths if ".so" in os.path.basename(path)}
    return {folder for folder in folders if folder.count("/") > 1}  # never a whole top folder


def devices() -> list[str]:
    """Return the harmless devices that programs expect."""
    return [path for path in ("/dev/null", "/dev/zero", "/dev/urandom") if os.path.exists(path)]


def stay_quiet() -> None:
    """Undo what a Python process does with signals, so that limits act as the kernel means them."""
    for number in (signal.SIGINT, signal.SIGXFSZ, signal.SIGPIPE):
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL if number == signal.SIGINT else signal.SIG_IGN)
